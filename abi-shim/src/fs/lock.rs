//! Locks of flock(2): they belong to open file descriptions and are gone with the last descriptor.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Identity, Result};
use crate::errno::Errno::EAGAIN;

/// What flock(2) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Shared,
    Exclusive,
    Free,
}

thread_local! {
    /// By file, then by the description that holds the lock; true if exclusive. A kernel is a thread.
    static LOCKS: RefCell<BTreeMap<Identity, BTreeMap<usize, bool>>> = RefCell::default();
}

/// Changes the lock that the description `holder` has on `file`; the description is known by its address.
///
/// # Errors
/// `EAGAIN` if another description's lock is in the way. As in Linux, a lock that was to be converted is lost then.
pub fn change(file: Identity, holder: usize, wanted: Lock) -> Result<()> {
    LOCKS.with_borrow_mut(|locks| {
        let held = locks.entry(file).or_default();
        held.remove(&holder);
        let free = match wanted {
            Lock::Free => true,
            Lock::Shared => !held.values().any(|&exclusive| exclusive),
            Lock::Exclusive => held.is_empty(),
        };
        if free && wanted != Lock::Free {
            held.insert(holder, wanted == Lock::Exclusive);
        }
        if held.is_empty() {
            locks.remove(&file);
        }
        if free { Ok(()) } else { Err(EAGAIN) }
    })
}
