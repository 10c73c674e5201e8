//! Copies that stay in the kernel: sendfile, copy_file_range, splice.

use std::rc::Rc;

use hoist_vfs::Kind;

use crate::errno::Errno::{EAGAIN, EBADF, EINVAL, EISDIR, EOVERFLOW, EPIPE, ESPIPE, EXDEV};
use crate::errno::SysResult;
use crate::fs::inode::same;
use crate::fs::pipe::PipeEnd;
use crate::fs::types::{OpenFlags, poll};
use crate::fs::uio::Buffer;
use crate::fs::{File, Result};
use crate::kernel::Kernel;
use crate::user;

use super::path::{count, file, offset, or_wait};
use super::proc::refresh_text;
use super::read_write::{MAX_RW_COUNT, within_size_limit};

/// Bytes that are under way at a time.
const CHUNK: usize = 64 * 1024;

/// One side of a copy.
struct Side {
    file: Rc<File>,
    /// Where a position was given that takes the place of the file's own.
    at: Option<u64>,
}

impl Side {
    /// `offset_at`: the user address of a position, or null.
    fn new(file: Rc<File>, offset_at: u64) -> Result<Side> {
        let at = match offset_at {
            0 => None,
            addr => Some(offset(user::read(addr)?)?),
        };
        Ok(Side { file, at })
    }

    fn read(&self, k: &Kernel, done: usize, buffer: &mut [u8]) -> Result<usize> {
        let mut sink = Buffer::new(buffer);
        refresh_text(k, &self.file, self.at.map_or(self.file.offset(), |at| at + done as u64));
        match self.at {
            None => self.file.read(&mut sink),
            Some(at) => self.file.pread(at + done as u64, &mut sink),
        }
    }

    fn write(&self, done: usize, mut bytes: &[u8]) -> Result<usize> {
        match self.at {
            None => self.file.write(&mut bytes),
            Some(at) => self.file.pwrite(at + done as u64, &mut bytes),
        }
    }

    /// Stores the position after the copy.
    fn finish(&self, offset_at: u64, done: usize) -> Result<()> {
        match self.at {
            None => Ok(()),
            Some(at) => user::write(offset_at, &(at + done as u64)),
        }
    }

    /// What was read and not written goes back, where that is possible.
    fn unread(&self, count: usize) {
        if self.at.is_none() && count > 0 {
            self.file.set_offset(self.file.offset() - count as u64);
        }
    }
}

/// Copies until `len` bytes are done, the source ends or one of the two would block.
fn copy(k: &mut Kernel, from: &Side, to: &Side, len: u64) -> Result<usize> {
    let len = len.min(MAX_RW_COUNT) as usize;
    let mut buffer = vec![0; len.min(CHUNK)];
    let mut done = 0;
    while done < len {
        let mut want = (len - done).min(CHUNK);
        // What a pipe gave cannot be put back, so no more is taken than the other side takes.
        if from.file.check_seekable().is_err() && to.file.poll() & (poll::OUT | poll::ERR) == 0 {
            return if done > 0 { Ok(done) } else { wait(k, &to.file, poll::OUT) };
        }
        if from.file.check_seekable().is_err() && to.file.check_seekable().is_err() {
            want = want.min(crate::fs::pipe::PIPE_BUF);
        }
        let count = match from.read(k, done, &mut buffer[..want]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(_) if done > 0 => break,
            Err(EAGAIN) => return wait(k, &from.file, poll::IN),
            Err(error) => return Err(error),
        };
        let room = within_size_limit(k, &to.file, to.at.map(|at| at + done as u64), count);
        let written = match room.and_then(|room| to.write(done, &buffer[..room])) {
            Ok(written) => written,
            Err(error) => {
                from.unread(count);
                match error {
                    _ if done > 0 => break,
                    EAGAIN => return wait(k, &to.file, poll::OUT),
                    EPIPE => k.raise_sigpipe(),
                    _ => {}
                }
                return Err(error);
            }
        };
        done += written;
        if written < count {
            from.unread(count - written);
            break;
        }
    }
    Ok(done)
}

fn wait(k: &mut Kernel, file: &Rc<File>, events: u32) -> Result<usize> {
    match file.nonblocking() {
        true => Err(EAGAIN),
        false => Err(k.wait_for_file(file, events)),
    }
}

/// Implements Linux syscall sendfile(2).
pub fn sys_sendfile(k: &mut Kernel, [out_fd, in_fd, offset_at, count, ..]: [u64; 6]) -> SysResult {
    let input = file(k, in_fd)?;
    let output = file(k, out_fd)?;
    if !input.flags().readable() || !output.flags().writable() {
        return Err(EBADF);
    }
    if i64::try_from(count).is_err() {
        return Err(EINVAL);
    }
    // As Linux: the source must be something that mmap could map, or a pipe.
    if output.flags().has(OpenFlags::APPEND) || input.inode().kind() == Kind::Directory {
        return Err(EINVAL);
    }
    if offset_at != 0 {
        input.check_seekable()?;
    }
    let from = Side::new(input, offset_at)?;
    let to = Side { file: output, at: None };
    let done = copy(k, &from, &to, count)?;
    from.finish(offset_at, done)?;
    Ok(done as u64)
}

/// Implements Linux syscall copy_file_range(2).
pub fn sys_copy_file_range(k: &mut Kernel, [in_fd, in_at, out_fd, out_at, len, flags]: [u64; 6]) -> SysResult {
    let (input, output) = (file(k, in_fd)?, file(k, out_fd)?);
    if flags != 0 {
        return Err(EINVAL);
    }
    for file in [&input, &output] {
        match file.inode().kind() {
            Kind::Regular if file.any_object().is_none() => {}
            Kind::Directory => return Err(EISDIR),
            _ => return Err(EINVAL),
        }
    }
    if !input.flags().readable() || !output.flags().writable() || output.flags().has(OpenFlags::APPEND) {
        return Err(EBADF);
    }
    if input.inode().stat()?.dev != output.inode().stat()?.dev {
        return Err(EXDEV);
    }
    let (from, to) = (Side::new(input, in_at)?, Side::new(output, out_at)?);
    let start = |side: &Side| side.at.unwrap_or(side.file.offset());
    let ends = [&from, &to].map(|side| start(side).checked_add(len).filter(|&end| i64::try_from(end).is_ok()));
    let [Some(from_end), Some(to_end)] = ends else {
        return Err(EOVERFLOW);
    };
    if same(from.file.inode(), to.file.inode()) && start(&from) < to_end && start(&to) < from_end && len > 0 {
        return Err(EINVAL);
    }
    let done = copy(k, &from, &to, len)?;
    from.finish(in_at, done)?;
    to.finish(out_at, done)?;
    Ok(done as u64)
}

const SPLICE_F_NONBLOCK: u64 = 2;
const SPLICE_FLAGS: u64 = 0xf;

/// Implements Linux syscall splice(2).
pub fn sys_splice(k: &mut Kernel, [in_fd, in_at, out_fd, out_at, len, flags]: [u64; 6]) -> SysResult {
    let (input, output) = (file(k, in_fd)?, file(k, out_fd)?);
    if flags & !SPLICE_FLAGS != 0 {
        return Err(EINVAL);
    }
    if !input.flags().readable() || !output.flags().writable() {
        return Err(EBADF);
    }
    let pipes = [&input, &output].map(|file| file.as_object::<PipeEnd>());
    for (pipe, at) in pipes.iter().zip([in_at, out_at]) {
        if pipe.is_some() && at != 0 {
            return Err(ESPIPE);
        }
    }
    match &pipes {
        [None, None] => return Err(EINVAL),
        [Some(from), Some(to)] if Rc::ptr_eq(from.pipe(), to.pipe()) => return Err(EINVAL),
        _ if output.flags().has(OpenFlags::APPEND) => return Err(EINVAL),
        _ => {}
    }
    let (from, to) = (Side::new(input, in_at)?, Side::new(output, out_at)?);
    if flags & SPLICE_F_NONBLOCK != 0 && pipes[0].is_some() && from.file.poll() & (poll::IN | poll::HUP) == 0 {
        return Err(EAGAIN);
    }
    // One chunk at a time, as a pipe's buffers go: a reader of the other side need not wait for all of it.
    let done = copy(k, &from, &to, len.min(CHUNK as u64))?;
    from.finish(in_at, done)?;
    to.finish(out_at, done)?;
    Ok(done as u64)
}

/// Implements Linux syscall tee(2): bytes are copied, since pipes here have no pages to share.
pub fn sys_tee(k: &mut Kernel, [from, to, len, flags, ..]: [u64; 6]) -> SysResult {
    const NONBLOCK: u64 = 2;
    let (from, to) = (file(k, from)?, file(k, to)?);
    if !from.flags().readable() || !to.flags().writable() {
        return Err(crate::errno::Errno::EBADF);
    }
    let (Some(source), Some(target)) = (from.as_object::<PipeEnd>(), to.as_object::<PipeEnd>()) else { return Err(EINVAL) };
    if std::rc::Rc::ptr_eq(source.pipe(), target.pipe()) {
        return Err(EINVAL);
    }
    let result = source.tee(&target, len.min(usize::MAX as u64) as usize);
    if flags & NONBLOCK != 0 {
        return count(result);
    }
    let (file, events) = if from.poll() & poll::IN == 0 { (from, poll::IN) } else { (to, poll::OUT) };
    count(or_wait(k, &file, events, result))
}

/// Implements Linux syscall vmsplice(2): bytes are copied, since pipes here have no pages to share.
pub fn sys_vmsplice(k: &mut Kernel, [fd, iov, count, flags, ..]: [u64; 6]) -> SysResult {
    const KNOWN: u64 = 0xf;
    if flags & !KNOWN != 0 {
        return Err(EINVAL);
    }
    let file = file(k, fd)?;
    file.as_object::<PipeEnd>().ok_or(crate::errno::Errno::EBADF)?;
    match file.flags().writable() {
        true => super::read_write::sys_writev(k, [fd, iov, count, 0, 0, 0]),
        false => super::read_write::sys_readv(k, [fd, iov, count, 0, 0, 0]),
    }
}
