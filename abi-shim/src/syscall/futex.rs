//! futex(2).

#[path = "futex_pi.rs"]
mod pi;

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::mm::Futex;
use crate::task::For;
use crate::user;
use crate::wasi::{Nanos, clock};

/// Operations of futex(2).
mod op {
    pub const WAIT: u64 = 0;
    pub const WAKE: u64 = 1;
    pub const REQUEUE: u64 = 3;
    pub const CMP_REQUEUE: u64 = 4;
    pub const WAKE_OP: u64 = 5;
    pub const LOCK_PI: u64 = 6;
    pub const UNLOCK_PI: u64 = 7;
    pub const TRYLOCK_PI: u64 = 8;
    pub const WAIT_BITSET: u64 = 9;
    pub const WAKE_BITSET: u64 = 10;
    pub const LOCK_PI2: u64 = 13;
    /// Without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
    pub const MASK: u64 = 0x7f;
    pub const CLOCK_REALTIME: u64 = 0x100;
}

/// What the word of a lock says that the kernel may have to give away.
pub mod word {
    /// The task that holds it.
    pub const TID: u32 = 0x3fff_ffff;
    pub const OWNER_DIED: u32 = 0x4000_0000;
    pub const WAITERS: u32 = 0x8000_0000;
}

/// FUTEX_BITSET_MATCH_ANY.
const ANY: u32 = u32::MAX;

/// Implements Linux syscall futex(2), without FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI, which neither glibc nor musl use. Nobody has
/// a priority to inherit: tasks that wait for such a lock get it in the order in which they would run.
pub fn sys_futex(k: &mut Kernel, [addr, operation, value, timeout, addr2, value3]: [u64; 6]) -> SysResult {
    if addr % 4 != 0 {
        return Err(Errno::EINVAL);
    }
    let (count, bits) = (value as u32 as usize, value3 as u32);
    let count2 = timeout as u32 as usize;
    match operation & op::MASK {
        op::WAIT => {
            let after = if timeout == 0 { None } else { Some(super::time::read_timespec(timeout)?) };
            wait(k, addr, value as u32, ANY, after)
        }
        // The timeout is a time, not a length of time.
        op::WAIT_BITSET => {
            let of_realtime = operation & op::CLOCK_REALTIME != 0;
            let after = if timeout == 0 { None } else { Some(until(k, timeout, of_realtime)?) };
            wait(k, addr, value as u32, bits, after)
        }
        op::LOCK_PI | op::LOCK_PI2 => {
            let of_realtime = operation & op::MASK == op::LOCK_PI || operation & op::CLOCK_REALTIME != 0;
            let after = if timeout == 0 { None } else { Some(until(k, timeout, of_realtime)?) };
            pi::lock(k, addr, after)
        }
        op::TRYLOCK_PI => pi::try_lock(k, addr),
        op::UNLOCK_PI => pi::unlock(k, addr),
        op::WAKE => wake(k, addr, ANY, count),
        op::WAKE_BITSET if bits == 0 => Err(Errno::EINVAL),
        op::WAKE_BITSET => wake(k, addr, bits, count),
        op::REQUEUE => requeue(k, addr, addr2, count, count2).map(|(woken, _)| woken),
        op::CMP_REQUEUE if user::read::<u32>(addr)? != bits => Err(Errno::EAGAIN),
        op::CMP_REQUEUE => requeue(k, addr, addr2, count, count2).map(|(woken, moved)| woken + moved),
        op::WAKE_OP => wake_op(k, addr, addr2, count, count2, bits),
        _ => Err(Errno::ENOSYS),
    }
}

/// Nanoseconds until the time at a user address.
fn until(k: &Kernel, timeout: u64, of_realtime: bool) -> Result<Nanos, Errno> {
    let now = super::time::read_clock(k, if of_realtime { 0 } else { 1 })?;
    Ok(super::time::read_timespec(timeout)?.saturating_sub(now))
}

/// What tells a futex from those at the same address in other processes.
pub(super) fn key(k: &Kernel, addr: u64) -> Futex {
    k.process.mm.borrow().futex_key(addr)
}

/// FUTEX_WAIT: sleeps while the word is `value`, for `after` nanoseconds at most.
fn wait(k: &mut Kernel, addr: u64, value: u32, bits: u32, after: Option<Nanos>) -> SysResult {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    if k.task.woken {
        return Ok(0);
    }
    let deadline = after.map(|nanos| k.task.deadline_after(nanos));
    if user::read::<u32>(addr)? != value {
        return Err(Errno::EAGAIN);
    }
    if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
        return Err(Errno::ETIMEDOUT);
    }
    let futex = key(k, addr);
    Err(k.block(&[], deadline, For::Futex(futex, bits)))
}

/// FUTEX_WAKE.
fn wake(k: &mut Kernel, addr: u64, bits: u32, count: usize) -> SysResult {
    user::read::<u32>(addr)?;
    let futex = key(k, addr);
    Ok(k.wake(futex, bits, count) as u64)
}

/// FUTEX_REQUEUE: how many were woken, and how many now wait for the other word.
fn requeue(k: &mut Kernel, addr: u64, addr2: u64, wake: usize, moves: usize) -> Result<(u64, u64), Errno> {
    user::read::<u32>(addr2)?;
    let (from, to) = (key(k, addr), key(k, addr2));
    let woken = k.wake(from, ANY, wake);
    Ok((woken as u64, k.requeue(from, to, moves) as u64))
}

/// FUTEX_WAKE_OP: changes the second word, wakes those who wait for the first, and, if the second was as asked, those who wait for it.
fn wake_op(k: &mut Kernel, addr: u64, addr2: u64, count: usize, count2: usize, operation: u32) -> SysResult {
    let old: u32 = user::read(addr2)?;
    // Arguments are 12 bits, signed.
    let argument = ((operation << 8) as i32 >> 20) as u32;
    let argument = if operation >> 31 != 0 { 1u32.wrapping_shl(argument) } else { argument };
    let compared = ((operation << 20) as i32 >> 20) as u32;
    let new = match operation >> 28 & 7 {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS),
    };
    user::write(addr2, &new)?;
    let holds = match operation >> 24 & 15 {
        0 => old == compared,
        1 => old != compared,
        2 => (old as i32) < compared as i32,
        3 => old as i32 <= compared as i32,
        4 => old as i32 > compared as i32,
        5 => old as i32 >= compared as i32,
        _ => return Err(Errno::ENOSYS),
    };
    let (first, second) = (key(k, addr), key(k, addr2));
    let woken = k.wake(first, ANY, count);
    Ok((woken + if holds { k.wake(second, ANY, count2) } else { 0 }) as u64)
}
