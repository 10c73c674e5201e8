//! A file that is mapped.

use std::rc::Rc;

use hoist_x86::manifest::Elf;

use super::PAGE;
use crate::code_map;
use crate::errno::Errno;
use crate::fs::inode::{InodeRef, RomFile};
use crate::fs::uio::{Piece, UserPieces};
use crate::fs::{File, Identity, Location};

/// The file behind a map: what stays when its descriptor is closed.
pub struct FileMap {
    inode: InodeRef,
    location: Location,
    identity: Identity,
    /// Where its code was lifted for, if it was.
    elf: Option<Elf>,
}

impl FileMap {
    /// # Errors
    /// ENODEV if such a file cannot be mapped.
    pub fn new(file: &File) -> Result<Rc<FileMap>, Errno> {
        let inode = file.mappable()?.clone();
        let elf = inode.rom_file().and_then(|file| file.elf).and_then(code_map::elf);
        let identity = Identity::of(&inode);
        Ok(Rc::new(FileMap { inode, location: file.location.clone(), identity, elf }))
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn inode(&self) -> &InodeRef {
        &self.inode
    }

    pub fn elf(&self) -> Option<&Elf> {
        self.elf.as_ref()
    }

    /// Which of the files that share addresses it is; 0 if it shares none.
    pub fn overlay(&self) -> u32 {
        self.elf.as_ref().map_or(0, |elf| elf.overlay)
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Where it lies in the ROM, if nobody has changed it.
    pub fn rom(&self) -> Option<RomFile> {
        self.inode.rom_file()
    }

    /// Where a map of its first `len` bytes belongs.
    pub fn home(&self, offset: u64, len: u64) -> Option<u64> {
        let elf = self.elf.as_ref()?;
        (offset == 0 && len <= u64::from(elf.span) + PAGE).then_some(elf.base.into())
    }

    /// The parts of a map whose lifted code is right: those that lie where their segment has its home.
    pub fn lifted(&self, start: u64, end: u64, offset: u64) -> impl Iterator<Item = (u64, u64)> {
        let segments = self.elf.as_ref().map_or(&[][..], |elf| &elf.segments);
        segments.iter().filter_map(move |segment| {
            let home = u64::from(segment.start);
            let (from, to) = (start.max(home), end.min(home + u64::from(segment.len)));
            let here = offset.wrapping_add(from.wrapping_sub(start));
            let there = segment.file_offset.wrapping_add(from.wrapping_sub(home));
            (from < to && here == there).then_some((from, to))
        })
    }

    /// Reads from `offset` into user memory; how many bytes the file had.
    ///
    /// # Errors
    /// Of the file.
    pub fn load(&self, addr: u64, len: u64, offset: u64) -> Result<u64, Errno> {
        let mut done = 0;
        while done < len {
            let pieces = [Piece { addr: addr + done, len: (len - done) as usize }];
            match self.inode.read_at(offset + done, &mut UserPieces::new(&pieces))? {
                0 => break,
                count => done += count as u64,
            }
        }
        // The rest of the last page is zero.
        let rest = (PAGE - done % PAGE) % PAGE;
        crate::user::unchecked::clear(addr + done, rest.min(len - done))?;
        Ok(done)
    }
}
