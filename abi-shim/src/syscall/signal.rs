//! Signals: sigaction(2), sigprocmask(2), kill(2) and their relatives.

use crate::cpu;
use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::process::End;
use crate::signal::{self, Action, AltStack, Info, SignalSet, number};
use crate::task::For;
use crate::user::{self, Pod};

/// CAP_KILL of capabilities(7).
const CAP_KILL: u32 = 5;
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
        k.process.actions.set(signal, action);
        if k.process.actions.ignores(signal) {
            let pid = k.process.pid;
            k.process.pending.forget(signal);
            k.tasks_mut().filter(|task| task.pid == pid).for_each(|task| task.pending.forget(signal));
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
    let pending = SignalSet((k.task.pending.set.0 | k.process.pending.set.0) & k.task.blocked.0);
    user::copy_to_user(set, &pending.0.to_le_bytes()[..size as usize])?;
    Ok(0)
}

/// Implements Linux syscall rt_sigtimedwait(2).
pub fn sys_rt_sigtimedwait(k: &mut Kernel, [set, info, timeout, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let set: SignalSet = user::read(set)?;
    if let Some(found) = signal::take(k, set) {
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
    Err(k.block(&[], deadline, For::Signals(set)))
}

/// Implements Linux syscall rt_sigsuspend(2).
pub fn sys_rt_sigsuspend(k: &mut Kernel, [set, size, ..]: [u64; 6]) -> SysResult {
    if size != SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let set: SignalSet = user::read(set)?;
    let before = std::mem::replace(&mut k.task.blocked, set.blockable());
    k.task.saved_blocked.get_or_insert(before);
    Err(k.block_forever(For::Nothing))
}

/// Implements Linux syscall pause(2).
pub fn sys_pause(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    Err(k.block_forever(For::Nothing))
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

/// Whether the current process may send a process a signal: kill(2).
pub fn may_signal(k: &Kernel, pid: i32, signal: u64) -> bool {
    let Some(to) = k.process(pid) else { return false };
    let from = &k.process.cred;
    let same_user = [from.uid.real, from.uid.effective].iter().any(|&id| id == to.cred.uid.real || id == to.cred.uid.saved);
    let same_session = signal == u64::from(number::SIGCONT) && to.session == k.process.session;
    pid == k.process.pid || from.capable(CAP_KILL) || same_user || same_session
}

/// Sends a signal to one task, for tkill(2) and tgkill(2); number 0 only asks whether it could.
fn send_to_task(k: &mut Kernel, group: Option<i32>, tid: i32, signal: u64) -> SysResult {
    let pid = k.task_mut(tid).map(|task| task.pid).filter(|&pid| group.is_none_or(|group| group == pid)).ok_or(Errno::ESRCH)?;
    if signal as u32 > number::MAX.into() {
        return Err(Errno::EINVAL);
    }
    if !may_signal(k, pid, signal) {
        return Err(Errno::EPERM);
    }
    if signal as u32 != 0 {
        let info = k.info_of_sender(signal_number(signal)?, Info::SI_TKILL);
        signal::may_queue(k, pid, &info)?;
        signal::send_to(k, tid, info);
    }
    Ok(0)
}

/// What the sender says of a signal: sigqueue(3). Only the kernel may say that a signal is the kernel's.
pub fn read_info(k: &Kernel, pid: i32, signal: u64, info: u64) -> Result<Info, Errno> {
    let [_, errno, code, _]: [i32; 4] = user::read(info)?;
    let words: [u64; 2] = user::read(info + 16)?;
    if (code >= 0 || code == Info::SI_TKILL) && pid != k.process.pid {
        return Err(Errno::EPERM);
    }
    Ok(Info { signal: signal_number(signal)?, code, errno, words })
}

/// Implements Linux syscall rt_sigqueueinfo(2).
pub fn sys_rt_sigqueueinfo(k: &mut Kernel, [pid, signal, info, ..]: [u64; 6]) -> SysResult {
    let pid = pid as i32;
    let ended = k.process(pid).ok_or(Errno::ESRCH)?.end.is_some();
    if signal as u32 != 0 {
        let info = read_info(k, pid, signal, info)?;
        if !may_signal(k, pid, signal) {
            return Err(Errno::EPERM);
        }
        if !ended {
            signal::may_queue(k, pid, &info)?;
            signal::send(k, pid, info);
        }
    }
    Ok(0)
}

/// Implements Linux syscall rt_tgsigqueueinfo(2).
pub fn sys_rt_tgsigqueueinfo(k: &mut Kernel, [group, tid, signal, info, ..]: [u64; 6]) -> SysResult {
    let (group, tid) = (group as i32, tid as i32);
    if group <= 0 || tid <= 0 {
        return Err(Errno::EINVAL);
    }
    if k.task_mut(tid).is_none_or(|task| task.pid != group) {
        return Err(Errno::ESRCH);
    }
    if signal as u32 != 0 {
        let info = read_info(k, group, signal, info)?;
        signal::may_queue(k, group, &info)?;
        signal::send_to(k, tid, info);
    }
    Ok(0)
}

/// Implements Linux syscall kill(2).
pub fn sys_kill(k: &mut Kernel, [pid, signal, ..]: [u64; 6]) -> SysResult {
    const INIT: i32 = 1;
    let pid = pid as i32;
    if signal as u32 > number::MAX.into() {
        return Err(Errno::EINVAL);
    }
    let own = k.process.pid;
    let group = if pid == 0 { k.process.group } else { pid.wrapping_neg() };
    let members = k.all_processes().filter(|process| match pid {
        1.. => process.pid == pid,
        -1 => process.pid != INIT && process.pid != own,
        _ => process.group == group,
    });
    let found: Vec<i32> = members.map(|process| process.pid).collect();
    if found.is_empty() {
        return Err(Errno::ESRCH);
    }
    let allowed: Vec<i32> = found.into_iter().filter(|&pid| may_signal(k, pid, signal)).collect();
    if allowed.is_empty() {
        return Err(Errno::EPERM);
    }
    if signal as u32 != 0 {
        let info = k.info_of_sender(signal_number(signal)?, Info::SI_USER);
        for pid in allowed {
            if signal::may_queue(k, pid, &info)? {
                signal::send(k, pid, info);
            }
        }
    }
    Ok(0)
}

/// Implements Linux syscall tkill(2).
pub fn sys_tkill(k: &mut Kernel, [tid, signal, ..]: [u64; 6]) -> SysResult {
    match tid as i32 {
        ..=0 => Err(Errno::EINVAL),
        tid => send_to_task(k, None, tid, signal),
    }
}

/// Implements Linux syscall tgkill(2).
pub fn sys_tgkill(k: &mut Kernel, [group, tid, signal, ..]: [u64; 6]) -> SysResult {
    match (group as i32, tid as i32) {
        (..=0, _) | (_, ..=0) => Err(Errno::EINVAL),
        (group, tid) => send_to_task(k, Some(group), tid, signal),
    }
}
