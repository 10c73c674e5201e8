//! What the ROM's tests share: trees to pack, a comparison of tree and ROM, a seeded random number.

#![allow(dead_code)] // Each test file uses its part of it.

pub mod exercise;

use hoist_vfs::read::Source;
use hoist_vfs::tree::{Special, Xattrs};
use hoist_vfs::{Attrs, Content, Device, InodeId, Kind, Node, Rom, RootFs, Timestamp, pack};

/// xorshift64*: the same numbers on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

pub fn attrs(mode: u32, uid: u32, gid: u32, secs: i64, nanos: u32) -> Attrs {
    Attrs { mode, uid, gid, mtime: Timestamp { secs, nanos } }
}

/// A small tree with every kind of file, hard links, extended attributes, equal and empty contents.
pub fn small_tree() -> RootFs {
    let mut tree = RootFs::new();
    let root = InodeId::ROOT;
    tree.set_attrs(root, attrs(0o755, 0, 0, 1_700_000_000, 0)).unwrap();
    let plain = Attrs::with_mode(0o644);
    let usr = tree.mkdir(root, b"usr", attrs(0o755, 0, 0, -1, 999_999_999)).unwrap();
    let bin = tree.mkdir(usr, b"bin", Attrs::with_mode(0o755)).unwrap();
    let sudo = attrs(0o4755, 0, 27, 1_600_000_000, 5);
    let sudo = tree.create_file(bin, b"sudo", sudo, Content::bytes(*b"\x7fELF...")).unwrap();
    tree.link(bin, b"sudoedit", sudo).unwrap();
    let mut xattrs = Xattrs::from([(b"security.capability".to_vec(), vec![1, 0, 0, 2])]);
    tree.set_xattrs(sudo, xattrs.clone()).unwrap();
    xattrs.insert(b"user.comment".to_vec(), Vec::new());
    tree.set_xattrs(bin, xattrs.clone()).unwrap();
    tree.set_xattrs(usr, xattrs).unwrap();
    tree.symlink(root, b"bin", Attrs::with_mode(0o777), b"usr/bin").unwrap();
    let tmp = tree.mkdir(root, b"tmp", Attrs::with_mode(0o1777)).unwrap();
    for (name, bytes) in [(b"one", "the same bytes"), (b"two", "the same bytes"), (b"odd", "other bytes: 14")] {
        tree.create_file(tmp, name, plain, Content::bytes(bytes.as_bytes())).unwrap();
    }
    tree.create_file(tmp, b"empty", plain, Content::default()).unwrap();
    tree.create_file(tmp, &[b'n'; 255], plain, Content::bytes(*b"x")).unwrap();
    tree.create_file(tmp, b"\xff not UTF-8 \n", plain, Content::bytes(*b"y")).unwrap();
    let dev = tree.mkdir(root, b"dev", Attrs::with_mode(0o755)).unwrap();
    let (null, disk) = (Device { major: 1, minor: 3 }, Device { major: 259, minor: 0xF_FFFF });
    tree.mknod(dev, b"null", Attrs::with_mode(0o666), Special::CharDevice(null)).unwrap();
    tree.mknod(dev, b"disk", Attrs::with_mode(0o660), Special::BlockDevice(disk)).unwrap();
    tree.mknod(dev, b"pipe", plain, Special::Fifo).unwrap();
    tree.mknod(dev, b"log", plain, Special::Socket).unwrap();
    tree
}

pub fn rom_bytes(tree: &RootFs) -> Vec<u8> {
    let packed = pack(tree, |_| None).unwrap();
    let mut bytes = Vec::new();
    packed.write_to(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, packed.len());
    bytes
}

/// Asserts that the ROM says of every name what the tree says.
pub fn assert_same<S: Source>(tree: &RootFs, rom: &Rom<S>) {
    let mut names = 0;
    for (path, in_tree) in tree.walk() {
        let mut in_rom = rom.root();
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            in_rom = rom.lookup(in_rom, name).unwrap().unwrap_or_else(|| panic!("{path:?} is missing"));
        }
        let (mut wanted, found) = (tree.meta(in_tree).unwrap(), rom.meta(in_rom).unwrap());
        wanted.ino = found.ino;
        assert_eq!(wanted, found, "{path:?}");
        let inode = tree.inode(in_tree).unwrap();
        let xattrs: Vec<_> = inode.xattrs().clone().into_iter().collect();
        assert_eq!(rom.xattrs(in_rom).unwrap(), xattrs, "{path:?}");
        for (name, value) in &xattrs {
            assert_eq!(rom.xattr(in_rom, name).unwrap().as_ref(), Some(value), "{path:?}");
        }
        match inode.node() {
            Node::Regular(content) => assert_eq!(read(rom, in_rom), content.to_bytes().unwrap()[..], "{path:?}"),
            Node::Symlink(target) => assert_eq!(&rom.readlink(in_rom).unwrap(), target),
            Node::Directory { entries, .. } => {
                let found: Vec<_> = rom.entries(in_rom, 0).unwrap().map(Result::unwrap).collect();
                let wanted: Vec<_> = entries.keys().cloned().collect();
                assert_eq!(found.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), wanted);
                for entry in &found {
                    let meta = rom.meta(entry.inode).unwrap();
                    assert_eq!(meta.kind, entry.kind);
                    if meta.kind == Kind::Directory {
                        assert_eq!(rom.parent(entry.inode).unwrap(), in_rom);
                    }
                }
                names += found.len();
            }
            _ => {}
        }
    }
    assert_eq!(names + 1, tree.walk().count(), "names in the ROM, with the root");
}

/// A regular file's bytes.
pub fn read<S: Source>(rom: &Rom<S>, inode: InodeId) -> Vec<u8> {
    let extent = rom.content(inode).unwrap();
    let mut bytes = vec![0; extent.len as usize];
    rom.source().read_at(extent.offset, &mut bytes).unwrap();
    bytes
}

/// The inode at a path of plain names.
pub fn at<S: Source>(rom: &Rom<S>, path: &str) -> InodeId {
    path.split('/').fold(rom.root(), |dir, name| rom.lookup(dir, name.as_bytes()).unwrap().unwrap())
}
