//! Which function of an ELF file an address lies in: for messages.

use crate::elf::read;
use crate::fs::InodeRef;

/// A function, and how far behind its start the address lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub function: String,
    pub offset: u64,
}

/// `sizeof` of Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr and Elf64_Sym (elf(5)).
const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;
const PT_LOAD: u32 = 1;
/// Section types: the symbols, and those for dynamic linking, which are left where a file is stripped.
const SHT_SYMTAB: u32 = 2;
const SHT_DYNSYM: u32 = 11;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
/// A larger table is not looked at.
const LIMIT: u64 = 64 << 20;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The function whose code stands at this offset of a file; `None` if there is no such symbol, or no such file.
pub fn at_offset(file: &InodeRef, offset: u64) -> Option<Place> {
    let header = read(file, 0, FILE_HEADER)?;
    let address = address_of(file, &header, offset)?;
    let sections = read(file, u64_at(&header, 0x28)?, usize::from(u16_at(&header, 0x3c)?) * SECTION_HEADER)?;
    let section = |number: usize| sections.chunks_exact(SECTION_HEADER).nth(number);
    [SHT_SYMTAB, SHT_DYNSYM].into_iter().find_map(|wanted| {
        let table = sections.chunks_exact(SECTION_HEADER).find(|header| u32_at(header, 4) == Some(wanted))?;
        let strings = section(u32_at(table, 0x28)? as usize)?;
        function_at(&content(file, table)?, &content(file, strings)?, address)
    })
}

/// The address in the file's own terms.
fn address_of(file: &InodeRef, header: &[u8], offset: u64) -> Option<u64> {
    let segments = read(file, u64_at(header, 0x20)?, usize::from(u16_at(header, 0x38)?) * PROGRAM_HEADER)?;
    segments.chunks_exact(PROGRAM_HEADER).filter(|segment| u32_at(segment, 0) == Some(PT_LOAD)).find_map(|segment| {
        let (start, address, len) = (u64_at(segment, 0x08)?, u64_at(segment, 0x10)?, u64_at(segment, 0x20)?);
        let within = offset.checked_sub(start).filter(|&within| within < len)?;
        address.checked_add(within)
    })
}

fn content(file: &InodeRef, section: &[u8]) -> Option<Vec<u8>> {
    let (offset, len) = (u64_at(section, 0x18)?, u64_at(section, 0x20)?);
    if len > LIMIT { None } else { read(file, offset, len as usize) }
}

fn function_at(symbols: &[u8], strings: &[u8], address: u64) -> Option<Place> {
    symbols.chunks_exact(SYMBOL).find_map(|symbol| {
        let (name, kind) = (u32_at(symbol, 0)?, symbol[4] & 0xf);
        let (start, len) = (u64_at(symbol, 8)?, u64_at(symbol, 16)?);
        let offset = address.checked_sub(start).filter(|&offset| offset < len)?;
        let name = strings.get(name as usize..)?.split(|&byte| byte == 0).next()?;
        matches!(kind, STT_FUNC | STT_GNU_IFUNC).then(|| Place { function: String::from_utf8_lossy(name).into_owned(), offset })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_holds_what_lies_within_its_size() {
        let symbol = |name: u32, kind: u8, start: u64, len: u64| {
            [&name.to_le_bytes()[..], &[kind, 0, 1, 0], &start.to_le_bytes(), &len.to_le_bytes()].concat()
        };
        let symbols = [symbol(0, 1, 0x10, 0x100), symbol(1, STT_FUNC, 0x10, 8), symbol(5, STT_FUNC, 0x20, 8)].concat();
        let find = |address| function_at(&symbols, b"\0one\0two\0", address).map(|place| (place.function, place.offset));
        assert_eq!(find(0x17), Some(("one".into(), 7)));
        assert_eq!(find(0x20), Some(("two".into(), 0)));
        assert_eq!(find(0x18), None);
        assert_eq!(function_at(&symbols, b"\0", 0x20), None);
    }
}
