//! Extended attributes: xattr(7).

use hoist_vfs::Kind;
use hoist_vfs::name::{XATTR_NAME_MAX, XATTR_SIZE_MAX};

use crate::errno::Errno::{E2BIG, EINVAL, ENODATA, EOPNOTSUPP, EPERM, ERANGE};
use crate::errno::SysResult;
use crate::fs::inode::SetXattr;
use crate::fs::notify;
use crate::fs::types::{MAY_READ, MAY_WRITE, cap};
use crate::fs::vfs::check_writable_mount;
use crate::fs::{Cred, Location, Result};
use crate::kernel::Kernel;
use crate::user;

use super::path::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, file, locate};

const STICKY: u32 = 0o1000;

type Place = fn(&Kernel, u64) -> Result<(Location, Cred)>;

fn by_path(k: &Kernel, path: u64) -> Result<(Location, Cred)> {
    locate(k, AT_FDCWD as u64, path, 0, 0)
}

fn by_link(k: &Kernel, path: u64) -> Result<(Location, Cred)> {
    locate(k, AT_FDCWD as u64, path, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW)
}

fn by_fd(k: &Kernel, fd: u64) -> Result<(Location, Cred)> {
    Ok((file(k, fd)?.location.clone(), k.cred()))
}

fn name_from_user(name: u64) -> Result<Vec<u8>> {
    let name = user::strncpy_from_user(name, XATTR_NAME_MAX + 1, ERANGE)?;
    if name.is_empty() { Err(ERANGE) } else { Ok(name) }
}

/// Whether this attribute may be read, or with `MAY_WRITE` changed: the rules of xattr(7) for each namespace.
fn permission(location: &Location, cred: &Cred, name: &[u8], mask: u32) -> Result<()> {
    let stat = location.inode().stat()?;
    let writes = mask & MAY_WRITE != 0;
    if writes {
        check_writable_mount(location)?;
    }
    if name.starts_with(b"trusted.") {
        return match cred.capable(cap::SYS_ADMIN) {
            true => Ok(()),
            false => Err(if writes { EPERM } else { ENODATA }),
        };
    }
    if name.starts_with(b"security.") {
        return if writes && !cred.capable(cap::SYS_ADMIN) { Err(EPERM) } else { Ok(()) };
    }
    if name.starts_with(b"system.posix_acl_") && !writes {
        return Err(ENODATA);
    }
    if !name.starts_with(b"user.") {
        return Err(EOPNOTSUPP);
    }
    if name == b"user." {
        return Err(EINVAL);
    }
    match stat.kind {
        Kind::Directory if writes && stat.mode & STICKY != 0 => cred.owner(&stat).and_then(|()| cred.permission(&stat, mask)),
        Kind::Regular | Kind::Directory => cred.permission(&stat, mask),
        _ => Err(if writes { EPERM } else { ENODATA }),
    }
}

/// Copies out as much as asked for; a size of 0 asks how much there is.
fn give(bytes: &[u8], to: u64, size: u64) -> SysResult {
    if size != 0 {
        if bytes.len() as u64 > size {
            return Err(ERANGE);
        }
        user::copy_to_user(to, bytes)?;
    }
    Ok(bytes.len() as u64)
}

fn get(k: &Kernel, place: Place, [at, name, value, size, ..]: [u64; 6]) -> SysResult {
    let name = name_from_user(name)?;
    let (location, cred) = place(k, at)?;
    permission(&location, &cred, &name, MAY_READ)?;
    give(&location.inode().xattr(&name)?, value, size)
}

fn set(k: &Kernel, place: Place, [at, name, value, size, flags, _]: [u64; 6]) -> SysResult {
    let how = match flags {
        0 => SetXattr::Any,
        1 => SetXattr::Create,
        2 => SetXattr::Replace,
        _ => return Err(EINVAL),
    };
    let name = name_from_user(name)?;
    if size > XATTR_SIZE_MAX as u64 {
        return Err(E2BIG);
    }
    let mut bytes = vec![0; size as usize];
    user::copy_from_user(value, &mut bytes)?;
    let (location, cred) = place(k, at)?;
    permission(&location, &cred, &name, MAY_WRITE)?;
    location.inode().set_xattr(&name, &bytes, how)?;
    notify::entry(&location.dentry, notify::mask::ATTRIB);
    Ok(0)
}

fn list(k: &Kernel, place: Place, [at, list, size, ..]: [u64; 6]) -> SysResult {
    let (location, cred) = place(k, at)?;
    let mut bytes = Vec::new();
    for name in location.inode().xattrs()? {
        if !name.starts_with(b"trusted.") || cred.capable(cap::SYS_ADMIN) {
            bytes.extend_from_slice(&name);
            bytes.push(0);
        }
    }
    give(&bytes, list, size)
}

fn remove(k: &Kernel, place: Place, [at, name, ..]: [u64; 6]) -> SysResult {
    let name = name_from_user(name)?;
    let (location, cred) = place(k, at)?;
    permission(&location, &cred, &name, MAY_WRITE)?;
    location.inode().remove_xattr(&name)?;
    notify::entry(&location.dentry, notify::mask::ATTRIB);
    Ok(0)
}

/// Implements Linux syscall setxattr(2).
pub fn sys_setxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    set(k, by_path, args)
}

/// Implements Linux syscall lsetxattr(2).
pub fn sys_lsetxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    set(k, by_link, args)
}

/// Implements Linux syscall fsetxattr(2).
pub fn sys_fsetxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    set(k, by_fd, args)
}

/// Implements Linux syscall getxattr(2).
pub fn sys_getxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    get(k, by_path, args)
}

/// Implements Linux syscall lgetxattr(2).
pub fn sys_lgetxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    get(k, by_link, args)
}

/// Implements Linux syscall fgetxattr(2).
pub fn sys_fgetxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    get(k, by_fd, args)
}

/// Implements Linux syscall listxattr(2).
pub fn sys_listxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    list(k, by_path, args)
}

/// Implements Linux syscall llistxattr(2).
pub fn sys_llistxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    list(k, by_link, args)
}

/// Implements Linux syscall flistxattr(2).
pub fn sys_flistxattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    list(k, by_fd, args)
}

/// Implements Linux syscall removexattr(2).
pub fn sys_removexattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    remove(k, by_path, args)
}

/// Implements Linux syscall lremovexattr(2).
pub fn sys_lremovexattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    remove(k, by_link, args)
}

/// Implements Linux syscall fremovexattr(2).
pub fn sys_fremovexattr(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    remove(k, by_fd, args)
}
