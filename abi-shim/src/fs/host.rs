//! Directories that the host grants: `-v HOST:GUEST[:ro]`.
//!
//! The host knows no owners and modes that mean anything here. So a file belongs to whoever looks at it, with mode 0755, and it is the
//! host that refuses; what chmod(2) and chown(2) set is remembered until the program ends. Names are looked up anew each
//! time, because the host changes them too; each directory and file is reached through a descriptor of its own, which stays good
//! when it is renamed or removed.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hoist_vfs::{Device, Kind};

use super::inode::{DirEntry, Inode, InodeRef};
use super::procfs::Processes;
use super::types::{BLOCK_SIZE, NewInode, OpenFlags, SetAttr, Stat, StatFs};
use super::{Feed, FileObject, Result, Sink};
use crate::errno::Errno::{EACCES, EILSEQ, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, EXDEV};
use crate::wasi::FileStat;
use crate::wasi::directory::{Directory, HostFile};

/// `FUSE_SUPER_MAGIC`: a filesystem whose work somebody else does.
const MAGIC: u64 = 0x6573_5546;
const MODE: u32 = 0o755;
/// Bytes that go to the host or come from it in one piece.
const CHUNK: usize = 128 * 1024;

struct HostFs {
    dev: Device,
    processes: Rc<Processes>,
    /// By inode number what chmod(2) and chown(2) set.
    attributes: RefCell<BTreeMap<u64, SetAttr>>,
}

/// A file of the host.
struct HostInode {
    fs: Rc<HostFs>,
    kind: Kind,
    /// The directory it was found in and its name there; `None` for the root.
    place: Option<(Rc<Directory>, String)>,
    directory: OnceCell<Rc<Directory>>,
    /// Open for reading, or for both.
    file: RefCell<Option<Rc<HostFile>>>,
    writable: Cell<bool>,
}

/// The root of a granted directory. `dev` tells it from others.
pub fn root(directory: Directory, dev: Device, processes: Rc<Processes>) -> InodeRef {
    let fs = Rc::new(HostFs { dev, processes, attributes: RefCell::default() });
    let inode = HostInode::new(fs, Kind::Directory, None);
    // The cell is new, so nothing is in it.
    let _ = inode.directory.set(Rc::new(directory));
    Rc::new(inode)
}

/// A name as the host takes it: WASI's are Unicode.
fn text(name: &[u8]) -> Result<&str> {
    std::str::from_utf8(name).map_err(|_| EILSEQ)
}

impl HostInode {
    fn new(fs: Rc<HostFs>, kind: Kind, place: Option<(Rc<Directory>, String)>) -> HostInode {
        let (directory, file, writable) = (OnceCell::new(), RefCell::default(), Cell::new(false));
        HostInode { fs, kind, place, directory, file, writable }
    }

    fn directory(&self) -> Result<&Rc<Directory>> {
        if self.kind != Kind::Directory {
            return Err(ENOTDIR);
        }
        if self.directory.get().is_none() {
            let (above, name) = self.place.as_ref().ok_or(ENOENT)?;
            let opened = Rc::new(above.open_directory(name)?);
            return Ok(self.directory.get_or_init(|| opened));
        }
        self.directory.get().ok_or(ENOENT)
    }

    /// The file, open at least as asked for.
    fn file(&self, write: bool) -> Result<Rc<HostFile>> {
        match self.kind {
            Kind::Regular => {}
            Kind::Directory => return Err(EISDIR),
            _ => return Err(EINVAL),
        }
        if let Some(file) = self.file.borrow().as_ref().filter(|_| !write || self.writable.get()) {
            return Ok(file.clone());
        }
        let (above, name) = self.place.as_ref().ok_or(ENOENT)?;
        // Who may not write here is told EPERM by WASI, where Linux says EACCES.
        let opened = above.open_file(name, write).map_err(|error| if error == EPERM { EACCES } else { error })?;
        let file = Rc::new(opened);
        *self.file.borrow_mut() = Some(file.clone());
        self.writable.set(write);
        Ok(file)
    }

    fn host_stat(&self) -> Result<FileStat> {
        if let Some(file) = &*self.file.borrow() {
            return file.stat();
        }
        match (self.directory.get(), &self.place) {
            (Some(directory), _) => directory.stat(),
            (None, Some((above, name))) => above.stat_at(name),
            (None, None) => Err(ENOENT),
        }
    }

    /// An inode for an entry of this directory.
    fn child(&self, name: &str, kind: Kind) -> Result<HostInode> {
        let place = Some((self.directory()?.clone(), name.to_owned()));
        Ok(HostInode::new(self.fs.clone(), kind, place))
    }

    /// The inode of this filesystem behind a reference.
    fn of(&self, inode: &InodeRef) -> Result<Rc<HostInode>> {
        let any: Rc<dyn Any> = inode.clone();
        any.downcast::<HostInode>().ok().filter(|inode| Rc::ptr_eq(&inode.fs, &self.fs)).ok_or(EXDEV)
    }
}

impl Inode for HostInode {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn stat(&self) -> Result<Stat> {
        let host = self.host_stat()?;
        let processes = &self.fs.processes;
        let mut stat = Stat::new(self.fs.dev, host.ino, self.kind, if self.kind == Kind::Symlink { 0o777 } else { MODE });
        if let Ok(looking) = processes.get(processes.current()) {
            (stat.uid, stat.gid) = (looking.uid, looking.gid);
        }
        if let Some(set) = self.fs.attributes.borrow().get(&host.ino) {
            stat.mode = set.mode.unwrap_or(stat.mode);
            stat.uid = set.uid.unwrap_or(stat.uid);
            stat.gid = set.gid.unwrap_or(stat.gid);
        }
        stat.nlink = host.links.min(u64::from(u32::MAX)) as u32;
        stat.size = host.size;
        stat.blocks = host.size.div_ceil(BLOCK_SIZE) * (BLOCK_SIZE / 512);
        (stat.atime, stat.mtime, stat.ctime, stat.btime) = (host.access, host.modification, host.change, host.change);
        Ok(stat)
    }

    fn statfs(&self) -> StatFs {
        // The host does not say; large, so that nobody refuses to begin.
        const BLOCKS: u64 = 1 << 28;
        StatFs { magic: MAGIC, blocks: BLOCKS, free: BLOCKS, files: BLOCKS, files_free: BLOCKS }
    }

    fn cacheable(&self) -> bool {
        false
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let name = text(name).map_err(|_| ENOENT)?;
        let kind = self.directory()?.stat_at(name)?.kind;
        Ok(Rc::new(self.child(name, kind)?))
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        let directory = self.directory()?;
        let mut entries = Vec::new();
        for entry in directory.entries()? {
            // Gone again, or not to be looked at: not listed with a number that is none.
            if let Ok(stat) = directory.stat_at(&entry.name) {
                entries.push(DirEntry { name: entry.name.into_bytes(), ino: stat.ino, kind: entry.kind });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &[u8], new: &NewInode) -> Result<InodeRef> {
        let (name, directory) = (text(name)?, self.directory()?);
        let inode = self.child(name, new.kind)?;
        match new.kind {
            Kind::Regular => {
                *inode.file.borrow_mut() = Some(Rc::new(directory.create_file(name)?));
                inode.writable.set(true);
            }
            Kind::Directory => directory.make_directory(name)?,
            Kind::Symlink => directory.symlink(text(&new.target)?, name)?,
            _ => return Err(EPERM),
        }
        if new.mode != MODE && new.kind != Kind::Symlink {
            inode.set_attr(&SetAttr { mode: Some(new.mode), ..SetAttr::default() })?;
        }
        Ok(Rc::new(inode))
    }

    fn link(&self, name: &[u8], inode: &InodeRef) -> Result<()> {
        let inode = self.of(inode)?;
        let (above, old) = inode.place.as_ref().ok_or(EPERM)?;
        above.link(old, self.directory()?, text(name)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.directory()?.unlink(text(name)?)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.directory()?.remove_directory(text(name)?)
    }

    fn rename(&self, name: &[u8], to: &InodeRef, to_name: &[u8], exchange: bool) -> Result<()> {
        if exchange {
            return Err(EINVAL);
        }
        let to = self.of(to)?;
        self.directory()?.rename(text(name)?, to.directory()?, text(to_name)?)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match (self.kind, &self.place) {
            (Kind::Symlink, Some((above, name))) => above.readlink(name).map(String::into_bytes),
            _ => Err(EINVAL),
        }
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        if change.atime.is_some() || change.mtime.is_some() {
            match (&self.place, self.directory.get()) {
                (Some((above, name)), _) => above.set_times_at(name, change.atime, change.mtime)?,
                (None, Some(root)) => root.set_times_at(".", change.atime, change.mtime)?,
                (None, None) => {}
            }
        }
        if change.mode.is_none() && change.uid.is_none() && change.gid.is_none() {
            return Ok(());
        }
        let ino = self.host_stat()?.ino;
        let mut attributes = self.fs.attributes.borrow_mut();
        let set = attributes.entry(ino).or_default();
        set.mode = change.mode.or(set.mode);
        set.uid = change.uid.or(set.uid);
        set.gid = change.gid.or(set.gid);
        Ok(())
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let file = self.file(false)?;
        let mut buffer = vec![0; sink.room().min(CHUNK)];
        let mut done = 0;
        while sink.room() > 0 {
            let want = sink.room().min(CHUNK);
            match file.read(offset + done as u64, &mut buffer[..want])? {
                0 => break,
                count => {
                    sink.put(&buffer[..count])?;
                    done += count;
                }
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        let file = self.file(true)?;
        let total = feed.left();
        let mut buffer = vec![0; total.min(CHUNK)];
        let mut done = 0;
        while done < total {
            let part = &mut buffer[..(total - done).min(CHUNK)];
            feed.take(part)?;
            let mut written = 0;
            while written < part.len() {
                match file.write(offset + (done + written) as u64, &part[written..]) {
                    Ok(0) => return Ok(done + written),
                    Ok(count) => written += count,
                    Err(error) if done + written == 0 => return Err(error),
                    Err(_) => return Ok(done + written),
                }
            }
            done += written;
        }
        Ok(done)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.file(true)?.set_size(size)
    }

    fn sync(&self) -> Result<()> {
        match &*self.file.borrow() {
            Some(file) if self.writable.get() => file.sync(),
            _ => Ok(()),
        }
    }

    fn open(&self, flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        // Opened now, so that open(2) and not the first read(2) says what the host refuses.
        match self.kind {
            Kind::Regular => self.file(flags.writable()).map(|_| None),
            Kind::Directory => self.directory().map(|_| None),
            _ => Err(EACCES),
        }
    }
}
