//! The function table of a Go program without symbols (Go's debug/gosym and runtime/symtab.go, "pclntab", Go 1.16 and later).

use super::bytes::{Reader, u32_at, u64_at};
use super::{Elf, Symbol};

/// First word of the table: Go 1.16, 1.18, 1.20.
const MAGIC: [u32; 3] = [0xffff_fffa, 0xffff_fff0, 0xffff_fff1];

/// Functions of .gopclntab, by address. The table is found by its section or, without sections, by its first eight bytes.
pub(super) fn functions(elf: &Elf) -> Vec<Symbol> {
    let candidates = match elf.section(".gopclntab") {
        Some(section) => vec![section.address],
        None => search(elf),
    };
    candidates.into_iter().find_map(|address| parse(elf, elf.read_from(address)?)).unwrap_or_default()
}

fn search(elf: &Elf) -> Vec<u32> {
    let mut found = Vec::new();
    for segment in elf.segments.iter().filter(|segment| !segment.executable) {
        let bytes = &elf.bytes[segment.file.clone()];
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            // Magic, two zero bytes, instruction size quantum 1, pointer size 8.
            if word[4..] == [0, 0, 1, 8] && u32_at(word, 0).is_some_and(|magic| MAGIC.contains(&magic)) {
                found.push(segment.address + index as u32 * 8);
            }
        }
    }
    found
}

fn parse(elf: &Elf, table: &[u8]) -> Option<Vec<Symbol>> {
    let magic = u32_at(table, 0)?;
    let field = |index: usize| u64_at(table, 8 + index * 8).and_then(|value| usize::try_from(value).ok());
    let count = field(0)?;
    // Go 1.18 and later store offsets from the start of the text; 1.16 stores addresses of eight bytes.
    let (text, names, functions, width) = match magic {
        0xffff_fffa => (None, field(2)?, field(6)?, 8),
        0xffff_fff0 | 0xffff_fff1 => (Some(field(2)? as u64), field(3)?, field(7)?, 4),
        _ => return None,
    };
    let entries = table.get(functions..)?;
    let mut symbols = Vec::new();
    for index in 0..count.min(entries.len() / (2 * width)) {
        let mut reader = Reader::new(entries, index * 2 * width);
        let mut word = || if width == 8 { reader.u64() } else { reader.u32().map(u64::from) };
        let (offset, info) = (word()?, word()?);
        let end = word()?;
        let Some(address) = elf.guest(text.unwrap_or(0).wrapping_add(offset)) else { continue };
        let size = u32::try_from(end.checked_sub(offset)?).ok()?;
        // The function's record begins with its address, then the offset of its name.
        let name = entries.get(usize::try_from(info).ok()?..).and_then(|record| u32_at(record, width));
        let name = name.and_then(|offset| Reader::new(table.get(names..)?, offset as usize).c_str());
        if elf.is_code(address) {
            let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
            symbols.push(Symbol { address, size: size.min(u32::MAX - address), name, indirect: false });
        }
    }
    symbols.sort_by_key(|symbol| symbol.address);
    symbols.dedup_by_key(|symbol| symbol.address);
    Some(symbols)
}
