//! Signals: sigaction(2), sigprocmask(2), kill(2) and their relatives.

use crate::cpu;
use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::process::End;
use crate::signal::{self, Action, AltStack, Info, SignalSet, number};
use crate::user::{self, Pod};

/// `sizeof(sigset_t)` in the kernel.
const SET_SIZE: u64 = 8;
/// The smallest alternate stack: MINSIGSTKSZ.
const MIN_STACK: u64 = 2048;

/// A signal's number; EINVAL if there is none such.
fn signal_number(value: u64) -> Result<u8, Errno> {
    let signal = value as u32 as u64;
    if (1..=u64::from(number::MAX)).contains(&signal) { Ok(signal as u8) } else { Err(Errno::EINVAL) }
}

/// Implements Linux syscall rt_sigaction(2).
pub fn sys_rt_sigaction(k: &mut Kernel, [signal, new, old, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let signal = signal_number(signal)?;
    let before = k.process.actions.get(signal);
    if new != 0 {
        let mut action: Action = user::read(new)?;
        if matches!(signal, number::SIGKILL | number::SIGSTOP) {
            return Err(Errno::EINVAL);
        }
        action.mask = action.mask.blockable();
        *k.process.actions.get_mut(signal) = action;
        if k.process.actions.ignores(signal) {
            k.task.pending.forget(signal);
        }
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// Implements Linux syscall rt_sigprocmask(2).
pub fn sys_rt_sigprocmask(k: &mut Kernel, [how, set, old, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let before = k.task.blocked;
    if set != 0 {
        let set: SignalSet = user::read(set)?;
        let after = match how {
            0 => SignalSet(before.0 | set.0),
            1 => SignalSet(before.0 & !set.0),
            2 => set,
            _ => return Err(Errno::EINVAL),
        };
        k.task.blocked = after.blockable();
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// Implements Linux syscall rt_sigreturn(2): goes back to what a handler interrupted.
pub fn sys_rt_sigreturn(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    match signal::sigreturn(k) {
        Ok((pc, rax)) => {
            k.task.go_on_at(pc);
            Ok(rax)
        }
        Err(_) => {
            k.exit(End::Signal(number::SIGSEGV));
            Ok(0)
        }
    }
}

/// Implements Linux syscall rt_sigpending(2).
pub fn sys_rt_sigpending(k: &mut Kernel, [set, size, ..]: [u64; 6]) -> SysResult {
    if size > SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let pending = SignalSet(k.task.pending.set.0 & k.task.blocked.0);
    user::copy_to_user(set, &pending.0.to_le_bytes()[..size as usize])?;
    Ok(0)
}

/// Implements Linux syscall rt_sigtimedwait(2).
pub fn sys_rt_sigtimedwait(k: &mut Kernel, [set, info, timeout, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let set: SignalSet = user::read(set)?;
    if let Some(found) = k.task.pending.take(set) {
        if info != 0 {
            user::copy_to_user(info, &found.to_bytes())?;
        }
        return Ok(found.signal.into());
    }
    let deadline = match timeout {
        0 => None,
        _ => {
            let nanos = super::time::read_timespec(timeout)?;
            Some(k.task.deadline_after(nanos))
        }
    };
    if deadline.is_some_and(|deadline| crate::wasi::clock::monotonic() >= deadline) {
        return Err(Errno::EAGAIN);
    }
    Err(k.block(&[], deadline))
}

/// Implements Linux syscall rt_sigsuspend(2).
pub fn sys_rt_sigsuspend(k: &mut Kernel, [set, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let set: SignalSet = user::read(set)?;
    let before = std::mem::replace(&mut k.task.blocked, set.blockable());
    k.task.saved_blocked.get_or_insert(before);
    if signal::is_due(k) {
        return Err(Errno::EINTR);
    }
    Err(k.block_forever())
}

/// Implements Linux syscall pause(2).
pub fn sys_pause(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(k.block_forever())
}

/// `stack_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct StackT {
    start: u64,
    flags: u32,
    padding: u32,
    size: u64,
}
unsafe impl Pod for StackT {}

/// Implements Linux syscall sigaltstack(2).
pub fn sys_sigaltstack(k: &mut Kernel, [new, old, ..]: [u64; 6]) -> SysResult {
    let now = k.task.alt_stack;
    let in_use = now.contains(cpu::get_register(cpu::RSP));
    if new != 0 {
        let stack: StackT = user::read(new)?;
        let mode = stack.flags & !AltStack::AUTODISARM;
        if in_use {
            return Err(Errno::EPERM);
        }
        k.task.alt_stack = match mode {
            AltStack::DISABLE => AltStack::default(),
            0 | AltStack::ONSTACK if stack.size < MIN_STACK => return Err(Errno::ENOMEM),
            0 | AltStack::ONSTACK => AltStack { start: stack.start, size: stack.size, flags: stack.flags & AltStack::AUTODISARM },
            _ => return Err(Errno::EINVAL),
        };
    }
    if old != 0 {
        let flags = if in_use { AltStack::ONSTACK } else { now.flags };
        user::write(old, &StackT { start: now.start, flags, padding: 0, size: now.size })?;
    }
    Ok(0)
}

/// Sends a signal from the process to itself, or to one of its tasks; number 0 only asks whether it could.
fn send_own(k: &mut Kernel, tid: Option<i32>, signal: u64, code: i32) -> SysResult {
    if tid.is_some_and(|tid| k.task_mut(tid).is_none()) {
        return Err(Errno::ESRCH);
    }
    if signal as u32 == 0 {
        return Ok(0);
    }
    let signal = signal_number(signal)?;
    let (pid, uid) = (k.process.pid as u64, u64::from(k.process.cred.uid.real));
    let info = Info { signal, code, errno: 0, words: [pid | uid << 32, 0] };
    match tid {
        Some(tid) => _ = signal::send_to(k, tid, info),
        None => signal::send(k, info),
    }
    Ok(0)
}

/// Sends a signal with what the sender says of it: sigqueue(3).
fn queue(k: &mut Kernel, tid: i32, signal: u64, info: u64) -> SysResult {
    let [_, errno, code, _]: [i32; 4] = user::read(info)?;
    let words: [u64; 2] = user::read(info + 16)?;
    let exists = match signal as u32 {
        0 => k.task_mut(tid).is_some(),
        _ => signal::send_to(k, tid, Info { signal: signal_number(signal)?, code, errno, words }),
    };
    if exists { Ok(0) } else { Err(Errno::ESRCH) }
}

/// Implements Linux syscall rt_sigqueueinfo(2).
pub fn sys_rt_sigqueueinfo(k: &mut Kernel, [pid, signal, info, ..]: [u64; 6]) -> SysResult {
    if pid as i32 == k.process.pid { queue(k, k.task.tid, signal, info) } else { Err(Errno::ESRCH) }
}

/// Implements Linux syscall rt_tgsigqueueinfo(2).
pub fn sys_rt_tgsigqueueinfo(k: &mut Kernel, [group, tid, signal, info, ..]: [u64; 6]) -> SysResult {
    match (group as i32, tid as i32) {
        (..=0, _) | (_, ..=0) => Err(Errno::EINVAL),
        (group, tid) if group == k.process.pid => queue(k, tid, signal, info),
        _ => Err(Errno::ESRCH),
    }
}

/// Implements Linux syscall kill(2). There is one process, in one group.
pub fn sys_kill(k: &mut Kernel, [pid, signal, ..]: [u64; 6]) -> SysResult {
    let pid = pid as i32;
    if signal as u32 > number::MAX.into() {
        return Err(Errno::EINVAL);
    }
    match pid {
        0 => send_own(k, None, signal, Info::SI_USER),
        _ if pid == k.process.pid || pid == -k.process.group => send_own(k, None, signal, Info::SI_USER),
        _ => Err(Errno::ESRCH),
    }
}

/// Implements Linux syscall tkill(2).
pub fn sys_tkill(k: &mut Kernel, [tid, signal, ..]: [u64; 6]) -> SysResult {
    match tid as i32 {
        ..=0 => Err(Errno::EINVAL),
        tid => send_own(k, Some(tid), signal, Info::SI_TKILL),
    }
}

/// Implements Linux syscall tgkill(2).
pub fn sys_tgkill(k: &mut Kernel, [group, tid, signal, ..]: [u64; 6]) -> SysResult {
    match (group as i32, tid as i32) {
        (..=0, _) | (_, ..=0) => Err(Errno::EINVAL),
        (group, tid) if group == k.process.pid => send_own(k, Some(tid), signal, Info::SI_TKILL),
        _ => Err(Errno::ESRCH),
    }
}
