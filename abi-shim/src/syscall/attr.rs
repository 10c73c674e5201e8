//! Attributes: mode, owner, times, size, and bringing content to where it lasts.

use std::rc::Rc;

use hoist_vfs::{Kind, Timestamp};

use crate::errno::Errno::{EACCES, EBADF, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, EPERM, ESPIPE};
use crate::errno::SysResult;
use crate::fs::inode::InodeRef;
use crate::fs::notify::{self, mask};
use crate::fs::types::{MAY_WRITE, SetAttr, Stat, cap};
use crate::fs::vfs::check_writable_mount;
use crate::fs::{Cred, File, Location, Result, content};
use crate::kernel::Kernel;
use crate::user;

use super::path::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, any_file, done, file, locate, offset, vfs};
use super::read_write::check_new_size;

const CWD: u64 = AT_FDCWD as u64;
const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;

fn set_attr(location: &Location, change: SetAttr) -> Result<()> {
    location.inode().set_attr(&change)?;
    notify::changed(&location.dentry, &change);
    Ok(())
}

/// A file's content changes: who is not privileged leaves it without set-user-ID and set-group-ID bits (`file_remove_privs` of Linux).
///
/// # Errors
/// Of the host.
pub fn remove_privileges(k: &Kernel, location: &Location) -> Result<()> {
    let cred = &k.process.cred.fs;
    if cred.capable(cap::FSETID) || location.inode().kind() != Kind::Regular {
        return Ok(());
    }
    let stat = location.inode().stat()?;
    let mut mode = stat.mode & !SETUID;
    if mode & 0o010 != 0 || !cred.in_group(stat.gid) {
        mode &= !SETGID;
    }
    if mode == stat.mode { Ok(()) } else { set_attr(location, SetAttr { mode: Some(mode), ..SetAttr::default() }) }
}

// ---- Mode

fn chmod(location: &Location, cred: &Cred, mode: u64) -> Result<()> {
    check_writable_mount(location)?;
    let stat = location.inode().stat()?;
    if stat.kind == Kind::Symlink {
        return Err(EOPNOTSUPP);
    }
    cred.owner(&stat)?;
    let mut mode = mode as u32 & 0o7777;
    if !cred.in_group(stat.gid) && !cred.capable(cap::FSETID) {
        mode &= !SETGID;
    }
    set_attr(location, SetAttr { mode: Some(mode), ..SetAttr::default() })
}

/// Implements Linux syscall chmod(2).
pub fn sys_chmod(k: &mut Kernel, [pathname, mode, ..]: [u64; 6]) -> SysResult {
    sys_fchmodat2(k, [CWD, pathname, mode, 0, 0, 0])
}

/// Implements Linux syscall fchmod(2).
pub fn sys_fchmod(k: &mut Kernel, [fd, mode, ..]: [u64; 6]) -> SysResult {
    done(chmod(&file(k, fd)?.location, &k.cred(), mode))
}

/// Implements Linux syscall fchmodat(2), which has no flags.
pub fn sys_fchmodat(k: &mut Kernel, [dirfd, pathname, mode, ..]: [u64; 6]) -> SysResult {
    sys_fchmodat2(k, [dirfd, pathname, mode, 0, 0, 0])
}

/// Implements Linux syscall fchmodat2(2).
pub fn sys_fchmodat2(k: &mut Kernel, [dirfd, pathname, mode, flags, ..]: [u64; 6]) -> SysResult {
    let (location, cred) = locate(k, dirfd, pathname, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    done(chmod(&location, &cred, mode))
}

// ---- Owner

fn chown(location: &Location, cred: &Cred, owner: u64, group: u64) -> Result<()> {
    const UNCHANGED: u32 = u32::MAX;
    check_writable_mount(location)?;
    let stat = location.inode().stat()?;
    let given = |id: u64| Some(id as u32).filter(|&id| id != UNCHANGED);
    let (uid, gid) = (given(owner), given(group));
    if !cred.capable(cap::CHOWN) {
        let owns = cred.fsuid == stat.uid;
        let uid_stays = uid.is_none_or(|uid| owns && uid == stat.uid);
        let gid_allowed = gid.is_none_or(|gid| owns && (gid == stat.gid || cred.in_group(gid)));
        if !uid_stays || !gid_allowed {
            return Err(EPERM);
        }
    }
    // Who gets a file must not get its former owner's rights with it.
    let cleared = SETUID | if stat.mode & 0o010 != 0 { SETGID } else { 0 };
    let mode = (stat.kind != Kind::Directory).then_some(stat.mode & !cleared);
    set_attr(location, SetAttr { mode, uid, gid, ..SetAttr::default() })
}

/// Implements Linux syscall chown(2).
pub fn sys_chown(k: &mut Kernel, [pathname, owner, group, ..]: [u64; 6]) -> SysResult {
    sys_fchownat(k, [CWD, pathname, owner, group, 0, 0])
}

/// Implements Linux syscall lchown(2).
pub fn sys_lchown(k: &mut Kernel, [pathname, owner, group, ..]: [u64; 6]) -> SysResult {
    sys_fchownat(k, [CWD, pathname, owner, group, AT_SYMLINK_NOFOLLOW, 0])
}

/// Implements Linux syscall fchown(2).
pub fn sys_fchown(k: &mut Kernel, [fd, owner, group, ..]: [u64; 6]) -> SysResult {
    done(chown(&file(k, fd)?.location, &k.cred(), owner, group))
}

/// Implements Linux syscall fchownat(2).
pub fn sys_fchownat(k: &mut Kernel, [dirfd, pathname, owner, group, flags, _]: [u64; 6]) -> SysResult {
    let (location, cred) = locate(k, dirfd, pathname, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    done(chown(&location, &cred, owner, group))
}

// ---- Times

/// What utimensat(2) sets one time to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NewTime {
    Now,
    Omit,
    At(Timestamp),
}

const NANOS: i64 = 1_000_000_000;

fn timespec([secs, nanos]: [i64; 2]) -> Result<NewTime> {
    const UTIME_NOW: i64 = 0x3fff_ffff;
    const UTIME_OMIT: i64 = 0x3fff_fffe;
    match nanos {
        UTIME_NOW => Ok(NewTime::Now),
        UTIME_OMIT => Ok(NewTime::Omit),
        0..NANOS => Ok(NewTime::At(Timestamp { secs, nanos: nanos as u32 })),
        _ => Err(EINVAL),
    }
}

fn timeval([secs, micros]: [i64; 2]) -> Result<NewTime> {
    match micros {
        0..1_000_000 => Ok(NewTime::At(Timestamp { secs, nanos: micros as u32 * 1000 })),
        _ => Err(EINVAL),
    }
}

/// The two times at a user address, access and modification; both now if it is null.
fn times(addr: u64, decode: fn([i64; 2]) -> Result<NewTime>) -> Result<[NewTime; 2]> {
    if addr == 0 {
        return Ok([NewTime::Now; 2]);
    }
    let [atime_secs, atime, mtime_secs, mtime]: [i64; 4] = user::read(addr)?;
    Ok([decode([atime_secs, atime])?, decode([mtime_secs, mtime])?])
}

fn set_times(k: &Kernel, location: &Location, cred: &Cred, times: [NewTime; 2]) -> Result<()> {
    if times == [NewTime::Omit; 2] {
        return Ok(());
    }
    check_writable_mount(location)?;
    let stat: Stat = location.inode().stat()?;
    // Setting both to now needs no more than being allowed to write.
    match times == [NewTime::Now; 2] {
        true => cred.owner(&stat).or_else(|_| cred.permission(&stat, MAY_WRITE)).map_err(|_| EACCES)?,
        false => cred.owner(&stat)?,
    }
    let [atime, mtime] = times.map(|time| match time {
        NewTime::Now => Some(vfs(k).now()),
        NewTime::Omit => None,
        NewTime::At(time) => Some(time),
    });
    set_attr(location, SetAttr { atime, mtime, ..SetAttr::default() })
}

/// Implements Linux syscall utimensat(2).
pub fn sys_utimensat(k: &mut Kernel, [dirfd, pathname, times_at, flags, ..]: [u64; 6]) -> SysResult {
    let times = times(times_at, timespec)?;
    if pathname == 0 && dirfd as i32 != AT_FDCWD {
        if flags != 0 {
            return Err(EINVAL);
        }
        let location = file(k, dirfd)?.location.clone();
        return done(set_times(k, &location, &k.cred(), times));
    }
    let (location, cred) = locate(k, dirfd, pathname, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    done(set_times(k, &location, &cred, times))
}

/// Implements Linux syscall futimesat(2).
pub fn sys_futimesat(k: &mut Kernel, [dirfd, pathname, times_at, ..]: [u64; 6]) -> SysResult {
    let times = times(times_at, timeval)?;
    if pathname == 0 {
        let location = file(k, dirfd)?.location.clone();
        return done(set_times(k, &location, &k.cred(), times));
    }
    let (location, cred) = locate(k, dirfd, pathname, 0, 0)?;
    done(set_times(k, &location, &cred, times))
}

/// Implements Linux syscall utimes(2).
pub fn sys_utimes(k: &mut Kernel, [filename, times, ..]: [u64; 6]) -> SysResult {
    sys_futimesat(k, [CWD, filename, times, 0, 0, 0])
}

/// Implements Linux syscall utime(2).
pub fn sys_utime(k: &mut Kernel, [filename, times, ..]: [u64; 6]) -> SysResult {
    let times = match times {
        0 => [NewTime::Now; 2],
        _ => user::read::<[i64; 2]>(times)?.map(|secs| NewTime::At(Timestamp { secs, nanos: 0 })),
    };
    let (location, cred) = locate(k, CWD, filename, 0, 0)?;
    done(set_times(k, &location, &cred, times))
}

// ---- Size

/// Implements Linux syscall truncate(2).
pub fn sys_truncate(k: &mut Kernel, [path, length, ..]: [u64; 6]) -> SysResult {
    let length = offset(length)?;
    let (location, cred) = locate(k, CWD, path, 0, 0)?;
    match location.inode().kind() {
        Kind::Regular => {}
        Kind::Directory => return Err(EISDIR),
        _ => return Err(EINVAL),
    }
    cred.permission(&location.inode().stat()?, MAY_WRITE)?;
    check_writable_mount(&location)?;
    check_new_size(k, location.inode().stat()?.size, length)?;
    remove_privileges(k, &location)?;
    content::truncate(location.inode(), length)?;
    notify::entry(&location.dentry, mask::MODIFY);
    Ok(0)
}

/// Implements Linux syscall ftruncate(2).
pub fn sys_ftruncate(k: &mut Kernel, [fd, length, ..]: [u64; 6]) -> SysResult {
    let length = offset(length)?;
    let file = file(k, fd)?;
    if file.any_object().is_none() && file.inode().kind() == Kind::Regular && file.flags().writable() {
        check_new_size(k, file.inode().stat()?.size, length)?;
        remove_privileges(k, &file.location)?;
    }
    done(file.truncate(length))
}

const FALLOC_FL_KEEP_SIZE: u64 = 1;
const FALLOC_FL_PUNCH_HOLE: u64 = 2;
const FALLOC_FL_ZERO_RANGE: u64 = 0x10;

/// Implements Linux syscall fallocate(2): allocating, punching holes, zeroing.
pub fn sys_fallocate(k: &mut Kernel, [fd, mode, at, len, ..]: [u64; 6]) -> SysResult {
    let file: Rc<File> = file(k, fd)?;
    let (at, len) = (offset(at)?, offset(len)?);
    if len == 0 {
        return Err(EINVAL);
    }
    if !file.flags().writable() {
        return Err(EBADF);
    }
    let inode: &InodeRef = file.inode();
    match inode.kind() {
        Kind::Regular => {}
        Kind::Fifo => return Err(ESPIPE),
        _ => return Err(ENODEV),
    }
    let end = at.checked_add(len).filter(|&end| i64::try_from(end).is_ok()).ok_or(crate::errno::Errno::EFBIG)?;
    let size = inode.stat()?.size;
    const KEEP: u64 = FALLOC_FL_KEEP_SIZE;
    if mode & KEEP == 0 {
        check_new_size(k, size, end)?;
    }
    match mode {
        0 if end > size => content::truncate(inode, end)?,
        0 | KEEP => {}
        _ if mode & !KEEP == FALLOC_FL_ZERO_RANGE => {
            if mode & KEEP == 0 && end > size {
                content::truncate(inode, end)?;
            }
            content::punch_hole(inode, at, len)?;
        }
        _ if mode == FALLOC_FL_PUNCH_HOLE | KEEP => content::punch_hole(inode, at, len)?,
        _ => return Err(EOPNOTSUPP),
    }
    file.tell(mask::MODIFY);
    Ok(0)
}

// ---- Lasting

/// Implements Linux syscall fsync(2).
pub fn sys_fsync(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    match file.any_object() {
        Some(_) => Err(EINVAL),
        None => done(file.inode().sync()),
    }
}

/// Implements Linux syscall fdatasync(2).
pub fn sys_fdatasync(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    sys_fsync(k, args)
}

/// Implements Linux syscall sync_file_range(2).
pub fn sys_sync_file_range(k: &mut Kernel, args: [u64; 6]) -> SysResult {
    const KNOWN: u64 = 7;
    if args[3] & !KNOWN != 0 {
        return Err(EINVAL);
    }
    sys_fsync(k, args)
}

/// Implements Linux syscall sync(2): a host's files are written as they are written.
pub fn sys_sync(_k: &mut Kernel, _args: [u64; 6]) -> SysResult {
    Ok(0)
}

/// Implements Linux syscall syncfs(2).
pub fn sys_syncfs(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    any_file(k, fd).map(|_| 0)
}

/// Implements Linux syscall fadvise64(2): there is no cache to advise.
pub fn sys_fadvise64(k: &mut Kernel, [fd, _, _, advice, ..]: [u64; 6]) -> SysResult {
    const POSIX_FADV_NOREUSE: u64 = 5;
    let file = file(k, fd)?;
    match file.inode().kind() {
        Kind::Fifo => Err(ESPIPE),
        _ if advice > POSIX_FADV_NOREUSE => Err(EINVAL),
        _ => Ok(0),
    }
}

/// Implements Linux syscall readahead(2).
pub fn sys_readahead(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    match file.inode().kind() {
        _ if !file.flags().readable() => Err(EBADF),
        Kind::Regular => Ok(0),
        _ => Err(EINVAL),
    }
}
