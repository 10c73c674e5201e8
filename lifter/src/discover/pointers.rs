//! Addresses of code in data: relocated words, or in a program with a fixed address every aligned word that could be one.

use crate::elf::{Elf, Stored};

/// A word of data that holds an address of code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pointer {
    pub target: u32,
    /// Guest address of the word.
    pub place: u32,
}

/// All words that may hold addresses of code, by target.
pub(super) fn find(elf: &Elf) -> Vec<Pointer> {
    let mut pointers: Vec<Pointer> = elf
        .relocations
        .iter()
        .filter_map(|relocation| {
            let target = match relocation.stored {
                Stored::Relative(value) | Stored::Resolved(value) => Some(value),
                Stored::Symbol { value, .. } => value,
                Stored::Other(_) => None,
            };
            Some(Pointer { target: target?, place: relocation.place })
        })
        .collect();
    // Before a symbol is bound, its slot leads to the rest of its stub (lazy binding): the loader only adds the file's home.
    for relocation in elf.relocations.iter().filter(|relocation| matches!(relocation.stored, Stored::Symbol { .. })) {
        let word = elf.read(relocation.place, 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
        let target = word.filter(|word| *word != 0).and_then(|word| elf.guest(word));
        pointers.extend(target.map(|target| Pointer { target, place: relocation.place }));
    }
    if elf.fixed {
        for segment in &elf.segments {
            scan(elf, segment.filled(), &mut pointers);
        }
    }
    pointers.retain(|pointer| elf.is_code(pointer.target));
    pointers.sort_unstable();
    pointers
}

/// Every eight-byte word outside the code.
fn scan(elf: &Elf, range: std::ops::Range<u32>, pointers: &mut Vec<Pointer>) {
    let mut start = range.start;
    let code = elf.code.iter().filter(|code| range.start <= code.start && code.end <= range.end);
    // The parts between the ranges of code.
    let parts: Vec<(u32, u32)> = code
        .map(|code| {
            let part = (start, code.start);
            start = code.end;
            part
        })
        .collect();
    for (start, end) in parts.into_iter().chain([(start, range.end)]) {
        let Some(first) = start.checked_next_multiple_of(8).filter(|first| *first < end) else { continue };
        let Some(bytes) = elf.read(first, (end - first) as usize) else { continue };
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            if let Some(target) = word.try_into().ok().and_then(|word| u32::try_from(u64::from_le_bytes(word)).ok())
                && elf.is_code(target)
            {
                pointers.push(Pointer { target, place: first + index as u32 * 8 });
            }
        }
    }
}
