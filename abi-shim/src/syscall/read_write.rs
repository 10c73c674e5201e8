//! Reading and writing: read, write, their vectors and positions, lseek.

use std::rc::Rc;

use crate::errno::Errno::{EAGAIN, EINVAL, EOPNOTSUPP, EPIPE};
use crate::errno::SysResult;
use crate::fs::file::Whence;
use crate::fs::signalfd::SignalFd;
use crate::fs::socket::Socket;
use crate::fs::tty::TtyFile;
use crate::fs::types::{OpenFlags, poll};
use crate::fs::uio::{Piece, UserPieces};
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::limits;
use crate::user::access::reachable;
use crate::user::{self, Access};

use hoist_vfs::Kind;

use super::attr::remove_privileges;
use super::path::{count, file, offset, or_wait};
use super::proc::refresh_text;
use super::signalfd::read_signals;
use super::tty::{check_write, read_tty};

/// No call moves more: `MAX_RW_COUNT`.
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// `UIO_MAXIOV`.
const IOV_MAX: u64 = 1024;

fn one(addr: u64, len: u64) -> [Piece; 1] {
    [Piece { addr, len: len.min(MAX_RW_COUNT) as usize }]
}

/// The pieces of an iovec array.
///
/// # Errors
/// `EINVAL` if there are too many or a length is negative, `EFAULT`.
pub fn pieces(iov: u64, iovcnt: u64) -> Result<Vec<Piece>> {
    if iovcnt > IOV_MAX {
        return Err(EINVAL);
    }
    let mut left = MAX_RW_COUNT as usize;
    let mut pieces = Vec::new();
    for [addr, len] in user::read_array::<[u64; 2]>(iov, iovcnt as usize)? {
        let len = usize::try_from(len as i64).map_err(|_| EINVAL)?.min(left);
        left -= len;
        pieces.push(Piece { addr, len });
    }
    Ok(pieces)
}

/// Leaves of what is read from, or written to, a regular file what is before the first bad address: that much of it is done. If that is nothing, the
/// call itself finds out whether it comes to that.
fn cut_to_reachable(file: &File, pieces: &[Piece], access: Access, to: &mut UserPieces) {
    if file.inode().kind() != Kind::Regular || file.any_object().is_some() {
        return;
    }
    let mut reached = 0;
    for piece in pieces {
        let part = reachable(piece.addr, piece.len as u64, access) as usize;
        reached += part;
        if part < piece.len {
            if reached > 0 {
                to.cut(reached);
            }
            return;
        }
    }
}

/// Reads into pieces of user memory: at the file's offset, or at one given.
fn read(k: &mut Kernel, file: &Rc<File>, pieces: &[Piece], at: Option<u64>) -> SysResult {
    let mut sink = UserPieces::new(pieces);
    if let Some(fd) = file.as_object::<SignalFd>() {
        return read_signals(k, file, &fd, &mut sink);
    }
    if let (Some(terminal), None) = (file.as_object::<TtyFile>(), at) {
        return read_tty(k, file, &terminal.tty, &mut sink);
    }
    refresh_text(k, file, at.unwrap_or(file.offset()));
    cut_to_reachable(file, pieces, Access::Write, &mut sink);
    let result = match at {
        None => file.read(&mut sink),
        Some(at) => file.pread(at, &mut sink),
    };
    count(or_wait(k, file, poll::IN, result))
}

/// How many of `len` bytes a write at the file's offset, or at one given, may make it: RLIMIT_FSIZE.
///
/// # Errors
/// `EFBIG` if none, and SIGXFSZ is sent.
pub fn within_size_limit(k: &mut Kernel, file: &File, at: Option<u64>, len: usize) -> Result<usize> {
    let limit = k.process.limits.0[limits::FSIZE].soft;
    if limit == limits::INFINITY || len == 0 || file.inode().kind() != Kind::Regular || file.any_object().is_some() {
        return Ok(len);
    }
    let appends = file.flags().has(OpenFlags::APPEND);
    let start = if appends { file.inode().stat()?.size } else { at.unwrap_or(file.offset()) };
    match limit.checked_sub(start) {
        None | Some(0) => Err(k.too_large()),
        Some(room) => Ok(len.min(usize::try_from(room).unwrap_or(usize::MAX))),
    }
}

/// Whether a file that has `now` bytes may have `size`.
///
/// # Errors
/// `EFBIG`, and SIGXFSZ is sent.
pub fn check_new_size(k: &mut Kernel, now: u64, size: u64) -> Result<()> {
    match size > now && size > k.process.limits.0[limits::FSIZE].soft {
        true => Err(k.too_large()),
        false => Ok(()),
    }
}

/// Writes from pieces of user memory. A pipe that takes only a part of it makes the call wait for the rest.
fn write(k: &mut Kernel, file: &Rc<File>, pieces: &[Piece], at: Option<u64>) -> SysResult {
    check_write(k, file)?;
    let mut feed = UserPieces::new(pieces);
    let done = k.task.done;
    feed.skip(done);
    let left = feed.remaining();
    feed.cut(within_size_limit(k, file, at, left)?);
    cut_to_reachable(file, pieces, Access::Read, &mut feed);
    if left > 0 && file.any_object().is_none() && file.flags().writable() {
        remove_privileges(k, &file.location)?;
    }
    let result = match at {
        None => file.write(&mut feed),
        Some(at) => file.pwrite(at, &mut feed),
    };
    if result == Err(EPIPE) {
        k.raise_sigpipe();
    }
    match result {
        // Linux writes all of it before it comes back, where it may wait.
        Ok(written) if written < left && file.waits_for_room() => {
            k.task.done = done + written;
            Err(k.wait_for_file(file, poll::OUT))
        }
        Ok(written) => Ok((done + written) as u64),
        Err(error) if done > 0 && error != EAGAIN => Ok(done as u64),
        result => count(or_wait(k, file, poll::OUT, result)),
    }
}

/// Writes to a file; to a socket whose messages go by their addresses, sends.
fn write_or_send(k: &mut Kernel, fd: u64, file: &Rc<File>, pieces: &[Piece]) -> SysResult {
    match file.as_object::<Socket>().is_some_and(|socket| socket.goes_by_address()) {
        true => super::message::send(k, fd, pieces, 0, (0, 0), Vec::new()),
        false => write(k, file, pieces, None),
    }
}

/// Implements Linux syscall read(2).
pub fn sys_read(k: &mut Kernel, [fd, buf, len, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    read(k, &file, &one(buf, len), None)
}

/// Implements Linux syscall write(2).
pub fn sys_write(k: &mut Kernel, [fd, buf, len, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    write_or_send(k, fd, &file, &one(buf, len))
}

/// Implements Linux syscall pread64(2).
pub fn sys_pread64(k: &mut Kernel, [fd, buf, len, at, ..]: [u64; 6]) -> SysResult {
    let at = offset(at)?;
    let file = file(k, fd)?;
    read(k, &file, &one(buf, len), Some(at))
}

/// Implements Linux syscall pwrite64(2).
pub fn sys_pwrite64(k: &mut Kernel, [fd, buf, len, at, ..]: [u64; 6]) -> SysResult {
    let at = offset(at)?;
    let file = file(k, fd)?;
    write(k, &file, &one(buf, len), Some(at))
}

/// Implements Linux syscall readv(2).
pub fn sys_readv(k: &mut Kernel, [fd, iov, iovcnt, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    read(k, &file, &pieces(iov, iovcnt)?, None)
}

/// Implements Linux syscall writev(2).
pub fn sys_writev(k: &mut Kernel, [fd, iov, iovcnt, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    write_or_send(k, fd, &file, &pieces(iov, iovcnt)?)
}

/// Implements Linux syscall preadv(2).
pub fn sys_preadv(k: &mut Kernel, [fd, iov, iovcnt, at, ..]: [u64; 6]) -> SysResult {
    let at = offset(at)?;
    let file = file(k, fd)?;
    read(k, &file, &pieces(iov, iovcnt)?, Some(at))
}

/// Implements Linux syscall pwritev(2).
pub fn sys_pwritev(k: &mut Kernel, [fd, iov, iovcnt, at, ..]: [u64; 6]) -> SysResult {
    let at = offset(at)?;
    let file = file(k, fd)?;
    write(k, &file, &pieces(iov, iovcnt)?, Some(at))
}

/// RWF_HIPRI, RWF_DSYNC, RWF_SYNC: nothing here is faster or safer than it is.
const RWF_IGNORED: u64 = 0x7;

/// The offset of preadv2 and pwritev2: −1 is the file's own.
fn offset2(at: u64, flags: u64) -> Result<Option<u64>> {
    if flags & !RWF_IGNORED != 0 {
        return Err(EOPNOTSUPP);
    }
    if at == u64::MAX { Ok(None) } else { offset(at).map(Some) }
}

/// Implements Linux syscall preadv2(2), without RWF_NOWAIT.
pub fn sys_preadv2(k: &mut Kernel, [fd, iov, iovcnt, at, _, flags]: [u64; 6]) -> SysResult {
    let at = offset2(at, flags)?;
    let file = file(k, fd)?;
    read(k, &file, &pieces(iov, iovcnt)?, at)
}

/// Implements Linux syscall pwritev2(2), without RWF_NOWAIT and RWF_APPEND.
pub fn sys_pwritev2(k: &mut Kernel, [fd, iov, iovcnt, at, _, flags]: [u64; 6]) -> SysResult {
    let at = offset2(at, flags)?;
    let file = file(k, fd)?;
    write(k, &file, &pieces(iov, iovcnt)?, at)
}

/// Implements Linux syscall lseek(2).
pub fn sys_lseek(k: &mut Kernel, [fd, at, whence, ..]: [u64; 6]) -> SysResult {
    let file = file(k, fd)?;
    let whence = Whence::from_number(whence as u32).ok_or(EINVAL)?;
    file.seek(at as i64, whence)
}
