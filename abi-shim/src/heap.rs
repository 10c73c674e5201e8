//! The kernel's own memory, and what happens when the host gives no more of it: never a trap, as long as one system call alone does not need
//! more than the reserve.
//!
//! What programs make the kernel hold in large pieces (pages of files, bytes in pipes and sockets, copies for fork(2)) is asked for with
//! [`zeroed`] or within [`fallible`]: the call then fails. For everything else a reserve is given up, and the kernel ends the process
//! whose call it was ([`crate::kernel::Kernel::relieve`]), as Linux does when it is out of memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::TryReserveError;
use std::ptr;

use crate::errno::Errno;

/// Bytes that are kept back.
const RESERVE: usize = 4 << 20;

/// An allocator that keeps something back.
pub struct Heap<A> {
    inner: A,
    reserve: Cell<*mut u8>,
    /// What is asked for now may be refused.
    may_fail: Cell<bool>,
}

// SAFETY: on wasm32 the kernel is one thread, and elsewhere only tests have one, which keep it to themselves.
unsafe impl<A> Sync for Heap<A> {}

impl<A: GlobalAlloc> Heap<A> {
    pub const fn new(inner: A) -> Heap<A> {
        Heap { inner, reserve: Cell::new(ptr::null_mut()), may_fail: Cell::new(false) }
    }

    fn layout() -> Layout {
        const { Layout::new::<[u8; RESERVE]>() }
    }

    /// Keeps the reserve back, if it is not kept already; whether it is now.
    pub fn restore(&self) -> bool {
        if self.reserve.get().is_null() {
            // SAFETY: the layout has a size.
            self.reserve.set(unsafe { self.inner.alloc(Self::layout()) });
        }
        !self.reserve.get().is_null()
    }

    /// Whether the reserve has been given up.
    pub fn is_short(&self) -> bool {
        self.reserve.get().is_null()
    }

    /// What `f` asks for may be refused: it asks with `try_reserve` and its kin only.
    pub fn fallible<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = self.may_fail.replace(true);
        let result = f();
        self.may_fail.set(before);
        result
    }

    /// What `ask` gives; the second time it may come from the reserve.
    fn insist(&self, ask: impl Fn() -> *mut u8) -> *mut u8 {
        let given = ask();
        let reserve = self.reserve.get();
        if !given.is_null() || self.may_fail.get() || reserve.is_null() {
            return given;
        }
        self.reserve.set(ptr::null_mut());
        // SAFETY: it came from there with this layout, and nobody has it any more.
        unsafe { self.inner.dealloc(reserve, Self::layout()) };
        ask()
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

/// Keeps the reserve back; false if the host does not give so much.
pub fn restore() -> bool {
    cfg!(not(target_arch = "wasm32")) || HEAP.restore()
}

/// Whether the reserve has been given up.
pub fn is_short() -> bool {
    cfg!(target_arch = "wasm32") && HEAP.is_short()
}

/// A fallible request of `f`'s, as `Vec::try_reserve` makes it.
///
/// # Errors
/// ENOMEM.
pub fn fallible(f: impl FnOnce() -> Result<(), TryReserveError>) -> Result<(), Errno> {
    let result = if cfg!(target_arch = "wasm32") { HEAP.fallible(f) } else { f() };
    result.map_err(|_| Errno::ENOMEM)
}

/// So many zeros.
///
/// # Errors
/// ENOMEM.
pub fn zeroed(len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    fallible(|| bytes.try_reserve_exact(len))?;
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
    fn the_reserve_is_given_up_and_comes_back() {
        let heap = Heap::new(Limited(Cell::new(RESERVE + 100)));
        let layout = Layout::new::<[u8; 80]>();
        // SAFETY: the layout has a size, and what is given back came from there.
        unsafe {
            assert!(heap.restore() && !heap.is_short());
            let first = heap.alloc(layout);
            assert!(!first.is_null() && !heap.is_short());
            assert!(heap.fallible(|| heap.alloc(layout)).is_null(), "a request that may fail does");
            assert!(!heap.is_short());
            let second = heap.alloc(layout);
            assert!(!second.is_null() && heap.is_short());
            assert!(!heap.restore(), "the second request has some of it");
            heap.dealloc(first, layout);
            heap.dealloc(second, layout);
            assert!(heap.restore());
            let too_much = heap.alloc(Layout::new::<[u8; RESERVE * 2]>());
            assert!(too_much.is_null() && heap.is_short());
            assert!(heap.restore());
        }
    }
}
