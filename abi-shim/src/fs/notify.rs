//! Who is told what happens to files: inotify(7), and where the other modules say it (fs/notify of Linux).
//!
//! A watch stands at an inode, whatever its name. What happens to a file is told to who watches it and, with its name, to who watches the
//! directory of the entry by which it was reached; what happens to a name, to who watches the directory. Nobody watches, as a rule,
//! and then it costs a look at an empty map.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use hoist_vfs::Kind;

use super::dentry::Dentry;
use super::file::{FileObject, Seek};
use super::inode::{Inode, InodeRef};
use super::types::{SetAttr, encode_device, poll};
use super::{Result, Sink};
use crate::errno::Errno::{EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, ENOTTY};
use crate::user;

/// What is watched for, and what an event says: `IN_…` of inotify(7).
pub mod mask {
    pub const ACCESS: u32 = 0x1;
    pub const MODIFY: u32 = 0x2;
    pub const ATTRIB: u32 = 0x4;
    pub const CLOSE_WRITE: u32 = 0x8;
    pub const CLOSE_NOWRITE: u32 = 0x10;
    pub const OPEN: u32 = 0x20;
    pub const MOVED_FROM: u32 = 0x40;
    pub const MOVED_TO: u32 = 0x80;
    pub const CREATE: u32 = 0x100;
    pub const DELETE: u32 = 0x200;
    pub const DELETE_SELF: u32 = 0x400;
    pub const MOVE_SELF: u32 = 0x800;
    /// IN_ALL_EVENTS.
    pub const ALL: u32 = 0xfff;
    pub const UNMOUNT: u32 = 0x2000;
    pub const Q_OVERFLOW: u32 = 0x4000;
    pub const IGNORED: u32 = 0x8000;
    pub const ONLYDIR: u32 = 0x100_0000;
    pub const DONT_FOLLOW: u32 = 0x200_0000;
    pub const EXCL_UNLINK: u32 = 0x400_0000;
    pub const MASK_CREATE: u32 = 0x1000_0000;
    pub const MASK_ADD: u32 = 0x2000_0000;
    pub const ISDIR: u32 = 0x4000_0000;
    pub const ONESHOT: u32 = 0x8000_0000;
    /// Everything that inotify_add_watch(2) knows.
    pub const KNOWN: u32 =
        ALL | UNMOUNT | Q_OVERFLOW | IGNORED | ONLYDIR | DONT_FOLLOW | EXCL_UNLINK | MASK_CREATE | MASK_ADD | ISDIR | ONESHOT;
}

/// The limits of `/proc/sys/fs/inotify`: events that wait in one queue, queues of a user, watches of a user.
pub const MAX_QUEUED_EVENTS: usize = 16384;
pub const MAX_USER_INSTANCES: u32 = 128;
pub const MAX_USER_WATCHES: usize = 65536;

const FIONREAD: u32 = 0x541b;
/// `sizeof(struct inotify_event)`; names are padded to a multiple of it.
const HEADER: usize = 16;

// ---- Who watches what

/// Names an inode: by its object, or where that is made anew each time by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Object(usize),
    Number(u64, u64),
}

impl Key {
    fn of(inode: &InodeRef) -> Option<Key> {
        if inode.cacheable() {
            return Some(Key::Object(Rc::as_ptr(inode).cast::<()>().addr()));
        }
        let stat = inode.stat().ok()?;
        Some(Key::Number(encode_device(stat.dev), stat.ino))
    }
}

struct Watch {
    set: Weak<Inotify>,
    number: i32,
    mask: u32,
}

/// An inode that is watched.
struct Watched {
    /// Keeps it while it has a name.
    named: Option<InodeRef>,
    inode: Weak<dyn Inode>,
    watches: Vec<Watch>,
}

#[derive(Default)]
struct Registry {
    watched: BTreeMap<Key, Watched>,
    /// Inodes among them without a name: gone once nobody has them open.
    nameless: Vec<Key>,
    last_cookie: u32,
    /// Sets by real user.
    instances: BTreeMap<u32, u32>,
}

thread_local! {
    /// A kernel is a thread.
    static REGISTRY: RefCell<Registry> = RefCell::default();
    /// Whether anything is watched: asked at each read and write.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

fn is_active() -> bool {
    ACTIVE.get()
}

/// What an event is about.
#[derive(Clone, Copy)]
struct What<'a> {
    mask: u32,
    cookie: u32,
    name: &'a [u8],
    /// The entry is gone: IN_EXCL_UNLINK.
    unlinked: bool,
}

impl Registry {
    /// Tells those who watch an inode.
    fn tell(&mut self, key: Key, what: What) {
        let Some(watched) = self.watched.get_mut(&key) else { return };
        watched.watches.retain(|watch| {
            let Some(set) = watch.set.upgrade() else { return false };
            if what.mask & watch.mask & mask::ALL == 0 || what.unlinked && watch.mask & mask::EXCL_UNLINK != 0 {
                return true;
            }
            set.push(watch.number, what);
            let ends = watch.mask & mask::ONESHOT != 0;
            if ends {
                set.ignore(watch.number);
            }
            !ends
        });
        if watched.watches.is_empty() {
            self.watched.remove(&key);
        }
    }

    /// Tells of files that had no name any more and that nobody has open now.
    fn sweep(&mut self) {
        let watched = &self.watched;
        let is_gone = |key: &Key| watched.get(key).is_none_or(|watched| watched.inode.strong_count() == 0);
        let gone: Vec<Key> = self.nameless.extract_if(.., |key| is_gone(key)).collect();
        gone.into_iter().for_each(|key| self.end(key));
    }

    /// The inode does not exist any more.
    fn end(&mut self, key: Key) {
        self.tell(key, What { mask: mask::DELETE_SELF, cookie: 0, name: b"", unlinked: false });
        for watch in self.watched.remove(&key).into_iter().flat_map(|watched| watched.watches) {
            if let Some(set) = watch.set.upgrade() {
                set.ignore(watch.number);
            }
        }
    }

    fn count(&self) -> usize {
        self.watched.values().map(|watched| watched.watches.len()).sum()
    }
}

/// With the registry, where anything is watched.
fn with(act: impl FnOnce(&mut Registry)) {
    if !is_active() {
        return;
    }
    REGISTRY.with_borrow_mut(|registry| {
        registry.sweep();
        act(registry);
        ACTIVE.set(!registry.watched.is_empty());
    });
}

fn is_dir(inode: &InodeRef) -> u32 {
    if inode.kind() == Kind::Directory { mask::ISDIR } else { 0 }
}

// ---- What happens

/// Something happened to the file of an entry.
pub fn entry(at: &Rc<Dentry>, mask: u32) {
    with(|registry| {
        let mask = mask | is_dir(at.inode());
        let name = at.name();
        let above = at.parent().and_then(|parent| Key::of(parent.inode()));
        let unlinked = at.is_deleted();
        if let Some(key) = above {
            registry.tell(key, What { mask, cookie: 0, name: &name, unlinked });
        }
        if let Some(key) = Key::of(at.inode()) {
            registry.tell(key, What { mask, cookie: 0, name: b"", unlinked });
        }
    });
}

/// Something happened to a file, whatever its name.
pub fn inode(inode: &InodeRef, mask: u32) {
    with(|registry| {
        let Some(key) = Key::of(inode) else { return };
        registry.tell(key, What { mask: mask | is_dir(inode), cookie: 0, name: b"", unlinked: false });
    });
}

/// Something happened to a name: the file there came or went.
fn name(dir: &InodeRef, name: &[u8], file: &InodeRef, mask: u32, cookie: u32) {
    with(|registry| {
        let Some(key) = Key::of(dir) else { return };
        registry.tell(key, What { mask: mask | is_dir(file), cookie, name, unlinked: false });
    });
}

/// A file got its first name.
pub fn created(dir: &InodeRef, new: &[u8], file: &InodeRef) {
    name(dir, new, file, mask::CREATE, 0);
}

/// A file got one more name: link(2).
pub fn linked(dir: &InodeRef, new: &[u8], file: &InodeRef) {
    inode(file, mask::ATTRIB);
    name(dir, new, file, mask::CREATE, 0);
}

/// A file lost a name: unlink(2), rmdir(2).
pub fn removed(dir: &InodeRef, old: &[u8], file: &InodeRef) {
    if file.kind() != Kind::Directory {
        inode(file, mask::ATTRIB);
    }
    name(dir, old, file, mask::DELETE, 0);
    lost_name(file);
}

/// An entry moved, over `target` if that was there: rename(2).
pub fn moved(from: (&InodeRef, &[u8]), to: (&InodeRef, &[u8]), file: &InodeRef, target: Option<&InodeRef>) {
    if !is_active() {
        return;
    }
    let cookie = REGISTRY.with_borrow_mut(|registry| {
        registry.last_cookie = registry.last_cookie.wrapping_add(1);
        registry.last_cookie
    });
    name(from.0, from.1, file, mask::MOVED_FROM, cookie);
    name(to.0, to.1, file, mask::MOVED_TO, cookie);
    if let Some(target) = target {
        inode(target, mask::ATTRIB);
    }
    // As Linux: of oneself not whether one is a directory.
    with(|registry| {
        let Some(key) = Key::of(file) else { return };
        registry.tell(key, What { mask: mask::MOVE_SELF, cookie: 0, name: b"", unlinked: false });
    });
    if let Some(target) = target {
        lost_name(target);
    }
}

/// Attributes of an entry's file were changed.
pub fn changed(at: &Rc<Dentry>, change: &SetAttr) {
    let times = match (change.atime, change.mtime) {
        (Some(_), Some(_)) => mask::ATTRIB,
        (Some(_), None) => mask::ACCESS,
        (None, Some(_)) => mask::MODIFY,
        (None, None) => 0,
    };
    let others = change.mode.is_some() || change.uid.is_some() || change.gid.is_some();
    entry(at, times | if others { mask::ATTRIB } else { 0 });
}

/// If it was the last name, the file is gone when nobody has it open.
fn lost_name(file: &InodeRef) {
    with(|registry| {
        let Some(key) = Key::of(file) else { return };
        if !file.cacheable() {
            // It has no object that could last.
            return registry.end(key);
        }
        if file.stat().is_ok_and(|stat| stat.nlink == 0)
            && let Some(watched) = registry.watched.get_mut(&key)
        {
            watched.named = None;
            registry.nameless.push(key);
        }
    });
}

// ---- A set of watches

struct Event {
    watch: i32,
    mask: u32,
    cookie: u32,
    name: Box<[u8]>,
}

impl Event {
    /// Bytes of its name as it is read: it ends with NUL.
    fn name_len(&self) -> usize {
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }

    fn len(&self) -> usize {
        HEADER + self.name_len()
    }

    /// `struct inotify_event`.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        for word in [self.watch as u32, self.mask, self.cookie, self.name_len() as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.name);
        bytes.resize(self.len(), 0);
        bytes
    }
}

/// What inotify_init(2) makes.
pub struct Inotify {
    queue: RefCell<VecDeque<Event>>,
    /// What is watched, by number.
    watches: RefCell<BTreeMap<i32, Key>>,
    last_number: Cell<i32>,
    /// Events that ever came.
    arrivals: Cell<u64>,
    user: u32,
}

impl Inotify {
    /// A set without watches, of a user.
    ///
    /// # Errors
    /// `EMFILE` if the user has too many.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(user: u32) -> Result<Rc<Inotify>> {
        REGISTRY.with_borrow_mut(|registry| {
            let count = registry.instances.entry(user).or_default();
            if *count >= MAX_USER_INSTANCES {
                return Err(EMFILE);
            }
            *count += 1;
            Ok(())
        })?;
        let (queue, watches, last_number, arrivals) = Default::default();
        Ok(Rc::new(Inotify { queue, watches, last_number, arrivals, user }))
    }

    /// Watches a file, or changes what it is watched for; the watch's number. `mask` is one of inotify_add_watch(2).
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`; `ENOENT` and the like of the host.
    pub fn watch(self: &Rc<Self>, file: &InodeRef, mask: u32) -> Result<i32> {
        let key = Key::of(file).ok_or(EINVAL)?;
        let kept = mask & (mask::ALL | mask::EXCL_UNLINK | mask::ONESHOT);
        REGISTRY.with_borrow_mut(|registry| {
            registry.sweep();
            let count = registry.count();
            let watched = registry.watched.entry(key).or_insert_with(|| Watched {
                named: Some(file.clone()),
                inode: Rc::downgrade(file),
                watches: Vec::new(),
            });
            let own = watched.watches.iter_mut().find(|watch| std::ptr::eq(watch.set.as_ptr(), Rc::as_ptr(self)));
            if let Some(watch) = own {
                if mask & mask::MASK_CREATE != 0 {
                    return Err(EEXIST);
                }
                watch.mask = if mask & mask::MASK_ADD != 0 { watch.mask | kept } else { kept };
                return Ok(watch.number);
            }
            if count >= MAX_USER_WATCHES {
                return Err(ENOSPC);
            }
            let number = self.last_number.get() + 1;
            self.last_number.set(number);
            self.watches.borrow_mut().insert(number, key);
            watched.watches.push(Watch { set: Rc::downgrade(self), number, mask: kept });
            if file.cacheable() && file.stat().is_ok_and(|stat| stat.nlink == 0) {
                // Reached by a descriptor: it has lost its name already.
                watched.named = None;
                registry.nameless.push(key);
            }
            ACTIVE.set(true);
            Ok(number)
        })
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// `EINVAL` if there is none of this number.
    pub fn unwatch(&self, number: i32) -> Result<()> {
        let key = self.watches.borrow().get(&number).copied().ok_or(EINVAL)?;
        self.forget(key, number);
        self.ignore(number);
        Ok(())
    }

    fn forget(&self, key: Key, number: i32) {
        let dropped = REGISTRY.with_borrow_mut(|registry| {
            let watched = registry.watched.get_mut(&key)?;
            watched.watches.retain(|watch| watch.number != number || !std::ptr::eq(watch.set.as_ptr(), self));
            let ended = watched.watches.is_empty();
            let dropped = if ended { registry.watched.remove(&key) } else { None };
            ACTIVE.set(!registry.watched.is_empty());
            dropped
        });
        // With the registry at hand again, should the inode go with it.
        drop(dropped);
    }

    /// A watch is over, and says so.
    fn ignore(&self, number: i32) {
        self.watches.borrow_mut().remove(&number);
        self.push(number, What { mask: mask::IGNORED, cookie: 0, name: b"", unlinked: false });
    }

    fn push(&self, watch: i32, what: What) {
        let mut queue = self.queue.borrow_mut();
        let same = |last: &Event| (last.watch, last.mask, &*last.name) == (watch, what.mask, what.name);
        if what.mask != mask::IGNORED && queue.back().is_some_and(same) {
            return;
        }
        self.arrivals.set(self.arrivals.get() + 1);
        if queue.len() >= MAX_QUEUED_EVENTS {
            if queue.back().is_some_and(|last| last.mask != mask::Q_OVERFLOW) {
                queue.push_back(Event { watch: -1, mask: mask::Q_OVERFLOW, cookie: 0, name: Box::default() });
            }
            return;
        }
        queue.push_back(Event { watch, mask: what.mask, cookie: what.cookie, name: what.name.into() });
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        for (number, key) in std::mem::take(self.watches.get_mut()) {
            self.forget(key, number);
        }
        REGISTRY.with_borrow_mut(|registry| {
            if let Some(count) = registry.instances.get_mut(&self.user) {
                *count -= 1;
            }
        });
    }
}

impl FileObject for Inotify {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        with(|_| {});
        let mut count = 0;
        let mut queue = self.queue.borrow_mut();
        while let Some(event) = queue.front() {
            if event.len() > sink.room() {
                return if count == 0 { Err(EINVAL) } else { Ok(count) };
            }
            sink.put(&event.bytes())?;
            count += event.len();
            queue.pop_front();
        }
        if count == 0 { Err(EAGAIN) } else { Ok(count) }
    }

    fn poll(&self) -> u32 {
        with(|_| {});
        if self.queue.borrow().is_empty() { 0 } else { poll::IN | poll::RDNORM }
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            FIONREAD => {
                with(|_| {});
                let bytes: usize = self.queue.borrow().iter().map(Event::len).sum();
                user::write(arg, &(bytes as i32)).map(|()| 0)
            }
            _ => Err(ENOTTY),
        }
    }

    fn activity(&self) -> u64 {
        self.arrivals.get()
    }

    fn fdinfo(&self) -> String {
        REGISTRY.with_borrow(|registry| {
            let line = |(number, key): (&i32, &Key)| {
                let watched = registry.watched.get(key)?;
                let stat = watched.inode.upgrade().or_else(|| watched.named.clone())?.stat().ok()?;
                let mask = watched.watches.iter().find(|watch| watch.number == *number)?.mask & mask::ALL;
                let device = encode_device(stat.dev);
                Some(format!("inotify wd:{number:x} ino:{:x} sdev:{device:x} mask:{mask:x} ignored_mask:0\n", stat.ino))
            };
            self.watches.borrow().iter().filter_map(line).collect()
        })
    }
}
