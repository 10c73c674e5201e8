//! Names: directory entries, mounts, and the way from an entry up to its root.
//!
//! As in Linux, an entry is an object of its own between a name and an inode: it knows its parent, moves with rename(2)
//! and remembers that it was removed, so that getcwd(2) and `/proc/self/fd` tell the truth about files that are open.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::Result;
use super::inode::InodeRef;

/// A directory entry that was looked up.
pub struct Dentry {
    inode: InodeRef,
    name: RefCell<Box<[u8]>>,
    /// `None` for the root of a filesystem and for what never had a name.
    parent: RefCell<Option<Rc<Dentry>>>,
    /// Entries below that are in use, or were lately.
    children: RefCell<BTreeMap<Box<[u8]>, Weak<Dentry>>>,
    deleted: Cell<bool>,
    /// What is mounted here.
    mounted: RefCell<Option<Rc<Mount>>>,
}

/// The entries that were looked up last stay, so that the next path through them need not ask the filesystem again.
#[derive(Default)]
struct Recent {
    entries: Vec<Rc<Dentry>>,
    /// Whose place was taken last.
    next: usize,
}

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::default();
}

impl Recent {
    /// So many stay. Some 200 bytes each, and what their inodes hold.
    const KEPT: usize = 256;

    /// Keeps an entry; the one that goes for it.
    fn put(&mut self, dentry: &Rc<Dentry>) -> Option<Rc<Dentry>> {
        if self.entries.len() < Self::KEPT {
            self.entries.push(dentry.clone());
            return None;
        }
        self.next = (self.next + 1) % Self::KEPT;
        Some(std::mem::replace(self.entries.get_mut(self.next)?, dentry.clone()))
    }

    /// Keeps an entry no longer: its file goes with its last name, unless it is open.
    fn remove(&mut self, dentry: &Rc<Dentry>) -> Option<Rc<Dentry>> {
        let index = self.entries.iter().position(|kept| Rc::ptr_eq(kept, dentry))?;
        Some(self.entries.swap_remove(index))
    }
}

impl Dentry {
    /// An entry without a parent: a filesystem's root, or the `pipe:[7]` of an anonymous file.
    pub fn root(inode: InodeRef, name: &[u8]) -> Rc<Dentry> {
        Rc::new(Dentry::new(inode, name, None))
    }

    fn new(inode: InodeRef, name: &[u8], parent: Option<Rc<Dentry>>) -> Dentry {
        Dentry {
            inode,
            name: RefCell::new(name.into()),
            parent: RefCell::new(parent),
            children: RefCell::default(),
            deleted: Cell::new(false),
            mounted: RefCell::default(),
        }
    }

    /// The file.
    pub fn inode(&self) -> &InodeRef {
        &self.inode
    }

    /// The name in the parent.
    pub fn name(&self) -> Box<[u8]> {
        self.name.borrow().clone()
    }

    /// The directory that the entry is in.
    pub fn parent(&self) -> Option<Rc<Dentry>> {
        self.parent.borrow().clone()
    }

    /// True once the name is gone.
    pub fn is_deleted(&self) -> bool {
        self.deleted.get()
    }

    /// What is mounted on it.
    pub fn mounted(&self) -> Option<Rc<Mount>> {
        self.mounted.borrow().clone()
    }

    /// The entry below with this name.
    ///
    /// # Errors
    /// As [`super::Inode::lookup`].
    pub fn lookup(self: &Rc<Self>, name: &[u8]) -> Result<Rc<Dentry>> {
        if let Some(child) = self.cached(name) {
            return Ok(child);
        }
        let inode = self.inode.lookup(name)?;
        Ok(self.attach(name, inode))
    }

    /// The entry below with this name, if it is in use.
    pub fn cached(&self, name: &[u8]) -> Option<Rc<Dentry>> {
        self.children.borrow().get(name).and_then(Weak::upgrade)
    }

    /// An entry for an inode that was just looked up or made.
    pub fn attach(self: &Rc<Self>, name: &[u8], inode: InodeRef) -> Rc<Dentry> {
        let cacheable = inode.cacheable();
        let child = Rc::new(Dentry::new(inode, name, Some(self.clone())));
        if cacheable {
            self.children.borrow_mut().insert(name.into(), Rc::downgrade(&child));
            drop(RECENT.with_borrow_mut(|recent| recent.put(&child)));
        }
        child
    }

    /// Makes lookups find this entry and those above it, as long as someone holds it, whatever its filesystem remembers.
    fn pin(self: &Rc<Self>) {
        let mut at = self.clone();
        while let Some(above) = at.parent() {
            above.children.borrow_mut().insert(at.name(), Rc::downgrade(&at));
            at = above;
        }
    }

    /// The name was removed.
    pub fn detach(&self, name: &[u8]) {
        let child = self.children.borrow_mut().remove(name).and_then(|child| child.upgrade());
        if let Some(child) = child {
            child.deleted.set(true);
            drop(RECENT.with_borrow_mut(|recent| recent.remove(&child)));
        }
    }

    /// The entry `name` became `to_name` in `to`; what had that name is gone.
    pub fn moved(&self, name: &[u8], to: &Rc<Dentry>, to_name: &[u8]) {
        let child = self.children.borrow_mut().remove(name).and_then(|child| child.upgrade());
        to.detach(to_name);
        if let Some(child) = child {
            child.place(to, to_name);
        }
    }

    /// Two entries changed places.
    pub fn exchanged(self: &Rc<Self>, name: &[u8], to: &Rc<Dentry>, to_name: &[u8]) {
        let one = self.children.borrow_mut().remove(name).and_then(|child| child.upgrade());
        let other = to.children.borrow_mut().remove(to_name).and_then(|child| child.upgrade());
        if let Some(one) = one {
            one.place(to, to_name);
        }
        if let Some(other) = other {
            other.place(self, name);
        }
    }

    fn place(self: &Rc<Self>, parent: &Rc<Dentry>, name: &[u8]) {
        *self.name.borrow_mut() = name.into();
        let before = self.parent.replace(Some(parent.clone()));
        parent.children.borrow_mut().insert(name.into(), Rc::downgrade(self));
        drop(before);
    }

    /// True if `other` is this entry or below it.
    pub fn is_ancestor_of(self: &Rc<Self>, other: &Rc<Dentry>) -> bool {
        let mut at = Some(other.clone());
        while let Some(dentry) = at {
            if Rc::ptr_eq(self, &dentry) {
                return true;
            }
            at = dentry.parent();
        }
        false
    }
}

impl Drop for Dentry {
    /// Takes the name out of the parent's map, unless another entry has it by now; likewise for parents that only this entry held.
    /// Not recursive: directories may nest deeper than the kernel's stack.
    fn drop(&mut self) {
        let mut name = std::mem::take(self.name.get_mut());
        let mut parent = self.parent.get_mut().take();
        while let Some(above) = parent {
            let mut children = above.children.borrow_mut();
            if children.get(&name).is_some_and(|child| child.strong_count() == 0) {
                children.remove(&name);
            }
            drop(children);
            let Ok(mut last) = Rc::try_unwrap(above) else {
                return;
            };
            name = std::mem::take(last.name.get_mut());
            parent = last.parent.get_mut().take();
        }
    }
}

/// A mounted filesystem: mount(2), one line of `/proc/self/mountinfo`.
pub struct Mount {
    pub id: u32,
    /// `ext4`, `proc`, …
    pub fs_type: &'static str,
    /// The first column of `/proc/mounts`.
    pub source: Vec<u8>,
    pub read_only: Cell<bool>,
    /// As `/proc/mounts` shows them after `rw` or `ro`.
    pub options: Cow<'static, str>,
    pub root: Rc<Dentry>,
    /// Where it is mounted; `None` for `/` and for what has no place in the tree (pipes).
    pub at: Option<Location>,
}

impl Mount {
    /// Puts a mount on the entry it names.
    pub fn cover(self: &Rc<Self>) {
        if let Some(at) = &self.at {
            *at.dentry.mounted.borrow_mut() = Some(self.clone());
            at.dentry.pin();
        }
    }
}

/// An entry within a mount: what a path leads to.
#[derive(Clone)]
pub struct Location {
    pub mount: Rc<Mount>,
    pub dentry: Rc<Dentry>,
}

impl Location {
    /// The root of a mount.
    pub fn root_of(mount: &Rc<Mount>) -> Location {
        Location { mount: mount.clone(), dentry: mount.root.clone() }
    }

    /// The file.
    pub fn inode(&self) -> &InodeRef {
        self.dentry.inode()
    }

    /// True if both are the same entry of the same mount.
    pub fn same(&self, other: &Location) -> bool {
        Rc::ptr_eq(&self.mount, &other.mount) && Rc::ptr_eq(&self.dentry, &other.dentry)
    }

    /// The directory above; `None` at the root of the root mount.
    pub fn up(&self) -> Option<Location> {
        let mut at = self;
        while Rc::ptr_eq(&at.dentry, &at.mount.root) {
            at = at.mount.at.as_ref()?;
        }
        let dentry = at.dentry.parent()?;
        Some(Location { mount: at.mount.clone(), dentry })
    }

    /// What is mounted on top, if anything is.
    pub fn topmost(mut self) -> Location {
        while let Some(mount) = self.dentry.mounted() {
            self = Location::root_of(&mount);
        }
        self
    }

    /// The path as seen from `root`: absolute where `root` is above (`reached`), else up to whatever root there is.
    /// No ` (deleted)` is appended.
    pub fn path(&self, root: &Location) -> Path {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut at = self.clone();
        let reached = loop {
            if at.same(root) {
                break true;
            }
            let mut place = &at;
            while Rc::ptr_eq(&place.dentry, &place.mount.root)
                && let Some(below) = &place.mount.at
            {
                place = below;
            }
            let name = place.dentry.name();
            match place.clone().up() {
                Some(up) => {
                    names.push(name);
                    at = up;
                }
                None => {
                    // An anonymous file's entry is called as readlink shows it: `pipe:[7]`.
                    if !name.is_empty() && names.is_empty() {
                        return Path { bytes: name.into_vec(), reached: false };
                    }
                    break false;
                }
            }
        };
        let mut bytes = Vec::new();
        for name in names.iter().rev() {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        Path { bytes, reached }
    }

    /// True if the entry or a directory above it was removed.
    pub fn is_deleted(&self) -> bool {
        self.dentry.is_deleted()
    }

    /// What readlink(2) says of an open file: the path, ` (deleted)` after it if the name is gone.
    pub fn shown(&self, root: &Location) -> Vec<u8> {
        let mut path = self.path(root).bytes;
        if self.is_deleted() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}

/// A path found from an entry.
pub struct Path {
    pub bytes: Vec<u8>,
    /// Whether the root asked for is above the entry.
    pub reached: bool,
}
