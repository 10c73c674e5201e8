//! Being told of changes to files: inotify(7).

use std::rc::Rc;

use crate::errno::Errno::{EINVAL, ENOTDIR};
use crate::errno::SysResult;
use crate::fs::Result;
use crate::fs::notify::{Inotify, mask};
use crate::fs::types::{MAY_READ, OpenFlags};
use crate::kernel::Kernel;

use hoist_vfs::Kind;

use super::path::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, done, file, locate};
use super::pipe::add_with_mode;

/// Implements Linux syscall inotify_init(2).
pub fn sys_inotify_init(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    sys_inotify_init1(k, [0; 6])
}

/// Implements Linux syscall inotify_init1(2).
pub fn sys_inotify_init1(k: &mut Kernel, [flags, ..]: [u64; 6]) -> SysResult {
    let flags = flags as u32;
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(EINVAL);
    }
    let set = Inotify::new(k.process.cred.uid.real)?;
    add_with_mode(k, set, "anon_inode:inotify", OpenFlags::RDONLY, flags)
}

fn set(k: &Kernel, fd: u64) -> Result<Rc<Inotify>> {
    file(k, fd)?.as_object::<Inotify>().ok_or(EINVAL)
}

/// Implements Linux syscall inotify_add_watch(2). A file that is mapped is closed with its descriptor, and a program once it is loaded; what
/// other programs of the host do in its directories is not told.
pub fn sys_inotify_add_watch(k: &mut Kernel, [fd, pathname, mask, ..]: [u64; 6]) -> SysResult {
    let mask = mask as u32;
    if mask & mask::KNOWN == 0 {
        return Err(EINVAL);
    }
    file(k, fd)?;
    if mask & mask::MASK_ADD != 0 && mask & mask::MASK_CREATE != 0 {
        return Err(EINVAL);
    }
    let set = set(k, fd)?;
    let follow = if mask & mask::DONT_FOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let (location, cred) = locate(k, AT_FDCWD as u64, pathname, follow, AT_SYMLINK_NOFOLLOW)?;
    if mask & mask::ONLYDIR != 0 && location.inode().kind() != Kind::Directory {
        return Err(ENOTDIR);
    }
    cred.permission(&location.inode().stat()?, MAY_READ)?;
    set.watch(location.inode(), mask).map(|number| number as u64)
}

/// Implements Linux syscall inotify_rm_watch(2).
pub fn sys_inotify_rm_watch(k: &mut Kernel, [fd, watch, ..]: [u64; 6]) -> SysResult {
    done(set(k, fd)?.unwatch(watch as i32))
}
