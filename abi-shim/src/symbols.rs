//! What an ELF file says of the code in it, for messages: which function an address lies in. Not of the file as it is mapped, but as it is
//! stored, since section headers are not mapped.

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

/// A stored ELF file. Addresses are the file's own: the load bias is not added.
pub struct ElfFile {
    file: InodeRef,
    header: Vec<u8>,
    /// What is loaded.
    segments: Vec<Segment>,
}

#[derive(Clone, Copy)]
struct Segment {
    offset: u64,
    address: u64,
    len: u64,
}

impl Segment {
    fn decode(header: &[u8]) -> Option<Segment> {
        let [offset, address, len] = [u64_at(header, 0x08)?, u64_at(header, 0x10)?, u64_at(header, 0x20)?];
        Some(Segment { offset, address, len })
    }
}

impl ElfFile {
    /// `None` if it is none.
    pub fn open(file: &InodeRef) -> Option<ElfFile> {
        let header = read(file, 0, FILE_HEADER)?;
        let headers = read(file, u64_at(&header, 0x20)?, usize::from(u16_at(&header, 0x38)?) * PROGRAM_HEADER)?;
        let loaded = headers.chunks_exact(PROGRAM_HEADER).filter(|header| u32_at(header, 0) == Some(PT_LOAD));
        let segments = loaded.map(Segment::decode).collect::<Option<_>>()?;
        Some(ElfFile { file: file.clone(), header, segments })
    }

    /// The address of what stands at an offset.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset).filter(|&within| within < segment.len)?;
            segment.address.checked_add(within)
        })
    }

    /// The address and the bytes of the section with what an unwinder needs.
    pub fn eh_frame(&self) -> Option<(u64, Vec<u8>)> {
        let sections = self.sections()?;
        let names = sections.chunks_exact(SECTION_HEADER).nth(u16_at(&self.header, 0x3e)?.into())?;
        let names = self.content(names)?;
        let is_it = |section: &&[u8]| {
            let name = u32_at(section, 0).and_then(|at| names.get(at as usize..));
            name.is_some_and(|name| name.starts_with(b".eh_frame\0"))
        };
        let section = sections.chunks_exact(SECTION_HEADER).find(is_it)?;
        Some((u64_at(section, 0x10)?, self.content(section)?))
    }

    /// The function whose code stands at an address.
    pub fn function_at(&self, address: u64) -> Option<Place> {
        let sections = self.sections()?;
        let section = |number: usize| sections.chunks_exact(SECTION_HEADER).nth(number);
        [SHT_SYMTAB, SHT_DYNSYM].into_iter().find_map(|wanted| {
            let table = sections.chunks_exact(SECTION_HEADER).find(|header| u32_at(header, 4) == Some(wanted))?;
            let strings = section(u32_at(table, 0x28)? as usize)?;
            function_at(&self.content(table)?, &self.content(strings)?, address)
        })
    }

    fn sections(&self) -> Option<Vec<u8>> {
        let len = usize::from(u16_at(&self.header, 0x3c)?) * SECTION_HEADER;
        read(&self.file, u64_at(&self.header, 0x28)?, len)
    }

    fn content(&self, section: &[u8]) -> Option<Vec<u8>> {
        let (offset, len) = (u64_at(section, 0x18)?, u64_at(section, 0x20)?);
        if len > LIMIT { None } else { read(&self.file, offset, len as usize) }
    }
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
