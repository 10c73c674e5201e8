//! The filesystem in memory: over the ROM it is the image's root, over nothing a tmpfs.
//!
//! Nodes of the ROM come into being as they are looked up, and are what changes are written to: a directory keeps the
//! entries that differ from the ROM's (a removed one as a whiteout), a regular file the pages that differ. A file is
//! therefore never copied up as a whole, and what nobody writes to costs nothing.

mod data;
mod dir;
mod node;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hoist_vfs::{Device, InodeId, Kind, Rom, RomError, Timestamp};

use super::Result;
use super::inode::InodeRef;
use super::types::{BLOCK_SIZE, NewInode, StatFs};
use crate::errno::Errno::{self, EIO, ENOSPC};
use crate::fs::socket::Bound;
use crate::rom::RomSource;
use node::{Attr, Body, Node};

/// What time it is: CLOCK_REALTIME.
pub type Clock = Rc<dyn Fn() -> Timestamp>;

/// Bytes of file content that one filesystem holds in kernel memory before writes get `ENOSPC`. The kernel's memory ends at 4 GiB.
const CAPACITY: u64 = 2 << 30;

/// Magic numbers of statfs(2).
pub mod magic {
    pub const OVERLAY: u64 = 0x794c_7630;
    pub const TMPFS: u64 = 0x0102_1994;
    pub const SYSFS: u64 = 0x6265_6572;
    pub const DEVPTS: u64 = 0x1cd1;
}

/// One filesystem.
pub struct MemFs {
    dev: Device,
    magic: u64,
    clock: Clock,
    rom: Option<Rom<RomSource>>,
    /// The ROM's nodes that were looked up; a file with several names is one node.
    nodes: RefCell<BTreeMap<InodeId, Rc<Node>>>,
    next_ino: Cell<u64>,
    /// Pages of content in memory.
    pages: Cell<u64>,
    /// How many there may be.
    pages_max: u64,
}

impl MemFs {
    /// The image's root filesystem.
    ///
    /// # Errors
    /// `EIO` if the ROM is damaged.
    pub fn over_rom(rom: Rom<RomSource>, dev: Device, clock: Clock) -> Result<InodeRef> {
        let (root, first_new) = (rom.root(), u64::from(rom.inode_count()) + 1);
        let fs = MemFs::new(Some(rom), dev, magic::OVERLAY, first_new, clock);
        Ok(fs.rom_node(root)?)
    }

    /// An empty filesystem whose root has this mode.
    pub fn empty(mode: u32, dev: Device, magic: u64, clock: Clock) -> InodeRef {
        let fs = MemFs::new(None, dev, magic, 1, clock);
        let target = Vec::new();
        fs.new_node(&NewInode { kind: Kind::Directory, mode, uid: 0, gid: 0, rdev: Device::default(), target })
    }

    /// A tmpfs that holds so many bytes.
    pub fn bounded(mode: u32, dev: Device, clock: Clock, size: Option<u64>) -> InodeRef {
        let mut fs = MemFs::parts(None, dev, magic::TMPFS, 1, clock);
        fs.pages_max = size.map_or(fs.pages_max, |size| size.div_ceil(BLOCK_SIZE).min(fs.pages_max));
        let target = Vec::new();
        Rc::new(fs).new_node(&NewInode { kind: Kind::Directory, mode, uid: 0, gid: 0, rdev: Device::default(), target })
    }

    fn new(rom: Option<Rom<RomSource>>, dev: Device, magic: u64, first_new: u64, clock: Clock) -> Rc<MemFs> {
        Rc::new(MemFs::parts(rom, dev, magic, first_new, clock))
    }

    fn parts(rom: Option<Rom<RomSource>>, dev: Device, magic: u64, first_new: u64, clock: Clock) -> MemFs {
        let next_ino = Cell::new(first_new);
        let (nodes, pages) = (RefCell::default(), Cell::new(0));
        MemFs { dev, magic, clock, rom, nodes, next_ino, pages, pages_max: CAPACITY / BLOCK_SIZE }
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The ROM, which is there if any node has a lower one.
    fn rom(&self) -> Result<&Rom<RomSource>> {
        self.rom.as_ref().ok_or(EIO)
    }

    /// The node of a ROM inode.
    fn rom_node(self: &Rc<Self>, id: InodeId) -> Result<Rc<Node>> {
        if let Some(node) = self.nodes.borrow().get(&id) {
            return Ok(node.clone());
        }
        let rom = self.rom()?;
        let meta = rom.meta(id).map_err(damaged)?;
        let body = match meta.kind {
            Kind::Regular => Body::Regular(RefCell::new(data::Data::over_rom(rom.content(id).map_err(damaged)?))),
            Kind::Directory => Body::Directory(RefCell::new(dir::Dir::over_rom(id))),
            Kind::Symlink => Body::Symlink(rom.readlink(id).map_err(damaged)?),
            Kind::CharDevice | Kind::BlockDevice => Body::Device(meta.rdev),
            Kind::Fifo => Body::Fifo(RefCell::default()),
            Kind::Socket => Body::Socket(Bound::default()),
        };
        let attr = Attr {
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            nlink: meta.nlink,
            atime: meta.mtime,
            mtime: meta.mtime,
            ctime: meta.mtime,
            btime: meta.mtime,
        };
        let node = Rc::new(Node::new(self.clone(), meta.ino, meta.kind, Some(id), attr, body));
        self.nodes.borrow_mut().insert(id, node.clone());
        Ok(node)
    }

    /// A node of the ROM has lost its last name.
    fn forget(&self, id: InodeId) {
        let node = self.nodes.borrow_mut().remove(&id);
        drop(node);
    }

    /// A node that the ROM does not have.
    fn new_node(self: &Rc<Self>, new: &NewInode) -> Rc<Node> {
        let ino = self.next_ino.get();
        self.next_ino.set(ino + 1);
        let body = match new.kind {
            Kind::Regular => Body::Regular(RefCell::default()),
            Kind::Directory => Body::Directory(RefCell::default()),
            Kind::Symlink => Body::Symlink(new.target.clone()),
            Kind::CharDevice | Kind::BlockDevice => Body::Device(new.rdev),
            Kind::Fifo => Body::Fifo(RefCell::default()),
            Kind::Socket => Body::Socket(Bound::default()),
        };
        let now = self.now();
        let attr = Attr {
            mode: new.mode & hoist_vfs::node::MODE_BITS,
            uid: new.uid,
            gid: new.gid,
            nlink: if new.kind == Kind::Directory { 2 } else { 1 },
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
        };
        Rc::new(Node::new(self.clone(), ino, new.kind, None, attr, body))
    }

    /// Counts pages in (positive) or out.
    ///
    /// # Errors
    /// `ENOSPC`, and then nothing was counted.
    fn count_pages(&self, change: i64) -> Result<()> {
        let pages = self.pages.get().saturating_add_signed(change);
        if change > 0 && pages > self.pages_max {
            return Err(ENOSPC);
        }
        self.pages.set(pages);
        Ok(())
    }

    fn statfs(&self) -> StatFs {
        let rom = self.rom.as_ref();
        let below = rom.map_or(0, |rom| rom.len().div_ceil(BLOCK_SIZE));
        let total = self.pages_max;
        StatFs {
            magic: self.magic,
            blocks: below + total,
            free: total - self.pages.get(),
            files: self.next_ino.get() + (1 << 20),
            files_free: 1 << 20,
        }
    }
}

/// A damaged ROM is an unreadable disk.
fn damaged(_: RomError) -> Errno {
    EIO
}
