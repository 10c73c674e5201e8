//! Where a read puts its bytes and where a write takes them from.
//!
//! A filesystem does not see whether the other side is user memory, several pieces of it (readv(2)) or a buffer of the
//! kernel's. ROM bytes go to user memory without a stop in kernel memory.

use hoist_vfs::Source as _;

use super::Result;
use crate::errno::Errno::{EFAULT, EIO};
use crate::rom::{RomSource, rom_to_user};
use crate::user;

/// Takes the bytes that a read gives.
pub trait Sink {
    /// Bytes that still fit.
    fn room(&self) -> usize;

    /// Takes bytes, at most [`Sink::room`] of them.
    ///
    /// # Errors
    /// `EFAULT`.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// Takes `len` bytes of the ROM from `offset`.
    ///
    /// # Errors
    /// `EFAULT`; `EIO` if the ROM has no such bytes.
    fn put_rom(&mut self, mut offset: u64, mut len: usize) -> Result<()> {
        let mut buffer = [0; 4096];
        while len > 0 {
            let part = &mut buffer[..len.min(4096)];
            RomSource.read_at(offset, part).map_err(|_| EIO)?;
            self.put(part)?;
            offset += part.len() as u64;
            len -= part.len();
        }
        Ok(())
    }

    /// Takes `len` zeros.
    ///
    /// # Errors
    /// `EFAULT`.
    fn put_zeros(&mut self, mut len: usize) -> Result<()> {
        while len > 0 {
            let part = len.min(4096);
            self.put(&[0; 4096][..part])?;
            len -= part;
        }
        Ok(())
    }
}

/// Gives the bytes that a write takes.
pub trait Feed {
    /// Bytes that are left.
    fn left(&self) -> usize;

    /// Fills a buffer of at most [`Feed::left`] bytes.
    ///
    /// # Errors
    /// `EFAULT`.
    fn take(&mut self, buffer: &mut [u8]) -> Result<()>;
}

/// A sink in kernel memory: the part of a buffer that is not yet filled.
pub struct Buffer<'a> {
    bytes: &'a mut [u8],
    filled: usize,
}

impl<'a> Buffer<'a> {
    pub fn new(bytes: &'a mut [u8]) -> Buffer<'a> {
        Buffer { bytes, filled: 0 }
    }
}

impl Sink for Buffer<'_> {
    fn room(&self) -> usize {
        self.bytes.len() - self.filled
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.filled + bytes.len();
        self.bytes.get_mut(self.filled..end).ok_or(EFAULT)?.copy_from_slice(bytes);
        self.filled = end;
        Ok(())
    }

    fn put_rom(&mut self, offset: u64, len: usize) -> Result<()> {
        let end = self.filled + len;
        let part = self.bytes.get_mut(self.filled..end).ok_or(EFAULT)?;
        RomSource.read_at(offset, part).map_err(|_| EIO)?;
        self.filled = end;
        Ok(())
    }
}

impl Feed for &[u8] {
    fn left(&self) -> usize {
        <[u8]>::len(self)
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<()> {
        let (part, rest) = self.split_at_checked(buffer.len()).ok_or(EFAULT)?;
        buffer.copy_from_slice(part);
        *self = rest;
        Ok(())
    }
}

/// Gives zeros, as many as it is told.
pub struct Zeros(pub usize);

impl Feed for Zeros {
    fn left(&self) -> usize {
        self.0
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(0);
        self.0 -= buffer.len();
        Ok(())
    }
}

/// One piece of user memory, as iovec of readv(2) states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub addr: u64,
    pub len: usize,
}

/// User memory in one or several pieces: the buffers of read(2), write(2), readv(2), writev(2).
///
/// Addresses are checked as bytes arrive, so that, as in Linux, a bad one counts only if it is reached.
pub struct UserPieces<'a> {
    pieces: &'a [Piece],
    /// Bytes done of the first piece.
    done: usize,
    left: usize,
}

impl<'a> UserPieces<'a> {
    pub fn new(pieces: &'a [Piece]) -> UserPieces<'a> {
        UserPieces { pieces, done: 0, left: pieces.iter().map(|piece| piece.len).sum() }
    }

    /// Passes over the first bytes.
    pub fn skip(&mut self, len: usize) {
        // Nothing is copied, so nothing can fail but the end of the pieces.
        let _ = self.each(len.min(self.left), |_, _| Ok(()));
    }

    /// Leaves at most so many bytes.
    pub fn cut(&mut self, len: usize) {
        self.left = self.left.min(len);
    }

    /// How many bytes there still are.
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// Calls `copy` with a user address and a range of the caller's bytes, piece by piece, until `len` bytes are done.
    fn each(&mut self, len: usize, mut copy: impl FnMut(u64, std::ops::Range<usize>) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while at < len {
            let piece = self.pieces.first().ok_or(EFAULT)?;
            let part = (piece.len - self.done).min(len - at);
            if part > 0 {
                copy(piece.addr.wrapping_add(self.done as u64), at..at + part)?;
            }
            at += part;
            self.done += part;
            self.left -= part;
            if self.done == piece.len {
                self.pieces = &self.pieces[1..];
                self.done = 0;
            }
        }
        Ok(())
    }
}

impl Sink for UserPieces<'_> {
    fn room(&self) -> usize {
        self.left
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.each(bytes.len(), |addr, range| user::copy_to_user(addr, &bytes[range]))
    }

    fn put_rom(&mut self, offset: u64, len: usize) -> Result<()> {
        self.each(len, |addr, range| rom_to_user(addr, offset + range.start as u64, range.len() as u64))
    }

    fn put_zeros(&mut self, len: usize) -> Result<()> {
        self.each(len, |addr, range| user::clear(addr, range.len() as u64))
    }
}

impl Feed for UserPieces<'_> {
    fn left(&self) -> usize {
        self.left
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<()> {
        let len = buffer.len();
        self.each(len, |addr, range| user::copy_from_user(addr, &mut buffer[range]))
    }
}
