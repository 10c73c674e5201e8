//! The content of a file, as programs see it: its shared maps have the same bytes ([`crate::mm::frames::files`]).

use super::{Feed, InodeRef, Result, Sink};
use crate::mm::frames::files::{gather, spread};

/// [`super::Inode::read_at`].
///
/// # Errors
/// Of the inode.
pub fn read_at(inode: &InodeRef, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
    gather(inode, offset, sink.room() as u64)?;
    inode.read_at(offset, sink)
}

/// [`super::Inode::write_at`].
///
/// # Errors
/// Of the inode.
pub fn write_at(inode: &InodeRef, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
    let count = inode.write_at(offset, feed)?;
    spread(inode, offset, count as u64)?;
    Ok(count)
}

/// [`super::Inode::truncate`].
///
/// # Errors
/// Of the inode.
pub fn truncate(inode: &InodeRef, size: u64) -> Result<()> {
    let before = inode.stat()?.size;
    inode.truncate(size)?;
    spread(inode, before.min(size), before.abs_diff(size))
}

/// [`super::Inode::punch_hole`].
///
/// # Errors
/// Of the inode.
pub fn punch_hole(inode: &InodeRef, offset: u64, len: u64) -> Result<()> {
    inode.punch_hole(offset, len)?;
    spread(inode, offset, len)
}
