//! Where new maps go: where this process has nothing, and if it can be no other process either (DESIGN §7: placement first).

use super::frames::{self, Owner};
use super::{AddressSpace, BRK_RESERVE, SMALL_BRK_RESERVE, STACK_GAP, STACK_GUARD, STACK_SIZE, TASK_SIZE, page_up};
use crate::errno::Errno;

/// Where stack and heap of a new program go, and how much the heap gets: low in an empty memory, else where nobody is; if there is no
/// such place, low nevertheless, since pages can be swapped.
pub fn territory(own: &Owner, first_free: u64) -> (u64, u64) {
    let size = STACK_GUARD + STACK_SIZE + STACK_GAP;
    let mut at = first_free;
    let mut reserve = BRK_RESERVE;
    while at + size + reserve <= TASK_SIZE {
        match frames::taken_by_others(own, at, at + size + reserve) {
            None => return (at, reserve),
            Some(end) => (at, reserve) = (page_up(end), SMALL_BRK_RESERVE),
        }
    }
    (first_free, SMALL_BRK_RESERVE)
}

impl AddressSpace {
    /// The lowest gap of the mmap area that is large enough; one that other processes use only if there is no other.
    pub(super) fn find_free(&self, len: u64) -> Option<u64> {
        let mut at = self.mmap_base;
        while let Some(start) = self.gap(at, len) {
            match frames::taken_by_others(&self.own, start, start + len) {
                None => return Some(start),
                Some(end) => at = page_up(end),
            }
        }
        self.gap(self.mmap_base, len).or_else(|| self.gap(self.first_free, len))
    }

    /// The lowest gap from `at` on.
    fn gap(&self, mut at: u64, len: u64) -> Option<u64> {
        for (start, area) in self.overlapping(at, TASK_SIZE) {
            if start >= at + len {
                break;
            }
            at = at.max(area.end);
        }
        (at + len <= TASK_SIZE).then_some(at)
    }

    /// A free range of the mmap area: where an ELF file without a home goes.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn reserve(&self, len: u64) -> Result<u64, Errno> {
        self.find_free(page_up(len)).ok_or(Errno::ENOMEM)
    }
}
