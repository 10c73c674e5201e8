//! Compares a root filesystem with a directory, entry for entry: path, kind, mode, owner, time, device number, link's target,
//! extended attributes, digest of the content, and which names are one file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hoist_oci::Digest;
use hoist_vfs::{Node, RootFs};

/// An entry, but for its path.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    /// With target, device number or digest.
    kind: String,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    xattrs: BTreeMap<String, Vec<u8>>,
    /// The first path of the same file.
    first: String,
}

type Tree = BTreeMap<String, Entry>;

/// Fails with the first difference.
///
/// # Errors
/// There is one, or the directory cannot be read.
pub fn ensure_same(rootfs: &RootFs, dir: &Path) -> Result<()> {
    let (ours, theirs) = (of_rootfs(rootfs)?, of_dir(dir)?);
    for (path, entry) in &theirs {
        ensure!(ours.get(path) == Some(entry), "{path:?}: {:?}, not {entry:?}", ours.get(path));
    }
    let more: Vec<&String> = ours.keys().filter(|path| !theirs.contains_key(*path)).collect();
    ensure!(more.is_empty(), "more than there should be: {more:?}");
    ensure!(theirs.len() > 1, "an empty directory proves nothing");
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn of_rootfs(rootfs: &RootFs) -> Result<Tree> {
    let (mut tree, mut first) = (Tree::new(), BTreeMap::new());
    for (path, id) in rootfs.walk() {
        let path = text(&path);
        let (inode, meta) = (rootfs.inode(id)?, rootfs.meta(id)?);
        let kind = match inode.node() {
            Node::Regular(content) => format!("file {}", Digest::of(&content.to_bytes()?)),
            Node::Directory { .. } => "directory".into(),
            Node::Symlink(target) => format!("-> {}", text(target)),
            Node::CharDevice(device) => format!("char {}:{}", device.major, device.minor),
            Node::BlockDevice(device) => format!("block {}:{}", device.major, device.minor),
            Node::Fifo => "fifo".into(),
            Node::Socket => "socket".into(),
        };
        let xattrs = inode.xattrs().iter().map(|(name, value)| (text(name), value.clone())).collect();
        let modified = (meta.mtime.secs, i64::from(meta.mtime.nanos));
        let first = first.entry(id).or_insert_with(|| path.clone()).clone();
        tree.insert(path, Entry { kind, mode: meta.mode, owner: (meta.uid, meta.gid), modified, xattrs, first });
    }
    Ok(tree)
}

fn of_dir(root: &Path) -> Result<Tree> {
    let (mut found, mut ahead) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(path) = ahead.pop() {
        let full = root.join(&path);
        let meta = full.symlink_metadata()?;
        if meta.is_dir() {
            for entry in fs::read_dir(&full)? {
                ahead.push(path.join(entry?.file_name()));
            }
        }
        found.insert(text(path.as_os_str().as_bytes()), (full, meta));
    }
    let (mut tree, mut first) = (Tree::new(), BTreeMap::new());
    for (path, (full, meta)) in found {
        let (kind, device) = (meta.file_type(), (libc::major(meta.rdev()), libc::minor(meta.rdev())));
        let kind = match kind {
            _ if kind.is_dir() => "directory".into(),
            _ if kind.is_symlink() => format!("-> {}", text(fs::read_link(&full)?.as_os_str().as_bytes())),
            _ if kind.is_char_device() => format!("char {}:{}", device.0, device.1),
            _ if kind.is_block_device() => format!("block {}:{}", device.0, device.1),
            _ if kind.is_fifo() => "fifo".into(),
            _ if kind.is_socket() => "socket".into(),
            _ => format!("file {}", Digest::of(&fs::read(&full)?)),
        };
        let mut xattrs = BTreeMap::new();
        for name in xattr::list(&full)? {
            let value = xattr::get(&full, OsStr::new(&name))?.context("an attribute that was listed")?;
            xattrs.insert(text(name.as_bytes()), value);
        }
        let first = first.entry(meta.ino()).or_insert_with(|| path.clone()).clone();
        let (owner, modified) = ((meta.uid(), meta.gid()), (meta.mtime(), meta.mtime_nsec()));
        tree.insert(path, Entry { kind, mode: meta.mode() & 0o7777, owner, modified, xattrs, first });
    }
    Ok(tree)
}
