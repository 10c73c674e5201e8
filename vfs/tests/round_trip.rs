//! Tree → ROM → what the reader says.

mod common;

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use common::{Random, assert_same, at, read, rom_bytes, small_tree};
use hoist_vfs::layout::{EntryRecord, FormatError, InodeRecord, Superblock};
use hoist_vfs::read::Source;
use hoist_vfs::tree::Xattrs;
use hoist_vfs::{Attrs, Content, InodeId, Kind, OutOfRange, PackError, Rom, RomError, RootFs, pack};

#[test]
fn every_kind_of_file() {
    let tree = small_tree();
    let rom = Rom::open(rom_bytes(&tree)).unwrap();
    assert_same(&tree, &rom);
    for kind in Kind::ALL {
        let is_kind = |number| rom.meta(InodeId(number)).unwrap().kind == kind;
        assert!((0..rom.inode_count()).any(is_kind), "no {kind:?} in the tree");
    }
}

#[test]
fn an_empty_root() {
    let tree = RootFs::new();
    let rom = Rom::open(rom_bytes(&tree)).unwrap();
    assert_same(&tree, &rom);
    assert_eq!(rom.lookup(rom.root(), b"etc").unwrap(), None);
    assert_eq!(rom.parent(rom.root()).unwrap(), rom.root());
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    assert_eq!(rom_bytes(&small_tree()), rom_bytes(&small_tree()));
}

#[test]
fn hard_links_share_an_inode() {
    let rom = Rom::open(rom_bytes(&small_tree())).unwrap();
    let (sudo, sudoedit) = (at(&rom, "usr/bin/sudo"), at(&rom, "usr/bin/sudoedit"));
    assert_eq!(sudo, sudoedit);
    assert_eq!(rom.meta(sudo).unwrap().nlink, 2);
    assert_eq!(rom.meta(at(&rom, "usr")).unwrap().nlink, 3);
}

#[test]
fn equal_contents_are_stored_once() {
    let rom = Rom::open(rom_bytes(&small_tree())).unwrap();
    let content = |path| rom.content(at(&rom, path)).unwrap();
    assert_eq!(content("tmp/one"), content("tmp/two"));
    assert_ne!(content("tmp/one").offset, content("tmp/odd").offset);
    assert_eq!(content("tmp/empty").len, 0);
    assert_eq!(content("tmp/odd").offset % 16, 0);
}

#[test]
fn large_directories() {
    let mut tree = RootFs::new();
    let mut random = Random(1);
    let dir = tree.mkdir(InodeId::ROOT, b"d", Attrs::with_mode(0o755)).unwrap();
    let mut made = Vec::new();
    for number in 0..10_000 {
        let name = format!("{:x}-{number}", random.below(1 << 20));
        tree.create_file(dir, name.as_bytes(), Attrs::with_mode(0o644), Content::bytes(name.as_bytes())).unwrap();
        made.push(name);
    }
    let rom = Rom::open(rom_bytes(&tree)).unwrap();
    assert_same(&tree, &rom);
    let dir = at(&rom, "d");
    assert_eq!(rom.entry_count(dir).unwrap(), 10_000);
    for name in &made {
        let file = rom.lookup(dir, name.as_bytes()).unwrap().unwrap();
        assert_eq!(read(&rom, file), name.as_bytes());
        assert_eq!(rom.lookup(dir, format!("{name} ").as_bytes()).unwrap(), None);
    }
    // As getdents64 goes on: from where the last call stopped.
    let mut names = Vec::new();
    while let Some(last) = rom.entries(dir, names.len() as u32).unwrap().take(777).map(Result::unwrap).last() {
        let part = rom.entries(dir, names.len() as u32).unwrap().take(777);
        names.extend(part.map(|entry| entry.unwrap().name));
        assert_eq!(last.index as usize + 1, names.len());
    }
    made.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert!(names.iter().map(|name| name.as_slice()).eq(made.iter().map(|name| name.as_bytes())));
    assert_eq!(rom.entries(dir, u32::MAX).unwrap().count(), 0);
}

#[test]
fn deep_directories() {
    let mut tree = RootFs::new();
    let mut dir = InodeId::ROOT;
    for _ in 0..10_000 {
        dir = tree.mkdir(dir, b"d", Attrs::with_mode(0o755)).unwrap();
    }
    let bytes = rom_bytes(&tree);
    let rom = Rom::open(&bytes).unwrap();
    let deepest = (0..10_000).fold(rom.root(), |dir, _| rom.lookup(dir, b"d").unwrap().unwrap());
    assert_eq!(rom.entry_count(deepest).unwrap(), 0);
    tree.clear(InodeId::ROOT).unwrap();
    assert_eq!(tree.walk().count(), 1);
}

#[test]
fn contents_from_a_spool_file() {
    let mut spool = tempfile::tempfile().unwrap();
    let mut random = Random(7);
    let bytes: Vec<u8> = (0..3_000_000).map(|_| random.next() as u8).collect();
    spool.write_all(&bytes).unwrap();
    let spool = Arc::new(spool);
    let part = |offset: u64, len: u64| Content::Spool { file: spool.clone(), offset, len };
    let mut tree = RootFs::new();
    let plain = Attrs::with_mode(0o644);
    for (name, content) in [
        ("all", part(0, 3_000_000)),
        ("middle", part(1_000_001, 1_500_000)),
        ("again", Content::bytes(&bytes[1_000_001..2_500_001])),
        ("byte", part(17, 1)),
        ("none", part(17, 0)),
    ] {
        tree.create_file(InodeId::ROOT, name.as_bytes(), plain, content).unwrap();
    }
    let whole = rom_bytes(&tree);
    let rom = Rom::open(&whole).unwrap();
    assert_same(&tree, &rom);
    assert_eq!(rom.content(at(&rom, "middle")).unwrap(), rom.content(at(&rom, "again")).unwrap());
    assert!(whole.len() < 4_600_000, "equal contents were stored twice: {} bytes", whole.len());

    let packed = pack(&tree, |_| None).unwrap();
    for _ in 0..2_000 {
        let mut buffer = vec![0xAA; random.below(5_000)];
        let offset = random.below(whole.len() + 100);
        let count = packed.read_at(offset as u64, &mut buffer).unwrap();
        let wanted = &whole[offset.min(whole.len())..(offset + buffer.len()).min(whole.len())];
        assert_eq!(&buffer[..count], wanted, "{offset}");
    }
}

#[test]
fn a_spool_file_that_is_too_short() {
    let mut tree = RootFs::new();
    let file: Arc<File> = Arc::new(tempfile::tempfile().unwrap());
    let content = Content::Spool { file, offset: 4, len: 8 };
    let etc = tree.mkdir(InodeId::ROOT, b"etc", Attrs::with_mode(0o755)).unwrap();
    tree.create_file(etc, b"passwd", Attrs::with_mode(0o644), content).unwrap();
    let error = pack(&tree, |_| None).unwrap().write_to(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "reading the content of /etc/passwd");
}

#[test]
fn elf_numbers() {
    let tree = small_tree();
    let sudo = tree.lookup(b"usr/bin/sudo").unwrap().unwrap();
    let asked = RefCell::new(Vec::new());
    let packed = pack(&tree, |inode| {
        asked.borrow_mut().push(inode);
        (inode == sudo).then_some(41)
    })
    .unwrap();
    let mut bytes = Vec::new();
    packed.write_to(&mut bytes).unwrap();
    let rom = Rom::open(bytes).unwrap();
    assert_eq!(rom.elf(at(&rom, "usr/bin/sudoedit")).unwrap(), Some(41));
    assert_eq!(rom.elf(at(&rom, "tmp/one")).unwrap(), None);
    assert_eq!(packed.inode(sudo), Some(at(&rom, "usr/bin/sudo")));
    let regular = |inode: &InodeId| tree.inode(*inode).unwrap().kind() == Kind::Regular;
    assert!(asked.borrow().iter().all(regular), "only regular files are asked for");
    assert!(matches!(pack(&tree, |_| Some(u32::MAX)), Err(PackError::ElfNumber)));
}

#[test]
fn the_largest_extended_attributes() {
    let mut tree = RootFs::new();
    let mut name = b"user.".to_vec();
    name.resize(255, b'n');
    let xattrs = Xattrs::from([(name, vec![7; 65536]), (b"user.a".to_vec(), vec![0; 65536])]);
    tree.set_xattrs(InodeId::ROOT, xattrs).unwrap();
    assert_same(&tree, &Rom::open(rom_bytes(&tree)).unwrap());
}

/// Counts the bytes that are read through it.
struct Counting<'a>(&'a [u8], RefCell<usize>);

impl Source for Counting<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        *self.1.borrow_mut() += buffer.len();
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn opening_reads_the_superblock_only() {
    let mut tree = RootFs::new();
    for number in 0..10_000 {
        let (name, plain) = (format!("file{number}"), Attrs::with_mode(0o644));
        tree.create_file(InodeId::ROOT, name.as_bytes(), plain, Content::bytes(name.as_bytes())).unwrap();
    }
    let bytes = rom_bytes(&tree);
    let rom = Rom::open(Counting(&bytes, RefCell::new(0))).unwrap();
    assert_eq!(*rom.source().1.borrow(), Superblock::SIZE);
    rom.lookup(rom.root(), b"file4711").unwrap().unwrap();
    let most = Superblock::SIZE + InodeRecord::SIZE + 14 * (EntryRecord::SIZE + 8);
    assert!(*rom.source().1.borrow() <= most);
}

#[test]
fn questions_that_do_not_fit_the_inode() {
    let rom = Rom::open(rom_bytes(&small_tree())).unwrap();
    let wrong = |inode, wanted| RomError::WrongKind { inode, wanted };
    let (root, one) = (rom.root(), at(&rom, "tmp/one"));
    assert_eq!(rom.lookup(one, b"x").unwrap_err(), wrong(one, Kind::Directory));
    assert_eq!(rom.parent(one).unwrap_err(), wrong(one, Kind::Directory));
    assert_eq!(rom.readlink(root).unwrap_err(), wrong(root, Kind::Symlink));
    assert_eq!(rom.content(root).unwrap_err(), wrong(root, Kind::Regular));
    let beyond = InodeId(rom.inode_count());
    assert_eq!(rom.meta(beyond).unwrap_err(), RomError::NoSuchInode(beyond));
    assert_eq!(rom.lookup(root, &[b'n'; 256]).unwrap(), None);
    assert_eq!(rom.lookup(root, b"").unwrap(), None);
}

#[test]
fn what_is_no_rom() {
    let bytes = rom_bytes(&small_tree());
    let open = |bytes: &[u8]| Rom::open(bytes.to_vec()).map(drop).unwrap_err();
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        open(&bytes)
    };
    let (len, short) = (bytes.len() as u64, bytes.len() as u64 - 1);
    assert_eq!(open(&[]), RomError::Truncated { stated: 128, present: 0 });
    assert_eq!(open(&bytes[..short as usize]), RomError::Truncated { stated: len, present: short });
    assert_eq!(changed(0, b'h'), RomError::Format(FormatError::Magic(*b"hOISTROM")));
    assert_eq!(changed(8, 2), RomError::Format(FormatError::Version(2)));
    assert_eq!(changed(12, 129), RomError::Format(FormatError::Size(129)));
    assert_eq!(changed(24, 0), RomError::BadSection(0));
    assert_eq!(changed(127, 0xFF), RomError::BadSection(5));
    // A segment may be longer than the ROM in it.
    let mut longer = bytes.clone();
    longer.resize(bytes.len() + 1000, 0xFF);
    assert_same(&small_tree(), &Rom::open(longer).unwrap());
}

/// The superblock of [`small_tree`], and its whole ROM, with which the fuzz target starts: the format changes
/// only together with its version.
#[test]
fn the_bytes_of_version_1() {
    let bytes = rom_bytes(&small_tree());
    let mut text = String::new();
    for (number, line) in bytes[..Superblock::SIZE].chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{:02x}: {}\n", number * 16, hex.join(" "));
    }
    golden("tests/superblock.golden", text.as_bytes());
    golden("fuzz/seeds/rom/small.rom", &bytes);
}

/// Compares with a file of this crate; `BLESS=1` rewrites it.
fn golden(path: &str, found: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, found).unwrap();
    }
    let wanted = std::fs::read(&file).unwrap();
    assert!(wanted == found, "{path} differs; BLESS=1 rewrites it. Found:\n{}", String::from_utf8_lossy(found));
}
