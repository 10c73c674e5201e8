//! Which of user memory the program at work may reach through the kernel: what it has mapped, as it has protected that.
//!
//! Programs' own accesses are not looked at: Wasm protects nothing within its memory. The maps are asked once for each area; where the kernel was before
//! it need not ask again until they change.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use hoist_x86::boundary::MMAP_MIN_ADDR;

use crate::errno::Errno;
use crate::mm::{AddressSpace, Prot};

/// What the kernel does with user memory for a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    Write,
}

impl Access {
    fn is_allowed(self, prot: Prot) -> bool {
        match self {
            // As on the processor: what can be written or executed can be read.
            Access::Read => prot != Prot::NONE,
            Access::Write => prot.has(Prot::WRITE),
        }
    }
}

#[derive(Default)]
struct Known {
    /// The maps of the process at work. While they are being changed, the kernel works for itself, and reaches everything.
    space: RefCell<Weak<RefCell<AddressSpace>>>,
    /// First address and end of what is known to be good, by [`Access`].
    good: [Cell<(u64, u64)>; 2],
}

thread_local! {
    static KNOWN: Known = Known::default();
}

/// Another process is at work, or none: then whatever exists can be reached.
pub fn set_space(space: Option<&Rc<RefCell<AddressSpace>>>) {
    forget();
    KNOWN.with(|known| known.space.replace(space.map_or_else(Weak::new, Rc::downgrade)));
}

/// Something was unmapped or protected.
pub fn forget() {
    KNOWN.with(|known| known.good.iter().for_each(|good| good.set((0, 0))));
}

/// Checks that `len` bytes at `addr` can be reached; gives the address as an index.
///
/// # Errors
/// EFAULT.
#[inline]
pub fn check(addr: u64, len: u64, access: Access) -> Result<u32, Errno> {
    let (start, end) = KNOWN.with(|known| known.good[access as usize].get());
    let after = addr.checked_add(len);
    match addr >= start && after.is_some_and(|after| after <= end) {
        true => Ok(addr as u32),
        false if len == 0 => Ok(addr as u32),
        false => match after {
            Some(after) if reach(addr, after, access) >= after => Ok(addr as u32),
            _ => Err(Errno::EFAULT),
        },
    }
}

/// How many of `len` bytes can be reached, before the first that cannot.
pub fn reachable(addr: u64, len: u64, access: Access) -> u64 {
    let after = addr.saturating_add(len);
    let (start, end) = KNOWN.with(|known| known.good[access as usize].get());
    let reached = if addr >= start && after <= end { after } else { reach(addr, after, access) };
    reached.min(after) - addr
}

/// Up to which address, from `addr` and at least as far as `until`, all can be reached; `addr` if nothing.
fn reach(addr: u64, until: u64, access: Access) -> u64 {
    KNOWN.with(|known| {
        let space = known.space.borrow().upgrade();
        let Some(space) = space.as_ref().and_then(|space| space.try_borrow().ok()) else {
            return if addr >= u64::from(MMAP_MIN_ADDR) { super::end().max(addr) } else { addr };
        };
        let (mut first, mut at) = (addr, addr);
        while at < until {
            let Some((start, area)) = space.area_at(at).filter(|(_, area)| access.is_allowed(area.prot)) else { break };
            first = first.min(start);
            at = area.end;
        }
        if at > addr {
            known.good[access as usize].set((first, at));
        }
        at
    })
}
