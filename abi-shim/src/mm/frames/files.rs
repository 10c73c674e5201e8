//! Shared maps of files: a file and its maps have the same bytes (mmap(2), MAP_SHARED).
//!
//! What a program stores to a map reaches a frame, and the kernel is not told. So whoever needs bytes of a file has them gathered from its maps
//! first, and what is written to a file is spread to them.
//!
//! Two maps of one file are the same frames if they are at the same address, and that is where the second one goes if it can
//! ([`super::super::AddressSpace::map_file`]). Maps at different addresses have owners of their own: they see each other's stores when bytes are
//! gathered, which a change of processes does too.

use std::ops::Range;
use std::rc::{Rc, Weak};

use super::owner::{Owner, Page, Source};
use super::{FRAMES, pages};
use crate::errno::Errno;
use crate::fs::uio::Buffer;
use crate::fs::{Identity, InodeRef};
use crate::mm::{FileMap, PAGE};
use crate::user::unchecked as user;

/// Those who have shared maps of a file.
fn owners_of(inode: &InodeRef) -> Vec<Rc<Owner>> {
    if FRAMES.with_borrow(|frames| frames.files.is_empty()) {
        return Vec::new();
    }
    let file = Identity::of(inode);
    FRAMES
        .with_borrow(|frames| frames.files.range((file, 0)..=(file, u64::MAX)).filter_map(|(_, owner)| owner.upgrade()).collect())
}

/// Brings what a file's maps hold of these bytes to the file, and to its maps elsewhere.
///
/// # Errors
/// Of the inode.
pub fn gather(inode: &InodeRef, offset: u64, len: u64) -> Result<(), Errno> {
    let owners = owners_of(inode);
    if !owners.iter().any(|owner| owner.is_written.get()) {
        return Ok(());
    }
    let size = inode.stat()?.size;
    for owner in owners.iter().filter(|owner| owner.is_written.get()) {
        for page in owner.pages_of(offset, len.min(size.saturating_sub(offset))) {
            let (mut held, mut known): (Page, Page) = ([0; PAGE as usize], [0; PAGE as usize]);
            let at = owner.offset_of(page);
            if !owner.peek(u64::from(page) * PAGE, &mut held) {
                continue;
            }
            let len = (size - at).min(PAGE) as usize;
            inode.read_at(at, &mut Buffer::new(&mut known[..len]))?;
            if held[..len] != known[..len] {
                inode.write_back(at, &mut &held[..len])?;
                let others = owners.iter().filter(|other| !Rc::ptr_eq(other, owner));
                bring(inode, at, len as u64, others)?;
            }
        }
    }
    Ok(())
}

/// Brings bytes of a file to its maps.
///
/// # Errors
/// Of the inode.
pub fn spread(inode: &InodeRef, offset: u64, len: u64) -> Result<(), Errno> {
    bring(inode, offset, len, owners_of(inode).iter())
}

fn bring<'o>(inode: &InodeRef, offset: u64, len: u64, owners: impl Iterator<Item = &'o Rc<Owner>>) -> Result<(), Errno> {
    for owner in owners {
        for page in owner.pages_of(offset, len) {
            let start = owner.offset_of(page).max(offset);
            let end = owner.offset_of(page + 1).min(offset + len);
            let mut bytes = [0; PAGE as usize];
            let bytes = &mut bytes[..(end - start) as usize];
            // What lies beyond the end of the file is zero.
            inode.read_at(start, &mut Buffer::new(bytes))?;
            owner.poke(owner.address_of(start), bytes)?;
        }
    }
    Ok(())
}

/// Makes files and maps the same where a file has maps at several addresses: before another process comes to work.
pub fn settle() {
    let several = FRAMES.with_borrow(|frames| {
        let mut before = None;
        let further = |(&(file, _), owner): (&(Identity, u64), &Weak<Owner>)| {
            let owner = owner.upgrade()?;
            (before.replace(file) == Some(file)).then_some(owner)
        };
        frames.files.iter().filter_map(further).collect::<Vec<_>>()
    });
    for owner in several {
        if let Source::File { file, .. } = &owner.source {
            // Who reads the file will be told.
            let _ = gather(file.inode(), 0, u64::MAX);
        }
    }
}

impl Owner {
    /// The owner of a file's shared maps where they are.
    pub fn of_file(file: &Rc<FileMap>, bias: u64) -> Rc<Owner> {
        let key = (file.identity(), bias);
        FRAMES.with_borrow_mut(|frames| {
            if let Some(owner) = frames.files.get(&key).and_then(Weak::upgrade) {
                return owner;
            }
            frames.files.retain(|_, owner| owner.strong_count() > 0);
            let owner = frames.add(Source::File { file: file.clone(), bias }, false);
            frames.files.insert(key, Rc::downgrade(&owner));
            owner
        })
    }

    /// Addresses at which bytes of a file are in its shared maps.
    pub fn places_of(inode: &InodeRef, offset: u64) -> Vec<u64> {
        owners_of(inode).iter().map(|owner| owner.address_of(offset)).collect()
    }

    fn bias(&self) -> u64 {
        match &self.source {
            Source::File { bias, .. } => *bias,
            _ => 0,
        }
    }

    fn address_of(&self, offset: u64) -> u64 {
        offset.wrapping_sub(self.bias())
    }

    fn offset_of(&self, page: u32) -> u64 {
        (u64::from(page) * PAGE).wrapping_add(self.bias())
    }

    /// Its pages, of those at the addresses of these bytes of the file.
    fn pages_of(&self, offset: u64, len: u64) -> impl Iterator<Item = u32> {
        // Beyond the memory there are only addresses where the file was never mapped.
        let end = user::end();
        let (from, to) = (self.address_of(offset) as i64, self.address_of(offset.saturating_add(len)) as i64);
        let reached: Range<u32> = pages((from.max(0) as u64).min(end), (to.max(0) as u64).min(end));
        reached.filter(move |&page| len > 0 && self.has(page))
    }
}
