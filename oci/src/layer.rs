//! Applies a layer to a root filesystem: image-spec layer.md, "Applying Changesets".
//!
//! What a layer takes away goes first, wherever in the archive it says so: whiteouts speak of the layers
//! below only. Then its entries are put in place in their order.
//!
//! An entry's name is a path inside the root. `.` and `a/..` fold lexically, a leading slash means the
//! root, and symlinks in it, the layers' own included, are followed inside the root, as containerd's
//! `fs.RootPath` does. A path that would leave the root, by its own `..` or a symlink's, is refused.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use hoist_vfs::name::{SYMLINKS_MAX, components};
use hoist_vfs::tree::Special;
use hoist_vfs::{Attrs, Content, InodeId, Kind, Node, RootFs, TreeError};

use crate::tarball::{Data, Entries, Entry, EntryKind, Limits, TarError};

/// Before a name: that name is gone.
const WHITEOUT: &[u8] = b".wh.";
/// The rest of a directory, from the layers below, is gone.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself.
const AUFS: &[u8] = b".wh..wh.";

/// The mode of a directory that no entry describes, as containerd makes it.
const IMPLIED_DIRECTORY: u32 = 0o755;

/// Why a layer cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error("entry {name:?} at byte {offset}: {problem}")]
    Entry {
        name: String,
        /// Where the entry's header lies in the uncompressed archive.
        offset: u64,
        problem: Problem,
    },
}

impl LayerError {
    /// Whether the layer has more entries than is allowed.
    pub fn is_too_many(&self) -> bool {
        matches!(self, LayerError::Tar(TarError::TooMany { .. }))
    }
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("climbs out of the root with ..")]
    ClimbsOut,
    #[error("climbs out of the root through the symbolic link to {0:?}")]
    ClimbsOutThrough(String),
    #[error("too many levels of symbolic links")]
    TooManySymlinks,
    #[error("{0:?} is in the way and is not a directory")]
    NotADirectory(String),
    #[error("replaces the root with something that is not a directory")]
    ReplacesRoot,
    #[error("is a hard link to {0:?}, which is not there")]
    LinkTarget(String),
    #[error("is a whiteout of no name")]
    Whiteout,
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("cannot write a sparse file: {0}")]
    Sparse(io::Error),
}

/// Applies the layer in `archive`, an uncompressed tar, to `fs`. Files stay where they lie in the archive,
/// which `fs` shares; sparse ones are written to a file in `spool_dir`.
///
/// # Errors
/// What is wrong with the archive, and where. `fs` is then half done.
pub fn apply(fs: &mut RootFs, archive: &Content, limits: &Limits, spool_dir: &Path) -> Result<(), LayerError> {
    // Twice through the archive: the entries of a large layer would be more than its tree in memory.
    for entry in Entries::new(archive, limits) {
        let entry = entry?;
        let path = fold(&entry.name).map_err(|problem| at(&entry, problem))?;
        if is_whiteout(&path) {
            whiteout(fs, &path).map_err(|problem| at(&entry, problem))?;
        }
    }
    for entry in Entries::new(archive, limits) {
        let entry = entry?;
        let path = fold(&entry.name).map_err(|problem| at(&entry, problem))?;
        // Nor something below a directory of aufs's own: `.wh..wh.plnk/5.6`.
        if !is_whiteout(&path) && !path.iter().any(|component| component.starts_with(AUFS)) {
            put(fs, &entry, archive, spool_dir).map_err(|problem| at(&entry, problem))?;
        }
    }
    Ok(())
}

fn is_whiteout(path: &[&[u8]]) -> bool {
    path.last().is_some_and(|name| name.starts_with(WHITEOUT))
}

fn at(entry: &Entry, problem: Problem) -> LayerError {
    LayerError::Entry { name: shown(&entry.name), offset: entry.offset, problem }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// The components of a path without `.` and `..`, as Go's `filepath.Clean` folds them.
fn fold(path: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let mut folded = Vec::new();
    for component in components(path) {
        match component {
            b".." => folded.pop().map(drop).ok_or(Problem::ClimbsOut)?,
            component => folded.push(component),
        }
    }
    Ok(folded)
}

/// Takes away what a whiteout names. What is not there is gone already.
fn whiteout(fs: &mut RootFs, path: &[&[u8]]) -> Result<(), Problem> {
    let Some((name, dir)) = path.split_last() else {
        return Ok(());
    };
    if *name != OPAQUE && name.starts_with(AUFS) {
        return Ok(());
    }
    let Some(dir) = walk(fs, dir, Missing::Stop)? else {
        return Ok(());
    };
    if *name == OPAQUE {
        return Ok(fs.clear(dir)?);
    }
    match &name[WHITEOUT.len()..] {
        b"" | b"." | b".." => Err(Problem::Whiteout),
        gone => Ok(fs.remove(dir, gone).map(drop)?),
    }
}

/// Puts an entry in its place.
fn put(fs: &mut RootFs, entry: &Entry, archive: &Content, spool_dir: &Path) -> Result<(), Problem> {
    let attrs = Attrs { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
    let path = fold(&entry.name)?;
    let Some((&name, dir)) = path.split_last() else {
        // The root itself: `./`.
        return match entry.kind {
            EntryKind::Directory => {
                fs.set_attrs(InodeId::ROOT, attrs)?;
                Ok(fs.set_xattrs(InodeId::ROOT, entry.xattrs.clone())?)
            }
            _ => Err(Problem::ReplacesRoot),
        };
    };
    if let EntryKind::HardLink(target) = &entry.kind {
        return link(fs, dir, name, target, attrs);
    }
    let dir = make_parent(fs, dir)?;
    let inode = match &entry.kind {
        EntryKind::Regular(data) => {
            let content = content(data, archive, spool_dir).map_err(Problem::Sparse)?;
            fs.create_file(dir, name, attrs, content)?
        }
        EntryKind::Directory => fs.mkdir(dir, name, attrs)?,
        EntryKind::Symlink(target) => fs.symlink(dir, name, attrs, target)?,
        EntryKind::CharDevice(device) => fs.mknod(dir, name, attrs, Special::CharDevice(*device))?,
        EntryKind::BlockDevice(device) => fs.mknod(dir, name, attrs, Special::BlockDevice(*device))?,
        EntryKind::Fifo => fs.mknod(dir, name, attrs, Special::Fifo)?,
        EntryKind::HardLink(_) => return Ok(()),
    };
    Ok(fs.set_xattrs(inode, entry.xattrs.clone())?)
}

/// Gives the file that `target` names another name. The target may be of this layer or of one below; a
/// symlink at its end is linked itself, as link(2) does. As docker does, the entry's attributes count.
fn link(fs: &mut RootFs, dir: &[&[u8]], name: &[u8], target: &[u8], attrs: Attrs) -> Result<(), Problem> {
    let missing = || Problem::LinkTarget(shown(target));
    let path = fold(target)?;
    let (&last, parent) = path.split_last().ok_or_else(missing)?;
    let parent = walk(fs, parent, Missing::Stop)?.ok_or_else(missing)?;
    let inode = fs.child(parent, last)?.ok_or_else(missing)?;
    let dir = make_parent(fs, dir)?;
    fs.link(dir, name, inode)?;
    Ok(fs.set_attrs(inode, attrs)?)
}

/// A file's content: a part of the archive, or, for a sparse file, a file of its own that has the holes.
fn content(data: &Data, archive: &Content, spool_dir: &Path) -> io::Result<Content> {
    if let Some(content) = data.in_one_piece(archive) {
        return Ok(content);
    }
    let file = tempfile::tempfile_in(spool_dir)?;
    file.set_len(data.size)?;
    let mut buffer = vec![0; 1 << 16];
    for segment in &data.segments {
        let mut done = 0;
        while done < segment.len {
            let count = (segment.len - done).min(buffer.len() as u64) as usize;
            let count = archive.read_at(segment.archive_offset + done, &mut buffer[..count])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_all_at(&buffer[..count], segment.file_offset + done)?;
            done += count as u64;
        }
    }
    Ok(Content::Spool { file: Arc::new(file), offset: 0, len: data.size })
}

fn make_parent(fs: &mut RootFs, path: &[&[u8]]) -> Result<InodeId, Problem> {
    let dir = walk(fs, path, Missing::Create)?;
    // `walk` stops nowhere where it creates what is missing.
    dir.ok_or_else(|| Problem::Tree(TreeError::NotFound(path.join(&b'/'))))
}

/// What to do where a directory on the way is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Stop,
}

/// The directory at a path from the root, symlinks followed inside the root. `None` if it is not there and
/// is not to be created; for whiteouts, a file in the way means the same.
fn walk(fs: &mut RootFs, path: &[&[u8]], missing: Missing) -> Result<Option<InodeId>, Problem> {
    // What is still to be walked, the next component last; owned, as symlinks' targets come in between.
    let mut ahead: Vec<Vec<u8>> = path.iter().rev().map(|part| part.to_vec()).collect();
    let mut dir = InodeId::ROOT;
    let mut symlinks = 0;
    let mut through: Vec<u8> = Vec::new();
    while let Some(component) = ahead.pop() {
        if component == b".." {
            if dir == InodeId::ROOT {
                return Err(Problem::ClimbsOutThrough(shown(&through)));
            }
            dir = fs.parent(dir)?;
            continue;
        }
        let Some(next) = fs.child(dir, &component)? else {
            if missing == Missing::Stop {
                return Ok(None);
            }
            dir = fs.mkdir(dir, &component, Attrs::with_mode(IMPLIED_DIRECTORY))?;
            continue;
        };
        let inode = fs.inode(next)?;
        match inode.node() {
            Node::Symlink(target) => {
                symlinks += 1;
                if symlinks > SYMLINKS_MAX {
                    return Err(Problem::TooManySymlinks);
                }
                if target.starts_with(b"/") {
                    dir = InodeId::ROOT;
                }
                through.clone_from(target);
                ahead.extend(components(target).rev().map(<[u8]>::to_vec));
            }
            _ if inode.kind() == Kind::Directory => dir = next,
            _ if missing == Missing::Stop => return Ok(None),
            _ => return Err(Problem::NotADirectory(shown(&component))),
        }
    }
    Ok(Some(dir))
}
