//! Locks whose holder ends: the list of set_robust_list(2) (`exit_robust_list` of kernel/futex), and those with priority inheritance.

use crate::kernel::Kernel;
use crate::syscall::futex::word;
use crate::task::{For, State};
use crate::user;

/// Entries that are looked at, should the list be a circle that does not lead back to its head.
const LIMIT: usize = 2048;
/// Bit 0 of the address of an entry: the lock is one with priority inheritance.
const PI: u64 = 1;

/// `struct robust_list_head`.
struct Head {
    first: u64,
    /// From an entry to its lock's word.
    offset: u64,
    /// What the task was about to take or give back.
    pending: u64,
}

impl Head {
    fn read(addr: u64) -> Option<Head> {
        let [first, offset, pending]: [u64; 3] = user::read(addr).ok()?;
        Some(Head { first, offset, pending })
    }
}

impl Kernel {
    /// A task of the current process ends or executes a program: who waits for its locks is told that their holder has died.
    pub fn release_locks(&mut self, tid: i32, list: u64) {
        if list != 0 {
            self.walk_robust_list(tid, list);
        }
        self.orphan_pi_locks(tid);
    }

    fn walk_robust_list(&mut self, tid: i32, list: u64) {
        let Some(head) = Head::read(list) else { return };
        let mut entry = head.first;
        for _ in 0..LIMIT {
            if entry & !PI == list {
                break;
            }
            // Read before the lock is anybody else's, who may take it out of the list.
            let next = user::read(entry & !PI);
            if entry != head.pending {
                self.lock_of_the_dead(tid, entry, head.offset, false);
            }
            match next {
                Ok(next) => entry = next,
                Err(_) => return,
            }
        }
        if head.pending & !PI != 0 {
            self.lock_of_the_dead(tid, head.pending, head.offset, true);
        }
    }

    /// Marks one lock, if it is the task's, and wakes one that waits for it.
    fn lock_of_the_dead(&mut self, tid: i32, entry: u64, offset: u64, pending: bool) {
        let addr = (entry & !PI).wrapping_add(offset);
        let is_pi = entry & PI != 0;
        let Ok(value) = user::read::<u32>(addr) else { return };
        if !addr.is_multiple_of(4) {
            return;
        }
        let futex = self.process.mm.borrow().futex_key(addr);
        if value & word::TID != tid as u32 {
            // It was given back, and the one to be woken for that was not yet.
            if pending && !is_pi && value & word::TID == 0 {
                self.wake(futex, u32::MAX, 1);
            }
            return;
        }
        if user::write(addr, &(value & word::WAITERS | word::OWNER_DIED)).is_ok() && !is_pi && value & word::WAITERS != 0 {
            self.wake(futex, u32::MAX, 1);
        }
    }

    /// Of each lock with priority inheritance that the task held and others wait for, one of them gets it.
    fn orphan_pi_locks(&mut self, tid: i32) {
        let waits = |task: &&mut crate::task::Task| task.state == State::Waiting && !task.woken;
        let mut given = Vec::new();
        for task in self.others.iter_mut().filter(waits) {
            if let For::PiLock { futex, owner } = task.wait.what
                && owner == tid
                && !given.contains(&futex)
            {
                given.push(futex);
                // It writes the word itself: it may lie in another process's memory.
                task.woken = true;
                task.inherits = true;
            }
        }
    }
}
