//! The operations that layers are applied with.

use hoist_vfs::tree::{Follow, Xattrs};
use hoist_vfs::{Attrs, Content, InodeId, Kind, Node, RootFs, TreeError};

const ROOT: InodeId = InodeId::ROOT;
const DIR: Attrs = Attrs::with_mode(0o755);
const PLAIN: Attrs = Attrs::with_mode(0o644);

fn file(tree: &mut RootFs, dir: InodeId, name: &str, text: &str) -> InodeId {
    tree.create_file(dir, name.as_bytes(), PLAIN, Content::bytes(text.as_bytes())).unwrap()
}

fn link(tree: &mut RootFs, dir: InodeId, name: &str, target: &str) -> InodeId {
    tree.symlink(dir, name.as_bytes(), Attrs::with_mode(0o777), target.as_bytes()).unwrap()
}

fn paths(tree: &RootFs) -> Vec<String> {
    tree.walk().map(|(path, _)| String::from_utf8(path).unwrap()).collect()
}

#[test]
fn names_that_no_directory_holds() {
    let mut tree = RootFs::new();
    let long = [b'n'; 256];
    for name in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", &long] {
        let refused = TreeError::BadName(name.to_vec());
        assert_eq!(tree.mkdir(ROOT, name, DIR).unwrap_err(), refused);
        assert_eq!(tree.create_file(ROOT, name, PLAIN, Content::default()).unwrap_err(), refused);
        assert_eq!(tree.symlink(ROOT, name, PLAIN, b"x").unwrap_err(), refused);
        assert_eq!(tree.link(ROOT, name, ROOT).unwrap_err(), refused);
    }
    assert_eq!(tree.lookup(b"a/../b").unwrap_err(), TreeError::BadName(b"..".to_vec()));
    assert_eq!(tree.create_dirs(b"../b", DIR).unwrap_err(), TreeError::BadName(b"..".to_vec()));
    assert_eq!(tree.symlink(ROOT, b"s", PLAIN, b"").unwrap_err(), TreeError::BadTarget(Vec::new()));
    assert_eq!(tree.symlink(ROOT, b"s", PLAIN, &[b't'; 4096]).unwrap_err(), TreeError::BadTarget(vec![b't'; 4096]));
    let xattrs = Xattrs::from([(b"user.x".to_vec(), vec![0; 65537])]);
    assert_eq!(tree.set_xattrs(ROOT, xattrs).unwrap_err(), TreeError::BadXattr(b"user.x".to_vec()));
    assert_eq!(paths(&tree), [""]);
}

#[test]
fn a_new_file_replaces_what_was_there() {
    let mut tree = RootFs::new();
    let a = tree.create_dirs(b"a/b/c", DIR).unwrap();
    let inner = file(&mut tree, a, "inner", "1");
    file(&mut tree, ROOT, "a", "now a file");
    assert_eq!(paths(&tree), ["", "a"]);
    assert_eq!(tree.inode(inner).unwrap_err(), TreeError::NoSuchInode(inner));
    let dir = tree.mkdir(ROOT, b"a", DIR).unwrap();
    assert_eq!(tree.meta(dir).unwrap().kind, Kind::Directory);
    assert_eq!(tree.meta(ROOT).unwrap().nlink, 3);
}

#[test]
fn mkdir_keeps_a_directory_and_takes_the_attributes() {
    let mut tree = RootFs::new();
    let dir = tree.mkdir(ROOT, b"d", DIR).unwrap();
    file(&mut tree, dir, "f", "");
    assert_eq!(tree.mkdir(ROOT, b"d", Attrs::with_mode(0o41777)).unwrap(), dir);
    assert_eq!(tree.meta(dir).unwrap().mode, 0o1777);
    assert_eq!(paths(&tree), ["", "d", "d/f"]);
}

#[test]
fn hard_links() {
    let mut tree = RootFs::new();
    let dir = tree.mkdir(ROOT, b"d", DIR).unwrap();
    let one = file(&mut tree, dir, "one", "content");
    tree.link(ROOT, b"two", one).unwrap();
    tree.link(ROOT, b"two", one).unwrap();
    assert_eq!(tree.meta(one).unwrap().nlink, 2);
    assert_eq!(tree.link(ROOT, b"three", dir).unwrap_err(), TreeError::LinkToDirectory(b"three".to_vec()));
    // A new file in place of one name leaves the other alone.
    file(&mut tree, dir, "one", "new");
    assert_eq!(&tree.inode(one).unwrap().content().unwrap().to_bytes().unwrap()[..], b"content");
    assert_eq!(tree.meta(one).unwrap().nlink, 1);
    // A link that replaces the directory which holds its file.
    let last = file(&mut tree, dir, "last", "kept");
    tree.link(ROOT, b"d", last).unwrap();
    assert_eq!(tree.meta(last).unwrap().nlink, 1);
    assert_eq!(paths(&tree), ["", "d", "two"]);
    assert!(tree.remove(ROOT, b"d").unwrap());
    assert!(!tree.remove(ROOT, b"d").unwrap());
    assert_eq!(tree.inode(last).unwrap_err(), TreeError::NoSuchInode(last));
}

#[test]
fn opaque_directories() {
    let mut tree = RootFs::new();
    let dir = tree.create_dirs(b"a/b", DIR).unwrap();
    file(&mut tree, dir, "f", "");
    let a = tree.lookup(b"a").unwrap().unwrap();
    tree.clear(a).unwrap();
    assert_eq!(paths(&tree), ["", "a"]);
    let f = file(&mut tree, a, "f", "");
    assert_eq!(tree.clear(f).unwrap_err(), TreeError::NotADirectory(Vec::new()));
}

#[test]
fn lookup_follows_nothing() {
    let mut tree = RootFs::new();
    let dir = tree.create_dirs(b"usr/bin", DIR).unwrap();
    let sh = file(&mut tree, dir, "sh", "");
    let bin = link(&mut tree, ROOT, "bin", "usr/bin");
    assert_eq!(tree.lookup(b"./usr//bin/sh").unwrap(), Some(sh));
    assert_eq!(tree.lookup(b"bin").unwrap(), Some(bin));
    assert_eq!(tree.lookup(b"bin/sh").unwrap(), None);
    assert_eq!(tree.lookup(b"usr/bin/sh/x").unwrap(), None);
    assert_eq!(tree.lookup(b"/").unwrap(), Some(ROOT));
}

#[test]
fn resolve_stays_in_the_root() {
    let mut tree = RootFs::new();
    let bin = tree.create_dirs(b"usr/bin", DIR).unwrap();
    let dash = file(&mut tree, bin, "dash", "");
    let sh = link(&mut tree, bin, "sh", "dash");
    link(&mut tree, ROOT, "bin", "usr/bin");
    let out = link(&mut tree, ROOT, "out", "../../../../bin");
    link(&mut tree, bin, "abs", "/bin/../bin/sh");
    link(&mut tree, bin, "nowhere", "/none/x");
    for path in ["/bin/sh", "bin/sh", "usr/bin/abs", "out/sh", "../../bin/dash", "/usr/../usr/./bin//dash"] {
        assert_eq!(tree.resolve(path.as_bytes()).unwrap(), dash, "{path}");
    }
    assert_eq!(tree.resolve_from(bin, b"sh", Follow::NotLast).unwrap(), sh);
    assert_eq!(tree.resolve_from(ROOT, b"out", Follow::NotLast).unwrap(), out);
    assert_eq!(tree.resolve_from(ROOT, b"out/", Follow::NotLast).unwrap(), bin);
    assert_eq!(tree.resolve_from(bin, b"..", Follow::Last).unwrap(), tree.parent(bin).unwrap());
    let not_found = |path: &[u8]| TreeError::NotFound(path.to_vec());
    let not_a_directory = |path: &[u8]| TreeError::NotADirectory(path.to_vec());
    assert_eq!(tree.resolve(b"bin/nowhere").unwrap_err(), not_found(b"bin/nowhere"));
    assert_eq!(tree.resolve(b"bin/zsh").unwrap_err(), not_found(b"bin/zsh"));
    assert_eq!(tree.resolve(b"bin/sh/x").unwrap_err(), not_a_directory(b"bin/sh/x"));
    assert_eq!(tree.resolve(b"bin/sh/..").unwrap_err(), not_a_directory(b"bin/sh/.."));
    assert_eq!(tree.resolve(b"bin/dash/").unwrap_err(), not_a_directory(b"bin/dash/"));
}

#[test]
fn symlinks_in_a_circle() {
    let mut tree = RootFs::new();
    link(&mut tree, ROOT, "a", "b");
    link(&mut tree, ROOT, "b", "a");
    link(&mut tree, ROOT, "self", "self/x");
    for path in [&b"a"[..], b"self", b"a/x"] {
        assert_eq!(tree.resolve(path).unwrap_err(), TreeError::TooManySymlinks(path.to_vec()));
    }
    assert_eq!(tree.create_dirs(b"a/x", DIR).unwrap_err(), TreeError::TooManySymlinks(b"a".to_vec()));
    // 40 in a row are allowed, as on Linux; 41 are not.
    let end = file(&mut tree, ROOT, "0", "");
    for number in 1..=41 {
        link(&mut tree, ROOT, &number.to_string(), &(number - 1).to_string());
    }
    assert_eq!(tree.resolve(b"40").unwrap(), end);
    assert_eq!(tree.resolve(b"41").unwrap_err(), TreeError::TooManySymlinks(b"41".to_vec()));
}

#[test]
fn create_dirs_goes_through_symlinks_inside_the_root() {
    let mut tree = RootFs::new();
    tree.create_dirs(b"usr/lib", DIR).unwrap();
    link(&mut tree, ROOT, "lib", "usr/lib");
    link(&mut tree, ROOT, "out", "../../..");
    link(&mut tree, ROOT, "gone", "none");
    tree.create_dirs(b"lib/x86_64", DIR).unwrap();
    assert_eq!(tree.create_dirs(b"out", DIR).unwrap(), ROOT);
    assert_eq!(tree.create_dirs(b"gone/x", DIR).unwrap_err(), TreeError::NotFound(b"gone".to_vec()));
    file(&mut tree, ROOT, "f", "");
    assert_eq!(tree.create_dirs(b"f/x", DIR).unwrap_err(), TreeError::NotADirectory(b"f/x".to_vec()));
    assert_eq!(paths(&tree), ["", "f", "gone", "lib", "out", "usr", "usr/lib", "usr/lib/x86_64"]);
}

#[test]
fn walk_goes_by_component() {
    let mut tree = RootFs::new();
    for path in ["a/z", "a-b", "a.c/d", "B"] {
        tree.create_dirs(path.as_bytes(), DIR).unwrap();
    }
    assert_eq!(paths(&tree), ["", "B", "a", "a/z", "a-b", "a.c", "a.c/d"]);
}

#[test]
fn attributes_are_masked() {
    let mut tree = RootFs::new();
    let f = file(&mut tree, ROOT, "f", "");
    let mut attrs = Attrs::with_mode(0o104_755);
    attrs.mtime.nanos = u32::MAX;
    tree.set_attrs(f, attrs).unwrap();
    let meta = tree.meta(f).unwrap();
    assert_eq!((meta.mode, meta.mtime.nanos, meta.st_mode()), (0o4755, 999_999_999, 0o104_755));
    assert!(matches!(tree.inode(f).unwrap().node(), Node::Regular(_)));
}
