//! A directory of the host, mounted.

use std::fs;

use super::{Tree, error};
use crate::errno::Errno::*;
use crate::fs::boot;
use crate::fs::types::OpenFlags;
use crate::wasi::directory::grant;

#[test]
fn what_is_written_is_on_the_host_and_what_the_host_changes_is_seen() {
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("there"), "before").unwrap();
    grant(&[(host.path(), "/mnt/data", true)]);
    let t = Tree::new();
    assert_eq!(t.cat("/mnt/data/there").unwrap(), b"before");
    fs::write(host.path().join("there"), "after").unwrap();
    assert_eq!(t.cat("/mnt/data/there").unwrap(), b"after");
    t.write("/mnt/data/new", b"from the guest").unwrap();
    assert_eq!(fs::read(host.path().join("new")).unwrap(), b"from the guest");
    t.mkdir("/mnt/data/d").unwrap();
    t.rename("/mnt/data/new", "/mnt/data/d/moved").unwrap();
    assert_eq!(fs::read(host.path().join("d/moved")).unwrap(), b"from the guest");
    assert_eq!(t.ls("/mnt/data"), ["d", "there"]);
    t.link("/mnt/data/there", "/mnt/data/d/second").unwrap();
    assert_eq!(t.stat("/mnt/data/there").unwrap().nlink, 2);
    assert_eq!(error(t.rmdir("/mnt/data/d")), ENOTEMPTY);
    let file = t.open("/mnt/data/d/moved", OpenFlags::RDWR | OpenFlags::APPEND).unwrap();
    t.unlink("/mnt/data/d/moved").unwrap();
    file.write(&mut &b", gone"[..]).unwrap();
    assert_eq!(super::contents(&file).unwrap(), b"from the guest, gone");
    assert_eq!(error(t.rename("/mnt/data/there", "/tmp/there")), EXDEV);
    assert_eq!(error(t.find("/mnt/data/nothing")), ENOENT);
    assert_eq!(t.path(&t.find("/mnt/data/d").unwrap()), "/mnt/data/d");
    assert_eq!(t.path(&t.find("/mnt/data/d/../..").unwrap()), "/mnt");
    assert_eq!(error(t.rmdir("/mnt/data")), EBUSY);
}

#[test]
fn attributes_are_remembered_and_times_are_the_host_s() {
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("f"), "").unwrap();
    grant(&[(host.path(), "/mnt", true)]);
    let t = Tree::new();
    let inode = t.find("/mnt/f").unwrap().inode().clone();
    let time = hoist_vfs::Timestamp { secs: 1_000_000, nanos: 5 };
    let change = crate::fs::types::SetAttr { mode: Some(0o600), uid: Some(7), mtime: Some(time), ..Default::default() };
    inode.set_attr(&change).unwrap();
    let stat = t.stat("/mnt/f").unwrap();
    assert_eq!((stat.mode, stat.uid, stat.mtime), (0o600, 7, time));
}

#[test]
fn a_directory_granted_for_reading_is_mounted_read_only() {
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("f"), "x").unwrap();
    grant(&[(host.path(), "mnt/ro", false), (host.path(), ".", false)]);
    let t = Tree::new();
    assert_eq!(t.cat("/mnt/ro/f").unwrap(), b"x");
    for (result, what) in [
        (t.write("/mnt/ro/f", b"y"), "write"),
        (t.write("/mnt/ro/new", b"y"), "create"),
        (t.unlink("/mnt/ro/f"), "unlink"),
        (t.mkdir("/mnt/ro/d").map(drop), "mkdir"),
        (t.rename("/mnt/ro/f", "/mnt/ro/g"), "rename"),
    ] {
        assert_eq!(error(result), EROFS, "{what}");
    }
    assert!(t.find("/etc/passwd").is_ok(), "the image's root is not hidden");
}

#[test]
fn volumes_show_through_a_granted_root() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("var/lib/data")).unwrap();
    fs::create_dir(host.path().join("etc")).unwrap();
    fs::write(host.path().join("var/lib/data/f"), "volume").unwrap();
    fs::write(host.path().join("file"), "no directory").unwrap();
    grant(&[(host.path(), "/", true)]);
    let t = Tree::new();
    let volumes = ["/var/lib/data", "/missing", "/file", "/", "/var/../etc", ""].map(str::to_owned);
    boot::mount_volumes(&t.vfs, &volumes).unwrap();
    assert_eq!(t.cat("/var/lib/data/f").unwrap(), b"volume");
    t.write("/var/lib/data/new", b"kept").unwrap();
    assert_eq!(fs::read(host.path().join("var/lib/data/new")).unwrap(), b"kept");
    assert_eq!([error(t.find("/missing")), error(t.find("/file"))], [ENOENT, ENOENT]);
    assert!(t.find("/etc/passwd").is_ok(), "the image's root is not hidden");
    // Nothing that was not named, and nothing without a granted root.
    grant(&[(host.path(), "/mnt", true)]);
    let t = Tree::new();
    boot::mount_volumes(&t.vfs, &volumes).unwrap();
    assert_eq!(error(t.find("/var/lib/data/f")), ENOENT);
}

#[test]
fn directories_can_be_granted_within_each_other() {
    let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(inner.path().join("f"), "inner").unwrap();
    grant(&[(outer.path(), "/mnt", true), (inner.path(), "/mnt/a/b", true)]);
    let t = Tree::new();
    assert_eq!(t.cat("/mnt/a/b/f").unwrap(), b"inner");
    assert_eq!(t.path(&t.find("/mnt/a/b/f").unwrap()), "/mnt/a/b/f");
    assert!(outer.path().join("a/b").is_dir());
}
