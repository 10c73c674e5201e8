//! Names of files: link, symlink, unlink, rename, mknod, readlink.

use crate::errno::Errno::{EINVAL, ENOENT, EPERM};
use crate::errno::SysResult;
use crate::fs::types::{NewInode, PATH_MAX, cap, decode_device};
use crate::fs::vfs::Rename;
use crate::kernel::Kernel;
use crate::user;

use hoist_vfs::node::S_IFMT;
use hoist_vfs::{Device, Kind};

use super::path::{AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, PathArg, done, locate, vfs};

const CWD: u64 = AT_FDCWD as u64;

/// Implements Linux syscall link(2).
pub fn sys_link(k: &mut Kernel, [oldpath, newpath, ..]: [u64; 6]) -> SysResult {
    sys_linkat(k, [CWD, oldpath, CWD, newpath, 0, 0])
}

/// Implements Linux syscall linkat(2).
pub fn sys_linkat(k: &mut Kernel, [olddirfd, oldpath, newdirfd, newpath, flags, _]: [u64; 6]) -> SysResult {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(EINVAL);
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    let flags = flags & AT_EMPTY_PATH | follow;
    let (old, _) = locate(k, olddirfd, oldpath, flags, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)?;
    let new = PathArg::read(k, newdirfd, newpath)?;
    done(vfs(k).link(&old, &new.walker(), &new.path))
}

/// Implements Linux syscall symlink(2).
pub fn sys_symlink(k: &mut Kernel, [target, linkpath, ..]: [u64; 6]) -> SysResult {
    sys_symlinkat(k, [target, CWD, linkpath, 0, 0, 0])
}

/// Implements Linux syscall symlinkat(2).
pub fn sys_symlinkat(k: &mut Kernel, [target, newdirfd, linkpath, ..]: [u64; 6]) -> SysResult {
    let target = user::read_path(target)?;
    if target.is_empty() {
        return Err(ENOENT);
    }
    let arg = PathArg::read(k, newdirfd, linkpath)?;
    let new = NewInode { kind: Kind::Symlink, mode: 0o777, uid: 0, gid: 0, rdev: Device::default(), target };
    done(vfs(k).create(&arg.walker(), &arg.path, new).map(drop))
}

/// Implements Linux syscall unlink(2).
pub fn sys_unlink(k: &mut Kernel, [pathname, ..]: [u64; 6]) -> SysResult {
    sys_unlinkat(k, [CWD, pathname, 0, 0, 0, 0])
}

/// Implements Linux syscall unlinkat(2).
pub fn sys_unlinkat(k: &mut Kernel, [dirfd, pathname, flags, ..]: [u64; 6]) -> SysResult {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(EINVAL);
    }
    let arg = PathArg::read(k, dirfd, pathname)?;
    done(match flags & AT_REMOVEDIR != 0 {
        true => vfs(k).rmdir(&arg.walker(), &arg.path),
        false => vfs(k).unlink(&arg.walker(), &arg.path),
    })
}

/// Implements Linux syscall rename(2).
pub fn sys_rename(k: &mut Kernel, [oldpath, newpath, ..]: [u64; 6]) -> SysResult {
    sys_renameat2(k, [CWD, oldpath, CWD, newpath, 0, 0])
}

/// Implements Linux syscall renameat(2).
pub fn sys_renameat(k: &mut Kernel, [olddirfd, oldpath, newdirfd, newpath, ..]: [u64; 6]) -> SysResult {
    sys_renameat2(k, [olddirfd, oldpath, newdirfd, newpath, 0, 0])
}

const RENAME_NOREPLACE: u32 = 1;
const RENAME_EXCHANGE: u32 = 2;

/// Implements Linux syscall renameat2(2), without RENAME_WHITEOUT.
pub fn sys_renameat2(k: &mut Kernel, [olddirfd, oldpath, newdirfd, newpath, flags, _]: [u64; 6]) -> SysResult {
    let how = match flags as u32 {
        0 => Rename::Replace,
        RENAME_NOREPLACE => Rename::NoReplace,
        RENAME_EXCHANGE => Rename::Exchange,
        _ => return Err(EINVAL),
    };
    let (old, new) = (PathArg::read(k, olddirfd, oldpath)?, PathArg::read(k, newdirfd, newpath)?);
    done(vfs(k).rename(&old.walker(), &old.path, &new.walker(), &new.path, how))
}

/// Implements Linux syscall mknod(2).
pub fn sys_mknod(k: &mut Kernel, [pathname, mode, dev, ..]: [u64; 6]) -> SysResult {
    sys_mknodat(k, [CWD, pathname, mode, dev, 0, 0])
}

/// Implements Linux syscall mknodat(2).
pub fn sys_mknodat(k: &mut Kernel, [dirfd, pathname, mode, dev, ..]: [u64; 6]) -> SysResult {
    let kind = match mode as u32 & S_IFMT {
        0 => Kind::Regular,
        _ => Kind::from_st_mode(mode as u32).ok_or(EINVAL)?,
    };
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    match kind {
        Kind::Directory => return Err(EPERM),
        Kind::Symlink => return Err(EINVAL),
        _ => {}
    }
    let arg = PathArg::read(k, dirfd, pathname)?;
    if is_device && !arg.cred().capable(cap::MKNOD) {
        return Err(EPERM);
    }
    let rdev = if is_device { decode_device(dev) } else { Device::default() };
    let new = NewInode { kind, mode: arg.masked(mode), uid: 0, gid: 0, rdev, target: Vec::new() };
    done(vfs(k).create(&arg.walker(), &arg.path, new).map(drop))
}

/// Implements Linux syscall readlink(2).
pub fn sys_readlink(k: &mut Kernel, [pathname, buf, size, ..]: [u64; 6]) -> SysResult {
    sys_readlinkat(k, [CWD, pathname, buf, size, 0, 0])
}

/// Implements Linux syscall readlinkat(2).
pub fn sys_readlinkat(k: &mut Kernel, [dirfd, pathname, buf, size, ..]: [u64; 6]) -> SysResult {
    let size = size as i32;
    if size <= 0 {
        return Err(EINVAL);
    }
    // The empty path means the descriptor, which O_PATH | O_NOFOLLOW opened as a symlink.
    let (location, _) = locate(k, dirfd, pathname, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let from_path = user::read::<u8>(pathname)? != 0;
    if location.inode().kind() != Kind::Symlink {
        return Err(if from_path { EINVAL } else { ENOENT });
    }
    let mut target = location.inode().readlink()?;
    target.truncate((size as usize).min(PATH_MAX));
    user::copy_to_user(buf, &target)?;
    Ok(target.len() as u64)
}
