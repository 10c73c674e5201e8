//! Open file descriptions: what open(2) makes, dup(2) shares and descriptors name.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hoist_vfs::Kind;

use super::dentry::Location;
use super::inode::{DirEntry, Identity, InodeRef};
use super::lock::{self, Lock};
use super::notify;
use super::record_lock::{self, Holder};
use super::types::{OpenFlags, poll};
use super::{Feed, Result, Sink, content};
use crate::errno::Errno::{EBADF, EINVAL, EISDIR, ENODEV, ENOTDIR, ENOTTY, ENXIO, ESPIPE};
use crate::wasi::Nanos;

/// Whether and how lseek(2) moves in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// `ESPIPE`: pipes, sockets, terminals.
    No,
    /// Succeeds and stays at 0: `/dev/null`.
    Zero,
    /// As in a regular file whose end is not known: texts of proc(5).
    Offset,
}

/// What stands behind an open file that is not simply its inode's content: pipes, devices, sockets, texts of proc(5).
///
/// Where nothing can be read or written now, the error is `EAGAIN`, whatever O_NONBLOCK says; who waits is the system call's
/// business.
pub trait FileObject: Any {
    /// # Errors
    /// `EAGAIN` and what read(2) names.
    fn read(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        Err(EINVAL)
    }

    /// # Errors
    /// `EAGAIN`, `EPIPE` and what write(2) names.
    fn write(&self, _offset: u64, _feed: &mut dyn Feed) -> Result<usize> {
        Err(EINVAL)
    }

    /// What poll(2) would report now.
    fn poll(&self) -> u32 {
        poll::ALWAYS
    }

    fn seek(&self) -> Seek {
        Seek::No
    }

    /// ioctl(2), those that concern every file apart. `arg` is the register, often a user address.
    ///
    /// # Errors
    /// `ENOTTY` if the request is unknown to the object.
    fn ioctl(&self, _request: u32, _arg: u64) -> Result<u64> {
        Err(ENOTTY)
    }

    /// Counts what happened that could make the object ready: edge-triggered epoll(7) compares it.
    fn activity(&self) -> u64 {
        0
    }

    /// When it will be readable if nothing else happens, on the monotonic clock.
    fn deadline(&self) -> Option<Nanos> {
        None
    }

    /// Lines for `/proc/self/fdinfo/N` after `pos`, `flags` and `mnt_id`.
    fn fdinfo(&self) -> String {
        String::new()
    }

    /// True if room comes when others read: pipes and sockets.
    fn waits_for_room(&self) -> bool {
        false
    }

    /// True if an empty pipe or the like may still be waited for; a file that never blocks cannot join an epoll set.
    fn pollable(&self) -> bool {
        true
    }
}

/// How lseek(2) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    Set,
    Current,
    End,
    Data,
    Hole,
}

impl Whence {
    /// The `SEEK_…` constant's meaning.
    pub fn from_number(number: u32) -> Option<Whence> {
        [Whence::Set, Whence::Current, Whence::End, Whence::Data, Whence::Hole].get(number as usize).copied()
    }
}

enum Body {
    /// Opened with O_PATH: a place, not content.
    Path,
    /// The inode's content.
    Content,
    /// The entries, as they were when reading began; `.` and `..` first.
    Directory(RefCell<Option<Rc<[DirEntry]>>>),
    Object(Rc<dyn FileObject>),
}

/// An open file description.
pub struct File {
    pub location: Location,
    flags: Cell<OpenFlags>,
    offset: Cell<u64>,
    body: Body,
    /// F_SETOWN and F_SETSIG of fcntl(2).
    pub owner: Cell<i32>,
    pub signal: Cell<u32>,
    /// Whether flock(2) was called, or fcntl(2) with F_OFD_SETLK.
    locked: Cell<bool>,
    has_records: Cell<bool>,
    /// It was opened by a path, and its end is told: [`notify`].
    opened: Cell<bool>,
}

impl Drop for File {
    fn drop(&mut self) {
        if self.opened.get() {
            let writes = self.flags.get().writable();
            notify::entry(&self.location.dentry, if writes { notify::mask::CLOSE_WRITE } else { notify::mask::CLOSE_NOWRITE });
        }
        if self.has_records.get() {
            record_lock::free_file(self.lock_key(), Holder::Description(std::ptr::from_ref(self).addr()));
        }
        if self.locked.get() {
            // Freeing a lock cannot fail.
            let _ = lock::change(self.lock_key(), std::ptr::from_ref(self).addr(), Lock::Free);
        }
    }
}

/// Flags that open(2) acts on once; F_GETFL does not show them.
const ONCE: u32 = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC | OpenFlags::CLOEXEC;

/// Flags that F_SETFL can change.
const SETTABLE: u32 = OpenFlags::APPEND | OpenFlags::NONBLOCK | OpenFlags::ASYNC | OpenFlags::DIRECT | OpenFlags::NOATIME;

impl File {
    fn new(location: Location, flags: OpenFlags, body: Body) -> Rc<File> {
        let flags = Cell::new(OpenFlags(flags.0 & !ONCE));
        let (owner, signal, locked) = (Cell::new(0), Cell::new(0), Cell::new(false));
        let (has_records, opened) = (Cell::new(false), Cell::new(false));
        Rc::new(File { location, flags, offset: Cell::new(0), body, owner, signal, locked, has_records, opened })
    }

    /// Tells who watches that the file was opened, and when the time comes that it was closed.
    pub fn tell_opened(&self) {
        self.opened.set(true);
        notify::entry(&self.location.dentry, notify::mask::OPEN);
    }

    /// Tells who watches what was done with the file.
    pub fn tell(&self, mask: u32) {
        notify::entry(&self.location.dentry, mask);
    }

    /// A file with an object behind it.
    pub fn object(location: Location, flags: OpenFlags, object: Rc<dyn FileObject>) -> Rc<File> {
        File::new(location, flags, Body::Object(object))
    }

    /// A file that is its inode's content or entries.
    pub fn content(location: Location, flags: OpenFlags) -> Rc<File> {
        let body = match location.inode().kind() {
            _ if flags.has(OpenFlags::PATH) => Body::Path,
            Kind::Directory => Body::Directory(RefCell::default()),
            _ => Body::Content,
        };
        File::new(location, flags, body)
    }

    pub fn inode(&self) -> &InodeRef {
        self.location.inode()
    }

    /// What F_GETFL of fcntl(2) shows.
    pub fn flags(&self) -> OpenFlags {
        self.flags.get()
    }

    /// F_SETFL of fcntl(2).
    pub fn set_flags(&self, flags: u32) {
        self.flags.set(OpenFlags(self.flags.get().0 & !SETTABLE | flags & SETTABLE));
    }

    pub fn nonblocking(&self) -> bool {
        self.flags.get().has(OpenFlags::NONBLOCK)
    }

    /// Whether a write(2) that went only in part waits for the rest: pipes and sockets, unless they are not to block.
    pub fn waits_for_room(&self) -> bool {
        !self.nonblocking() && self.any_object().is_some_and(|object| object.waits_for_room())
    }

    pub fn is_path(&self) -> bool {
        matches!(self.body, Body::Path)
    }

    /// The object behind it, if it has one of this type.
    pub fn as_object<T: FileObject>(&self) -> Option<Rc<T>> {
        let any: Rc<dyn Any> = self.any_object()?.clone();
        any.downcast::<T>().ok()
    }

    /// The object behind it.
    pub fn any_object(&self) -> Option<&Rc<dyn FileObject>> {
        match &self.body {
            Body::Object(object) => Some(object),
            _ => None,
        }
    }

    /// # Errors
    /// `EBADF`, `EISDIR`, and of the inode or object.
    pub fn read(&self, sink: &mut dyn Sink) -> Result<usize> {
        let count = self.read_at(self.offset.get(), sink)?;
        self.advance(count);
        Ok(count)
    }

    /// # Errors
    /// As [`File::read`].
    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if !self.flags.get().readable() {
            return Err(EBADF);
        }
        let count = match &self.body {
            Body::Path => Err(EBADF),
            Body::Directory(_) => Err(EISDIR),
            Body::Content => content::read_at(self.inode(), offset, sink),
            Body::Object(object) => object.read(offset, sink),
        }?;
        if count > 0 {
            self.tell(notify::mask::ACCESS);
        }
        Ok(count)
    }

    /// # Errors
    /// `EBADF`, and of the inode or object.
    pub fn write(&self, feed: &mut dyn Feed) -> Result<usize> {
        let offset = match self.appends() {
            true => self.inode().stat()?.size,
            false => self.offset.get(),
        };
        let count = self.write_at(offset, feed)?;
        if self.appends() {
            self.offset.set(offset);
        }
        self.advance(count);
        Ok(count)
    }

    fn appends(&self) -> bool {
        self.flags.get().has(OpenFlags::APPEND) && matches!(self.body, Body::Content)
    }

    fn write_at(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        if !self.flags.get().writable() {
            return Err(EBADF);
        }
        let count = match &self.body {
            Body::Path | Body::Directory(_) => Err(EBADF),
            Body::Content => content::write_at(self.inode(), offset, feed),
            Body::Object(object) => object.write(offset, feed),
        }?;
        if count > 0 {
            self.tell(notify::mask::MODIFY);
        }
        Ok(count)
    }

    fn advance(&self, count: usize) {
        let moves = match &self.body {
            Body::Object(object) => object.seek() == Seek::Offset,
            _ => true,
        };
        if moves {
            self.offset.set(self.offset.get() + count as u64);
        }
    }

    /// pread(2).
    ///
    /// # Errors
    /// As [`File::read`], `ESPIPE`.
    pub fn pread(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.check_positional()?;
        self.read_at(offset, sink)
    }

    /// pwrite(2); with O_APPEND at the end all the same, as Linux does.
    ///
    /// # Errors
    /// As [`File::write`], `ESPIPE`.
    pub fn pwrite(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        self.check_positional()?;
        let offset = if self.appends() { self.inode().stat()?.size } else { offset };
        self.write_at(offset, feed)
    }

    /// # Errors
    /// `ESPIPE` for pipes, sockets and terminals; `EBADF` for O_PATH.
    pub fn check_seekable(&self) -> Result<()> {
        match &self.body {
            Body::Path => Err(EBADF),
            Body::Object(object) if object.seek() == Seek::No => Err(ESPIPE),
            _ => Ok(()),
        }
    }

    /// Likewise for pread(2) and its kin, which files without a place refuse although lseek(2) on them succeeds.
    fn check_positional(&self) -> Result<()> {
        match &self.body {
            Body::Object(object) if object.seek() == Seek::Zero && !self.opened.get() => Err(ESPIPE),
            _ => self.check_seekable(),
        }
    }

    pub fn offset(&self) -> u64 {
        self.offset.get()
    }

    pub fn set_offset(&self, offset: u64) {
        self.offset.set(offset);
    }

    /// lseek(2).
    ///
    /// # Errors
    /// `ESPIPE`, `EINVAL`, `ENXIO`.
    pub fn seek(&self, offset: i64, whence: Whence) -> Result<u64> {
        self.check_seekable()?;
        let object = self.any_object();
        if object.is_some_and(|object| object.seek() == Seek::Zero) {
            return Ok(0);
        }
        let is_content = matches!(self.body, Body::Content);
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => self.offset.get(),
            Whence::End if object.is_some() => return Err(EINVAL),
            Whence::End if is_content => self.inode().stat()?.size,
            Whence::End => i64::MAX as u64,
            Whence::Data | Whence::Hole if !is_content => return Err(EINVAL),
            Whence::Data | Whence::Hole => {
                let from = u64::try_from(offset).map_err(|_| ENXIO)?;
                let found = self.inode().seek_data(from, whence == Whence::Data)?.ok_or(ENXIO)?;
                self.offset.set(found);
                return Ok(found);
            }
        };
        let position = match whence {
            Whence::End if !is_content => base,
            _ => {
                let sum = (base as i64).checked_add(offset).and_then(|sum| u64::try_from(sum).ok());
                sum.filter(|&sum| !is_content || sum <= self.inode().size_max()).ok_or(EINVAL)?
            }
        };
        self.offset.set(position);
        Ok(position)
    }

    /// The entry of a directory at the file's position and all after it; [`File::set_offset`] to a later index goes on.
    /// `.` and `..` stand first. From position 0 the directory is read anew.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF`.
    pub fn directory(&self) -> Result<Rc<[DirEntry]>> {
        let Body::Directory(snapshot) = &self.body else {
            return Err(if self.is_path() { EBADF } else { ENOTDIR });
        };
        let mut snapshot = snapshot.borrow_mut();
        if self.offset.get() == 0 {
            *snapshot = None;
        }
        if let Some(entries) = &*snapshot {
            return Ok(entries.clone());
        }
        let here = self.inode().stat()?.ino;
        let above = self.location.up().map_or(Ok(here), |up| up.inode().stat().map(|stat| stat.ino))?;
        let dot = |name: &[u8], ino| DirEntry { name: name.to_vec(), ino, kind: Kind::Directory };
        let mut entries = vec![dot(b".", here), dot(b"..", above)];
        // A directory that was removed has no entries, not even these two.
        match self.location.is_deleted() {
            true => entries.clear(),
            false => entries.append(&mut self.inode().entries()?),
        }
        let entries: Rc<[DirEntry]> = entries.into();
        *snapshot = Some(entries.clone());
        Ok(entries)
    }

    /// What poll(2) would report now, `POLLERR`, `POLLHUP` and `POLLNVAL` among it.
    pub fn poll(&self) -> u32 {
        match &self.body {
            Body::Path => poll::NVAL,
            Body::Object(object) => object.poll(),
            Body::Content | Body::Directory(_) => poll::ALWAYS,
        }
    }

    /// When it will be readable if nothing else happens, on the monotonic clock.
    pub fn deadline(&self) -> Option<Nanos> {
        self.any_object().and_then(|object| object.deadline())
    }

    /// flock(2), without waiting.
    ///
    /// # Errors
    /// `EAGAIN` if another open file description's lock is in the way.
    pub fn flock(&self, wanted: Lock) -> Result<()> {
        self.locked.set(wanted != Lock::Free);
        lock::change(self.lock_key(), std::ptr::from_ref(self).addr(), wanted)
    }

    /// Who holds locks by F_OFD_SETLK.
    pub fn description(&self) -> Holder {
        self.has_records.set(true);
        Holder::Description(std::ptr::from_ref(self).addr())
    }

    /// Names its inode to locks.
    pub fn lock_key(&self) -> Identity {
        Identity::of(self.inode())
    }

    /// True if it can join an epoll set: a regular file cannot, epoll_ctl(2).
    pub fn pollable(&self) -> bool {
        self.any_object().is_some_and(|object| object.pollable())
    }

    /// The size changes; a gap reads as zeros: ftruncate(2).
    ///
    /// # Errors
    /// `EINVAL` if not a regular file open for writing.
    pub fn truncate(&self, size: u64) -> Result<()> {
        match &self.body {
            Body::Path => Err(EBADF),
            Body::Content if self.flags.get().writable() => {
                content::truncate(self.inode(), size)?;
                self.tell(notify::mask::MODIFY);
                Ok(())
            }
            _ => Err(EINVAL),
        }
    }

    /// What mmap(2) maps.
    ///
    /// # Errors
    /// `ENODEV` if the file has no content of its own, `EBADF` for O_PATH.
    pub fn mappable(&self) -> Result<&InodeRef> {
        match &self.body {
            Body::Content => Ok(self.inode()),
            Body::Path => Err(EBADF),
            _ => Err(ENODEV),
        }
    }
}
