//! Descriptors: close, dup, fcntl, flock.

use std::cell::RefCell;
use std::rc::Rc;

use crate::errno::Errno::{EAGAIN, EBADF, EINVAL, EPERM};
use crate::errno::SysResult;
use crate::fs::pipe::PipeEnd;
use crate::fs::types::OpenFlags;
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user;

use super::path::{any_file, done, table};

/// Implements Linux syscall close(2).
pub fn sys_close(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    let closed = table(k).borrow_mut().close(fd as i32)?;
    // Dropped when the table is no longer borrowed: what the file stands for may look at the table.
    drop(closed);
    Ok(0)
}

const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

/// Implements Linux syscall close_range(2).
pub fn sys_close_range(k: &mut Kernel, [first, last, flags, ..]: [u64; 6]) -> SysResult {
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        let own = k.process.files.borrow().clone();
        k.process.files = Rc::new(RefCell::new(own));
    }
    let table = table(k);
    let fds = table.borrow().range(first as u32, last as u32)?;
    for fd in fds {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            table.borrow_mut().set_cloexec(fd, true)?;
            continue;
        }
        let closed = table.borrow_mut().close(fd)?;
        drop(closed);
    }
    Ok(0)
}

/// Implements Linux syscall dup(2).
pub fn sys_dup(k: &mut Kernel, [oldfd, ..]: [u64; 6]) -> SysResult {
    let file = any_file(k, oldfd)?;
    let fd = table(k).borrow_mut().add(file, false)?;
    Ok(fd as u64)
}

/// Implements Linux syscall dup2(2).
pub fn sys_dup2(k: &mut Kernel, [oldfd, newfd, ..]: [u64; 6]) -> SysResult {
    if oldfd as i32 == newfd as i32 {
        return any_file(k, oldfd).map(|_| newfd as u32 as u64);
    }
    replace(k, oldfd, newfd, false)
}

/// Implements Linux syscall dup3(2).
pub fn sys_dup3(k: &mut Kernel, [oldfd, newfd, flags, ..]: [u64; 6]) -> SysResult {
    let cloexec = flags as u32 == OpenFlags::CLOEXEC;
    if oldfd as i32 == newfd as i32 || flags != 0 && !cloexec {
        return Err(EINVAL);
    }
    replace(k, oldfd, newfd, cloexec)
}

fn replace(k: &mut Kernel, oldfd: u64, newfd: u64, cloexec: bool) -> SysResult {
    let file = any_file(k, oldfd)?;
    let before = table(k).borrow_mut().replace(newfd as i32, file, cloexec)?;
    drop(before);
    Ok(newfd as u32 as u64)
}

/// Commands of fcntl(2).
mod command {
    pub const DUPFD: u32 = 0;
    pub const GETFD: u32 = 1;
    pub const SETFD: u32 = 2;
    pub const GETFL: u32 = 3;
    pub const SETFL: u32 = 4;
    pub const GETLK: u32 = 5;
    pub const SETLK: u32 = 6;
    pub const SETLKW: u32 = 7;
    pub const SETOWN: u32 = 8;
    pub const GETOWN: u32 = 9;
    pub const SETSIG: u32 = 10;
    pub const GETSIG: u32 = 11;
    pub const OFD_GETLK: u32 = 36;
    pub const OFD_SETLK: u32 = 37;
    pub const OFD_SETLKW: u32 = 38;
    pub const SETLEASE: u32 = 1024;
    pub const GETLEASE: u32 = 1025;
    pub const DUPFD_CLOEXEC: u32 = 1030;
    pub const SETPIPE_SZ: u32 = 1031;
    pub const GETPIPE_SZ: u32 = 1032;
    pub const ADD_SEALS: u32 = 1033;
    pub const GET_SEALS: u32 = 1034;
}

const FD_CLOEXEC: u64 = 1;

/// Implements Linux syscall fcntl(2). Record locks are granted: one process has no rival. Leases and notifications are not offered.
pub fn sys_fcntl(k: &mut Kernel, [fd, cmd, arg, ..]: [u64; 6]) -> SysResult {
    let file = any_file(k, fd)?;
    let cmd = cmd as u32;
    let table = table(k);
    match cmd {
        command::DUPFD | command::DUPFD_CLOEXEC => {
            let from = u32::try_from(arg as i32).ok().filter(|&from| from < table.borrow().limit).ok_or(EINVAL)?;
            return table.borrow_mut().add_from(from, file, cmd == command::DUPFD_CLOEXEC).map(|fd| fd as u64);
        }
        command::GETFD => return Ok(u64::from(table.borrow().cloexec(fd as i32)?)),
        command::SETFD => return done(table.borrow_mut().set_cloexec(fd as i32, arg & FD_CLOEXEC != 0)),
        command::GETFL => return Ok(file.flags().0.into()),
        _ if file.is_path() => return Err(EBADF),
        _ => {}
    }
    match cmd {
        command::SETFL => file.set_flags(arg as u32),
        command::GETLK | command::OFD_GETLK => get_lock(arg)?,
        command::SETLK | command::SETLKW | command::OFD_SETLK | command::OFD_SETLKW => check_lock(&file, arg)?,
        command::SETOWN => file.owner.set(arg as i32),
        command::GETOWN => return Ok(i64::from(file.owner.get()) as u64),
        command::SETSIG if arg > 64 => return Err(EINVAL),
        command::SETSIG => file.signal.set(arg as u32),
        command::GETSIG => return Ok(file.signal.get().into()),
        command::SETLEASE => return Err(EAGAIN),
        command::GETLEASE => return Ok(F_UNLCK.into()),
        command::SETPIPE_SZ => {
            let end = file.as_object::<PipeEnd>().ok_or(EBADF)?;
            return end.set_capacity(u64::from(arg as u32)).map(|size| size as u64);
        }
        command::GETPIPE_SZ => return Ok(file.as_object::<PipeEnd>().ok_or(EBADF)?.capacity() as u64),
        command::ADD_SEALS => add_seals(&file, arg as u32)?,
        command::GET_SEALS => return Ok(file.inode().seals().ok_or(EINVAL)?.get().into()),
        _ => return Err(EINVAL),
    }
    Ok(0)
}

const F_RDLCK: u16 = 0;
const F_WRLCK: u16 = 1;
const F_UNLCK: u16 = 2;

/// F_GETLK: `struct flock` starts with the lock's type, and no lock is in the way.
fn get_lock(flock: u64) -> Result<()> {
    match user::read::<u16>(flock)? {
        F_RDLCK | F_WRLCK => user::write(flock, &F_UNLCK),
        _ => Err(EINVAL),
    }
}

fn check_lock(file: &File, flock: u64) -> Result<()> {
    let flags = file.flags();
    match user::read::<u16>(flock)? {
        F_RDLCK if !flags.readable() => Err(EBADF),
        F_WRLCK if !flags.writable() => Err(EBADF),
        F_RDLCK | F_WRLCK | F_UNLCK => Ok(()),
        _ => Err(EINVAL),
    }
}

fn add_seals(file: &File, seals: u32) -> Result<()> {
    use crate::fs::inode::seal;
    let held = file.inode().seals().ok_or(EINVAL)?;
    if seals & !seal::ALL != 0 {
        return Err(EINVAL);
    }
    if !file.flags().writable() || held.get() & seal::SEAL != 0 {
        return Err(EPERM);
    }
    held.set(held.get() | seals);
    Ok(())
}

/// Implements Linux syscall flock(2).
pub fn sys_flock(k: &mut Kernel, [fd, operation, ..]: [u64; 6]) -> SysResult {
    const LOCK_NB: u64 = 4;
    let file = super::path::file(k, fd)?;
    use crate::fs::lock::Lock;
    let wanted = match operation & !LOCK_NB {
        1 => Lock::Shared,
        2 => Lock::Exclusive,
        8 => Lock::Free,
        _ => return Err(EINVAL),
    };
    match file.flock(wanted) {
        Err(EAGAIN) if operation & LOCK_NB == 0 => Err(k.block_forever(For::Anything)),
        result => done(result),
    }
}
