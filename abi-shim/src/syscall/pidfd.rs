//! Processes as files, and what reaches into other processes: pidfd_open and its relatives, kcmp, process_vm_readv, process_vm_writev.

use std::rc::Rc;

use crate::errno::Errno::{self, EBADF, EINVAL, EPERM, ESRCH};
use crate::errno::SysResult;
use crate::fs::Result;
use crate::fs::pidfd::PidFd;
use crate::fs::procfs;
use crate::fs::types::OpenFlags;
use crate::heap::{self, Claim};
use crate::kernel::Kernel;
use crate::signal::{self, Info, number};
use crate::user;

use super::path::{any_file, file, table};
use super::pipe::add_anonymous;
use super::read_write::pieces;
use super::signal::{may_signal, read_info};

/// A descriptor of a process, which execve(2) closes.
///
/// # Errors
/// `ESRCH`, `EMFILE`.
pub fn open(k: &mut Kernel, pid: i32, flags: u32) -> SysResult {
    let ended = k.process(pid).ok_or(ESRCH)?.ended.clone();
    add_anonymous(k, PidFd::new(pid, &ended), "anon_inode:[pidfd]", flags | OpenFlags::CLOEXEC)
}

/// The process that a descriptor is of.
///
/// # Errors
/// `EBADF`.
pub fn process_of(k: &Kernel, fd: u64) -> Result<i32> {
    any_file(k, fd)?.as_object::<PidFd>().map(|file| file.pid).ok_or(EBADF)
}

/// Implements Linux syscall pidfd_open(2).
pub fn sys_pidfd_open(k: &mut Kernel, [pid, flags, ..]: [u64; 6]) -> SysResult {
    let (pid, flags) = (pid as i32, flags as u32);
    if flags & !OpenFlags::NONBLOCK != 0 || pid <= 0 {
        return Err(EINVAL);
    }
    if k.process(pid).is_none() && k.task_mut(pid).is_some() {
        // A thread that does not lead its group.
        return Err(EINVAL);
    }
    open(k, pid, flags)
}

/// Implements Linux syscall pidfd_send_signal(2).
pub fn sys_pidfd_send_signal(k: &mut Kernel, [fd, signal, info, flags, ..]: [u64; 6]) -> SysResult {
    if flags != 0 {
        return Err(EINVAL);
    }
    // As before there were descriptors of processes, one of the directory does it too.
    let pid = process_of(k, fd).or_else(|_| procfs::process_of(file(k, fd)?.inode()).ok_or(EBADF))?;
    if k.process(pid).is_none_or(|process| process.is_reaped) {
        return Err(ESRCH);
    }
    if signal as u32 > number::MAX.into() {
        return Err(EINVAL);
    }
    let told = match info {
        0 => None,
        _ if user::read::<i32>(info)? != signal as i32 => return Err(EINVAL),
        _ => Some(read_info(k, pid, signal.max(1), info)?),
    };
    if !may_signal(k, pid, signal) {
        return Err(EPERM);
    }
    if signal as u32 != 0 {
        let info = told.unwrap_or_else(|| k.info_of_sender(signal as u8, Info::SI_USER));
        if signal::may_queue(k, pid, &info)? {
            signal::send(k, pid, info);
        }
    }
    Ok(0)
}

/// Implements Linux syscall pidfd_getfd(2).
pub fn sys_pidfd_getfd(k: &mut Kernel, [fd, target, flags, ..]: [u64; 6]) -> SysResult {
    if flags != 0 {
        return Err(EINVAL);
    }
    let pid = process_of(k, fd)?;
    let process = k.process(pid).filter(|process| process.end.is_none()).ok_or(ESRCH)?;
    may_trace(k, pid)?;
    let file = process.files.borrow().get(target as i32)?.clone();
    let fd = table(k).borrow_mut().add(file, true)?;
    Ok(fd as u64)
}

/// Whether the current process may look into another: ptrace(2) on PTRACE_MODE_ATTACH.
fn may_trace(k: &Kernel, pid: i32) -> Result<()> {
    const CAP_SYS_PTRACE: u32 = 19;
    let (own, other) = (&k.process.cred, &k.process(pid).ok_or(ESRCH)?.cred);
    let same = [other.uid.real, other.uid.effective, other.uid.saved].iter().all(|&id| id == own.uid.real);
    if pid == k.process.pid || same || own.capable(CAP_SYS_PTRACE) { Ok(()) } else { Err(EPERM) }
}

/// Implements Linux syscall kcmp(2): files, address spaces, descriptor tables, directories, handlers; not io contexts.
pub fn sys_kcmp(k: &mut Kernel, [one, other, kind, first, second, _]: [u64; 6]) -> SysResult {
    let processes = [one, other].map(|pid| k.process(pid as i32));
    let [Some(a), Some(b)] = processes else { return Err(ESRCH) };
    may_trace(k, a.pid).and(may_trace(k, b.pid))?;
    let address = |of: *const ()| of.addr();
    let [a, b] = match kind {
        0 => {
            let file = |process: &crate::process::Process, fd: u64| -> Result<usize> {
                Ok(address(Rc::as_ptr(process.files.borrow().get(fd as i32)?).cast()))
            };
            [file(a, first)?, file(b, second)?]
        }
        1 => [a, b].map(|process| address(Rc::as_ptr(&process.mm).cast())),
        2 => [a, b].map(|process| address(Rc::as_ptr(&process.files).cast())),
        3 => [a, b].map(|process| address(Rc::as_ptr(&process.fs).cast())),
        4 => [a, b].map(|process| process.pid as usize),
        _ => return Err(EINVAL),
    };
    Ok(match a.cmp(&b) {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    })
}

/// Implements Linux syscall process_vm_readv(2).
pub fn sys_process_vm_readv(k: &mut Kernel, [pid, local, local_count, remote, remote_count, flags]: [u64; 6]) -> SysResult {
    if flags != 0 {
        return Err(EINVAL);
    }
    let (to, from) = (pieces(local, local_count)?, pieces(remote, remote_count)?);
    may_trace(k, pid as i32)?;
    let mut bytes = Vec::new();
    for piece in &from {
        let wanted = to.iter().map(|piece| piece.len).sum::<usize>().saturating_sub(bytes.len()).min(piece.len);
        let end = piece.addr.checked_add(wanted as u64).ok_or(Errno::EFAULT)?;
        let mm = k.process(pid as i32).ok_or(ESRCH)?.mm.borrow();
        if !mm.is_mapped(piece.addr, end) {
            return if bytes.is_empty() { Err(Errno::EFAULT) } else { give(&to, &bytes) };
        }
        bytes.extend(mm.peek(piece.addr, wanted as u64));
    }
    give(&to, &bytes)
}

/// Writes bytes to pieces; how many.
fn give(to: &[crate::fs::uio::Piece], bytes: &[u8]) -> SysResult {
    let mut rest = bytes;
    for piece in to {
        let (part, after) = rest.split_at(piece.len.min(rest.len()));
        user::copy_to_user(piece.addr, part)?;
        rest = after;
    }
    Ok((bytes.len() - rest.len()) as u64)
}

/// Implements Linux syscall process_vm_writev(2), into the caller's own memory; into others' it is EPERM.
pub fn sys_process_vm_writev(k: &mut Kernel, [pid, local, local_count, remote, remote_count, flags]: [u64; 6]) -> SysResult {
    if flags != 0 {
        return Err(EINVAL);
    }
    let (from, to) = (pieces(local, local_count)?, pieces(remote, remote_count)?);
    k.process(pid as i32).ok_or(ESRCH)?;
    if pid as i32 != k.process.pid {
        return Err(EPERM);
    }
    let room: usize = to.iter().map(|piece| piece.len).sum();
    let mut bytes = Vec::new();
    for piece in &from {
        let mut part = heap::zeroed(Claim::Process, piece.len.min(room - bytes.len().min(room)))?;
        user::copy_from_user(piece.addr, &mut part)?;
        bytes.extend(part);
    }
    give(&to, &bytes)
}
