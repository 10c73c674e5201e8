//! The filesystem as the system calls see it: mounts, and operations on paths.
//!
//! Every operation takes a [`Walker`], which says who asks, from which root and directory. The order of checks is Linux's
//! (fs/namei.c), because it decides which of several errors a program sees.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hoist_vfs::{Device, Kind};

use super::anon::{AnonInode, Reopen};
use super::dentry::{Dentry, Location, Mount};
use super::device::Devices;
use super::file::{File, FileObject};
use super::inode::{InodeRef, same};
use super::mem::Clock;
use super::notify;
use super::procfs::Processes;
use super::types::{Cred, MAY_EXEC, MAY_READ, MAY_WRITE, NAME_MAX, NewInode, OpenFlags, Stat, cap};
use super::walk::{Last, Parent, Target, Walker};
use super::{Result, content};
use crate::errno::Errno::{
    EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, ENXIO, EPERM, EROFS, EXDEV,
};

/// The mounts, the devices, and what hands out numbers.
pub struct Vfs {
    mounts: RefCell<Vec<Rc<Mount>>>,
    /// Holds files that have no place in the tree.
    anonymous: Rc<Mount>,
    devices: Devices,
    processes: Rc<Processes>,
    clock: Clock,
    next_anonymous: Cell<u64>,
    next_mount: Cell<u32>,
}

/// What [`Vfs::mount`] mounts, and how `/proc/mounts` shows it.
pub struct NewMount {
    pub fs_type: &'static str,
    pub source: Vec<u8>,
    pub read_only: bool,
    pub options: Cow<'static, str>,
    pub root: InodeRef,
}

/// The number of the first mount, as containers show them.
const FIRST_MOUNT: u32 = 20;
/// The number of the first anonymous inode.
const FIRST_ANONYMOUS: u64 = 1000;

impl Vfs {
    /// A tree of nothing but this root.
    pub fn new(root: NewMount, devices: Devices, clock: Clock) -> Vfs {
        let stat = Stat::new(AnonInode::DEV, 1, Kind::Directory, 0);
        let nothing = AnonInode::new(stat, super::anon::magic::ANON_INODE, Box::new(|_| Err(ENXIO)));
        let anonymous = Rc::new(Mount {
            id: FIRST_MOUNT - 1,
            fs_type: "anon_inodefs",
            source: b"none".to_vec(),
            read_only: Cell::new(false),
            options: Cow::default(),
            root: Dentry::root(nothing, b""),
            at: None,
        });
        let vfs = Vfs {
            mounts: RefCell::default(),
            anonymous,
            devices,
            processes: Rc::default(),
            clock,
            next_anonymous: Cell::new(FIRST_ANONYMOUS),
            next_mount: Cell::new(FIRST_MOUNT),
        };
        vfs.put_mount(root, None);
        vfs
    }

    /// The root of the tree.
    pub fn root(&self) -> Location {
        Location::root_of(&self.mounts.borrow()[0])
    }

    /// Mounts a filesystem on a place.
    pub fn mount(&self, at: Location, new: NewMount) -> Rc<Mount> {
        self.put_mount(new, Some(at))
    }

    fn put_mount(&self, new: NewMount, at: Option<Location>) -> Rc<Mount> {
        let id = self.next_mount.get();
        self.next_mount.set(id + 1);
        let NewMount { fs_type, source, read_only, options, root } = new;
        let read_only = Cell::new(read_only);
        let mount = Rc::new(Mount { id, fs_type, source, read_only, options, root: Dentry::root(root, b""), at });
        mount.cover();
        self.mounts.borrow_mut().push(mount.clone());
        mount
    }

    /// The mounts in the order they were made.
    pub fn mounts(&self) -> Vec<Rc<Mount>> {
        self.mounts.borrow().clone()
    }

    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// What `/proc` shows of processes.
    pub fn processes(&self) -> &Rc<Processes> {
        &self.processes
    }

    /// CLOCK_REALTIME.
    pub fn now(&self) -> hoist_vfs::Timestamp {
        (self.clock)()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    // ---- Files without a place

    /// A place for a file without one. `{}` in the name becomes its number, as in `pipe:[{}]`.
    pub fn anonymous(&self, kind: Kind, mode: u32, name: &str, magic: u64, reopen: Reopen) -> Location {
        let ino = self.next_anonymous.get();
        self.next_anonymous.set(ino + 1);
        let mut stat = Stat::new(AnonInode::DEV, ino, kind, mode);
        let now = self.now();
        (stat.atime, stat.mtime, stat.ctime, stat.btime) = (now, now, now, now);
        let name = name.replace("{}", &ino.to_string());
        self.anonymous_inode(AnonInode::new(stat, magic, reopen), &name)
    }

    /// A place for an inode without one.
    pub fn anonymous_inode(&self, inode: InodeRef, name: &str) -> Location {
        Location { mount: self.anonymous.clone(), dentry: Dentry::root(inode, name.as_bytes()) }
    }

    // ---- Opening

    /// open(2) and its relatives. `mode`: for a file that is created, umask taken off.
    ///
    /// # Errors
    /// What open(2) names.
    pub fn open(&self, walker: &Walker, path: &[u8], flags: OpenFlags, mode: u32) -> Result<Rc<File>> {
        let follow = !flags.has(OpenFlags::NOFOLLOW) && !(flags.has(OpenFlags::CREAT | OpenFlags::EXCL));
        if flags.has(OpenFlags::TMPFILE) {
            return self.open_unnamed(walker, path, flags, mode);
        }
        if !flags.has(OpenFlags::CREAT) || flags.has(OpenFlags::PATH) {
            let found = walker.resolve(path, follow)?;
            return self.open_found(walker.cred, found, flags);
        }
        let parent = walker.parent(path)?;
        if matches!(parent.last, Last::Name { slash: true, .. }) {
            return Err(EISDIR);
        }
        match walker.finish_or_parent(parent, follow)? {
            Target::There(_) if flags.has(OpenFlags::EXCL) => Err(EEXIST),
            Target::There(found) if found.inode().kind() == Kind::Directory => Err(EISDIR),
            Target::There(found) => self.open_found(walker.cred, found, flags),
            Target::Free(parent) => {
                let (dir, name) = named(parent)?;
                if flags.has(OpenFlags::DIRECTORY) {
                    return Err(EINVAL);
                }
                let new = NewInode { kind: Kind::Regular, mode, ..blank() };
                let made = self.create_in(walker.cred, &dir, &name, new)?;
                // Whatever its mode says: who made it may use it.
                self.open_object(made, OpenFlags(flags.0 & !OpenFlags::TRUNC))
            }
        }
    }

    /// Opens a file that a walk found.
    ///
    /// # Errors
    /// What open(2) names.
    pub fn open_found(&self, cred: &Cred, found: Location, flags: OpenFlags) -> Result<Rc<File>> {
        let inode = found.inode().clone();
        let kind = inode.kind();
        if flags.has(OpenFlags::DIRECTORY) && kind != Kind::Directory {
            return Err(ENOTDIR);
        }
        if flags.has(OpenFlags::PATH) {
            return Ok(File::content(found, flags));
        }
        let truncates = flags.has(OpenFlags::TRUNC);
        let writes = flags.writable() || truncates;
        match kind {
            Kind::Symlink => return Err(ELOOP),
            Kind::Directory if writes || flags.has(OpenFlags::CREAT) => return Err(EISDIR),
            Kind::Socket => return Err(ENXIO),
            Kind::Regular if writes => check_writable_mount(&found)?,
            _ => {}
        }
        let stat = inode.stat()?;
        let mut mask = if flags.readable() { MAY_READ } else { 0 };
        mask |= if writes { MAY_WRITE } else { 0 };
        cred.permission(&stat, mask)?;
        if flags.has(OpenFlags::NOATIME) {
            cred.owner(&stat)?;
        }
        let file = self.open_object(found, flags)?;
        if truncates && kind == Kind::Regular {
            content::truncate(&inode, 0)?;
            file.tell(notify::mask::MODIFY);
        }
        Ok(file)
    }

    /// The open file of an inode, permissions checked.
    fn open_object(&self, at: Location, flags: OpenFlags) -> Result<Rc<File>> {
        let object: Option<Rc<dyn FileObject>> = match at.inode().kind() {
            kind @ (Kind::CharDevice | Kind::BlockDevice) => match at.inode().open(flags)? {
                Some(object) => Some(object),
                None => Some(self.devices.open(kind, at.inode().stat()?.rdev)?),
            },
            _ => at.inode().open(flags)?,
        };
        let file = match object {
            Some(object) => File::object(at, flags, object),
            None => File::content(at, flags),
        };
        file.tell_opened();
        Ok(file)
    }

    fn open_unnamed(&self, walker: &Walker, path: &[u8], flags: OpenFlags, mode: u32) -> Result<Rc<File>> {
        if !flags.writable() {
            return Err(EINVAL);
        }
        let dir = walker.resolve(path, true)?;
        if dir.inode().kind() != Kind::Directory {
            return Err(ENOTDIR);
        }
        may_change(walker.cred, &dir)?;
        let new = self.owned(walker.cred, &dir, NewInode { kind: Kind::Regular, mode, ..blank() })?;
        let inode = dir.inode().create_unnamed(&new, !flags.has(OpenFlags::EXCL))?;
        let ino = inode.stat()?.ino;
        let dentry = dir.dentry.attach(format!("#{ino}").as_bytes(), inode);
        dir.dentry.detach(&dentry.name());
        let flags = OpenFlags(flags.0 & !(OpenFlags::DIRECTORY | OpenFlags::TRUNC));
        let file = File::content(Location { mount: dir.mount, dentry }, flags);
        file.tell_opened();
        Ok(file)
    }

    // ---- Making names

    /// mkdir(2), mknod(2), symlink(2): a new file under a name that is free. `new.mode` has the umask taken off; owner and
    /// group are filled in.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `EROFS`, `EACCES` and those of the walk.
    pub fn create(&self, walker: &Walker, path: &[u8], new: NewInode) -> Result<Location> {
        let parent = walker.parent(path)?;
        let (dir, name) = self.free_name(walker, parent, new.kind == Kind::Directory)?;
        self.create_in(walker.cred, &dir, &name, new)
    }

    /// The directory and name of what is to be made.
    fn free_name(&self, walker: &Walker, parent: Parent, directory: bool) -> Result<(Location, Vec<u8>)> {
        let Last::Name { name, slash } = parent.last.clone() else {
            return Err(EEXIST);
        };
        let dir = parent.dir.clone();
        match walker.finish(Parent { last: Last::Name { name: name.clone(), slash: false }, ..parent }, false) {
            Ok(_) => Err(EEXIST),
            Err(ENOENT) if slash && !directory => Err(ENOENT),
            Err(ENOENT) => Ok((dir, name)),
            Err(error) => Err(error),
        }
    }

    fn create_in(&self, cred: &Cred, dir: &Location, name: &[u8], new: NewInode) -> Result<Location> {
        may_change(cred, dir)?;
        let new = self.owned(cred, dir, new)?;
        let inode = dir.inode().create(name, &new)?;
        notify::created(dir.inode(), name, &inode);
        Ok(Location { mount: dir.mount.clone(), dentry: dir.dentry.attach(name, inode) })
    }

    /// Owner and group of a new file: inode(7) on the set-group-ID bit of directories.
    fn owned(&self, cred: &Cred, dir: &Location, mut new: NewInode) -> Result<NewInode> {
        const SETGID: u32 = 0o2000;
        let above = dir.inode().stat()?;
        (new.uid, new.gid) = (cred.fsuid, cred.fsgid);
        if above.mode & SETGID != 0 {
            new.gid = above.gid;
            if new.kind == Kind::Directory {
                new.mode |= SETGID;
            } else if new.mode & 0o2010 == 0o2010 && !cred.in_group(above.gid) && !cred.capable(cap::FSETID) {
                new.mode &= !SETGID;
            }
        }
        Ok(new)
    }

    /// link(2): another name for a file.
    ///
    /// # Errors
    /// What link(2) names.
    pub fn link(&self, old: &Location, walker: &Walker, path: &[u8]) -> Result<()> {
        let parent = walker.parent(path)?;
        let (dir, name) = self.free_name(walker, parent, false)?;
        if !Rc::ptr_eq(&old.mount, &dir.mount) {
            return Err(EXDEV);
        }
        may_change(walker.cred, &dir)?;
        if old.inode().kind() == Kind::Directory {
            return Err(EPERM);
        }
        let stat = old.inode().stat()?;
        if stat.nlink == 0 && !old.inode().may_be_named() {
            return Err(ENOENT);
        }
        if !is_safe_to_link(walker.cred, &stat) {
            return Err(EPERM);
        }
        dir.inode().link(&name, old.inode())?;
        notify::linked(dir.inode(), &name, old.inode());
        dir.dentry.attach(&name, old.inode().clone());
        Ok(())
    }

    // ---- Taking names away

    /// unlink(2).
    ///
    /// # Errors
    /// What unlink(2) names.
    pub fn unlink(&self, walker: &Walker, path: &[u8]) -> Result<()> {
        let parent = walker.parent(path)?;
        let Last::Name { slash, .. } = parent.last else {
            return Err(EISDIR);
        };
        let (dir, name) = named(parent)?;
        let victim = self.entry(walker, &dir, &name)?;
        if slash {
            return Err(if victim.inode().kind() == Kind::Directory { EISDIR } else { ENOTDIR });
        }
        may_delete(walker.cred, &dir, &victim, false)?;
        dir.inode().unlink(&name)?;
        dir.dentry.detach(&name);
        notify::removed(dir.inode(), &name, victim.inode());
        Ok(())
    }

    /// rmdir(2).
    ///
    /// # Errors
    /// What rmdir(2) names.
    pub fn rmdir(&self, walker: &Walker, path: &[u8]) -> Result<()> {
        let parent = walker.parent(path)?;
        match parent.last {
            Last::DotDot => return Err(ENOTEMPTY),
            Last::Dot if path.iter().all(|&byte| byte == b'/') => return Err(EBUSY),
            Last::Dot => return Err(EINVAL),
            Last::Name { .. } => {}
        }
        let (dir, name) = named(parent)?;
        let victim = self.entry(walker, &dir, &name)?;
        may_delete(walker.cred, &dir, &victim, true)?;
        if victim.same(&walker.root) {
            return Err(EBUSY);
        }
        dir.inode().rmdir(&name)?;
        dir.dentry.detach(&name);
        notify::removed(dir.inode(), &name, victim.inode());
        Ok(())
    }

    /// The entry with a name, mounts and symlinks not followed.
    fn entry(&self, walker: &Walker, dir: &Location, name: &[u8]) -> Result<Location> {
        if name.len() > NAME_MAX {
            return Err(ENAMETOOLONG);
        }
        walker.cred.permission(&dir.inode().stat()?, MAY_EXEC)?;
        Ok(Location { mount: dir.mount.clone(), dentry: dir.dentry.lookup(name)? })
    }

    /// renameat2(2): `from` and `to` may start in different directories.
    ///
    /// # Errors
    /// What rename(2) names.
    pub fn rename(&self, from: &Walker, old: &[u8], to: &Walker, new: &[u8], how: Rename) -> Result<()> {
        let (old_parent, new_parent) = (from.parent(old)?, to.parent(new)?);
        if !Rc::ptr_eq(&old_parent.dir.mount, &new_parent.dir.mount) {
            return Err(EXDEV);
        }
        let Last::Name { slash: old_slash, .. } = old_parent.last else {
            return Err(EBUSY);
        };
        let Last::Name { slash: new_slash, .. } = new_parent.last else {
            return Err(if how == Rename::NoReplace { EEXIST } else { EBUSY });
        };
        let ((old_dir, old_name), (new_dir, new_name)) = (named(old_parent)?, named(new_parent)?);
        let source = self.entry(from, &old_dir, &old_name)?;
        let target = match self.entry(to, &new_dir, &new_name) {
            Ok(_) if how == Rename::NoReplace => return Err(EEXIST),
            Ok(target) => Some(target),
            Err(ENOENT) if how == Rename::Exchange => return Err(ENOENT),
            Err(ENOENT) => None,
            Err(error) => return Err(error),
        };
        let is_dir = |location: &Location| location.inode().kind() == Kind::Directory;
        let target_slash = new_slash && (how != Rename::Exchange || !target.as_ref().is_some_and(is_dir));
        if !is_dir(&source) && (old_slash || target_slash) {
            return Err(ENOTDIR);
        }
        if source.dentry.is_ancestor_of(&new_dir.dentry) {
            return Err(EINVAL);
        }
        if let Some(target) = target.as_ref().filter(|target| target.dentry.is_ancestor_of(&old_dir.dentry)) {
            return Err(if how == Rename::Exchange || !is_dir(target) { EINVAL } else { ENOTEMPTY });
        }
        if target.as_ref().is_some_and(|target| same(target.inode(), source.inode())) {
            return Ok(());
        }
        may_delete(from.cred, &old_dir, &source, is_dir(&source))?;
        match &target {
            None => may_change(to.cred, &new_dir)?,
            Some(target) if how == Rename::Exchange => may_delete(to.cred, &new_dir, target, is_dir(target))?,
            Some(target) => may_delete(to.cred, &new_dir, target, is_dir(&source))?,
        }
        // A directory that moves elsewhere gets another `..`, which is writing to it.
        if is_dir(&source) && !Rc::ptr_eq(&old_dir.dentry, &new_dir.dentry) {
            from.cred.permission(&source.inode().stat()?, MAY_WRITE)?;
        }
        old_dir.inode().rename(&old_name, new_dir.inode(), &new_name, how == Rename::Exchange)?;
        match how {
            Rename::Exchange => old_dir.dentry.exchanged(&old_name, &new_dir.dentry, &new_name),
            _ => old_dir.dentry.moved(&old_name, &new_dir.dentry, &new_name),
        }
        let (from, to) = ((old_dir.inode(), &old_name[..]), (new_dir.inode(), &new_name[..]));
        let replaced = target.as_ref().map(Location::inode);
        match (how, replaced) {
            (Rename::Exchange, Some(other)) => {
                notify::moved(from, to, source.inode(), None);
                notify::moved(to, from, other, None);
            }
            _ => notify::moved(from, to, source.inode(), replaced),
        }
        Ok(())
    }
}

/// Flags of renameat2(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    Replace,
    /// `RENAME_NOREPLACE`.
    NoReplace,
    /// `RENAME_EXCHANGE`.
    Exchange,
}

fn blank() -> NewInode {
    NewInode { kind: Kind::Regular, mode: 0, uid: 0, gid: 0, rdev: Device::default(), target: Vec::new() }
}

/// Whether somebody may give a file another name: fs.protected_hardlinks of proc_sys_fs(5), which distributions set.
fn is_safe_to_link(cred: &Cred, stat: &Stat) -> bool {
    let sets_ids = stat.mode & 0o4000 != 0 || stat.mode & 0o2010 == 0o2010;
    let plain = stat.kind == Kind::Regular && !sets_ids && cred.permission(stat, MAY_READ | MAY_WRITE).is_ok();
    plain || cred.owner(stat).is_ok()
}

/// The name that a parent leaves over.
fn named(parent: Parent) -> Result<(Location, Vec<u8>)> {
    match parent.last {
        Last::Name { name, .. } => Ok((parent.dir, name)),
        Last::Dot | Last::DotDot => Err(EISDIR),
    }
}

/// # Errors
/// `EROFS`.
pub fn check_writable_mount(at: &Location) -> Result<()> {
    match at.mount.read_only.get() {
        true => Err(EROFS),
        false => Ok(()),
    }
}

/// Whether entries of a directory may be made.
fn may_change(cred: &Cred, dir: &Location) -> Result<()> {
    check_writable_mount(dir)?;
    if dir.is_deleted() {
        return Err(ENOENT);
    }
    cred.permission(&dir.inode().stat()?, MAY_WRITE | MAY_EXEC).map_err(|_| EACCES)
}

/// Whether an entry may be removed: `may_delete` of fs/namei.c.
fn may_delete(cred: &Cred, dir: &Location, victim: &Location, directory: bool) -> Result<()> {
    const STICKY: u32 = 0o1000;
    check_writable_mount(dir)?;
    let (above, stat) = (dir.inode().stat()?, victim.inode().stat()?);
    cred.permission(&above, MAY_WRITE | MAY_EXEC)?;
    let others = cred.fsuid != stat.uid && cred.fsuid != above.uid;
    if above.mode & STICKY != 0 && others && !cred.capable(cap::FOWNER) {
        return Err(EPERM);
    }
    match (directory, stat.kind) {
        (true, Kind::Directory) if victim.dentry.mounted().is_some() => Err(EBUSY),
        (true, Kind::Directory) => Ok(()),
        (true, _) => Err(ENOTDIR),
        (false, Kind::Directory) => Err(EISDIR),
        (false, _) if victim.dentry.mounted().is_some() => Err(EBUSY),
        (false, _) => Ok(()),
    }
}
