//! Threads: clone(2) and futex(2).

use crate::cpu;
use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::user;
use crate::wasi::{Nanos, clock};

/// Flags of clone(2).
mod flag {
    pub const VM: u64 = 0x100;
    pub const SIGHAND: u64 = 0x800;
    pub const THREAD: u64 = 0x1_0000;
    pub const SETTLS: u64 = 0x8_0000;
    pub const PARENT_SETTID: u64 = 0x10_0000;
    pub const CHILD_CLEARTID: u64 = 0x20_0000;
    pub const CHILD_SETTID: u64 = 0x100_0000;
}

/// New processes cannot be made yet; says so once, since programs' own messages are seldom clear.
fn no_new_processes(k: &mut Kernel, name: &str) -> SysResult {
    if !std::mem::replace(&mut k.said_no_processes, true) {
        k.say(&format!("hoist: the program called {name}(2): new processes are not supported yet"));
    }
    Err(Errno::ENOSYS)
}

/// Implements Linux syscall clone(2) for threads, which share everything: CLONE_VM | CLONE_SIGHAND | CLONE_THREAD. A new process is ENOSYS.
pub fn sys_clone(k: &mut Kernel, [flags, stack, parent_tid, child_tid, tls, _]: [u64; 6]) -> SysResult {
    const THREAD: u64 = flag::VM | flag::SIGHAND | flag::THREAD;
    if flags & THREAD != THREAD {
        return match flags & (flag::THREAD | flag::SIGHAND) {
            0 => no_new_processes(k, "clone"),
            _ => Err(Errno::EINVAL),
        };
    }
    let mut state = cpu::with_registers(|cpu| cpu.clone());
    state.int[0] = 0;
    if stack != 0 {
        state.int[usize::from(cpu::RSP)] = stack;
    }
    if flags & flag::SETTLS != 0 {
        state.int[usize::from(cpu::FS_BASE)] = tls;
    }
    let task = k.add_task(state)?;
    if flags & flag::CHILD_CLEARTID != 0 {
        task.clear_child_tid = child_tid;
    }
    let tid = task.tid;
    for (wanted, addr) in [(flag::PARENT_SETTID, parent_tid), (flag::CHILD_SETTID, child_tid)] {
        if flags & wanted != 0 {
            // As Linux, which does not look whether it could be written.
            let _ = user::write(addr, &tid);
        }
    }
    Ok(tid as u64)
}

/// Implements Linux syscall clone3(2): ENOSYS, without a word, as programs then call clone(2).
pub fn sys_clone3(_: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(Errno::ENOSYS)
}

/// Implements Linux syscall fork(2): ENOSYS.
pub fn sys_fork(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    no_new_processes(k, "fork")
}

/// Implements Linux syscall vfork(2): ENOSYS.
pub fn sys_vfork(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    no_new_processes(k, "vfork")
}

/// Operations of futex(2).
mod op {
    pub const WAIT: u64 = 0;
    pub const WAKE: u64 = 1;
    pub const REQUEUE: u64 = 3;
    pub const CMP_REQUEUE: u64 = 4;
    pub const WAKE_OP: u64 = 5;
    pub const WAIT_BITSET: u64 = 9;
    pub const WAKE_BITSET: u64 = 10;
    /// Without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
    pub const MASK: u64 = 0x7f;
    pub const CLOCK_REALTIME: u64 = 0x100;
}

/// FUTEX_BITSET_MATCH_ANY.
const ANY: u32 = u32::MAX;

/// Implements Linux syscall futex(2): waiting, waking, requeueing. Those with priority inheritance are ENOSYS.
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
            let id = if operation & op::CLOCK_REALTIME != 0 { 0 } else { 1 };
            let now = super::time::read_clock(k, id)?;
            let after = if timeout == 0 { None } else { Some(super::time::read_timespec(timeout)?.saturating_sub(now)) };
            wait(k, addr, value as u32, bits, after)
        }
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
    Err(k.block_on_futex(addr, bits, deadline))
}

/// FUTEX_WAKE.
fn wake(k: &mut Kernel, addr: u64, bits: u32, count: usize) -> SysResult {
    user::read::<u32>(addr)?;
    Ok(k.wake(addr, bits, count) as u64)
}

/// FUTEX_REQUEUE: how many were woken, and how many now wait for the other word.
fn requeue(k: &mut Kernel, addr: u64, addr2: u64, wake: usize, moves: usize) -> Result<(u64, u64), Errno> {
    user::read::<u32>(addr2)?;
    let woken = k.wake(addr, ANY, wake);
    Ok((woken as u64, k.requeue(addr, addr2, moves) as u64))
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
    let woken = k.wake(addr, ANY, count);
    Ok((woken + if holds { k.wake(addr2, ANY, count2) } else { 0 }) as u64)
}
