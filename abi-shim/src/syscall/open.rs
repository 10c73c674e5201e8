//! Opening and creating files: open, openat, openat2, creat, memfd_create, name_to_handle_at.

use crate::errno::Errno::{E2BIG, EINVAL, ENOENT, EOPNOTSUPP};
use crate::errno::SysResult;
use crate::fs::mem::{MemFs, magic};
use crate::fs::pipe::PipeEnd;
use crate::fs::types::{NewInode, OpenFlags};
use crate::fs::walk::Rules;
use crate::fs::{File, Location};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user;

use hoist_vfs::{Device, Kind};

use super::path::{AT_FDCWD, PathArg, table, vfs};

const CWD: u64 = AT_FDCWD as u64;

/// Implements Linux syscall open(2).
pub fn sys_open(k: &mut Kernel, [pathname, flags, mode, ..]: [u64; 6]) -> SysResult {
    sys_openat(k, [CWD, pathname, flags, mode, 0, 0])
}

/// Implements Linux syscall creat(2).
pub fn sys_creat(k: &mut Kernel, [pathname, mode, ..]: [u64; 6]) -> SysResult {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    sys_openat(k, [CWD, pathname, flags.into(), mode, 0, 0])
}

/// Implements Linux syscall openat(2).
pub fn sys_openat(k: &mut Kernel, [dirfd, pathname, flags, mode, ..]: [u64; 6]) -> SysResult {
    let path = PathArg::read(k, dirfd, pathname)?;
    open(k, &path, flags as u32, mode, Rules::default())
}

/// `struct open_how`: flags, mode, resolve.
const OPEN_HOW_SIZE: u64 = 24;

/// Implements Linux syscall openat2(2).
pub fn sys_openat2(k: &mut Kernel, [dirfd, pathname, how, size, ..]: [u64; 6]) -> SysResult {
    if size < OPEN_HOW_SIZE {
        return Err(EINVAL);
    }
    let [flags, mode, resolve]: [u64; 3] = user::read(how)?;
    for word in (OPEN_HOW_SIZE..size.min(4096)).step_by(8) {
        if user::read::<u64>(how + word)? != 0 {
            return Err(E2BIG);
        }
    }
    let creates = flags as u32 & (OpenFlags::CREAT | OpenFlags::TMPFILE & !OpenFlags::DIRECTORY) != 0;
    if resolve >> 6 != 0 || flags >> 32 != 0 || mode & !0o7777 != 0 || mode != 0 && !creates {
        return Err(EINVAL);
    }
    let rules = Rules {
        no_crossing: resolve & 1 != 0,
        no_jumps: resolve & 2 != 0,
        no_symlinks: resolve & 4 != 0,
        beneath: resolve & 8 != 0,
        in_root: resolve & 16 != 0,
    };
    if rules.beneath && rules.in_root {
        return Err(EINVAL);
    }
    let mut path = user::read_path(pathname)?;
    if rules.in_root && path.first() == Some(&b'/') {
        // Absolute within the directory: seen from there a path that begins with nothing.
        path.splice(..1, *b"./");
    }
    let path = if path.is_empty() { return Err(ENOENT) } else { PathArg::of(k, dirfd, path)? };
    open(k, &path, flags as u32, mode, rules)
}

fn open(k: &mut Kernel, path: &PathArg, flags: u32, mode: u64, rules: Rules) -> SysResult {
    let mut flags = OpenFlags(flags | OpenFlags::LARGEFILE);
    if flags.has(OpenFlags::PATH) {
        const KEPT: u32 = OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC;
        flags = OpenFlags(flags.0 & KEPT);
    }
    let walker = crate::fs::walk::Walker { rules, ..path.walker() };
    let file = match k.task.opening.take() {
        Some(file) => file,
        None => vfs(k).open(&walker, &path.path, flags, path.masked(mode))?,
    };
    // fifo(7): whoever opens one end waits for the other.
    if !flags.has(OpenFlags::NONBLOCK) && file.as_object::<PipeEnd>().is_some_and(|end| !end.is_connected()) {
        k.task.opening = Some(file);
        return Err(k.block_forever(For::Anything));
    }
    super::tty::opened(k, &file, flags.has(OpenFlags::NOCTTY));
    let fd = table(k).borrow_mut().add(file, flags.has(OpenFlags::CLOEXEC))?;
    Ok(fd as u64)
}

const MFD_CLOEXEC: u64 = 1;
const MFD_ALLOW_SEALING: u64 = 2;
/// MFD_NOEXEC_SEAL and MFD_EXEC.
const MFD_EXEC_FLAGS: u64 = 0x18;
/// The longest name that memfd_create(2) takes.
const MFD_NAME_MAX: usize = 249;

/// Implements Linux syscall memfd_create(2). No huge pages.
pub fn sys_memfd_create(k: &mut Kernel, [name, flags, ..]: [u64; 6]) -> SysResult {
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC_FLAGS) != 0 {
        return Err(EINVAL);
    }
    let name = user::strncpy_from_user(name, MFD_NAME_MAX + 1, EINVAL)?;
    let vfs = vfs(k);
    let dir = MemFs::empty(0o777, Device { major: 0, minor: 1 }, magic::TMPFS, vfs.clock().clone());
    let (cred, rdev) = (k.cred(), Device::default());
    let new = NewInode { kind: Kind::Regular, mode: 0o777, uid: cred.fsuid, gid: cred.fsgid, rdev, target: Vec::new() };
    let inode = dir.create_unnamed(&new, false)?;
    if let (Some(seals), true) = (inode.seals(), flags & MFD_ALLOW_SEALING != 0) {
        seals.set(0);
    }
    let name = format!("/memfd:{} (deleted)", String::from_utf8_lossy(&name));
    let at: Location = vfs.anonymous_inode(inode, &name);
    let file = File::content(at, OpenFlags(OpenFlags::RDWR | OpenFlags::LARGEFILE));
    let fd = table(k).borrow_mut().add(file, flags & MFD_CLOEXEC != 0)?;
    Ok(fd as u64)
}

/// Implements Linux syscall name_to_handle_at(2): no filesystem here has handles.
pub fn sys_name_to_handle_at(k: &mut Kernel, [dirfd, pathname, ..]: [u64; 6]) -> SysResult {
    PathArg::read(k, dirfd, pathname)?.resolve(false)?;
    Err(EOPNOTSUPP)
}
