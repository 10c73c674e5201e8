//! Files without a place in the tree: pipes, sockets, the streams of the console, what memfd_create(2) makes.

use std::cell::Cell;
use std::rc::Rc;

use hoist_vfs::{Device, Kind};

use super::Result;
use super::file::FileObject;
use super::inode::Inode;
use super::types::{OpenFlags, SetAttr, Stat, StatFs};

/// `PIPEFS_MAGIC` and the like of magic.h.
pub mod magic {
    pub const PIPEFS: u64 = 0x5049_5045;
    pub const SOCKFS: u64 = 0x534f_434b;
    pub const ANON_INODE: u64 = 0x0904_1934;
}

/// How an open(2) through `/proc/self/fd/N` opens the file once more.
pub type Reopen = Box<dyn Fn(OpenFlags) -> Result<Option<Rc<dyn FileObject>>>>;

/// The inode of such a file.
pub struct AnonInode {
    stat: Cell<Stat>,
    magic: u64,
    reopen: Reopen,
}

impl AnonInode {
    pub fn new(stat: Stat, magic: u64, reopen: Reopen) -> Rc<AnonInode> {
        Rc::new(AnonInode { stat: Cell::new(stat), magic, reopen })
    }

    /// The number of anonymous files' device.
    pub const DEV: Device = Device { major: 0, minor: 15 };
}

impl Inode for AnonInode {
    fn kind(&self) -> Kind {
        self.stat.get().kind
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.stat.get())
    }

    fn statfs(&self) -> StatFs {
        StatFs { magic: self.magic, blocks: 0, free: 0, files: 0, files_free: 0 }
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        let mut stat = self.stat.get();
        stat.mode = change.mode.unwrap_or(stat.mode);
        stat.uid = change.uid.unwrap_or(stat.uid);
        stat.gid = change.gid.unwrap_or(stat.gid);
        self.stat.set(stat);
        Ok(())
    }

    fn open(&self, flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        (self.reopen)(flags)
    }
}
