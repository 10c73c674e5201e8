//! The little of `/sys` that programs read: which processors there are.

use hoist_vfs::{Device, Kind};

use super::Result;
use super::inode::InodeRef;
use super::mem::{Clock, MemFs, magic};
use super::types::NewInode;

/// Files and what is in them.
const FILES: [(&str, &str); 8] = [
    ("devices/system/cpu/kernel_max", "0\n"),
    ("devices/system/cpu/offline", "\n"),
    ("devices/system/cpu/online", "0\n"),
    ("devices/system/cpu/possible", "0\n"),
    ("devices/system/cpu/present", "0\n"),
    ("devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n"),
    ("devices/system/node/online", "0\n"),
    ("kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
];

/// Directories that are there, empty.
const DIRECTORIES: [&str; 8] =
    ["block", "bus", "class/net", "dev", "devices/system/node/node0", "fs/cgroup", "kernel/security", "module"];

/// The root of a `/sys`.
///
/// # Errors
/// None that an empty filesystem could give.
pub fn root(dev: Device, clock: Clock) -> Result<InodeRef> {
    let root = MemFs::empty(0o555, dev, magic::SYSFS, clock);
    for path in DIRECTORIES {
        directory(&root, path)?;
    }
    for (path, content) in FILES {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let file = directory(&root, above)?.create(name.as_bytes(), &new(Kind::Regular, 0o444))?;
        file.write_at(0, &mut content.as_bytes())?;
    }
    Ok(root)
}

/// The directory at a path; it and those above it are made if they are not there.
fn directory(root: &InodeRef, path: &str) -> Result<InodeRef> {
    let mut at = root.clone();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = match at.lookup(name.as_bytes()) {
            Ok(below) => below,
            Err(_) => at.create(name.as_bytes(), &new(Kind::Directory, 0o755))?,
        };
    }
    Ok(at)
}

fn new(kind: Kind, mode: u32) -> NewInode {
    NewInode { kind, mode, uid: 0, gid: 0, rdev: Device::default(), target: Vec::new() }
}
