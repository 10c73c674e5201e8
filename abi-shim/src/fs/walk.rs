//! Path → entry, as path_resolution(7) describes.

use super::Result;
use super::dentry::Location;
use super::types::{Cred, MAY_EXEC, NAME_MAX, PATH_MAX, cap};
use crate::errno::Errno::{ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV};
use hoist_vfs::Kind;
use hoist_vfs::name::SYMLINKS_MAX;

/// Who walks, and from where.
#[derive(Clone)]
pub struct Walker<'a> {
    pub cred: &'a Cred,
    /// Where absolute paths start and `..` ends: chroot(2).
    pub root: Location,
    /// Where relative paths start: the working directory, or the directory of an `…at` call.
    pub start: Location,
    pub rules: Rules,
}

/// What a walk must not do: `resolve` of openat2(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `RESOLVE_NO_XDEV`.
    pub no_crossing: bool,
    /// `RESOLVE_NO_MAGICLINKS`.
    pub no_jumps: bool,
    /// `RESOLVE_NO_SYMLINKS`.
    pub no_symlinks: bool,
    /// `RESOLVE_BENEATH`.
    pub beneath: bool,
    /// `RESOLVE_IN_ROOT`.
    pub in_root: bool,
}

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name, and whether slashes followed it.
    Name { name: Vec<u8>, slash: bool },
    /// `.`, or nothing: the path was all slashes.
    Dot,
    /// `..`
    DotDot,
}

/// A directory and what remains to be looked up in it.
pub struct Parent {
    pub dir: Location,
    pub last: Last,
    pub(super) links: usize,
}

impl Walker<'_> {
    /// The entry that a path leads to. `follow`: whether a symlink at its end is followed.
    ///
    /// # Errors
    /// `ENOENT` (also for the empty path), `ENOTDIR`, `ELOOP`, `EACCES`, `ENAMETOOLONG`, `EXDEV` where the rules forbid.
    pub fn resolve(&self, path: &[u8], follow: bool) -> Result<Location> {
        let parent = self.parent(path)?;
        self.finish(parent, follow)
    }

    /// All of a path but its last component.
    ///
    /// # Errors
    /// As [`Walker::resolve`].
    pub fn parent(&self, path: &[u8]) -> Result<Parent> {
        if path.is_empty() {
            return Err(ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(ENAMETOOLONG);
        }
        let dir = self.first(path, &self.start)?;
        self.walk(dir, path.to_vec(), 0)
    }

    /// Looks the last component up, following symlinks as asked for.
    ///
    /// # Errors
    /// As [`Walker::resolve`].
    pub fn finish(&self, mut parent: Parent, follow: bool) -> Result<Location> {
        loop {
            match self.last(parent, follow)? {
                Step::There(location) => return Ok(location),
                Step::Link(next) => parent = next,
            }
        }
    }

    /// Like [`Walker::finish`] for open(2) with O_CREAT: a name that does not exist gives its parent, symlinks followed.
    ///
    /// # Errors
    /// As [`Walker::resolve`], `ENOENT` apart.
    pub fn finish_or_parent(&self, mut parent: Parent, follow: bool) -> Result<Target> {
        loop {
            let (dir, last, links) = (parent.dir.clone(), parent.last.clone(), parent.links);
            match self.last(parent, follow) {
                Ok(Step::There(location)) => return Ok(Target::There(location)),
                Ok(Step::Link(next)) => parent = next,
                Err(ENOENT) if matches!(last, Last::Name { .. }) && !dir.is_deleted() => {
                    return Ok(Target::Free(Parent { dir, last, links }));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where a path starts.
    fn first(&self, path: &[u8], relative: &Location) -> Result<Location> {
        match path.first() {
            Some(b'/') if self.rules.beneath => Err(EXDEV),
            Some(b'/') if self.rules.in_root => Ok(self.start.clone()),
            Some(b'/') => Ok(self.root.clone().topmost()),
            _ => Ok(relative.clone()),
        }
    }

    /// Walks from `dir` all components of `path` but the last.
    fn walk(&self, mut dir: Location, mut path: Vec<u8>, mut links: usize) -> Result<Parent> {
        let mut at = 0;
        loop {
            at += path[at..].iter().take_while(|&&byte| byte == b'/').count();
            let len = path[at..].iter().take_while(|&&byte| byte != b'/').count();
            let rest = at + len;
            let name = &path[at..rest];
            if path[rest..].iter().all(|&byte| byte == b'/') {
                let last = match name {
                    b"" | b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name { name: name.to_vec(), slash: rest < path.len() },
                };
                return Ok(Parent { dir, last, links });
            }
            let next = match name {
                b"." => self.searchable(&dir).map(|()| dir.clone())?,
                b".." => self.up(&dir)?,
                _ => self.child(&dir, name)?,
            };
            match self.link(&next, &mut links)? {
                None => dir = next,
                Some(Link::Jump(location)) => dir = location,
                Some(Link::Target(mut target)) => {
                    dir = self.first(&target, &dir)?;
                    target.extend_from_slice(&path[rest..]);
                    (path, at) = (target, 0);
                    continue;
                }
            }
            if dir.inode().kind() != Kind::Directory {
                return Err(ENOTDIR);
            }
            at = rest;
        }
    }

    /// The last component, one symlink at a time.
    fn last(&self, parent: Parent, follow: bool) -> Result<Step> {
        let Parent { dir, last, mut links } = parent;
        let (name, slash) = match last {
            Last::Dot => return self.directory(&dir).map(|()| Step::There(dir)),
            Last::DotDot => return self.up(&dir).map(Step::There),
            Last::Name { name, slash } => (name, slash),
        };
        let found = self.child(&dir, &name)?;
        if follow || slash {
            match self.link(&found, &mut links)? {
                None => {}
                Some(Link::Jump(location)) => return Ok(Step::There(location)),
                Some(Link::Target(mut target)) => {
                    if slash {
                        target.push(b'/');
                    }
                    let start = self.first(&target, &dir)?;
                    return self.walk(start, target, links).map(Step::Link);
                }
            }
        }
        match slash && found.inode().kind() != Kind::Directory {
            true => Err(ENOTDIR),
            false => Ok(Step::There(found)),
        }
    }

    /// What a symlink says; `None` for every other kind.
    fn link(&self, location: &Location, links: &mut usize) -> Result<Option<Link>> {
        if location.inode().kind() != Kind::Symlink {
            return Ok(None);
        }
        *links += 1;
        if *links > SYMLINKS_MAX || self.rules.no_symlinks {
            return Err(ELOOP);
        }
        if let Some(target) = location.inode().jump()? {
            return match self.rules.no_jumps || self.rules.beneath || self.rules.in_root {
                true => Err(ELOOP),
                false => Ok(Some(Link::Jump(target))),
            };
        }
        match location.inode().readlink()? {
            target if target.is_empty() => Err(ENOENT),
            target => Ok(Some(Link::Target(target))),
        }
    }

    /// The entry `name` of a directory, or what is mounted on it.
    fn child(&self, dir: &Location, name: &[u8]) -> Result<Location> {
        self.searchable(dir)?;
        if name.len() > NAME_MAX {
            return Err(ENAMETOOLONG);
        }
        let dentry = dir.dentry.lookup(name)?;
        let below = Location { mount: dir.mount.clone(), dentry };
        match below.dentry.mounted() {
            None => Ok(below),
            Some(_) if self.rules.no_crossing => Err(EXDEV),
            Some(_) => Ok(below.topmost()),
        }
    }

    fn up(&self, dir: &Location) -> Result<Location> {
        self.searchable(dir)?;
        let limit = if self.rules.in_root { &self.start } else { &self.root };
        if self.rules.beneath && dir.same(&self.start) {
            return Err(EXDEV);
        }
        if dir.same(limit) {
            return Ok(dir.clone());
        }
        Ok(dir.up().map_or_else(|| dir.clone(), Location::topmost))
    }

    fn searchable(&self, dir: &Location) -> Result<()> {
        self.directory(dir)?;
        // Root may search any directory: most walks need no stat.
        match self.cred.capable(cap::DAC_OVERRIDE) {
            true => Ok(()),
            false => self.cred.permission(&dir.inode().stat()?, MAY_EXEC),
        }
    }

    fn directory(&self, dir: &Location) -> Result<()> {
        match dir.inode().kind() {
            Kind::Directory => Ok(()),
            _ => Err(ENOTDIR),
        }
    }
}

/// Where [`Walker::finish_or_parent`] came to.
pub enum Target {
    There(Location),
    /// The directory is there, the last name is not.
    Free(Parent),
}

enum Step {
    There(Location),
    Link(Parent),
}

enum Link {
    Jump(Location),
    Target(Vec<u8>),
}
