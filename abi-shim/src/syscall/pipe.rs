//! Files that only processes see: pipes and event counters.

use std::rc::Rc;

use hoist_vfs::Kind;

use crate::errno::Errno::EINVAL;
use crate::errno::SysResult;
use crate::fs::anon::magic;
use crate::fs::eventfd::EventFd;
use crate::fs::pipe::Pipe;
use crate::fs::types::OpenFlags;
use crate::fs::{File, FileObject};
use crate::kernel::Kernel;
use crate::user;

use super::path::{table, vfs};

/// Implements Linux syscall pipe(2).
pub fn sys_pipe(k: &mut Kernel, [pipefd, ..]: [u64; 6]) -> SysResult {
    sys_pipe2(k, [pipefd, 0, 0, 0, 0, 0])
}

/// Implements Linux syscall pipe2(2). O_DIRECT is accepted, packets are not kept apart.
pub fn sys_pipe2(k: &mut Kernel, [pipefd, flags, ..]: [u64; 6]) -> SysResult {
    let flags = flags as u32;
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT) != 0 {
        return Err(EINVAL);
    }
    let (reader, writer) = Pipe::pair();
    let pipe = Rc::downgrade(reader.pipe());
    let reopen = move |flags: OpenFlags| match pipe.upgrade() {
        Some(pipe) => pipe.open(flags).map(Some),
        None => Err(crate::errno::Errno::ENXIO),
    };
    let at = vfs(k).anonymous(Kind::Fifo, 0o600, "pipe:[{}]", magic::PIPEFS, Box::new(reopen));
    let status = flags & !OpenFlags::CLOEXEC;
    let first = File::object(at.clone(), OpenFlags(OpenFlags::RDONLY | status), reader);
    let second = File::object(at, OpenFlags(OpenFlags::WRONLY | status), writer);
    let fds = table(k).borrow_mut().add_pair(first, second, flags & OpenFlags::CLOEXEC != 0)?;
    if let Err(error) = user::write(pipefd, &fds) {
        for fd in fds {
            let closed = table(k).borrow_mut().close(fd)?;
            drop(closed);
        }
        return Err(error);
    }
    Ok(0)
}

/// Implements Linux syscall eventfd(2).
pub fn sys_eventfd(k: &mut Kernel, [initval, ..]: [u64; 6]) -> SysResult {
    sys_eventfd2(k, [initval, 0, 0, 0, 0, 0])
}

/// Implements Linux syscall eventfd2(2).
pub fn sys_eventfd2(k: &mut Kernel, [initval, flags, ..]: [u64; 6]) -> SysResult {
    const EFD_SEMAPHORE: u32 = 1;
    let flags = flags as u32;
    if flags & !(EFD_SEMAPHORE | OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(EINVAL);
    }
    let event = EventFd::new(initval as u32, flags & EFD_SEMAPHORE != 0);
    add_anonymous(k, event, "anon_inode:[eventfd]", flags)
}

/// A descriptor for an object that has no name at all.
pub fn add_anonymous(k: &mut Kernel, object: Rc<dyn FileObject>, name: &str, flags: u32) -> SysResult {
    add_with_mode(k, object, name, OpenFlags::RDWR, flags)
}

/// Likewise, for one that is not both read and written.
pub fn add_with_mode(k: &mut Kernel, object: Rc<dyn FileObject>, name: &str, mode: u32, flags: u32) -> SysResult {
    // Linux refuses to open these again through /proc/self/fd.
    let reopen = Box::new(|_| Err(crate::errno::Errno::ENXIO));
    let at = vfs(k).anonymous(Kind::Regular, 0o600, name, magic::ANON_INODE, reopen);
    let status = OpenFlags(mode | flags & OpenFlags::NONBLOCK);
    let file = File::object(at, status, object);
    let fd = table(k).borrow_mut().add(file, flags & OpenFlags::CLOEXEC != 0)?;
    Ok(fd as u64)
}
