//! The root filesystem as a value: what the layers of an image add up to.
//!
//! Operations name a directory by its inode and an entry by its name, as the `…at` system calls do, so a
//! symlink is followed only where the caller asks for it ([`RootFs::resolve`], [`RootFs::create_dirs`]),
//! and then inside this root: `..` at the root stays there, an absolute target starts there.
//!
//! Putting something where a name is taken replaces what was there, subtree included, as the layers of an
//! image do ("Applying Changesets" in the OCI image specification); other names of a replaced file stay.

use std::collections::BTreeMap;

use crate::content::Content;
use crate::name::{self, components};
use crate::node::{Attrs, Device, InodeId, Kind, MODE_BITS};

mod look;

pub use look::{Follow, Walk};

/// Why an operation on the tree was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error("{:?} cannot be a file name", shown(.0))]
    BadName(Vec<u8>),
    #[error("{:?} cannot be the target of a symbolic link", shown(.0))]
    BadTarget(Vec<u8>),
    #[error("extended attribute {:?} is longer than Linux allows, or its name is malformed", shown(.0))]
    BadXattr(Vec<u8>),
    #[error("{:?}: no such file or directory", shown(.0))]
    NotFound(Vec<u8>),
    #[error("{:?}: not a directory", shown(.0))]
    NotADirectory(Vec<u8>),
    #[error("{:?}: too many levels of symbolic links", shown(.0))]
    TooManySymlinks(Vec<u8>),
    #[error("{:?}: a directory cannot have a second name", shown(.0))]
    LinkToDirectory(Vec<u8>),
    #[error("inode {} is not in this tree", .0.0)]
    NoSuchInode(InodeId),
    #[error("more than 4,294,967,295 inodes")]
    TooManyInodes,
}

/// A path as a message shows it.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

type Result<T, E = TreeError> = core::result::Result<T, E>;

/// The entries of a directory, by name.
pub type Entries = BTreeMap<Vec<u8>, InodeId>;

/// Extended attributes, by full name (`user.comment`, `security.capability`).
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is particular to each kind of file.
#[derive(Clone, Debug)]
pub enum Node {
    Regular(Content),
    Directory { entries: Entries, parent: InodeId },
    Symlink(Vec<u8>),
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
}

impl Node {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Node::Regular(_) => Kind::Regular,
            Node::Directory { .. } => Kind::Directory,
            Node::Symlink(_) => Kind::Symlink,
            Node::CharDevice(_) => Kind::CharDevice,
            Node::BlockDevice(_) => Kind::BlockDevice,
            Node::Fifo => Kind::Fifo,
            Node::Socket => Kind::Socket,
        }
    }
}

/// One file of any kind.
#[derive(Clone, Debug)]
pub struct Inode {
    attrs: Attrs,
    xattrs: Xattrs,
    node: Node,
    /// Directory entries that name it; the root counts one, from itself.
    names: u32,
}

impl Inode {
    /// Mode, owner and time.
    pub fn attrs(&self) -> &Attrs {
        &self.attrs
    }

    /// Extended attributes.
    pub fn xattrs(&self) -> &Xattrs {
        &self.xattrs
    }

    /// What is particular to its kind.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.node.kind()
    }

    /// The content of a regular file.
    pub fn content(&self) -> Option<&Content> {
        match &self.node {
            Node::Regular(content) => Some(content),
            _ => None,
        }
    }
}

/// A root filesystem. Inode numbers are not used twice, so a number stays good or becomes unknown.
#[derive(Clone, Debug)]
pub struct RootFs {
    /// By number; `None` once the last name is gone. The root is always there.
    inodes: Vec<Option<Inode>>,
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs::new()
    }
}

impl RootFs {
    /// A root directory, mode 0755, with nothing in it.
    pub fn new() -> RootFs {
        let node = Node::Directory { entries: Entries::new(), parent: InodeId::ROOT };
        RootFs { inodes: vec![Some(Inode { attrs: Attrs::with_mode(0o755), xattrs: Xattrs::new(), node, names: 1 })] }
    }

    /// Creates a regular file, in place of whatever had the name.
    ///
    /// # Errors
    /// `BadName`, `NotADirectory`, `NoSuchInode`, `TooManyInodes`; likewise for all that follow.
    pub fn create_file(&mut self, dir: InodeId, name: &[u8], attrs: Attrs, content: Content) -> Result<InodeId> {
        self.put(dir, name, attrs, Node::Regular(content))
    }

    /// Creates a directory. One that has the name already stays, with its entries, and takes the attributes.
    pub fn mkdir(&mut self, dir: InodeId, name: &[u8], attrs: Attrs) -> Result<InodeId> {
        check_name(name)?;
        if let Some(existing) = self.child(dir, name)?
            && self.inode(existing)?.kind() == Kind::Directory
        {
            self.set_attrs(existing, attrs)?;
            return Ok(existing);
        }
        let entries = Entries::new();
        self.put(dir, name, attrs, Node::Directory { entries, parent: dir })
    }

    /// The directory at a path from the root; the directories that are missing are created. Symlinks in
    /// the path are followed inside this root.
    ///
    /// # Errors
    /// `NotADirectory` if a file is in the way, `NotFound` if a symlink leads nowhere, `TooManySymlinks`.
    pub fn create_dirs(&mut self, path: &[u8], attrs: Attrs) -> Result<InodeId> {
        components(path).try_for_each(check_name)?;
        let mut at = InodeId::ROOT;
        for component in components(path) {
            at = match self.child(at, component)? {
                None => self.mkdir(at, component, attrs)?,
                Some(_) => self.resolve_from(at, component, Follow::Last)?,
            };
            if self.inode(at)?.kind() != Kind::Directory {
                return Err(TreeError::NotADirectory(path.to_vec()));
            }
        }
        Ok(at)
    }

    /// Creates a symbolic link, in place of whatever had the name.
    ///
    /// # Errors
    /// Also `BadTarget`.
    pub fn symlink(&mut self, dir: InodeId, name: &[u8], attrs: Attrs, target: &[u8]) -> Result<InodeId> {
        if !name::is_target(target) {
            return Err(TreeError::BadTarget(target.to_vec()));
        }
        self.put(dir, name, attrs, Node::Symlink(target.to_vec()))
    }

    /// Creates a device, a FIFO or a socket, in place of whatever had the name.
    pub fn mknod(&mut self, dir: InodeId, name: &[u8], attrs: Attrs, special: Special) -> Result<InodeId> {
        let node = match special {
            Special::CharDevice(device) => Node::CharDevice(device),
            Special::BlockDevice(device) => Node::BlockDevice(device),
            Special::Fifo => Node::Fifo,
            Special::Socket => Node::Socket,
        };
        self.put(dir, name, attrs, node)
    }

    /// Gives an inode another name, in place of whatever had it: link(2).
    ///
    /// # Errors
    /// Also `LinkToDirectory`.
    pub fn link(&mut self, dir: InodeId, name: &[u8], inode: InodeId) -> Result<()> {
        check_name(name)?;
        if self.inode(inode)?.kind() == Kind::Directory {
            return Err(TreeError::LinkToDirectory(name.to_vec()));
        }
        if self.child(dir, name)? == Some(inode) {
            return Ok(());
        }
        // Counted first: the name that goes may be the inode's last other one.
        self.inode_mut(inode)?.names += 1;
        self.remove(dir, name)?;
        self.entries_mut(dir)?.insert(name.to_vec(), inode);
        Ok(())
    }

    /// Removes a name, and what it names with everything under it unless that has other names. False if
    /// there was no such name.
    pub fn remove(&mut self, dir: InodeId, name: &[u8]) -> Result<bool> {
        let Some(inode) = self.entries_mut(dir)?.remove(name) else {
            return Ok(false);
        };
        self.drop_names(vec![inode])?;
        Ok(true)
    }

    /// Removes everything in a directory, as an opaque whiteout does.
    pub fn clear(&mut self, dir: InodeId) -> Result<()> {
        let entries = std::mem::take(self.entries_mut(dir)?);
        self.drop_names(entries.into_values().collect())
    }

    /// Sets mode, owner and time.
    pub fn set_attrs(&mut self, inode: InodeId, attrs: Attrs) -> Result<()> {
        self.inode_mut(inode)?.attrs = masked(attrs);
        Ok(())
    }

    /// Sets the extended attributes, in place of those it had.
    ///
    /// # Errors
    /// Also `BadXattr`.
    pub fn set_xattrs(&mut self, inode: InodeId, xattrs: Xattrs) -> Result<()> {
        if let Some((name, _)) = xattrs.iter().find(|(name, value)| !name::is_xattr(name, value)) {
            return Err(TreeError::BadXattr(name.clone()));
        }
        self.inode_mut(inode)?.xattrs = xattrs;
        Ok(())
    }

    // ---- The parts of the above

    fn inode_mut(&mut self, id: InodeId) -> Result<&mut Inode> {
        self.inodes.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or(TreeError::NoSuchInode(id))
    }

    fn entries_mut(&mut self, dir: InodeId) -> Result<&mut Entries> {
        match &mut self.inode_mut(dir)?.node {
            Node::Directory { entries, .. } => Ok(entries),
            _ => Err(TreeError::NotADirectory(Vec::new())),
        }
    }

    /// A new inode under a name, in place of whatever had the name.
    fn put(&mut self, dir: InodeId, name: &[u8], attrs: Attrs, node: Node) -> Result<InodeId> {
        check_name(name)?;
        let number = u32::try_from(self.inodes.len()).map_err(|_| TreeError::TooManyInodes)?;
        self.remove(dir, name)?;
        let (attrs, xattrs) = (masked(attrs), Xattrs::new());
        self.inodes.push(Some(Inode { attrs, xattrs, node, names: 1 }));
        self.entries_mut(dir)?.insert(name.to_vec(), InodeId(number));
        Ok(InodeId(number))
    }

    /// Takes one name from each inode; those without any left go, and with a directory all that it holds.
    /// Not recursive: an archive may nest deeper than a thread's stack.
    fn drop_names(&mut self, mut dropped: Vec<InodeId>) -> Result<()> {
        while let Some(id) = dropped.pop() {
            let inode = self.inode_mut(id)?;
            inode.names -= 1;
            if inode.names > 0 {
                continue;
            }
            if let Node::Directory { entries, .. } = &mut inode.node {
                dropped.extend(std::mem::take(entries).into_values());
            }
            self.inodes[id.0 as usize] = None;
        }
        Ok(())
    }
}

/// What mknod(2) makes, regular files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
}

fn check_name(name: &[u8]) -> Result<()> {
    match name::is_file_name(name) {
        true => Ok(()),
        false => Err(TreeError::BadName(name.to_vec())),
    }
}

/// The attributes with nothing but permission bits in the mode and less than a second of nanoseconds.
fn masked(mut attrs: Attrs) -> Attrs {
    attrs.mode &= MODE_BITS;
    attrs.mtime.nanos = attrs.mtime.nanos.min(999_999_999);
    attrs
}
