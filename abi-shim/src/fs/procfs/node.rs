//! The tree of `/proc`.

use std::any::Any;
use std::rc::Rc;

use hoist_vfs::{Device, Kind};

use super::processes::{Entry, Processes};
use super::text::{PROCESS, ProcText, SYSTEM, Text};
use crate::errno::Errno::{EINVAL, ENOENT, ENOTDIR, EPERM, EROFS};
use crate::fs::file::FileObject;
use crate::fs::inode::{DirEntry, Inode, InodeRef};
use crate::fs::mem::Clock;
use crate::fs::types::{NewInode, OpenFlags, Stat, StatFs};
use crate::fs::{Location, Result};

/// `PROC_SUPER_MAGIC`.
const MAGIC: u64 = 0x9fa0;
const DEV: Device = Device { major: 0, minor: 44 };

/// One file of `/proc`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Root,
    /// A directory below the root, by its path: `sys/kernel`.
    Dir(&'static str),
    /// A text and its mode.
    Text(Text, u32),
    /// A symlink that is nothing but a path.
    Link(Link),
    Process(i32),
    /// `/proc/PID/task`, and a task in it: as its process, but without tasks.
    Tasks(i32),
    Task(i32),
    Fds(i32),
    FdInfos(i32),
    /// `/proc/PID/fd/N`.
    Fd(i32, i32),
    Exe(i32),
    Cwd(i32),
    RootLink(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    ToSelf,
    ThreadSelf,
    Fixed(&'static str),
}

struct ProcInode {
    node: Node,
    shared: Rc<Shared>,
}

struct Shared {
    processes: Rc<Processes>,
    clock: Clock,
    /// Seen from here, links of processes show their paths.
    root: Location,
}

/// The root of a `/proc`.
pub fn root(processes: Rc<Processes>, clock: Clock, root: Location) -> InodeRef {
    Rc::new(ProcInode { node: Node::Root, shared: Rc::new(Shared { processes, clock, root }) })
}

/// The process whose directory `/proc/PID` an inode is.
pub fn process_of(inode: &InodeRef) -> Option<i32> {
    let any: Rc<dyn Any> = inode.clone();
    match any.downcast::<ProcInode>().ok()?.node {
        Node::Process(pid) => Some(pid),
        _ => None,
    }
}

/// Symlinks in the root.
const LINKS: [(&str, Link); 3] =
    [("self", Link::ToSelf), ("thread-self", Link::ThreadSelf), ("mounts", Link::Fixed("self/mounts"))];

/// The directories and links of a process.
fn process_nodes(pid: i32) -> [(&'static str, Node); 6] {
    [
        ("fd", Node::Fds(pid)),
        ("fdinfo", Node::FdInfos(pid)),
        ("task", Node::Tasks(pid)),
        ("exe", Node::Exe(pid)),
        ("cwd", Node::Cwd(pid)),
        ("root", Node::RootLink(pid)),
    ]
}

impl Node {
    fn kind(&self) -> Kind {
        match self {
            Node::Text(..) => Kind::Regular,
            Node::Link(_) | Node::Fd(..) | Node::Exe(_) | Node::Cwd(_) | Node::RootLink(_) => Kind::Symlink,
            _ => Kind::Directory,
        }
    }

    fn mode(&self) -> u32 {
        match self {
            Node::Text(_, mode) => *mode,
            Node::Fds(_) | Node::FdInfos(_) => 0o500,
            Node::Fd(..) => 0o700,
            _ if self.kind() == Kind::Symlink => 0o777,
            _ => 0o555,
        }
    }

    /// The process whose file it is.
    fn process(&self) -> Option<i32> {
        match *self {
            Node::Process(pid) | Node::Tasks(pid) | Node::Task(pid) | Node::Fds(pid) | Node::FdInfos(pid) | Node::Fd(pid, _) => {
                Some(pid)
            }
            Node::Exe(pid) | Node::Cwd(pid) | Node::RootLink(pid) => Some(pid),
            Node::Text(Text::Process(pid, _) | Text::FdInfo(pid, _), _) => Some(pid),
            _ => None,
        }
    }

    /// Any number will do that is the same each time: FNV-1a of what the node is.
    fn ino(&self) -> u64 {
        let text = format!("{self:?}");
        let hash = text.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        0x1_0000_0000 | u64::from(hash)
    }
}

/// The names and nodes directly below a directory of the machine's files.
fn below(path: &str) -> Vec<(&'static str, Node)> {
    let mut found: Vec<(&'static str, Node)> = Vec::new();
    for (full, mode) in SYSTEM {
        let rest = match path {
            "" => full,
            _ => match full.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
                Some(rest) => rest,
                None => continue,
            },
        };
        let node = match rest.split_once('/') {
            None => (rest, Node::Text(Text::System(full), mode)),
            Some((name, deeper)) => (name, Node::Dir(&full[..full.len() - deeper.len() - 1])),
        };
        if found.last() != Some(&node) {
            found.push(node);
        }
    }
    found
}

impl ProcInode {
    fn child(&self, node: Node) -> InodeRef {
        Rc::new(ProcInode { node, shared: self.shared.clone() })
    }

    fn entry(&self, pid: i32) -> Result<Entry> {
        self.shared.processes.get(pid)
    }

    /// Names and nodes of a directory, in the order in which they are shown.
    fn list(&self) -> Result<Vec<(Vec<u8>, Node)>> {
        let named = |(name, node): (&str, Node)| (name.as_bytes().to_vec(), node);
        let numbered = |number: i32, node: Node| (number.to_string().into_bytes(), node);
        Ok(match self.node {
            Node::Root => {
                let mut list: Vec<_> = below("").into_iter().map(named).collect();
                list.extend(LINKS.map(|(name, link)| named((name, Node::Link(link)))));
                list.sort_by(|a, b| a.0.cmp(&b.0));
                let pids = self.shared.processes.pids();
                list.extend(pids.into_iter().map(|pid| numbered(pid, Node::Process(pid))));
                list
            }
            Node::Dir(path) => below(path).into_iter().map(named).collect(),
            Node::Process(pid) | Node::Task(pid) => {
                let texts = PROCESS.map(|(name, mode)| (name, Node::Text(Text::Process(pid, name), mode)));
                let mut list: Vec<_> = texts.into_iter().chain(process_nodes(pid)).map(named).collect();
                list.retain(|(_, node)| self.node != Node::Task(pid) || *node != Node::Tasks(pid));
                list.sort_by(|a, b| a.0.cmp(&b.0));
                list
            }
            Node::Tasks(pid) => vec![numbered(pid, Node::Task(pid))],
            Node::Fds(pid) => {
                let fds = self.entry(pid)?.files.borrow().open().collect::<Vec<_>>();
                fds.into_iter().map(|fd| numbered(fd, Node::Fd(pid, fd))).collect()
            }
            Node::FdInfos(pid) => {
                let fds = self.entry(pid)?.files.borrow().open().collect::<Vec<_>>();
                fds.into_iter().map(|fd| numbered(fd, Node::Text(Text::FdInfo(pid, fd), 0o400))).collect()
            }
            _ => return Err(ENOTDIR),
        })
    }
}

/// A number as `/proc` writes it: no sign, no leading zeros.
fn number(name: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(name).ok()?;
    text.parse().ok().filter(|number: &i32| number.to_string() == text)
}

impl Inode for ProcInode {
    fn kind(&self) -> Kind {
        self.node.kind()
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = Stat::new(DEV, self.node.ino(), self.kind(), self.node.mode());
        if self.kind() == Kind::Directory {
            stat.nlink = 2;
        }
        if matches!(self.node, Node::Fd(..) | Node::Exe(_) | Node::Cwd(_) | Node::RootLink(_)) {
            stat.size = 64;
        }
        if let Node::Fd(pid, fd) = self.node {
            let flags = self.entry(pid)?.files.borrow().get(fd).map_err(|_| ENOENT)?.flags();
            stat.mode = 0o100 | if flags.readable() { 0o400 } else { 0 } | if flags.writable() { 0o200 } else { 0 };
        }
        if let Some(Ok(entry)) = self.node.process().map(|pid| self.entry(pid)) {
            (stat.uid, stat.gid) = (entry.uid, entry.gid);
        }
        let now = (self.shared.clock)();
        (stat.atime, stat.mtime, stat.ctime, stat.btime) = (now, now, now, now);
        Ok(stat)
    }

    fn statfs(&self) -> StatFs {
        StatFs { magic: MAGIC, blocks: 0, free: 0, files: 0, files_free: 0 }
    }

    fn cacheable(&self) -> bool {
        false
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        match (&self.node, number(name)) {
            (Node::Root, Some(pid)) => self.entry(pid).map(|_| self.child(Node::Process(pid))),
            (_, _) => {
                let found = self.list()?.into_iter().find(|(listed, _)| listed == name);
                found.map(|(_, node)| self.child(node)).ok_or(ENOENT)
            }
        }
    }

    fn entries(&self) -> Result<Vec<DirEntry>> {
        let entry = |(name, node): (Vec<u8>, Node)| DirEntry { name, ino: node.ino(), kind: node.kind() };
        Ok(self.list()?.into_iter().map(entry).collect())
    }

    fn create(&self, _name: &[u8], _new: &NewInode) -> Result<InodeRef> {
        Err(ENOENT)
    }

    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(EPERM)
    }

    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(EPERM)
    }

    fn rename(&self, _name: &[u8], _to: &InodeRef, _to_name: &[u8], _exchange: bool) -> Result<()> {
        Err(EPERM)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        let current = self.shared.processes.current();
        match self.node {
            Node::Link(Link::ToSelf) => Ok(current.to_string().into_bytes()),
            Node::Link(Link::ThreadSelf) => Ok(format!("{current}/task/{current}").into_bytes()),
            Node::Link(Link::Fixed(target)) => Ok(target.into()),
            _ => {
                let target = self.jump()?.ok_or(EINVAL)?;
                let seen_from = match self.entry(current) {
                    Ok(entry) => entry.fs.borrow().root.clone(),
                    Err(_) => self.shared.root.clone(),
                };
                Ok(target.shown(&seen_from))
            }
        }
    }

    fn jump(&self) -> Result<Option<Location>> {
        Ok(match self.node {
            Node::Fd(pid, fd) => Some(self.entry(pid)?.files.borrow().get(fd).map_err(|_| ENOENT)?.location.clone()),
            Node::Exe(pid) => Some(self.entry(pid)?.exe.ok_or(ENOENT)?),
            Node::Cwd(pid) => Some(self.entry(pid)?.fs.borrow().cwd.clone()),
            Node::RootLink(pid) => Some(self.entry(pid)?.fs.borrow().root.clone()),
            _ => None,
        })
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Ok(())
    }

    fn open(&self, flags: OpenFlags) -> Result<Option<Rc<dyn FileObject>>> {
        match self.node {
            // Container runtimes mount the machine's settings so that nobody changes them.
            Node::Text(Text::System(_), _) if flags.writable() => Err(EROFS),
            Node::Text(text, _) => Ok(Some(ProcText::new(text))),
            _ => Ok(None),
        }
    }
}
