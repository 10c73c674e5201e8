//! What the calls on files share: descriptors, paths, the `…at` flags, and what happens where a file is not ready.

use std::cell::RefCell;
use std::rc::Rc;

use crate::errno::Errno::{self, EAGAIN, EBADF, EINVAL, ENOENT, ENOTDIR};
use crate::errno::SysResult;
use crate::fs::walk::Walker;
use crate::fs::{Cred, FdTable, File, FsInfo, Location, Result, Vfs};
use crate::kernel::Kernel;
use crate::user;

use hoist_vfs::Kind;

/// The working directory, where an `…at` call asks for a descriptor.
pub const AT_FDCWD: i32 = -100;
pub const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
pub const AT_REMOVEDIR: u64 = 0x200;
pub const AT_EACCESS: u64 = 0x200;
pub const AT_SYMLINK_FOLLOW: u64 = 0x400;
pub const AT_NO_AUTOMOUNT: u64 = 0x800;
pub const AT_EMPTY_PATH: u64 = 0x1000;
pub const AT_STATX_SYNC_TYPE: u64 = 0x6000;

/// The process's descriptors.
pub fn table(k: &Kernel) -> Rc<RefCell<FdTable>> {
    k.files()
}

/// The tree.
pub fn vfs(k: &Kernel) -> &Vfs {
    &k.vfs
}

/// The open file of a descriptor, one from O_PATH too.
///
/// # Errors
/// `EBADF`.
pub fn any_file(k: &Kernel, fd: u64) -> Result<Rc<File>> {
    table(k).borrow().get(fd as i32).cloned()
}

/// The open file of a descriptor, for what a place without content cannot do.
///
/// # Errors
/// `EBADF`, also for O_PATH.
pub fn file(k: &Kernel, fd: u64) -> Result<Rc<File>> {
    any_file(k, fd).and_then(|file| if file.is_path() { Err(EBADF) } else { Ok(file) })
}

/// Tells `/proc` how the process stands, before a path may lead there.
pub fn show_process(k: &Kernel) {
    k.show(&k.process);
    k.vfs.processes().set_current(k.process.pid);
    k.vfs.devices().controlling.replace(k.process.tty.clone());
}

/// A path from user memory and who walks it, from a directory's descriptor.
pub struct PathArg {
    pub path: Vec<u8>,
    cred: Cred,
    info: FsInfo,
    start: Option<Location>,
}

impl PathArg {
    /// `dirfd` and `pathname` of an `…at` call; the empty path leads nowhere.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG`, `ENOENT`; `EBADF` and `ENOTDIR` for the descriptor, if the path is relative.
    pub fn read(k: &Kernel, dirfd: u64, pathname: u64) -> Result<PathArg> {
        match user::read_path(pathname)? {
            path if path.is_empty() => Err(ENOENT),
            path => PathArg::of(k, dirfd, path),
        }
    }

    /// Of a path that is known already.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`.
    pub fn of(k: &Kernel, dirfd: u64, path: Vec<u8>) -> Result<PathArg> {
        let absolute = path.first() == Some(&b'/');
        let start = match dirfd as i32 {
            _ if absolute => None,
            AT_FDCWD => None,
            fd => Some(any_file(k, fd as u64)?.location.clone()),
        };
        if !path.is_empty() && start.as_ref().is_some_and(|start| start.inode().kind() != Kind::Directory) {
            return Err(ENOTDIR);
        }
        show_process(k);
        Ok(PathArg { path, cred: k.cred(), info: k.fs_info().borrow().clone(), start })
    }

    pub fn walker(&self) -> Walker<'_> {
        self.info.walker(&self.cred, self.start.clone())
    }

    pub fn cred(&self) -> &Cred {
        &self.cred
    }

    /// The umask taken off a mode.
    pub fn masked(&self, mode: u64) -> u32 {
        mode as u32 & 0o7777 & !self.info.umask
    }

    /// Where the path leads.
    ///
    /// # Errors
    /// Of the walk.
    pub fn resolve(&self, follow: bool) -> Result<Location> {
        self.walker().resolve(&self.path, follow)
    }
}

/// Where `dirfd` and `pathname` lead, AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH among the flags heeded, and who asks. `allowed`: the
/// flags that the call knows.
///
/// # Errors
/// `EINVAL` for other flags, and those of the walk.
pub fn locate(k: &Kernel, dirfd: u64, pathname: u64, flags: u64, allowed: u64) -> Result<(Location, Cred)> {
    if flags as u32 as u64 & !allowed != 0 {
        return Err(EINVAL);
    }
    // Linux takes a null pointer for the empty path since 6.11, and glibc relies on no version: both are good.
    if flags & AT_EMPTY_PATH != 0 && (pathname == 0 || user::read::<u8>(pathname)? == 0) {
        let location = match dirfd as i32 {
            AT_FDCWD => k.fs_info().borrow().cwd.clone(),
            _ => any_file(k, dirfd)?.location.clone(),
        };
        return Ok((location, k.cred()));
    }
    let arg = PathArg::read(k, dirfd, pathname)?;
    let location = arg.resolve(flags & AT_SYMLINK_NOFOLLOW == 0)?;
    Ok((location, arg.cred))
}

/// The result of an operation on a file, where `EAGAIN` means to wait unless the file is not to block.
///
/// # Errors
/// The result's own; `ERESTARTSYS` if the call waits.
pub fn or_wait<T>(k: &mut Kernel, file: &Rc<File>, events: u32, result: Result<T>) -> Result<T> {
    match result {
        Err(EAGAIN) if !file.nonblocking() => Err(k.wait_for_file(file, events)),
        result => result,
    }
}

/// A count as rax gives it.
pub fn count(result: Result<usize>) -> SysResult {
    result.map(|count| count as u64)
}

/// Nothing more to say than that it was done.
pub fn done(result: Result<()>) -> SysResult {
    result.map(|()| 0)
}

/// An offset argument.
///
/// # Errors
/// `EINVAL` if negative.
pub fn offset(value: u64) -> Result<u64> {
    u64::try_from(value as i64).map_err(|_| Errno::EINVAL)
}
