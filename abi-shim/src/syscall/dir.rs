//! Directories: their entries, the working directory, the root.

use crate::errno::Errno::{EINVAL, ENOENT, EPERM, ERANGE};
use crate::errno::SysResult;
use crate::fs::inode::DirEntry;
use crate::fs::types::{MAY_EXEC, NewInode, cap};
use crate::fs::{FsInfo, Location, Result};
use crate::kernel::Kernel;
use crate::user;

use hoist_vfs::{Device, Kind};

use super::path::{AT_FDCWD, PathArg, any_file, done, file, locate, vfs};

const CWD: u64 = AT_FDCWD as u64;

/// `struct linux_dirent64`: number, offset of the next, length, type, name.
fn dirent64(entry: &DirEntry, next: u64) -> Vec<u8> {
    let len = (19 + entry.name.len() + 1).next_multiple_of(8);
    let mut record = Vec::with_capacity(len);
    record.extend_from_slice(&entry.ino.to_le_bytes());
    record.extend_from_slice(&next.to_le_bytes());
    record.extend_from_slice(&(len as u16).to_le_bytes());
    record.push(entry.kind.d_type());
    record.extend_from_slice(&entry.name);
    record.resize(len, 0);
    record
}

/// `struct linux_dirent`: the same, but the type stands in the last byte.
fn dirent(entry: &DirEntry, next: u64) -> Vec<u8> {
    let len = (18 + entry.name.len() + 2).next_multiple_of(8);
    let mut record = Vec::with_capacity(len);
    record.extend_from_slice(&entry.ino.to_le_bytes());
    record.extend_from_slice(&next.to_le_bytes());
    record.extend_from_slice(&(len as u16).to_le_bytes());
    record.extend_from_slice(&entry.name);
    record.resize(len, 0);
    record[len - 1] = entry.kind.d_type();
    record
}

fn entries(k: &mut Kernel, fd: u64, dirp: u64, count: u64, record: fn(&DirEntry, u64) -> Vec<u8>) -> SysResult {
    let file = file(k, fd)?;
    let entries = file.directory()?;
    if file.location.is_deleted() {
        return Err(ENOENT);
    }
    let room = count as u32 as usize;
    let mut out = Vec::new();
    let mut position = file.offset();
    for entry in entries.iter().skip(usize::try_from(position).unwrap_or(usize::MAX)) {
        let record = record(entry, position + 1);
        if out.len() + record.len() > room {
            if out.is_empty() {
                return Err(EINVAL);
            }
            break;
        }
        out.extend_from_slice(&record);
        position += 1;
    }
    user::copy_to_user(dirp, &out)?;
    file.set_offset(position);
    file.tell(crate::fs::notify::mask::ACCESS);
    Ok(out.len() as u64)
}

/// Implements Linux syscall getdents(2).
pub fn sys_getdents(k: &mut Kernel, [fd, dirp, count, ..]: [u64; 6]) -> SysResult {
    entries(k, fd, dirp, count, dirent)
}

/// Implements Linux syscall getdents64(2).
pub fn sys_getdents64(k: &mut Kernel, [fd, dirp, count, ..]: [u64; 6]) -> SysResult {
    entries(k, fd, dirp, count, dirent64)
}

/// Implements Linux syscall getcwd(2).
pub fn sys_getcwd(k: &mut Kernel, [buf, size, ..]: [u64; 6]) -> SysResult {
    let FsInfo { root, cwd, .. } = k.fs_info().borrow().clone();
    if cwd.is_deleted() {
        return Err(ENOENT);
    }
    let path = cwd.path(&root);
    let mut bytes = if path.reached { Vec::new() } else { b"(unreachable)".to_vec() };
    bytes.extend_from_slice(&path.bytes);
    bytes.push(0);
    if bytes.len() as u64 > size {
        return Err(ERANGE);
    }
    user::copy_to_user(buf, &bytes)?;
    Ok(bytes.len() as u64)
}

/// A directory that may be entered.
fn enterable(k: &Kernel, location: &Location) -> Result<()> {
    use crate::errno::Errno::ENOTDIR;
    let stat = location.inode().stat()?;
    match stat.kind {
        Kind::Directory => k.cred().permission(&stat, MAY_EXEC),
        _ => Err(ENOTDIR),
    }
}

/// Implements Linux syscall chdir(2).
pub fn sys_chdir(k: &mut Kernel, [path, ..]: [u64; 6]) -> SysResult {
    let (location, _) = locate(k, CWD, path, 0, 0)?;
    enterable(k, &location)?;
    k.fs_info().borrow_mut().cwd = location;
    Ok(0)
}

/// Implements Linux syscall fchdir(2).
pub fn sys_fchdir(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    let location = any_file(k, fd)?.location.clone();
    enterable(k, &location)?;
    k.fs_info().borrow_mut().cwd = location;
    Ok(0)
}

/// Implements Linux syscall chroot(2).
pub fn sys_chroot(k: &mut Kernel, [path, ..]: [u64; 6]) -> SysResult {
    let (location, cred) = locate(k, CWD, path, 0, 0)?;
    enterable(k, &location)?;
    if !cred.capable(cap::SYS_CHROOT) {
        return Err(EPERM);
    }
    k.fs_info().borrow_mut().root = location;
    Ok(0)
}

/// Implements Linux syscall mkdir(2).
pub fn sys_mkdir(k: &mut Kernel, [pathname, mode, ..]: [u64; 6]) -> SysResult {
    sys_mkdirat(k, [CWD, pathname, mode, 0, 0, 0])
}

/// Implements Linux syscall mkdirat(2).
pub fn sys_mkdirat(k: &mut Kernel, [dirfd, pathname, mode, ..]: [u64; 6]) -> SysResult {
    let arg = PathArg::read(k, dirfd, pathname)?;
    let (mode, rdev) = (arg.masked(mode & 0o1777), Device::default());
    let new = NewInode { kind: Kind::Directory, mode, uid: 0, gid: 0, rdev, target: Vec::new() };
    done(vfs(k).create(&arg.walker(), &arg.path, new).map(drop))
}

/// Implements Linux syscall rmdir(2).
pub fn sys_rmdir(k: &mut Kernel, [pathname, ..]: [u64; 6]) -> SysResult {
    let arg = PathArg::read(k, CWD, pathname)?;
    done(vfs(k).rmdir(&arg.walker(), &arg.path))
}
