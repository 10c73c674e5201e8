//! The kernel's own memory, and what happens when the host gives no more of it: an error or the end of a process, never a trap, as long
//! as one system call alone does not need more than the reserve.
//!
//! A reserve is kept back in blocks. While all of them are there, everything is as usual. Once the host refuses, blocks are given up for what
//! is more important than what is refused:
//!
//! | left of the reserve | |
//! | --- | --- |
//! | less than all | files in memory do not grow: ENOSPC. So there is room for whoever removes one |
//! | less than a half | nothing else that programs make the kernel hold does, either: ENOMEM |
//! | less than a quarter | the process whose call comes to that is killed, as Linux does it: [`is_low`] |
//! | less than an eighth | the pages of a process whose turn is over are lost, so it is killed, too: [`is_exhausted`] |

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::TryReserveError;
use std::ptr;

use crate::errno::Errno;

/// Bytes of a block.
const BLOCK: usize = 256 << 10;
/// Blocks of the reserve.
const BLOCKS: usize = 64;

/// Who makes the kernel hold something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// A file in memory.
    File,
    /// A process: its maps and pages, what is under way in pipes.
    Process,
}

impl Claim {
    /// So many blocks of the reserve are not for it.
    const fn floor(self) -> usize {
        match self {
            Claim::File => BLOCKS,
            Claim::Process => BLOCKS / 2,
        }
    }

    const fn refusal(self) -> Errno {
        match self {
            Claim::File => Errno::ENOSPC,
            Claim::Process => Errno::ENOMEM,
        }
    }
}

/// An allocator that keeps something back.
pub struct Heap<A> {
    inner: A,
    blocks: [Cell<*mut u8>; BLOCKS],
    /// So many of the first blocks are there.
    kept: Cell<usize>,
    /// So many blocks are not given up for what is asked for now.
    floor: Cell<usize>,
}

// SAFETY: on wasm32 the kernel is one thread, and elsewhere only tests have one, which keep it to themselves.
unsafe impl<A> Sync for Heap<A> {}

impl<A: GlobalAlloc> Heap<A> {
    pub const fn new(inner: A) -> Heap<A> {
        Heap { inner, blocks: [const { Cell::new(ptr::null_mut()) }; BLOCKS], kept: Cell::new(0), floor: Cell::new(0) }
    }

    fn layout() -> Layout {
        const { Layout::new::<[u8; BLOCK]>() }
    }

    /// Takes what is missing of the reserve, as far as it can be had; the number of blocks that are there.
    pub fn restore(&self) -> usize {
        while let Some(place) = self.blocks.get(self.kept.get()) {
            // SAFETY: the layout has a size.
            place.set(unsafe { self.inner.alloc(Self::layout()) });
            if place.get().is_null() {
                break;
            }
            self.kept.set(self.kept.get() + 1);
        }
        self.kept.get()
    }

    /// Gives up a block; false if there is none for this.
    fn give_up(&self) -> bool {
        let Some(last) = self.kept.get().checked_sub(1).filter(|last| *last >= self.floor.get()) else { return false };
        self.kept.set(last);
        // SAFETY: it came from there with this layout, and nobody has it any more.
        unsafe { self.inner.dealloc(self.blocks[last].get(), Self::layout()) };
        true
    }

    /// What `f` asks for may be refused: it asks with `try_reserve` and its kin only.
    pub fn fallible<R>(&self, claim: Claim, f: impl FnOnce() -> R) -> R {
        let before = self.floor.replace(claim.floor());
        let result = f();
        self.floor.set(before);
        result
    }

    /// What `ask` gives, of the reserve if need be.
    fn insist(&self, ask: impl Fn() -> *mut u8) -> *mut u8 {
        loop {
            let given = ask();
            if !given.is_null() || !self.give_up() {
                return given;
            }
        }
    }
}

// SAFETY: all memory is the inner allocator's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Heap<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises; likewise below.
        self.insist(|| unsafe { self.inner.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.insist(|| unsafe { self.inner.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.insist(|| unsafe { self.inner.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { self.inner.dealloc(pointer, layout) }
    }
}

#[cfg_attr(target_arch = "wasm32", global_allocator)]
static HEAP: Heap<System> = Heap::new(System);

/// Blocks that are left of the reserve. Natively the system's allocator is the tests', and has all.
fn left() -> usize {
    if cfg!(target_arch = "wasm32") { HEAP.kept.get() } else { BLOCKS }
}

/// Takes what is missing of the reserve, as far as the host gives it.
pub fn restore() {
    if left() < BLOCKS {
        HEAP.restore();
    }
}

/// Whether something small may be held for somebody, which is asked for as usual after this.
///
/// # Errors
/// ENOSPC or ENOMEM, as the claim is.
pub fn check(claim: Claim) -> Result<(), Errno> {
    restore();
    if left() < claim.floor() { Err(claim.refusal()) } else { Ok(()) }
}

/// Whether it is time to end a process.
pub fn is_low() -> bool {
    left() < BLOCKS / 4
}

/// Whether only the kernel's own needs are served.
pub fn is_exhausted() -> bool {
    left() < BLOCKS / 8
}

/// A fallible request of `f`'s, as `Vec::try_reserve` makes it.
///
/// # Errors
/// ENOSPC or ENOMEM, as the claim is.
pub fn fallible(claim: Claim, f: impl FnOnce() -> Result<(), TryReserveError>) -> Result<(), Errno> {
    check(claim)?;
    let result = if cfg!(target_arch = "wasm32") { HEAP.fallible(claim, f) } else { f() };
    result.map_err(|_| claim.refusal())
}

/// So many zeros.
///
/// # Errors
/// ENOSPC or ENOMEM, as the claim is.
pub fn zeroed(claim: Claim, len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    fallible(claim, || bytes.try_reserve_exact(len))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes and no more.
    struct Limited(Cell<usize>);

    // SAFETY: all memory is the system's.
    unsafe impl GlobalAlloc for Limited {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let Some(left) = self.0.get().checked_sub(layout.size()) else { return ptr::null_mut() };
            self.0.set(left);
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            self.0.set(self.0.get() + layout.size());
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    #[test]
    fn blocks_are_given_up_and_come_back() {
        let heap = Heap::new(Limited(Cell::new(BLOCK * BLOCKS + 100)));
        let (small, large) = (Layout::new::<[u8; 80]>(), Layout::new::<[u8; 2 * BLOCK]>());
        // SAFETY: the layouts have sizes, and what is given back came from there.
        unsafe {
            assert_eq!(heap.restore(), BLOCKS);
            let first = heap.alloc(small);
            assert!(!first.is_null() && heap.kept.get() == BLOCKS);
            assert!(heap.fallible(Claim::File, || heap.alloc(small)).is_null(), "files do not get any of it");
            assert_eq!(heap.kept.get(), BLOCKS);
            let second = heap.fallible(Claim::Process, || heap.alloc(small));
            assert!(!second.is_null() && heap.kept.get() == BLOCKS - 1);
            assert_eq!(heap.restore(), BLOCKS - 1, "the second request has some of it");
            let third = heap.alloc(large);
            assert!(!third.is_null() && heap.kept.get() == BLOCKS - 3);
            let half = Layout::new::<[u8; BLOCK * BLOCKS / 2]>();
            assert!(heap.fallible(Claim::Process, || heap.alloc(half)).is_null(), "processes get no more than a half");
            assert_eq!(heap.restore(), BLOCKS - 3);
            heap.dealloc(third, large);
            heap.dealloc(first, small);
            heap.dealloc(second, small);
            assert_eq!(heap.restore(), BLOCKS);
            assert!(heap.alloc(Layout::new::<[u8; BLOCK * (BLOCKS + 1)]>()).is_null(), "more than there is");
            assert_eq!(heap.restore(), BLOCKS);
        }
    }
}
