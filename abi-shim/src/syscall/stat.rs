//! What a file is: the stat and access families, statfs.

use hoist_vfs::Timestamp;

use crate::errno::Errno::{EINVAL, EROFS};
use crate::errno::SysResult;
use crate::fs::types::{BLOCK_SIZE, MAY_WRITE, NAME_MAX, Stat, encode_device};
use crate::fs::{Cred, Location, Result};
use crate::kernel::Kernel;
use crate::user;

use hoist_vfs::Kind;

use super::path::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, any_file, done, locate,
};

const CWD: u64 = AT_FDCWD as u64;

/// `struct stat` of x86-64 as words.
fn struct_stat(stat: &Stat) -> [u64; 18] {
    let mut words = [0; 18];
    words[0] = encode_device(stat.dev);
    words[1] = stat.ino;
    words[2] = stat.nlink.into();
    words[3] = u64::from(stat.st_mode()) | u64::from(stat.uid) << 32;
    words[4] = stat.gid.into();
    words[5] = encode_device(stat.rdev);
    words[6] = stat.size;
    words[7] = BLOCK_SIZE;
    words[8] = stat.blocks;
    for (index, time) in [stat.atime, stat.mtime, stat.ctime].into_iter().enumerate() {
        words[9 + 2 * index] = time.secs as u64;
        words[10 + 2 * index] = time.nanos.into();
    }
    words
}

fn write_stat(location: &Location, statbuf: u64) -> SysResult {
    done(user::write(statbuf, &struct_stat(&location.inode().stat()?)))
}

/// Implements Linux syscall stat(2).
pub fn sys_stat(k: &mut Kernel, [pathname, statbuf, ..]: [u64; 6]) -> SysResult {
    sys_newfstatat(k, [CWD, pathname, statbuf, 0, 0, 0])
}

/// Implements Linux syscall lstat(2).
pub fn sys_lstat(k: &mut Kernel, [pathname, statbuf, ..]: [u64; 6]) -> SysResult {
    sys_newfstatat(k, [CWD, pathname, statbuf, AT_SYMLINK_NOFOLLOW, 0, 0])
}

/// Implements Linux syscall fstat(2).
pub fn sys_fstat(k: &mut Kernel, [fd, statbuf, ..]: [u64; 6]) -> SysResult {
    write_stat(&any_file(k, fd)?.location, statbuf)
}

/// Implements Linux syscall newfstatat(2), fstatat in the manual.
pub fn sys_newfstatat(k: &mut Kernel, [dirfd, pathname, statbuf, flags, ..]: [u64; 6]) -> SysResult {
    let allowed = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
    let (location, _) = locate(k, dirfd, pathname, flags, allowed)?;
    write_stat(&location, statbuf)
}

/// STATX_BASIC_STATS and STATX_MNT_ID, and what is only told to those who ask: STATX_BTIME.
const STATX_GIVEN: u32 = 0x7ff | 0x1000;
const STATX_BTIME: u32 = 0x800;
/// A mask bit that is kept for the future.
const STATX_RESERVED: u64 = 0x8000_0000;
const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

/// Implements Linux syscall statx(2).
pub fn sys_statx(k: &mut Kernel, [dirfd, pathname, flags, mask, statxbuf, _]: [u64; 6]) -> SysResult {
    if mask & STATX_RESERVED != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE {
        return Err(EINVAL);
    }
    let allowed = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    let (location, _) = locate(k, dirfd, pathname, flags, allowed)?;
    let stat = location.inode().stat()?;
    let is_mount = std::rc::Rc::ptr_eq(&location.dentry, &location.mount.root);
    let attributes = if is_mount { STATX_ATTR_MOUNT_ROOT } else { 0 };
    let mut out = [0; 256];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(&(STATX_GIVEN | mask as u32 & STATX_BTIME).to_le_bytes());
    put(&(BLOCK_SIZE as u32).to_le_bytes());
    put(&attributes.to_le_bytes());
    for word in [stat.nlink, stat.uid, stat.gid, stat.st_mode()] {
        put(&word.to_le_bytes());
    }
    for word in [stat.ino, stat.size, stat.blocks, STATX_ATTR_MOUNT_ROOT] {
        put(&word.to_le_bytes());
    }
    for Timestamp { secs, nanos } in [stat.atime, stat.btime, stat.ctime, stat.mtime] {
        put(&secs.to_le_bytes());
        put(&u64::from(nanos).to_le_bytes());
    }
    for word in [stat.rdev.major, stat.rdev.minor, stat.dev.major, stat.dev.minor] {
        put(&word.to_le_bytes());
    }
    put(&u64::from(location.mount.id).to_le_bytes());
    done(user::copy_to_user(statxbuf, &out))
}

/// Implements Linux syscall access(2).
pub fn sys_access(k: &mut Kernel, [pathname, mode, ..]: [u64; 6]) -> SysResult {
    sys_faccessat2(k, [CWD, pathname, mode, 0, 0, 0])
}

/// Implements Linux syscall faccessat(2), which has no flags.
pub fn sys_faccessat(k: &mut Kernel, [dirfd, pathname, mode, ..]: [u64; 6]) -> SysResult {
    sys_faccessat2(k, [dirfd, pathname, mode, 0, 0, 0])
}

/// Implements Linux syscall faccessat2(2).
pub fn sys_faccessat2(k: &mut Kernel, [dirfd, pathname, mode, flags, ..]: [u64; 6]) -> SysResult {
    if mode & !7 != 0 {
        return Err(EINVAL);
    }
    let allowed = AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH;
    // The whole way is walked as who is asked about.
    let effective = k.process.cred.fs.clone();
    if flags & AT_EACCESS == 0 {
        k.process.cred.fs = k.real_cred();
    }
    let located = locate(k, dirfd, pathname, flags, allowed);
    let cred: Cred = std::mem::replace(&mut k.process.cred.fs, effective);
    let (location, _) = located?;
    let stat = location.inode().stat()?;
    cred.permission(&stat, mode as u32)?;
    let special = matches!(stat.kind, Kind::CharDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket);
    match mode as u32 & MAY_WRITE != 0 && location.mount.read_only.get() && !special {
        true => Err(EROFS),
        false => Ok(0),
    }
}

fn write_statfs(location: &Location, buf: u64) -> Result<()> {
    const ST_RDONLY: u64 = 1;
    const ST_VALID: u64 = 0x20;
    const ST_RELATIME: u64 = 0x1000;
    let stat = location.inode().statfs();
    let read_only = if location.mount.read_only.get() { ST_RDONLY } else { 0 };
    // f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_fsid, f_namelen, f_frsize, f_flags, spare
    let mut words = [0u64; 15];
    words[..7].copy_from_slice(&[stat.magic, BLOCK_SIZE, stat.blocks, stat.free, stat.free, stat.files, stat.files_free]);
    words[8..11].copy_from_slice(&[NAME_MAX as u64, BLOCK_SIZE, ST_VALID | ST_RELATIME | read_only]);
    user::write(buf, &words)
}

/// Implements Linux syscall statfs(2).
pub fn sys_statfs(k: &mut Kernel, [path, buf, ..]: [u64; 6]) -> SysResult {
    let (location, _) = locate(k, CWD, path, 0, 0)?;
    done(write_statfs(&location, buf))
}

/// Implements Linux syscall fstatfs(2).
pub fn sys_fstatfs(k: &mut Kernel, [fd, buf, ..]: [u64; 6]) -> SysResult {
    done(write_statfs(&any_file(k, fd)?.location, buf))
}
