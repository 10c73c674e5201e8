//! Pseudo-terminals: pty(7), and the filesystem that shows them, `/dev/pts`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use hoist_vfs::{Device, Kind};

use super::{Other, Posted, Tty, TtyFile};
use crate::errno::Errno::{EAGAIN, EIO, ENOENT, ENOSPC, ENOTDIR, EPERM};
use crate::fs::file::FileObject;
use crate::fs::inode::{DirEntry, Inode, InodeRef};
use crate::fs::mem::{Clock, magic};
use crate::fs::types::{NewInode, OpenFlags, SetAttr, Stat, StatFs, poll};
use crate::fs::{Feed, Result, Sink};

/// What a master in packet mode reads first: TIOCPKT of ioctl_tty(2).
pub mod packet {
    pub const DATA: u8 = 0;
    pub const FLUSH_READ: u8 = 1;
    pub const FLUSH_WRITE: u8 = 2;
    pub const STOP: u8 = 4;
    pub const START: u8 = 8;
}

/// What programs wrote to a slave, for its master to read.
#[derive(Default)]
pub struct Output {
    bytes: RefCell<VecDeque<u8>>,
    /// The slave was open, and no longer is.
    disconnected: Cell<bool>,
    /// TIOCPKT, and what is to be told next.
    pub packets: Cell<bool>,
    told: Cell<u8>,
}

impl Output {
    pub fn len(&self) -> usize {
        self.bytes.borrow().len()
    }

    pub fn put(&self, bytes: &[u8]) {
        self.bytes.borrow_mut().extend(bytes);
    }

    pub fn clear(&self) {
        self.bytes.borrow_mut().clear();
        self.tell(packet::FLUSH_WRITE);
    }

    pub fn connect(&self) {
        self.disconnected.set(false);
    }

    pub fn disconnect(&self) {
        self.disconnected.set(true);
    }

    /// Notes what a master in packet mode is to be told.
    pub fn tell(&self, what: u8) {
        if self.packets.get() {
            let cancelled = match what {
                packet::STOP => packet::START,
                packet::START => packet::STOP,
                _ => 0,
            };
            self.told.set(self.told.get() & !cancelled | what);
        }
    }
}

/// `/dev/ptmx`, open: the master of one pseudo-terminal.
pub struct Master {
    pub slave: Rc<Tty>,
    entry: Rc<Entry>,
    ptys: Weak<Ptys>,
}

impl Master {
    fn output(&self) -> &Output {
        match &self.slave.other {
            Other::Master(output) => output,
            Other::Host(_) => unreachable!("masters are made with slaves of theirs"),
        }
    }

    /// Whether the slave cannot be opened: TIOCSPTLCK.
    pub fn is_locked(&self) -> bool {
        self.entry.locked.get()
    }

    pub fn set_locked(&self, locked: bool) {
        self.entry.locked.set(locked);
    }

    /// TIOCPKT.
    pub fn packets(&self) -> bool {
        self.output().packets.get()
    }

    pub fn set_packets(&self, on: bool) {
        self.output().packets.set(on);
        self.output().told.set(0);
    }

    /// The slave's owner: who opened the master.
    pub fn set_owner(&self, uid: u32) {
        let mut stat = self.entry.stat.get();
        stat.uid = uid;
        self.entry.stat.set(stat);
    }

    /// Bytes to read: FIONREAD.
    pub fn readable_bytes(&self) -> usize {
        self.output().len()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if let Some(ptys) = self.ptys.upgrade() {
            ptys.entries.borrow_mut().remove(&self.slave.number);
        }
        self.slave.hang_up();
    }
}

impl FileObject for Master {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let output = self.output();
        if sink.room() == 0 {
            return Ok(0);
        }
        if output.packets.get() {
            let told = output.told.take();
            if told != 0 {
                sink.put(&[told])?;
                return Ok(1);
            }
        }
        let mut bytes = output.bytes.borrow_mut();
        if bytes.is_empty() {
            return Err(if output.disconnected.get() { EIO } else { EAGAIN });
        }
        let mut count = 0;
        if output.packets.get() {
            sink.put(&[packet::DATA])?;
            count = 1;
        }
        let taken: Vec<u8> = {
            let room = sink.room().min(bytes.len());
            bytes.drain(..room).collect()
        };
        sink.put(&taken)?;
        self.slave.moved();
        Ok(count + taken.len())
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        let mut done = 0;
        while feed.left() > 0 {
            let mut bytes = vec![0; feed.left().min(self.slave.input_room())];
            if bytes.is_empty() {
                return if done > 0 { Ok(done) } else { Err(EAGAIN) };
            }
            feed.take(&mut bytes)?;
            self.slave.type_in(&bytes);
            done += bytes.len();
        }
        Ok(done)
    }

    fn poll(&self) -> u32 {
        let output = self.output();
        let told = output.packets.get() && output.told.get() != 0;
        let mut events = 0;
        if told {
            events |= poll::PRI | poll::IN | poll::RDNORM;
        }
        if output.len() > 0 {
            events |= poll::IN | poll::RDNORM;
        }
        if output.disconnected.get() {
            events |= poll::HUP;
        }
        if self.slave.input_room() > 0 {
            events |= poll::OUT | poll::WRNORM;
        }
        events
    }

    fn activity(&self) -> u64 {
        self.slave.moves.get()
    }

    fn waits_for_room(&self) -> bool {
        true
    }
}

// ---- /dev/pts

/// One entry.
struct Entry {
    tty: Weak<Tty>,
    /// Held by the console, which has no master.
    _console: Option<Rc<Tty>>,
    locked: Cell<bool>,
    stat: Cell<Stat>,
}

/// The pseudo-terminals that there are.
pub struct Ptys {
    entries: RefCell<BTreeMap<u32, Rc<Entry>>>,
    posted: Rc<Posted>,
    clock: Clock,
    dev: Device,
}

/// The group of terminals, and the mode of their files: options of the filesystem as container runtimes mount it.
const TTY_GROUP: u32 = 5;
const MODE: u32 = 0o620;
/// kernel.pty.max.
const MAX: u32 = 4096;
/// The inode number of the filesystem's root, of its `ptmx`, and of the slave 0.
const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
const SLAVE_INO: u64 = 3;

impl Ptys {
    pub fn new(posted: Rc<Posted>, clock: Clock, dev: Device) -> Rc<Ptys> {
        Rc::new(Ptys { entries: RefCell::default(), posted, clock, dev })
    }

    fn stat(&self, ino: u64, kind: Kind, mode: u32) -> Stat {
        let now = (self.clock)();
        Stat { atime: now, mtime: now, ctime: now, btime: now, ..Stat::new(self.dev, ino, kind, mode) }
    }

    fn entry(&self, tty: &Rc<Tty>, console: Option<Rc<Tty>>) -> Rc<Entry> {
        let stat = self.stat(SLAVE_INO + u64::from(tty.number), Kind::CharDevice, MODE);
        let stat = Stat { rdev: tty.device(), gid: TTY_GROUP, ..stat };
        let locked = Cell::new(console.is_none());
        Rc::new(Entry { tty: Rc::downgrade(tty), _console: console, locked, stat: Cell::new(stat) })
    }

    /// Shows the host's terminal.
    pub fn add_console(&self, tty: &Rc<Tty>) {
        let entry = self.entry(tty, Some(tty.clone()));
        self.entries.borrow_mut().insert(tty.number, entry);
    }

    /// Opens `/dev/ptmx`.
    ///
    /// # Errors
    /// `ENOSPC` if there are too many.
    pub fn open_master(self: &Rc<Self>) -> Result<Rc<Master>> {
        let mut entries = self.entries.borrow_mut();
        let number = (0..MAX).find(|number| !entries.contains_key(number)).ok_or(ENOSPC)?;
        let slave = Tty::slave(number, &self.posted);
        let entry = self.entry(&slave, None);
        entries.insert(number, entry.clone());
        Ok(Rc::new(Master { slave, entry, ptys: Rc::downgrade(self) }))
    }

    /// The root of `/dev/pts`.
    pub fn root(self: &Rc<Self>) -> InodeRef {
        Rc::new(PtsInode { ptys: self.clone(), node: Node::Root })
    }

    /// The file of a slave.
    pub fn inode(self: &Rc<Self>, number: u32) -> Option<InodeRef> {
        let entry = self.entries.borrow().get(&number)?.clone();
        Some(Rc::new(PtsInode { ptys: self.clone(), node: Node::Slave(entry) }))
    }
}

enum Node {
    Root,
    Ptmx,
    Slave(Rc<Entry>),
}

/// A file of `/dev/pts`.
struct PtsInode {
    ptys: Rc<Ptys>,
    node: Node,
}

impl Inode for PtsInode {
    fn kind(&self) -> Kind {
        match self.node {
            Node::Root => Kind::Directory,
            _ => Kind::CharDevice,
        }
    }

    fn stat(&self) -> Result<Stat> {
        Ok(match &self.node {
            Node::Root => Stat { nlink: 2, ..self.ptys.stat(ROOT_INO, Kind::Directory, 0o755) },
            Node::Ptmx => Stat { rdev: Device { major: 5, minor: 2 }, ..self.ptys.stat(PTMX_INO, Kind::CharDevice, 0o666) },
            Node::Slave(entry) => entry.stat.get(),
        })
    }

    fn statfs(&self) -> StatFs {
        StatFs { magic: magic::DEVPTS, blocks: 0, free: 0, files: 0, files_free: 0 }
    }

    fn cacheable(&self) -> bool {
        false
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        if !matches!(self.node, Node::Root) {
            return Err(ENOTDIR);
        }
        if name == b"ptmx" {
            return Ok(Rc::new(PtsInode { ptys: self.ptys.clone(), node: Node::Ptmx }));
        }
        let number: Option<u32> = std::str::from_utf8(name).ok().and_then(|text| text.parse().ok());
        number.filter(|number| number.to_string().as_bytes() == name).and_then(|number| self.ptys.inode(number)).ok_or(ENOENT)
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        let slave = |&number: &u32| DirEntry {
            name: number.to_string().into_bytes(),
            ino: SLAVE_INO + u64::from(number),
            kind: Kind::CharDevice,
        };
        let mut list: Vec<DirEntry> = self.ptys.entries.borrow().keys().map(slave).collect();
        list.push(DirEntry { name: b"ptmx".to_vec(), ino: PTMX_INO, kind: Kind::CharDevice });
        Ok(list)
    }

    fn create(&self, _name: &[u8], _new: &NewInode) -> Result<InodeRef> {
        Err(EPERM)
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        let Node::Slave(entry) = &self.node else { return Err(EPERM) };
        let mut stat = entry.stat.get();
        stat.mode = change.mode.unwrap_or(stat.mode);
        stat.uid = change.uid.unwrap_or(stat.uid);
        stat.gid = change.gid.unwrap_or(stat.gid);
        stat.atime = change.atime.unwrap_or(stat.atime);
        stat.mtime = change.mtime.unwrap_or(stat.mtime);
        stat.ctime = (self.ptys.clock)();
        entry.stat.set(stat);
        Ok(())
    }

    fn open(&self, _flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        match &self.node {
            Node::Root => Ok(None),
            Node::Ptmx => Ok(Some(self.ptys.open_master()?)),
            Node::Slave(entry) => {
                let tty = entry.tty.upgrade().ok_or(EIO)?;
                match entry.locked.get() {
                    true => Err(EIO),
                    false => Ok(Some(TtyFile::new(&tty))),
                }
            }
        }
    }
}
