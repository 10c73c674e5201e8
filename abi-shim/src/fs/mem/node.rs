//! A file of the filesystem in memory.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hoist_vfs::{Device, InodeId, Kind, Timestamp};

use super::data::{Data, SIZE_MAX};
use super::dir::Dir;
use super::{MemFs, damaged};
use crate::errno::Errno::{EEXIST, EFBIG, EINVAL, EIO, EISDIR, EMLINK, ENODATA, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV};
use crate::fs::file::FileObject;
use crate::fs::inode::{DirEntry, Inode, InodeRef, RomFile, SetXattr, seal};
use crate::fs::pipe::Pipe;
use crate::fs::socket::Bound;
use crate::fs::types::{BLOCK_SIZE, NewInode, OpenFlags, SetAttr, Stat, StatFs};
use crate::fs::{Feed, Result, Sink};
use crate::heap::{self, Claim};

/// A fast symlink of ext4 is shorter than this and lies in its inode, so it occupies no block.
const FAST_SYMLINK: usize = 60;

/// ext4's limit on names of one file.
const LINK_MAX: u32 = 65_000;

#[derive(Clone, Copy)]
pub struct Attr {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u32,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub btime: Timestamp,
}

/// What is particular to a kind.
pub enum Body {
    Regular(RefCell<Data>),
    Directory(RefCell<Dir>),
    Symlink(Vec<u8>),
    Device(Device),
    /// The pipe behind a FIFO, while anyone has it open.
    Fifo(RefCell<std::rc::Weak<Pipe>>),
    Socket(Bound),
}

type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A file.
pub struct Node {
    fs: Rc<MemFs>,
    pub ino: u64,
    pub kind: Kind,
    lower: Option<InodeId>,
    attr: Cell<Attr>,
    /// `None`: as in the ROM.
    xattrs: RefCell<Option<Xattrs>>,
    /// [`seal`]s; a file that memfd_create(2) did not make takes no more.
    seals: Cell<u32>,
    /// Made without a name, and may get one.
    linkable: Cell<bool>,
    body: Body,
}

impl Node {
    pub fn new(fs: Rc<MemFs>, ino: u64, kind: Kind, lower: Option<InodeId>, attr: Attr, body: Body) -> Node {
        let xattrs = RefCell::new(lower.is_none().then(Xattrs::new));
        let (attr, seals, linkable) = (Cell::new(attr), Cell::new(seal::SEAL), Cell::new(false));
        Node { fs, ino, kind, lower, attr, xattrs, seals, linkable, body }
    }

    fn change(&self, change: impl FnOnce(&mut Attr)) {
        let mut attr = self.attr.get();
        change(&mut attr);
        self.attr.set(attr);
    }

    /// Content or entries changed now.
    fn touch(&self) {
        let now = self.fs.now();
        self.change(|attr| (attr.mtime, attr.ctime) = (now, now));
    }

    /// One name more or less.
    fn count_link(&self, change: i32) {
        let now = self.fs.now();
        self.change(|attr| {
            attr.nlink = attr.nlink.saturating_add_signed(change);
            attr.ctime = now;
        });
    }

    fn dir(&self) -> Result<&RefCell<Dir>> {
        match &self.body {
            Body::Directory(dir) => Ok(dir),
            _ => Err(ENOTDIR),
        }
    }

    fn data(&self) -> Result<&RefCell<Data>> {
        match &self.body {
            Body::Regular(data) => Ok(data),
            Body::Directory(_) => Err(EISDIR),
            _ => Err(EINVAL),
        }
    }

    /// The node behind an inode of this filesystem.
    fn of(&self, inode: &InodeRef) -> Result<Rc<Node>> {
        let any: Rc<dyn Any> = inode.clone();
        any.downcast::<Node>().ok().filter(|node| Rc::ptr_eq(&node.fs, &self.fs)).ok_or(EXDEV)
    }

    /// Takes a name from a node; the directory's own link counts are adjusted by the caller.
    fn unnamed(&self) {
        match &self.body {
            Body::Directory(dir) => {
                dir.borrow_mut().dead = true;
                self.change(|attr| attr.nlink = 0);
                self.count_link(0);
            }
            _ => self.count_link(-1),
        }
        if let (0, Some(lower)) = (self.attr.get().nlink, self.lower) {
            // Nobody can look it up any more.
            self.fs.forget(lower);
        }
    }

    /// # Errors
    /// `ENOENT` if the directory was removed.
    fn alive(&self) -> Result<&RefCell<Dir>> {
        let dir = self.dir()?;
        match dir.borrow().dead {
            true => Err(ENOENT),
            false => Ok(dir),
        }
    }

    /// A new file of the same filesystem.
    ///
    /// # Errors
    /// `ENOSPC` if the kernel's own memory is short.
    fn make(&self, new: &NewInode) -> Result<Rc<Node>> {
        heap::check(Claim::File)?;
        Ok(self.fs.new_node(new))
    }

    fn is_empty_directory(&self) -> Result<bool> {
        self.dir()?.borrow().is_empty(&self.fs)
    }

    /// Whether seals allow a change up to `end` that these seals forbid.
    fn check_seals(&self, end: u64, forbidding: u32) -> Result<()> {
        let seals = self.seals.get();
        let grows = seals & seal::GROW != 0 && end > self.data()?.borrow().size();
        if seals & forbidding != 0 || grows { Err(EPERM) } else { Ok(()) }
    }

    fn with_xattrs<T>(&self, act: impl FnOnce(&mut Xattrs) -> Result<T>) -> Result<T> {
        let mut xattrs = self.xattrs.borrow_mut();
        if let (None, Some(lower)) = (xattrs.as_ref(), self.lower) {
            *xattrs = Some(self.fs.rom()?.xattrs(lower).map_err(damaged)?.into_iter().collect());
        }
        act(xattrs.get_or_insert_default())
    }
}

impl Inode for Node {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn stat(&self) -> Result<Stat> {
        let attr = self.attr.get();
        let (size, blocks) = match &self.body {
            Body::Regular(data) => (data.borrow().size(), data.borrow().blocks()),
            Body::Directory(dir) if dir.borrow().dead => (0, BLOCK_SIZE / 512),
            Body::Directory(_) => (BLOCK_SIZE, BLOCK_SIZE / 512),
            Body::Symlink(target) if target.len() < FAST_SYMLINK => (target.len() as u64, 0),
            Body::Symlink(target) => (target.len() as u64, BLOCK_SIZE / 512),
            Body::Device(_) | Body::Fifo(_) | Body::Socket(_) => (0, 0),
        };
        let rdev = if let Body::Device(rdev) = self.body { rdev } else { Device::default() };
        let Attr { mode, uid, gid, nlink, atime, mtime, ctime, btime } = attr;
        let (dev, ino, kind) = (self.fs.dev, self.ino, self.kind);
        Ok(Stat { dev, ino, kind, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime, btime })
    }

    fn statfs(&self) -> StatFs {
        self.fs.statfs()
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(self.dir()?.borrow().lookup(&self.fs, name)?)
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        self.dir()?.borrow().entries(&self.fs)
    }

    fn create(&self, name: &[u8], new: &NewInode) -> Result<InodeRef> {
        let dir = self.alive()?;
        if self.lookup(name).is_ok() {
            return Err(EEXIST);
        }
        let node = self.make(new)?;
        dir.borrow_mut().insert(name, node.clone());
        self.touch();
        if new.kind == Kind::Directory {
            self.count_link(1);
        }
        Ok(node)
    }

    fn create_unnamed(&self, new: &NewInode, linkable: bool) -> Result<InodeRef> {
        self.alive()?;
        let node = self.make(new)?;
        node.change(|attr| attr.nlink = 0);
        node.linkable.set(linkable);
        Ok(node)
    }

    fn may_be_named(&self) -> bool {
        self.linkable.get()
    }

    fn link(&self, name: &[u8], inode: &InodeRef) -> Result<()> {
        let dir = self.alive()?;
        let node = self.of(inode)?;
        if node.attr.get().nlink >= LINK_MAX {
            return Err(EMLINK);
        }
        node.count_link(1);
        dir.borrow_mut().insert(name, node);
        self.touch();
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        let node = self.dir()?.borrow().lookup(&self.fs, name)?;
        if node.kind == Kind::Directory {
            return Err(EISDIR);
        }
        self.dir()?.borrow_mut().remove(&self.fs, name)?;
        node.unnamed();
        self.touch();
        Ok(())
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        let node = self.dir()?.borrow().lookup(&self.fs, name)?;
        if !node.is_empty_directory()? {
            return Err(ENOTEMPTY);
        }
        self.dir()?.borrow_mut().remove(&self.fs, name)?;
        node.unnamed();
        self.touch();
        self.count_link(-1);
        Ok(())
    }

    fn rename(&self, name: &[u8], to: &InodeRef, to_name: &[u8], exchange: bool) -> Result<()> {
        let to = self.of(to)?;
        to.alive()?;
        let node = self.dir()?.borrow().lookup(&self.fs, name)?;
        let other = to.dir()?.borrow().lookup(&self.fs, to_name).ok();
        let is_dir = |node: &Node| i32::from(node.kind == Kind::Directory);
        if exchange {
            let other = other.ok_or(ENOENT)?;
            let change = is_dir(&other) - is_dir(&node);
            self.dir()?.borrow_mut().insert(name, other.clone());
            to.dir()?.borrow_mut().insert(to_name, node.clone());
            self.count_link(change);
            to.count_link(-change);
            other.count_link(0);
        } else {
            if let Some(other) = &other {
                if other.kind == Kind::Directory && !other.is_empty_directory()? {
                    return Err(ENOTEMPTY);
                }
                other.unnamed();
                to.count_link(-is_dir(other));
            }
            self.dir()?.borrow_mut().remove(&self.fs, name)?;
            to.dir()?.borrow_mut().insert(to_name, node.clone());
            self.count_link(-is_dir(&node));
            to.count_link(is_dir(&node));
        }
        node.count_link(0);
        self.touch();
        to.touch();
        Ok(())
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(EINVAL),
        }
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        let now = self.fs.now();
        self.change(|attr| {
            attr.mode = change.mode.map_or(attr.mode, |mode| mode & hoist_vfs::node::MODE_BITS);
            attr.uid = change.uid.unwrap_or(attr.uid);
            attr.gid = change.gid.unwrap_or(attr.gid);
            attr.atime = change.atime.unwrap_or(attr.atime);
            attr.mtime = change.mtime.unwrap_or(attr.mtime);
            attr.ctime = now;
        });
        Ok(())
    }

    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        // Asked by every `ls -l`; answered without a copy of the ROM's.
        match (&*self.xattrs.borrow(), self.lower) {
            (Some(xattrs), _) => xattrs.get(name).cloned().ok_or(ENODATA),
            (None, Some(lower)) => self.fs.rom()?.xattr(lower, name).map_err(damaged)?.ok_or(ENODATA),
            (None, None) => Err(ENODATA),
        }
    }

    fn xattrs(&self) -> Result<Vec<Vec<u8>>> {
        self.with_xattrs(|xattrs| Ok(xattrs.keys().cloned().collect()))
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], how: SetXattr) -> Result<()> {
        self.with_xattrs(|xattrs| match (how, xattrs.contains_key(name)) {
            (SetXattr::Create, true) => Err(EEXIST),
            (SetXattr::Replace, false) => Err(ENODATA),
            _ => {
                xattrs.insert(name.to_vec(), value.to_vec());
                Ok(())
            }
        })?;
        self.count_link(0);
        Ok(())
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.with_xattrs(|xattrs| xattrs.remove(name).map(drop).ok_or(ENODATA))?;
        self.count_link(0);
        Ok(())
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.data()?.borrow().read_at(offset, sink)
    }

    fn write_at(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.check_seals(offset.saturating_add(feed.left() as u64), seal::WRITE | seal::FUTURE_WRITE)?;
        self.write_back(offset, feed)
    }

    fn write_back(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        let count = self.data()?.borrow_mut().write_at(&self.fs, offset, feed)?;
        if count > 0 {
            self.touch();
        }
        Ok(count)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.check_seals(size, 0)?;
        if self.seals.get() & seal::SHRINK != 0 && size < self.data()?.borrow().size() {
            return Err(EPERM);
        }
        self.data()?.borrow_mut().truncate(&self.fs, size)?;
        self.touch();
        Ok(())
    }

    fn size_max(&self) -> u64 {
        SIZE_MAX
    }

    fn punch_hole(&self, offset: u64, len: u64) -> Result<()> {
        if offset.checked_add(len).is_none() {
            return Err(EFBIG);
        }
        self.check_seals(0, seal::WRITE | seal::FUTURE_WRITE)?;
        self.data()?.borrow_mut().punch_hole(&self.fs, offset, len)?;
        self.touch();
        Ok(())
    }

    fn seek_data(&self, offset: u64, data: bool) -> Result<Option<u64>> {
        Ok(self.data()?.borrow().seek_data(offset, data))
    }

    fn seals(&self) -> Option<&Cell<u32>> {
        (self.fs.magic == super::magic::TMPFS && self.kind == Kind::Regular).then_some(&self.seals)
    }

    fn rom_file(&self) -> Option<RomFile> {
        let inode = self.lower?;
        let extent = self.data().ok()?.borrow().unchanged()?;
        let elf = self.fs.rom().ok()?.elf(inode).ok()?;
        Some(RomFile { inode, offset: extent.offset, len: extent.len, elf })
    }

    fn bound(&self) -> Option<&Bound> {
        match &self.body {
            Body::Socket(bound) => Some(bound),
            _ => None,
        }
    }

    fn open(&self, flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        let Body::Fifo(fifo) = &self.body else {
            return Ok(None);
        };
        let pipe = fifo.borrow().upgrade().unwrap_or_else(Pipe::fifo);
        *fifo.borrow_mut() = Rc::downgrade(&pipe);
        pipe.open(flags).map(Some)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Body::Regular(data) = &self.body {
            // Counting out cannot fail.
            let _: core::result::Result<(), _> = self.fs.count_pages(-data.borrow().page_count()).or(Err(EIO));
        }
    }
}
