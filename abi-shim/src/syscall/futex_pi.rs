//! Futexes that are locks: the word holds the number of the task that holds the lock, and the kernel gives it to the next (FUTEX_LOCK_PI and
//! its relatives). glibc's and musl's mutexes with PTHREAD_PRIO_INHERIT are these.

use super::{key, word};
use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::mm::Futex;
use crate::task::{For, State, Task};
use crate::user;
use crate::wasi::{Nanos, clock};

/// FUTEX_LOCK_PI: takes the lock, or waits for it, `after` nanoseconds at most.
pub fn lock(k: &mut Kernel, addr: u64, after: Option<Nanos>) -> SysResult {
    if k.task.woken {
        return inherit(k, addr);
    }
    let deadline = after.map(|nanos| k.task.deadline_after(nanos));
    let value = match take(k, addr)? {
        None => return Ok(0),
        Some(value) => value,
    };
    let owner = (value & word::TID) as i32;
    if leads_back(k, owner) {
        return Err(Errno::EDEADLK);
    }
    if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
        return Err(Errno::ETIMEDOUT);
    }
    user::write(addr, &(value | word::WAITERS))?;
    let futex = key(k, addr);
    Err(k.block(&[], deadline, For::PiLock { futex, owner }))
}

/// FUTEX_TRYLOCK_PI.
pub fn try_lock(k: &mut Kernel, addr: u64) -> SysResult {
    match take(k, addr)? {
        None => Ok(0),
        Some(_) => Err(Errno::EAGAIN),
    }
}

/// FUTEX_UNLOCK_PI: the lock goes to one that waits for it.
pub fn unlock(k: &mut Kernel, addr: u64) -> SysResult {
    let value: u32 = user::read(addr)?;
    if value & word::TID != k.task.tid as u32 {
        return Err(Errno::EPERM);
    }
    let futex = key(k, addr);
    let next = k.others.iter_mut().find(|task| waits(task, futex)).map(|task| {
        task.woken = true;
        task.tid
    });
    let value = next.map_or(0, |tid| tid as u32 | word::WAITERS);
    user::write(addr, &value)?;
    if let Some(tid) = next {
        now_held_by(k, futex, tid);
    }
    Ok(0)
}

/// Takes a lock that is free; the word if it is not.
fn take(k: &mut Kernel, addr: u64) -> Result<Option<u32>, Errno> {
    let value: u32 = user::read(addr)?;
    let owner = (value & word::TID) as i32;
    let futex = key(k, addr);
    let is_waited_for = k.others.iter().any(|task| stands_for(task, futex));
    match owner {
        0 if !is_waited_for => {
            user::write(addr, &(value & word::OWNER_DIED | k.task.tid as u32))?;
            Ok(None)
        }
        _ if owner == k.task.tid => Err(Errno::EDEADLK),
        // Given to one that has not run yet, or held by nobody who could give it back.
        _ if is_waited_for || k.tasks().any(|task| task.tid == owner) => Ok(Some(value)),
        _ => Err(Errno::ESRCH),
    }
}

/// Whether a task waits for a lock, or has been given it and has not run since.
fn stands_for(task: &Task, futex: Futex) -> bool {
    task.state == State::Waiting && matches!(task.wait.what, For::PiLock { futex: its, .. } if its == futex)
}

fn waits(task: &Task, futex: Futex) -> bool {
    stands_for(task, futex) && !task.woken
}

/// The lock has come: from one that gave it, who has written the word, or from one that ended.
fn inherit(k: &mut Kernel, addr: u64) -> SysResult {
    if k.task.inherits {
        let futex = key(k, addr);
        // As Linux, whether or not others wait.
        user::write(addr, &(k.task.tid as u32 | word::OWNER_DIED | word::WAITERS))?;
        now_held_by(k, futex, k.task.tid);
    }
    Ok(0)
}

fn now_held_by(k: &mut Kernel, futex: Futex, tid: i32) {
    for task in &mut k.others {
        if let For::PiLock { futex: its, owner } = &mut task.wait.what
            && *its == futex
        {
            *owner = tid;
        }
    }
}

/// Whether the holder of a lock waits, by way of whomever, for one that the current task holds.
fn leads_back(k: &Kernel, mut owner: i32) -> bool {
    for _ in 0..=k.others.len() {
        if owner == k.task.tid {
            return true;
        }
        let holder = k.others.iter().find(|task| task.tid == owner && task.state == State::Waiting && !task.woken);
        match holder.map(|task| &task.wait.what) {
            Some(For::PiLock { owner: next, .. }) => owner = *next,
            _ => return false,
        }
    }
    false
}
