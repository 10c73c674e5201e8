//! Where functions begin and end, as far as the file says so: unwind tables, symbols, PLT stubs.

use std::ops::Range;

use crate::elf::Elf;

/// Bytes of one stub of the procedure linkage table, at most.
const STUB: u32 = 16;

/// Known extents of functions: ascending, disjoint, each within one range of [`Elf::code`].
#[derive(Clone, Default)]
pub(super) struct Extents(Vec<Range<u32>>);

impl Extents {
    pub fn new(elf: &Elf) -> Extents {
        let unwind = elf.unwind.iter().map(|entry| (entry.start, entry.end));
        let symbols = elf.symbols.iter().map(|symbol| (symbol.address, symbol.address + symbol.size));
        let stubs = elf.stubs.keys().map(|stub| (*stub, stub.saturating_add(STUB)));
        let mut starts: Vec<(u32, u32)> = unwind.chain(symbols).chain(stubs).filter(|(start, _)| elf.is_code(*start)).collect();
        // Of several ends for one start, the last is kept.
        starts.sort_unstable();
        starts.reverse();
        starts.dedup_by_key(|(start, _)| *start);
        starts.reverse();
        let mut extents: Vec<Range<u32>> = Vec::with_capacity(starts.len());
        // What begins inside a function cuts it: the rest belongs to what begins there.
        let mut covered = 0;
        for (index, &(start, end)) in starts.iter().enumerate() {
            covered = end.max(covered);
            let next = starts.get(index + 1).map_or(u32::MAX, |(next, _)| *next);
            // The size is not known: as far as the next one.
            let end = if covered <= start { next } else { covered.min(next) };
            let range = &elf.code[elf.code.partition_point(|range| range.start <= start) - 1];
            extents.push(start..end.min(range.end));
        }
        Extents(extents)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Range<u32>> {
        self.0.iter()
    }

    /// The extent that has this pc.
    pub fn find(&self, pc: u32) -> Option<&Range<u32>> {
        let after = self.0.partition_point(|extent| extent.start <= pc);
        let extent = &self.0[after.checked_sub(1)?];
        (pc < extent.end).then_some(extent)
    }
}
