//! fcntl(2).

use crate::errno::Errno::{EAGAIN, EBADF, EINVAL, EOVERFLOW, EPERM};
use crate::errno::SysResult;
use crate::fs::pipe::PipeEnd;
use crate::fs::record_lock::{self, Holder, Record};
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user::{self, Pod};

use super::path::{any_file, done, table};

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

/// Implements Linux syscall fcntl(2). Leases and notifications are not offered.
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
        command::GETLK | command::OFD_GETLK => get_lock(k, &file, arg, cmd == command::OFD_GETLK)?,
        command::SETLK | command::OFD_SETLK => set_lock(k, &file, arg, cmd == command::OFD_SETLK, false)?,
        command::SETLKW | command::OFD_SETLKW => set_lock(k, &file, arg, cmd == command::OFD_SETLKW, true)?,
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

/// `struct flock`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Flock {
    ty: u16,
    whence: u16,
    padding: u32,
    start: i64,
    len: i64,
    pid: i32,
    padding2: u32,
}
unsafe impl Pod for Flock {}

/// The lock that a `struct flock` describes; F_UNLCK makes one that is shared.
fn read_lock(k: &Kernel, file: &File, flock: &Flock, of_description: bool) -> Result<Record> {
    if of_description && flock.pid != 0 {
        return Err(EINVAL);
    }
    let base = match flock.whence {
        0 => 0,
        1 => file.offset() as i64,
        2 => file.inode().stat()?.size as i64,
        _ => return Err(EINVAL),
    };
    let start = base.checked_add(flock.start).ok_or(EOVERFLOW)?;
    // A negative length is that before the start; zero is all there will ever be.
    let (start, end) = match flock.len {
        0 => (start, i64::MAX),
        len @ 1.. => (start, start.checked_add(len).ok_or(EOVERFLOW)?),
        len => (start.checked_add(len).ok_or(EINVAL)?, start),
    };
    let bytes = u64::try_from(start).map_err(|_| EINVAL)?..end as u64;
    let holder = if of_description { file.description() } else { Holder::Process(k.process.pid) };
    Ok(Record { holder, bytes, exclusive: flock.ty == F_WRLCK })
}

/// F_GETLK: the lock in the way, or F_UNLCK.
fn get_lock(k: &Kernel, file: &File, addr: u64, of_description: bool) -> Result<()> {
    let mut flock: Flock = user::read(addr)?;
    if !matches!(flock.ty, F_RDLCK | F_WRLCK) {
        return Err(EINVAL);
    }
    let wanted = read_lock(k, file, &flock, of_description)?;
    match record_lock::obstacle(file.lock_key(), &wanted) {
        None => flock.ty = F_UNLCK,
        Some(Record { holder, bytes, exclusive }) => {
            let len = if bytes.end == i64::MAX as u64 { 0 } else { (bytes.end - bytes.start) as i64 };
            let ty = if exclusive { F_WRLCK } else { F_RDLCK };
            let pid = match holder {
                Holder::Process(pid) => pid,
                Holder::Description(_) => -1,
            };
            flock = Flock { ty, whence: 0, start: bytes.start as i64, len, pid, ..flock };
        }
    }
    user::write(addr, &flock)
}

/// F_SETLK and F_SETLKW.
fn set_lock(k: &mut Kernel, file: &File, addr: u64, of_description: bool, waits: bool) -> Result<()> {
    let flock: Flock = user::read(addr)?;
    let flags = file.flags();
    match flock.ty {
        F_RDLCK if !flags.readable() => return Err(EBADF),
        F_WRLCK if !flags.writable() => return Err(EBADF),
        F_RDLCK | F_WRLCK | F_UNLCK => {}
        _ => return Err(EINVAL),
    }
    let wanted = read_lock(k, file, &flock, of_description)?;
    let pid = k.process.pid;
    record_lock::stop_waiting(pid);
    if flock.ty == F_UNLCK {
        record_lock::free(file.lock_key(), wanted.holder, wanted.bytes);
        return Ok(());
    }
    match record_lock::set(file.lock_key(), wanted.clone()) {
        Err(EAGAIN) if waits => {
            if !of_description {
                record_lock::wait(pid, file.lock_key(), &wanted)?;
            }
            Err(k.block_forever(For::Anything))
        }
        result => result,
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
