//! The half of [`RootFs`] that only looks: inodes, entries, path resolution, the walk.

use std::collections::btree_map;

use super::{Entries, Node, Result, RootFs, TreeError, check_name};
use crate::name::{SYMLINKS_MAX, components};
use crate::node::{Attrs, DIRECTORY_SIZE, Device, InodeId, Kind, Meta};

/// Whether a symlink that ends a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// As stat(2).
    Last,
    /// As lstat(2).
    NotLast,
}

impl RootFs {
    /// The inode with this number.
    ///
    /// # Errors
    /// `NoSuchInode` if it was removed or is another tree's.
    pub fn inode(&self, id: InodeId) -> Result<&super::Inode> {
        self.inodes.get(id.0 as usize).and_then(Option::as_ref).ok_or(TreeError::NoSuchInode(id))
    }

    /// What stat(2) tells about an inode.
    ///
    /// # Errors
    /// `NoSuchInode`.
    pub fn meta(&self, id: InodeId) -> Result<Meta> {
        let inode = self.inode(id)?;
        let Attrs { mode, uid, gid, mtime } = inode.attrs;
        let (rdev, size) = match &inode.node {
            Node::Regular(content) => (Device::default(), content.len()),
            Node::Directory { .. } => (Device::default(), DIRECTORY_SIZE),
            Node::Symlink(target) => (Device::default(), target.len() as u64),
            Node::CharDevice(device) | Node::BlockDevice(device) => (*device, 0),
            Node::Fifo | Node::Socket => (Device::default(), 0),
        };
        let nlink = match &inode.node {
            Node::Directory { entries, .. } => 2 + self.count_directories(entries),
            _ => inode.names,
        };
        let kind = inode.kind();
        Ok(Meta { kind, mode, uid, gid, mtime, rdev, nlink, size, ino: id.ino() })
    }

    fn count_directories(&self, entries: &Entries) -> u32 {
        let is_directory = |id: &&InodeId| self.inode(**id).is_ok_and(|inode| inode.kind() == Kind::Directory);
        entries.values().filter(is_directory).count() as u32
    }

    /// The entries of a directory, in the order of their names' bytes.
    ///
    /// # Errors
    /// `NotADirectory`, `NoSuchInode`.
    pub fn entries(&self, dir: InodeId) -> Result<&Entries> {
        match &self.inode(dir)?.node {
            Node::Directory { entries, .. } => Ok(entries),
            _ => Err(TreeError::NotADirectory(Vec::new())),
        }
    }

    /// The directory that holds this directory; the root's is the root.
    ///
    /// # Errors
    /// `NotADirectory`, `NoSuchInode`.
    pub fn parent(&self, dir: InodeId) -> Result<InodeId> {
        match &self.inode(dir)?.node {
            Node::Directory { parent, .. } => Ok(*parent),
            _ => Err(TreeError::NotADirectory(Vec::new())),
        }
    }

    /// The entry of a directory with this name.
    ///
    /// # Errors
    /// `NotADirectory`, `NoSuchInode`.
    pub fn child(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        Ok(self.entries(dir)?.get(name).copied())
    }

    /// What a path from the root names, no symlink followed anywhere in it. `None` if it is not there;
    /// that includes a path through something that is not a directory.
    ///
    /// # Errors
    /// `BadName` for `..` and other components that no directory can hold.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<InodeId>> {
        components(path).try_for_each(check_name)?;
        let mut at = InodeId::ROOT;
        for component in components(path) {
            let next = match &self.inode(at)?.node {
                Node::Directory { entries, .. } => entries.get(component),
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            at = *next;
        }
        Ok(Some(at))
    }

    /// What a path from the root names, symlinks followed, the last one too: stat(2) in this root.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `TooManySymlinks` (ELOOP) as path_resolution(7) says.
    pub fn resolve(&self, path: &[u8]) -> Result<InodeId> {
        self.resolve_from(InodeId::ROOT, path, Follow::Last)
    }

    /// What a path names as seen from a directory; symlinks on the way are followed, the last one as asked.
    ///
    /// # Errors
    /// As [`RootFs::resolve`].
    pub fn resolve_from(&self, dir: InodeId, path: &[u8], follow: Follow) -> Result<InodeId> {
        let mut at = if path.starts_with(b"/") { InodeId::ROOT } else { dir };
        // What is still to be walked, the next component last.
        let mut ahead: Vec<&[u8]> = components(path).rev().collect();
        // `name/` asks for a directory, so its symlink is followed.
        let follow_last = follow == Follow::Last || path.ends_with(b"/");
        let mut symlinks = 0;
        while let Some(component) = ahead.pop() {
            let Node::Directory { entries, parent } = &self.inode(at)?.node else {
                return Err(TreeError::NotADirectory(path.to_vec()));
            };
            if component == b".." {
                at = *parent;
                continue;
            }
            let not_found = || TreeError::NotFound(path.to_vec());
            let next = *entries.get(component).ok_or_else(not_found)?;
            match &self.inode(next)?.node {
                Node::Symlink(target) if follow_last || !ahead.is_empty() => {
                    symlinks += 1;
                    if symlinks > SYMLINKS_MAX {
                        return Err(TreeError::TooManySymlinks(path.to_vec()));
                    }
                    if target.starts_with(b"/") {
                        at = InodeId::ROOT;
                    }
                    ahead.extend(components(target).rev());
                }
                _ => at = next,
            }
        }
        if path.ends_with(b"/") && self.inode(at)?.kind() != Kind::Directory {
            return Err(TreeError::NotADirectory(path.to_vec()));
        }
        Ok(at)
    }

    /// Every name in the tree with its path from the root (no leading slash; the root's is empty), each
    /// directory before what it holds, the entries of a directory in the order of their bytes. An inode
    /// comes once for each of its names.
    pub fn walk(&self) -> Walk<'_> {
        Walk { tree: self, open: Vec::new(), path: Vec::new(), started: false }
    }
}

/// Every name in a tree: see [`RootFs::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a RootFs,
    /// The directories on the way to the current one: what is left of each, and the length of its path.
    open: Vec<(btree_map::Iter<'a, Vec<u8>, InodeId>, usize)>,
    path: Vec<u8>,
    started: bool,
}

impl Walk<'_> {
    /// The next name, its path lent: for a walk that needs no copy of each path.
    pub fn advance(&mut self) -> Option<(&[u8], InodeId)> {
        let id = match self.started {
            true => self.step()?,
            false => InodeId::ROOT,
        };
        self.started = true;
        if let Ok(entries) = self.tree.entries(id) {
            self.open.push((entries.iter(), self.path.len()));
        }
        Some((&self.path, id))
    }

    /// Goes on to the next entry of the innermost directory that has one left.
    fn step(&mut self) -> Option<InodeId> {
        loop {
            let (entries, length) = self.open.last_mut()?;
            let Some((name, &id)) = entries.next() else {
                self.open.pop();
                continue;
            };
            self.path.truncate(*length);
            if *length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            return Some(id);
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = (Vec<u8>, InodeId);

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|(path, id)| (path.to_vec(), id))
    }
}
