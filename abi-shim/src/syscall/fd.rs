//! Descriptors: close, dup, flock. fcntl is in [`super::fcntl`].

use std::cell::RefCell;
use std::rc::Rc;

use crate::errno::Errno::{EAGAIN, EINVAL};
use crate::errno::SysResult;
use crate::fs::File;
use crate::fs::record_lock::{self, Holder};
use crate::fs::types::OpenFlags;
use crate::kernel::Kernel;
use crate::task::For;

use super::path::{any_file, done, table};

/// A descriptor is closed: with it go the process's record locks on the file, whatever else has it open.
fn release(k: &Kernel, file: Rc<File>) {
    if record_lock::are_any() {
        record_lock::free_file(file.lock_key(), Holder::Process(k.process.pid));
    }
}

/// Implements Linux syscall close(2).
pub fn sys_close(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    let closed = table(k).borrow_mut().close(fd as i32)?;
    // Dropped when the table is no longer borrowed: what the file stands for may look at the table.
    release(k, closed);
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
        release(k, closed);
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
    if let Some(before) = before {
        release(k, before);
    }
    Ok(newfd as u32 as u64)
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
