//! One area: a range of pages that were mapped alike.

use std::ops::BitOr;
use std::rc::Rc;

use super::file::FileMap;
use super::frames::{Owner, files};
use crate::code_map;
use crate::errno::Errno;

/// PROT_READ, PROT_WRITE, PROT_EXEC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prot(pub u32);

impl Prot {
    pub const NONE: Prot = Prot(0);
    pub const READ: Prot = Prot(1);
    pub const WRITE: Prot = Prot(2);
    pub const EXEC: Prot = Prot(4);

    pub const fn has(self, other: Prot) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Prot {
    type Output = Prot;
    fn bitor(self, other: Prot) -> Prot {
        Prot(self.0 | other.0)
    }
}

/// What an area's first content is.
#[derive(Clone)]
pub enum Backing {
    Anonymous,
    Stack,
    Heap,
    File { file: Rc<FileMap>, offset: u64 },
}

impl Backing {
    /// The backing of what lies `distance` bytes further up.
    pub fn at(&self, distance: u64) -> Backing {
        match self {
            Backing::File { file, offset } => Backing::File { file: file.clone(), offset: offset + distance },
            other => other.clone(),
        }
    }
}

/// One area; its first address is its key in the map.
#[derive(Clone)]
pub struct Area {
    /// The address after its last byte.
    pub end: u64,
    pub prot: Prot,
    pub shared: bool,
    pub backing: Backing,
    /// Whose its pages are, if not the process's own.
    pub frames: Option<Rc<Owner>>,
    /// Was writable at some time, so its bytes may not be those of its backing.
    pub dirty: bool,
    /// Its pages are active in the code map.
    pub code: bool,
    /// How often it was mapped again where it is: a shared map of a file.
    pub again: u32,
}

impl Area {
    /// A private one.
    pub fn private(end: u64, prot: Prot, backing: Backing) -> Area {
        Area { end, prot, shared: false, backing, frames: None, dirty: prot.has(Prot::WRITE), code: false, again: 0 }
    }

    /// Tells the code map which lifted code is good here, after a change of protection or a new map.
    pub fn activate(&mut self, start: u64) {
        if self.code {
            code_map::reset(start, self.end);
            self.code = false;
        }
        let Backing::File { file, offset } = &self.backing else { return };
        if self.dirty || self.shared || !self.prot.has(Prot::EXEC) {
            return;
        }
        for (from, to) in file.lifted(start, self.end, *offset) {
            code_map::activate(file.overlay(), from, to);
            self.code = true;
        }
    }

    /// Likewise after other processes had their turn: only pages that are not active any more change.
    pub fn reactivate(&mut self, start: u64) {
        if let (true, Backing::File { file, offset }) = (self.code, &self.backing) {
            file.lifted(start, self.end, *offset).for_each(|(from, to)| code_map::activate(file.overlay(), from, to));
        }
    }

    /// Writes the part from `from` to `to` of a shared map to its file. `start` is the area's first address.
    ///
    /// # Errors
    /// What writing the file gives.
    pub fn write_back(&self, start: u64, from: u64, to: u64) -> Result<(), Errno> {
        match &self.backing {
            Backing::File { file, offset } if self.shared && self.dirty => {
                files::gather(file.inode(), offset + (from - start), to - from)
            }
            _ => Ok(()),
        }
    }

    /// The file that it maps, and from where in it.
    pub fn file(&self) -> Option<(&Rc<FileMap>, u64)> {
        match &self.backing {
            Backing::File { file, offset } => Some((file, *offset)),
            _ => None,
        }
    }

    /// `rwxp` as in `/proc/self/maps`.
    pub fn permissions(&self) -> [u8; 4] {
        let bit = |prot, letter| if self.prot.has(prot) { letter } else { b'-' };
        [bit(Prot::READ, b'r'), bit(Prot::WRITE, b'w'), bit(Prot::EXEC, b'x'), if self.shared { b's' } else { b'p' }]
    }
}
