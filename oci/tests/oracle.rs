//! The same layers, applied by umoci, which shares no code with this crate.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::{Layout, Stored, Tar, tagged};
use hoist_vfs::{Node, RootFs};

/// What is compared of a name: kind with content, mode, time, and the first name of the same inode.
type Seen = BTreeMap<String, (String, u32, (i64, i64), String)>;

fn layers() -> Vec<Stored> {
    let time = |header: &mut tar::Header| header.set_mtime(1_600_000_000);
    let base = Tar::new()
        .entry(b'5', "./", "", b"", time)
        .entry(b'5', "usr/", "", b"", time)
        .entry(b'5', "usr/bin/", "", b"", time)
        .entry(b'5', "usr/lib/", "", b"", time)
        .symlink("bin", "usr/bin")
        .symlink("abs", "/usr/lib")
        .entry(b'0', "usr/bin/tool", "", b"tool", |header| {
            header.set_mode(0o4755);
            time(header);
        })
        .pax(&[("mtime", b"1600000000.25")])
        .file("usr/lib/a", "a")
        .file("usr/lib/b", "b")
        .entry(b'5', "etc/", "", b"", time)
        .file("etc/gone", "1")
        .file("etc/kept", "1")
        .entry(b'5', "var/", "", b"", time)
        .entry(b'5', "var/old/", "", b"", time)
        .file("var/old/x", "1")
        .file("was-file", "1")
        .entry(b'5', "was-dir/", "", b"", time)
        .file("was-dir/x", "1")
        .entry(b'6', "fifo", "", b"", |_| ());
    let middle = Tar::new()
        .entry(b'5', "etc/", "", b"", |header| header.set_mode(0o711))
        .file("etc/.wh.gone", "")
        .entry(b'5', "var/old/", "", b"", time)
        .file("var/old/.wh..wh..opq", "")
        .file("var/old/new", "2")
        .entry(b'1', "usr/bin/alias", "usr/bin/tool", b"", |header| {
            header.set_mode(0o4755);
            time(header);
        })
        .file("bin/through", "symlinked parent")
        .file("abs/c", "absolute symlink");
    let top = Tar::new()
        .entry(b'5', "was-file/", "", b"", time)
        .file("was-dir", "2")
        .file("usr/bin/tool", "replaced; the alias stays")
        .file(".wh.fifo", "")
        .symlink("etc/kept", "../usr/lib/a");
    vec![Stored::plain(base.finish()), Stored::gzip(middle.finish()), Stored::gzip(top.finish())]
}

fn ours(fs: &RootFs) -> Seen {
    let (mut seen, mut first) = (Seen::new(), BTreeMap::new());
    for (path, id) in fs.walk() {
        let path = String::from_utf8(path).expect("ASCII");
        let (inode, meta) = (fs.inode(id).expect("an inode"), fs.meta(id).expect("an inode"));
        let what = match inode.node() {
            Node::Regular(content) => String::from_utf8_lossy(&content.to_bytes().expect("readable")).into_owned(),
            Node::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            node => format!("{:?}", node.kind()),
        };
        let first = first.entry(id).or_insert_with(|| path.clone()).clone();
        seen.insert(path, (what, meta.mode, (meta.mtime.secs, i64::from(meta.mtime.nanos)), first));
    }
    seen
}

fn theirs(root: &Path) -> Seen {
    let (mut seen, mut ahead) = (Seen::new(), vec![String::new()]);
    while let Some(path) = ahead.pop() {
        let full = root.join(&path);
        let meta = full.symlink_metadata().expect("a file");
        let what = if meta.is_dir() {
            for entry in full.read_dir().expect("a directory") {
                let name = entry.expect("an entry").file_name().into_string().expect("ASCII");
                ahead.push(if path.is_empty() { name } else { format!("{path}/{name}") });
            }
            "Directory".to_owned()
        } else if meta.is_symlink() {
            format!("-> {}", full.read_link().expect("a symlink").display())
        } else if meta.is_file() {
            std::fs::read_to_string(&full).expect("readable")
        } else {
            "Fifo".to_owned()
        };
        // The inode's number for now.
        seen.insert(path, (what, meta.mode() & 0o7777, (meta.mtime(), meta.mtime_nsec()), meta.ino().to_string()));
    }
    let mut first = BTreeMap::new();
    for (path, (.., inode)) in &mut seen {
        *inode = first.entry(inode.clone()).or_insert_with(|| path.clone()).clone();
    }
    seen
}

#[test]
fn the_same_tree_as_umoci() {
    let layout = Layout::new();
    layout.index(&[tagged(layout.image("amd64", &layers()), "t")]);
    let target = tempfile::tempdir().expect("a directory");
    let root = target.path().join("rootfs");
    let output = Command::new("umoci")
        .args(["raw", "unpack", "--rootless", "--image"])
        .arg(format!("{}:t", layout.path().display()))
        .arg(&root)
        .output()
        .unwrap_or_else(|error| panic!("umoci: {error}; install Debian's package umoci"));
    assert!(output.status.success(), "umoci: {}", String::from_utf8_lossy(&output.stderr));
    let (ours, theirs) = (ours(&layout.pull().expect("an image").rootfs), theirs(&root));
    for (path, seen) in &theirs {
        assert_eq!(ours.get(path), Some(seen), "{path}");
    }
    assert_eq!(ours.len(), theirs.len(), "{:?}", ours.keys());
}
