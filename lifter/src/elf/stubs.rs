//! Stubs of the procedure linkage table (x86-64 psABI, §5.2): `jmp [rip + slot]`, with or without endbr64 and a bnd prefix.

use std::collections::BTreeMap;

use super::bytes::u32_at;
use super::{Elf, Stored};

/// A stub of the procedure linkage table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stub {
    /// `name@plt`, where the slot is for the function `name`.
    pub name: String,
    /// Guest address of the slot that it jumps through.
    pub slot: u32,
}

const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
const BND: u8 = 0xf2;
const JMP_RIP: &[u8] = &[0xff, 0x25];

/// Every stub. Without sections the whole code is searched: a jump through a relocated slot on a
/// stub's alignment, followed by what pads stubs, is hardly anything else.
pub(super) fn find(elf: &Elf) -> BTreeMap<u32, Stub> {
    let sections: Vec<_> = elf
        .sections
        .iter()
        .filter(|section| section.executable && section.name.starts_with(".plt"))
        .map(|section| section.address..section.address.saturating_add(section.file.len() as u32))
        .collect();
    let known = !sections.is_empty();
    let ranges = if known || !elf.sections.is_empty() { sections } else { elf.code.clone() };
    let mut stubs = BTreeMap::new();
    for range in ranges {
        let Some(bytes) = elf.read(range.start, range.len()) else { continue };
        // .plt and .plt.sec have 16 bytes for each stub, .plt.got has 8.
        for at in (0..bytes.len()).step_by(8) {
            if let Some(stub) = stub(elf, range.start + at as u32, &bytes[at..], known) {
                stubs.insert(range.start + at as u32, stub);
            }
        }
    }
    stubs
}

fn stub(elf: &Elf, address: u32, bytes: &[u8], known: bool) -> Option<Stub> {
    let rest = bytes.strip_prefix(ENDBR64).unwrap_or(bytes);
    let rest = rest.strip_prefix(&[BND]).unwrap_or(rest).strip_prefix(JMP_RIP)?;
    let end = address.checked_add((bytes.len() - rest.len()) as u32 + 4)?;
    let slot = end.wrapping_add(u32_at(rest, 0)?);
    if !known && !matches!(rest.get(4), Some(0x68 | 0x66 | 0x0f | 0x90)) {
        return None;
    }
    let name = match elf.relocation(slot)?.stored {
        Stored::Symbol { name, .. } if !name.is_empty() => format!("{name}@plt"),
        Stored::Resolved(resolver) | Stored::Relative(resolver) => {
            let symbol = elf.symbols.binary_search_by_key(&resolver, |symbol| symbol.address);
            symbol.map_or_else(|_| format!("{resolver:x}@plt"), |at| format!("{}@plt", elf.symbols[at].name))
        }
        Stored::Symbol { .. } | Stored::Other(_) => return None,
    };
    Some(Stub { name, slot })
}
