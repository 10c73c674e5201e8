//! Paths, directories, links, renames; the errors Linux gives.

use hoist_vfs::Kind;

use super::{Tree, error};
use crate::errno::Errno::*;
use crate::fs::types::OpenFlags;
use crate::fs::vfs::Rename;

#[test]
fn paths_are_resolved_as_path_resolution_7_says() {
    let t = Tree::new();
    for path in ["/etc/passwd", "etc/passwd", "//etc///passwd", "/etc/./link", "/dir/sub/../../etc/passwd", "/../../etc/passwd"] {
        assert_eq!(t.cat(path).unwrap().len(), 30, "{path}");
    }
    let failures = [
        ("", ENOENT),
        ("/nothing", ENOENT),
        ("/nothing/more", ENOENT),
        ("/etc/passwd/", ENOTDIR),
        ("/etc/link/", ENOTDIR),
        ("/etc/passwd/x", ENOTDIR),
        ("/etc/passwd/..", ENOTDIR),
        ("/loop", ELOOP),
        ("/loop/x", ELOOP),
    ];
    for (path, expected) in failures {
        assert_eq!(error(t.find(path)), expected, "{path}");
    }
    assert_eq!(error(t.find(&"x".repeat(256))), ENAMETOOLONG);
    assert_eq!(error(t.find(&"/x".repeat(2048))), ENAMETOOLONG);
    assert_eq!(error(t.open("/etc/link", OpenFlags::NOFOLLOW)), ELOOP);
    assert!(t.open("/etc/link", OpenFlags::NOFOLLOW | OpenFlags::PATH).is_ok());
    assert_eq!(error(t.open("/etc/passwd", OpenFlags::DIRECTORY)), ENOTDIR);
    assert_eq!(t.path(&t.find("/dir/sub/x").unwrap()), "/dir/sub/x");
    assert_eq!(t.path(&t.find("/dev/pts/").unwrap()), "/dev/pts");
    assert_eq!(t.path(&t.find("/dev/pts/../shm/../..").unwrap()), "/");
}

#[test]
fn removed_files_stay_open_and_names_come_back() {
    let t = Tree::new();
    let file = t.open("/dir/a", OpenFlags::RDWR).unwrap();
    t.unlink("/dir/a").unwrap();
    assert_eq!(t.ls("/dir"), ["b", "c", "sub"]);
    assert_eq!(error(t.find("/dir/a")), ENOENT);
    assert_eq!(super::contents(&file).unwrap(), b"a");
    assert_eq!(t.path(&file.location), "/dir/a (deleted)");
    assert_eq!(file.inode().stat().unwrap().nlink, 0);
    t.write("/dir/a", b"new").unwrap();
    assert_eq!(t.cat("/dir/a").unwrap(), b"new");
    assert_eq!(super::contents(&file).unwrap(), b"a");
    assert_eq!(t.ls("/dir"), ["a", "b", "c", "sub"]);
}

#[test]
fn making_and_removing_give_linux_s_errors() {
    let t = Tree::new();
    assert_eq!(error(t.mkdir("/dir")), EEXIST);
    assert_eq!(error(t.mkdir("/")), EEXIST);
    assert_eq!(error(t.mkdir("/etc/link")), EEXIST);
    assert_eq!(error(t.mkdir("/no/where")), ENOENT);
    assert_eq!(error(t.make("/dir/new/", Kind::Fifo, 0o600)), ENOENT);
    t.mkdir("/dir/new/").unwrap();
    assert_eq!(t.stat("/dir").unwrap().nlink, 4);
    assert_eq!(error(t.unlink("/dir/new")), EISDIR);
    assert_eq!(error(t.rmdir("/dir")), ENOTEMPTY);
    assert_eq!(error(t.rmdir("/dir/a")), ENOTDIR);
    assert_eq!(error(t.rmdir("/dir/new/.")), EINVAL);
    assert_eq!(error(t.rmdir("/dir/new/..")), ENOTEMPTY);
    assert_eq!(error(t.rmdir("/dev/shm")), EBUSY);
    assert_eq!(error(t.unlink("/dir/a/")), ENOTDIR);
    let inside = t.open("/dir/new", OpenFlags::DIRECTORY).unwrap();
    t.rmdir("/dir/new").unwrap();
    assert_eq!(t.stat("/dir").unwrap().nlink, 3);
    assert!(inside.directory().unwrap().is_empty());
    assert_eq!(error(t.open("/dir/sub", OpenFlags::CREAT | OpenFlags::RDWR)), EISDIR);
    assert_eq!(error(t.open("/dir/x/", OpenFlags::CREAT | OpenFlags::RDWR)), EISDIR);
    assert_eq!(error(t.open("/dir", OpenFlags::WRONLY)), EISDIR);
    assert_eq!(error(t.open("/dir/a", OpenFlags::CREAT | OpenFlags::EXCL)), EEXIST);
    assert_eq!(error(t.open("/etc/link", OpenFlags::CREAT | OpenFlags::EXCL)), EEXIST);
}

#[test]
fn creating_through_a_dangling_symlink_makes_its_target() {
    let t = Tree::new();
    t.make("/tmp/dangling", Kind::Symlink, 0o777).unwrap();
    t.write("/tmp/dangling", b"there").unwrap();
    assert_eq!(t.cat("/tmp/target").unwrap(), b"there");
}

#[test]
fn renames_move_replace_and_refuse() {
    let t = Tree::new();
    let file = t.open("/dir/sub/x", 0).unwrap();
    t.rename("/dir/sub", "/tmp/moved").unwrap();
    assert_eq!(t.path(&file.location), "/tmp/moved/x");
    assert_eq!(t.cat("/tmp/moved/x").unwrap(), b"x");
    assert_eq!((t.stat("/dir").unwrap().nlink, t.stat("/tmp").unwrap().nlink), (2, 3));
    t.rename("/dir/a", "/dir/b").unwrap();
    assert_eq!((t.cat("/dir/b").unwrap(), t.ls("/dir")), (b"a".to_vec(), vec!["b".into(), "c".into()]));
    t.mkdir("/tmp/empty").unwrap();
    assert_eq!(error(t.rename("/tmp/moved", "/tmp/moved/in")), EINVAL);
    assert_eq!(error(t.rename("/tmp/moved/x", "/tmp/moved")), ENOTEMPTY);
    assert_eq!(error(t.rename("/tmp/empty", "/tmp/moved")), ENOTEMPTY);
    assert_eq!(error(t.rename("/tmp/empty", "/dir/b")), ENOTDIR);
    assert_eq!(error(t.rename("/dir/b", "/tmp/empty")), EISDIR);
    assert_eq!(error(t.rename("/dir/b", "/dev/shm/b")), EXDEV);
    assert_eq!(error(t.rename("/nothing", "/dir/b")), ENOENT);
    assert_eq!(error(t.rename("/dir/b", "/dir/z/")), ENOTDIR);
    assert_eq!(error(t.rename("/dir/.", "/dir2")), EBUSY);
    t.rename("/tmp/moved", "/tmp/empty").unwrap();
    assert_eq!(t.ls("/tmp"), ["empty"]);
    let exchange = |from: &[u8], to: &[u8], how| t.vfs.rename(&t.walker(), from, &t.walker(), to, how);
    exchange(b"/tmp/empty", b"/dir/c", Rename::Exchange).unwrap();
    assert_eq!(t.cat("/tmp/empty").unwrap(), b"c");
    assert_eq!(t.cat("/dir/c/x").unwrap(), b"x");
    assert_eq!((t.stat("/dir").unwrap().nlink, t.stat("/tmp").unwrap().nlink), (3, 2));
    assert_eq!(error(exchange(b"/dir/b", b"/dir/c", Rename::NoReplace)), EEXIST);
    assert_eq!(error(exchange(b"/dir/b", b"/dir/q", Rename::Exchange)), ENOENT);
}

#[test]
fn links_share_an_inode() {
    let t = Tree::new();
    t.link("/dir/a", "/tmp/a2").unwrap();
    t.write("/tmp/a2", b"both").unwrap();
    assert_eq!(t.cat("/dir/a").unwrap(), b"both");
    let (one, other) = (t.stat("/dir/a").unwrap(), t.stat("/tmp/a2").unwrap());
    assert_eq!((one.ino, one.nlink), (other.ino, 2));
    t.rename("/dir/a", "/tmp/a2").unwrap();
    assert!(t.find("/dir/a").is_ok(), "two names of one file: rename does nothing");
    assert_eq!(error(t.link("/dir", "/tmp/dir")), EPERM);
    assert_eq!(error(t.link("/dir/a", "/dir/b")), EEXIST);
    t.unlink("/dir/a").unwrap();
    assert_eq!(t.stat("/tmp/a2").unwrap().nlink, 1);
}

#[test]
fn users_are_held_to_permissions() {
    let t = Tree::new().for_user();
    assert_eq!(error(t.write("/etc/passwd", b"")), EACCES);
    assert_eq!(error(t.mkdir("/etc/new")), EACCES);
    t.mkdir("/home/user/new").unwrap();
    let made = t.stat("/home/user/new").unwrap();
    assert_eq!((made.uid, made.gid, made.mode), (1000, 1000, 0o755));
    t.write("/tmp/mine", b"1").unwrap();
    let other = Tree { cred: crate::fs::Cred { fsuid: 1001, ..t.cred.clone() }, ..t };
    assert_eq!(error(other.unlink("/tmp/mine")), EPERM);
    assert_eq!(error(other.rename("/tmp/mine", "/tmp/yours")), EPERM);
    assert_eq!(other.cat("/tmp/mine").unwrap(), b"1");
}

#[test]
fn directories_may_nest_deep() {
    let t = Tree::new();
    let mut at = t.find("/tmp").unwrap();
    for _ in 0..100_000 {
        let walker = crate::fs::walk::Walker { start: at, ..t.walker() };
        let new = crate::fs::types::NewInode {
            kind: Kind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            rdev: Default::default(),
            target: vec![],
        };
        at = t.vfs.create(&walker, b"d", new).unwrap();
    }
    assert_eq!(t.path(&at).len(), 4 + 200_000);
}
