//! Function symbols from .symtab and .dynsym (gABI, "Symbol Table").

use std::collections::BTreeMap;

use goblin::elf::section_header::{SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB};
use goblin::elf::sym::{STB_GLOBAL, STB_LOCAL, STT_FUNC, STT_GNU_IFUNC};

use super::Elf;
use super::bytes::{Reader, u32_at};
use super::dynamic::Dynamic;

/// Bytes of an Elf64_Sym.
const SYMBOL: usize = 24;

/// A function with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    pub address: u32,
    /// Bytes; 0 = not known.
    pub size: u32,
    /// Without version.
    pub name: String,
    /// STT_GNU_IFUNC: the function returns the address of the one to use.
    pub indirect: bool,
}

struct Raw<'a> {
    name: u32,
    info: u8,
    section: u32,
    value: u64,
    size: u64,
    strings: &'a [u8],
}

impl<'a> Raw<'a> {
    fn read(table: &[u8], index: usize, strings: &'a [u8]) -> Option<Raw<'a>> {
        let mut reader = Reader::new(table, index.checked_mul(SYMBOL)?);
        let name = reader.u32()?;
        let info = reader.u8()?;
        let _visibility = reader.u8()?;
        let section = u32::from(reader.u16()?);
        let value = reader.u64()?;
        let size = reader.u64()?;
        Some(Raw { name, info, section, value, size, strings })
    }

    /// The name without its version: `memcpy@@GLIBC_2.14` is memcpy.
    fn name(&self) -> &'a str {
        let name = Reader::new(self.strings, self.name as usize).c_str().unwrap_or_default();
        let name = std::str::from_utf8(name).unwrap_or_default();
        name.split('@').next().unwrap_or_default()
    }
}

/// Functions by address; several at one address become the one with the most public, then shortest, then first name.
pub(super) fn parse(elf: &Elf, dynamic: &Dynamic) -> Vec<Symbol> {
    let mut found: Vec<(Symbol, u8)> = Vec::new();
    let mut add = |raw: Raw| {
        let kind = raw.info & 15;
        if kind != STT_FUNC && kind != STT_GNU_IFUNC || raw.section == SHN_UNDEF {
            return;
        }
        let (Some(address), name) = (elf.guest(raw.value), raw.name()) else { return };
        if !elf.is_code(address) || name.is_empty() {
            return;
        }
        let rank = match raw.info >> 4 {
            STB_GLOBAL => 0,
            STB_LOCAL => 2,
            _ => 1,
        };
        let size = u32::try_from(raw.size).unwrap_or(0).min(u32::MAX - address);
        found.push((Symbol { address, size, name: name.to_owned(), indirect: kind == STT_GNU_IFUNC }, rank));
    };
    let mut dynamic_seen = false;
    for section in &elf.sections {
        if section.kind != SHT_SYMTAB && section.kind != SHT_DYNSYM {
            continue;
        }
        dynamic_seen |= section.kind == SHT_DYNSYM;
        let table = &elf.bytes[section.file.clone()];
        let strings = elf.sections.get(section.link as usize).map(|strings| &elf.bytes[strings.file.clone()]);
        (0..table.len() / SYMBOL).filter_map(|index| Raw::read(table, index, strings?)).for_each(&mut add);
    }
    if !dynamic_seen {
        let count = elf.dynamic_symbol_count(dynamic);
        (0..count).filter_map(|index| elf.raw_dynamic_symbol(dynamic, index)).for_each(&mut add);
    }
    found.sort_by(|(a, a_rank), (b, b_rank)| {
        let key = |symbol: &Symbol, rank: u8| (symbol.address, rank, symbol.name.len());
        key(a, *a_rank).cmp(&key(b, *b_rank)).then_with(|| a.name.cmp(&b.name))
    });
    let mut symbols: Vec<Symbol> = Vec::with_capacity(found.len());
    for (symbol, _) in found {
        match symbols.last_mut() {
            Some(last) if last.address == symbol.address => last.size = last.size.max(symbol.size),
            _ => symbols.push(symbol),
        }
    }
    symbols
}

/// Functions that this file defines for others.
pub(super) fn exports<'a>(elf: &Elf<'a>, dynamic: &Dynamic) -> BTreeMap<&'a str, u32> {
    (0..elf.dynamic_symbol_count(dynamic))
        .filter_map(|index| elf.raw_dynamic_symbol(dynamic, index))
        .filter(|raw| raw.info & 15 == STT_FUNC && raw.section != SHN_UNDEF && raw.info >> 4 != STB_LOCAL)
        .filter_map(|raw| Some((raw.name(), elf.guest(raw.value)?)))
        .collect()
}

impl<'a> Elf<'a> {
    fn raw_dynamic_symbol(&self, dynamic: &Dynamic, index: u32) -> Option<Raw<'a>> {
        let table = self.read_from(dynamic.symbols?)?;
        Raw::read(table, index as usize, self.read_from(dynamic.strings?)?)
    }

    /// Name of a dynamic symbol, and its address if this file defines it.
    pub(super) fn dynamic_symbol(&self, dynamic: &Dynamic, index: u32) -> Option<(&'a str, Option<u32>)> {
        let raw = self.raw_dynamic_symbol(dynamic, index)?;
        let defined = raw.section != SHN_UNDEF && raw.info & 15 <= STT_FUNC;
        Some((raw.name(), if defined { self.guest(raw.value) } else { None }))
    }

    /// How many dynamic symbols there are, which without sections only the hash tables tell.
    fn dynamic_symbol_count(&self, dynamic: &Dynamic) -> u32 {
        let count = match (dynamic.hash, dynamic.gnu_hash) {
            // The chain array of DT_HASH has one word for each symbol.
            (Some(hash), _) => self.read(hash, 8).and_then(|table| u32_at(table, 4)),
            (None, Some(hash)) => self.read_from(hash).and_then(gnu_hash_count),
            (None, None) => None,
        };
        count.unwrap_or(0).min((self.bytes.len() / SYMBOL) as u32)
    }
}

/// The end of the longest chain of a DT_GNU_HASH table: buckets hold the first symbol of each chain, the last one's hash is odd.
fn gnu_hash_count(table: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(table, 0);
    let buckets = reader.u32()?;
    let first = reader.u32()?;
    let bloom = reader.u32()?;
    let _shift = reader.u32()?;
    reader.take(usize::try_from(bloom).ok()?.checked_mul(8)?)?;
    let mut last = first;
    for _ in 0..buckets {
        last = last.max(reader.u32()?);
    }
    reader.take(usize::try_from(last.checked_sub(first)?).ok()?.checked_mul(4)?)?;
    loop {
        last = last.checked_add(1)?;
        if reader.u32()? & 1 != 0 {
            return Some(last);
        }
    }
}
