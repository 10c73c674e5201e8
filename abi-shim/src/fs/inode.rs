//! What a filesystem implements: one object a file, whatever its kind.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use hoist_vfs::{Device, InodeId, Kind};

use super::dentry::Location;
use super::file::FileObject;
use super::types::{NewInode, OpenFlags, SetAttr, Stat, StatFs};
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EINVAL, ENODATA, ENOTDIR, EOPNOTSUPP, EPERM, EROFS};
use crate::fs::socket::Bound;

/// A file, shared by its names and by those who have it open.
pub type InodeRef = Rc<dyn Inode>;

/// One entry of a directory, `.` and `..` not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    pub name: Vec<u8>,
    pub ino: u64,
    pub kind: Kind,
}

/// How setxattr(2) treats an attribute that exists or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattr {
    Any,
    /// `XATTR_CREATE`.
    Create,
    /// `XATTR_REPLACE`.
    Replace,
}

/// Where an unmodified regular file lies in the ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RomFile {
    pub inode: InodeId,
    /// Bytes from the ROM's start.
    pub offset: u64,
    pub len: u64,
    /// The number of the lifted ELF file, if it is one.
    pub elf: Option<u32>,
}

/// A file of any kind. What a kind or a filesystem does not offer keeps the default, an error from the man page.
///
/// Permissions are checked by the callers in [`super::vfs`]; an inode carries out.
pub trait Inode: Any {
    fn kind(&self) -> Kind;

    /// # Errors
    /// Of the host, where the file is one of its.
    fn stat(&self) -> Result<Stat>;

    /// About the filesystem: statfs(2).
    fn statfs(&self) -> StatFs;

    /// True if a name that was looked up stays good until it is changed through this kernel.
    fn cacheable(&self) -> bool {
        true
    }

    // ---- Directories

    /// The entry with this name; never asked for `.` and `..`.
    ///
    /// # Errors
    /// `ENOENT`.
    fn lookup(&self, _name: &[u8]) -> Result<InodeRef> {
        Err(ENOTDIR)
    }

    /// All entries, in the order in which getdents64(2) shows them.
    ///
    /// # Errors
    /// `ENOTDIR`.
    fn entries(&self) -> Result<Vec<DirEntry>> {
        Err(ENOTDIR)
    }

    /// Makes a file under a name that is free.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EROFS`.
    fn create(&self, _name: &[u8], _new: &NewInode) -> Result<InodeRef> {
        Err(EROFS)
    }

    /// Makes a regular file without a name: O_TMPFILE. `linkable`: it may get one.
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn create_unnamed(&self, _new: &NewInode, _linkable: bool) -> Result<InodeRef> {
        Err(EOPNOTSUPP)
    }

    /// Whether link(2) may give it a name although it has none.
    fn may_be_named(&self) -> bool {
        false
    }

    /// Gives an inode of the same filesystem another name, one that is free.
    ///
    /// # Errors
    /// `EXDEV`, `EPERM` if the filesystem cannot.
    fn link(&self, _name: &[u8], _inode: &InodeRef) -> Result<()> {
        Err(EPERM)
    }

    /// Removes the name of what is not a directory.
    ///
    /// # Errors
    /// `EROFS`.
    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(EROFS)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOTEMPTY`.
    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(EROFS)
    }

    /// Moves an entry to a directory of the same filesystem, over what had the name there (the caller saw that kinds
    /// agree), or exchanges the two.
    ///
    /// # Errors
    /// `EXDEV`, `ENOTEMPTY`.
    fn rename(&self, _name: &[u8], _to: &InodeRef, _to_name: &[u8], _exchange: bool) -> Result<()> {
        Err(EROFS)
    }

    // ---- Symlinks

    /// # Errors
    /// `EINVAL` if it is not a symlink.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(EINVAL)
    }

    /// Where a link of proc(5) leads that is no path (`/proc/self/fd/0`); `None` for ordinary symlinks.
    ///
    /// # Errors
    /// `ENOENT`.
    fn jump(&self) -> Result<Option<Location>> {
        Ok(None)
    }

    // ---- Attributes

    /// # Errors
    /// `EROFS`.
    fn set_attr(&self, _change: &SetAttr) -> Result<()> {
        Err(EROFS)
    }

    /// # Errors
    /// `ENODATA`, `EOPNOTSUPP`.
    fn xattr(&self, _name: &[u8]) -> Result<Vec<u8>> {
        Err(ENODATA)
    }

    /// Names of the extended attributes, sorted.
    ///
    /// # Errors
    /// Of the host.
    fn xattrs(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// # Errors
    /// `EEXIST`, `ENODATA`, `EOPNOTSUPP`.
    fn set_xattr(&self, _name: &[u8], _value: &[u8], _how: SetXattr) -> Result<()> {
        Err(EOPNOTSUPP)
    }

    /// # Errors
    /// `ENODATA`, `EOPNOTSUPP`.
    fn remove_xattr(&self, _name: &[u8]) -> Result<()> {
        Err(EOPNOTSUPP)
    }

    // ---- Content

    /// Reads from `offset` until the sink is full or the file ends.
    ///
    /// # Errors
    /// `EFAULT`, `EIO`.
    fn read_at(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        Err(EINVAL)
    }

    /// Writes at `offset`; the file grows, a gap reads as zeros.
    ///
    /// # Errors
    /// `EFAULT`, `EFBIG`, `ENOSPC`.
    fn write_at(&self, _offset: u64, _feed: &mut dyn Feed) -> Result<usize> {
        Err(EINVAL)
    }

    /// Takes what was stored to a shared map: a page that was mapped before it was sealed may still be written.
    ///
    /// # Errors
    /// As [`Inode::write_at`].
    fn write_back(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.write_at(offset, feed)
    }

    /// # Errors
    /// `EFBIG`, `EROFS`.
    fn truncate(&self, _size: u64) -> Result<()> {
        Err(EINVAL)
    }

    /// The largest size that a file can have.
    fn size_max(&self) -> u64 {
        i64::MAX as u64
    }

    /// Turns `len` bytes from `offset` into a hole; the size stays.
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn punch_hole(&self, _offset: u64, _len: u64) -> Result<()> {
        Err(EOPNOTSUPP)
    }

    /// The first byte from `offset` on that is data (or, if not `data`, a hole); `None` if there is none.
    fn seek_data(&self, offset: u64, data: bool) -> Result<Option<u64>> {
        let size = self.stat()?.size;
        Ok((offset < size).then_some(if data { offset } else { size }))
    }

    /// Brings the content to where it lasts.
    ///
    /// # Errors
    /// `EIO`.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Where the content lies in the ROM, as long as nothing of it was changed.
    fn rom_file(&self) -> Option<RomFile> {
        None
    }

    /// The seals of a file from memfd_create(2), bits of [`seal`]; `None` where there cannot be any.
    fn seals(&self) -> Option<&Cell<u32>> {
        None
    }

    /// The socket that is bound to it; `None` if it is no socket.
    fn bound(&self) -> Option<&Bound> {
        None
    }

    /// What stands behind the file once it is open, if reads and writes are not [`Inode::read_at`] and
    /// [`Inode::write_at`]: a pipe, a text of proc(5). Device files are opened by their numbers instead.
    ///
    /// # Errors
    /// `ENXIO` and what else open(2) names.
    fn open(&self, _flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        Ok(None)
    }
}

/// Seals of fcntl(2).
pub mod seal {
    pub const SEAL: u32 = 1;
    pub const SHRINK: u32 = 2;
    pub const GROW: u32 = 4;
    pub const WRITE: u32 = 8;
    pub const FUTURE_WRITE: u32 = 0x10;
    pub const ALL: u32 = 0x1f;
}

/// Tells a file from all others as long as somebody uses it: to locks, maps and futexes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Identity(u64, u64);

impl Identity {
    /// A file of a filesystem that knows it by its number only.
    pub const fn numbered(dev: Device, ino: u64) -> Identity {
        Identity(1 + ((dev.major as u64) << 32 | dev.minor as u64), ino)
    }

    pub fn of(inode: &InodeRef) -> Identity {
        // A file that is looked up anew each time has many objects, but one number.
        let number = || inode.stat().ok().map(|stat| Identity::numbered(stat.dev, stat.ino));
        let object = Identity(0, Rc::as_ptr(inode).cast::<()>().addr() as u64);
        if inode.cacheable() { object } else { number().unwrap_or(object) }
    }
}

/// True if both are the same file.
pub fn same(a: &InodeRef, b: &InodeRef) -> bool {
    Identity::of(a) == Identity::of(b)
}
