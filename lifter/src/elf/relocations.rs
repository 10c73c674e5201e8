//! Dynamic relocations (x86-64 psABI, table 4.10; gABI, "RELR"): what the dynamic loader stores, and where.

use goblin::elf::reloc::{
    R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_IRELATIVE, R_X86_64_JUMP_SLOT, R_X86_64_NONE, R_X86_64_RELATIVE,
};
use goblin::elf::section_header::SHT_RELA;

use super::Elf;
use super::bytes::{Reader, u64_at};
use super::dynamic::Dynamic;

/// One word that the dynamic loader writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation<'a> {
    /// Guest address of the word.
    pub place: u32,
    pub stored: Stored<'a>,
}

/// What the dynamic loader writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored<'a> {
    /// R_X86_64_RELATIVE and RELR: this guest address.
    Relative(u32),
    /// R_X86_64_IRELATIVE: what the function at this address returns.
    Resolved(u32),
    /// R_X86_64_64, GLOB_DAT, JUMP_SLOT: the address of a symbol. `value` is that of this file's own definition, if it has one; another file may
    /// come first.
    Symbol { name: &'a str, value: Option<u32> },
    /// Any other type: R_X86_64_….
    Other(u32),
}

/// All relocations by place; of several for one place, the first.
pub(super) fn parse<'a>(elf: &Elf<'a>, dynamic: &Dynamic) -> Vec<Relocation<'a>> {
    let mut relocations = Vec::new();
    relr(elf, elf.table(dynamic.relr), &mut relocations);
    for table in [dynamic.rela, dynamic.plt_rela] {
        rela(elf, dynamic, elf.table(table), &mut relocations);
    }
    if dynamic.rela.address.is_none() {
        // A static program relocates itself from `__rela_iplt_start`, which only the sections show.
        for section in elf.sections.iter().filter(|section| section.kind == SHT_RELA && section.address != 0) {
            rela(elf, dynamic, &elf.bytes[section.file.clone()], &mut relocations);
        }
    }
    relocations.sort_by_key(|relocation| relocation.place);
    relocations.dedup_by_key(|relocation| relocation.place);
    relocations
}

fn rela<'a>(elf: &Elf<'a>, dynamic: &Dynamic, table: &[u8], relocations: &mut Vec<Relocation<'a>>) {
    let mut reader = Reader::new(table, 0);
    while let (Some(place), Some(info), Some(addend)) = (reader.u64(), reader.u64(), reader.u64()) {
        let Some(place) = elf.guest(place) else { continue };
        let address = || u32::try_from(addend.wrapping_add(u64::from(elf.home))).ok();
        let kind = info as u32;
        let stored = match kind {
            R_X86_64_NONE => None,
            R_X86_64_RELATIVE => address().map(Stored::Relative),
            R_X86_64_IRELATIVE => address().map(Stored::Resolved),
            R_X86_64_64 | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT => {
                let addend = if kind == R_X86_64_64 { addend as u32 } else { 0 };
                let (name, value) = elf.dynamic_symbol(dynamic, (info >> 32) as u32).unwrap_or_default();
                Some(Stored::Symbol { name, value: value.map(|value| value.wrapping_add(addend)) })
            }
            _ => Some(Stored::Other(kind)),
        };
        relocations.extend(stored.map(|stored| Relocation { place, stored }));
    }
}

/// RELR: an even word is the address of a word to relocate; an odd one is a bitmap of the 63 words after the last.
fn relr(elf: &Elf, table: &[u8], relocations: &mut Vec<Relocation>) {
    // Each place is a different word of the file, so that a table that lies cannot ask for more.
    let mut left = elf.bytes.len() / 8;
    let mut add = |address: u64| {
        left = left.saturating_sub(1);
        let place = elf.guest(address).filter(|_| left > 0)?;
        let value = elf.guest(u64_at(elf.read(place, 8)?, 0)?)?;
        Some(Relocation { place, stored: Stored::Relative(value) })
    };
    let mut reader = Reader::new(table, 0);
    let mut next = 0u64;
    while let Some(word) = reader.u64() {
        if word & 1 == 0 {
            relocations.extend(add(word));
            next = word.wrapping_add(8);
            continue;
        }
        for bit in 0..63 {
            if word >> (bit + 1) & 1 != 0 {
                relocations.extend(add(next.wrapping_add(bit * 8)));
            }
        }
        next = next.wrapping_add(63 * 8);
    }
}
