//! The tree over a ROM that hoist-vfs packed.

mod content;
mod host;
mod names;
mod proc;

use std::rc::Rc;

use hoist_vfs::{Attrs, Content, InodeId, Kind, RootFs};

use super::boot::{FsInfo, boot};
use super::file::File;
use super::types::{Cred, NewInode, OpenFlags, Stat};
use super::uio::Buffer;
use super::vfs::Vfs;
use super::{Location, Result};
use crate::errno::Errno;

/// A machine with a small image in it, and a user who walks in it.
struct Tree {
    vfs: Vfs,
    fs: FsInfo,
    cred: Cred,
}

/// `/etc/passwd`, `/etc/empty`, `/etc/link → passwd`, `/big` (10,000 bytes), `/dir/{a,b,c}`, `/dir/sub/x`, `/loop → loop`,
/// `/tmp` (sticky), `/home/user` (1000:1000).
fn image() -> RootFs {
    let mut fs = RootFs::new();
    let (dir, file) = (Attrs::with_mode(0o755), Attrs::with_mode(0o644));
    let etc = fs.mkdir(InodeId::ROOT, b"etc", dir).unwrap();
    let passwd = Content::bytes(*b"root:x:0:0:root:/root:/bin/sh\n");
    fs.create_file(etc, b"passwd", file, passwd).unwrap();
    fs.create_file(etc, b"empty", file, Content::default()).unwrap();
    fs.symlink(etc, b"link", dir, b"passwd").unwrap();
    let big: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
    fs.create_file(InodeId::ROOT, b"big", file, Content::bytes(big)).unwrap();
    let d = fs.mkdir(InodeId::ROOT, b"dir", dir).unwrap();
    for name in [b"a", b"b", b"c"] {
        fs.create_file(d, name, file, Content::bytes(*name)).unwrap();
    }
    let sub = fs.mkdir(d, b"sub", dir).unwrap();
    fs.create_file(sub, b"x", file, Content::bytes(*b"x")).unwrap();
    fs.symlink(InodeId::ROOT, b"loop", dir, b"loop").unwrap();
    fs.mkdir(InodeId::ROOT, b"tmp", Attrs::with_mode(0o1777)).unwrap();
    let home = fs.mkdir(InodeId::ROOT, b"home", dir).unwrap();
    fs.mkdir(home, b"user", Attrs { uid: 1000, gid: 1000, ..dir }).unwrap();
    fs
}

impl Tree {
    fn new() -> Tree {
        let fs = image();
        let packed = hoist_vfs::pack(&fs, |_| None).unwrap();
        let mut rom = Vec::new();
        packed.write_to(&mut rom).unwrap();
        crate::machine::install(rom, vec![]);
        let vfs = boot([false; 3], None).unwrap();
        let fs = FsInfo::new(&vfs);
        Tree { vfs, fs, cred: Cred::root() }
    }

    fn for_user(mut self) -> Tree {
        self.cred = Cred { fsuid: 1000, fsgid: 1000, groups: vec![], caps: 0 };
        self
    }

    fn walker(&self) -> super::walk::Walker<'_> {
        self.fs.walker(&self.cred, None)
    }

    fn find(&self, path: &str) -> Result<Location> {
        self.walker().resolve(path.as_bytes(), true)
    }

    fn stat(&self, path: &str) -> Result<Stat> {
        self.walker().resolve(path.as_bytes(), false)?.inode().stat()
    }

    fn open(&self, path: &str, flags: u32) -> Result<Rc<File>> {
        self.vfs.open(&self.walker(), path.as_bytes(), OpenFlags(flags), 0o644)
    }

    fn make(&self, path: &str, kind: Kind, mode: u32) -> Result<Location> {
        let new = NewInode { kind, mode, uid: 0, gid: 0, rdev: Default::default(), target: b"target".to_vec() };
        self.vfs.create(&self.walker(), path.as_bytes(), new)
    }

    fn mkdir(&self, path: &str) -> Result<Location> {
        self.make(path, Kind::Directory, 0o755)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.vfs.unlink(&self.walker(), path.as_bytes())
    }

    fn rmdir(&self, path: &str) -> Result<()> {
        self.vfs.rmdir(&self.walker(), path.as_bytes())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let how = super::vfs::Rename::Replace;
        self.vfs.rename(&self.walker(), from.as_bytes(), &self.walker(), to.as_bytes(), how)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        let old = self.walker().resolve(from.as_bytes(), false)?;
        self.vfs.link(&old, &self.walker(), to.as_bytes())
    }

    /// The file's whole content.
    fn cat(&self, path: &str) -> Result<Vec<u8>> {
        contents(&*self.open(path, OpenFlags::RDONLY)?)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.open(path, OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC)?;
        assert_eq!(file.write(&mut &*bytes)?, bytes.len());
        Ok(())
    }

    /// Names in a directory, `.` and `..` not among them.
    fn ls(&self, path: &str) -> Vec<String> {
        let file = self.open(path, OpenFlags::DIRECTORY).unwrap();
        let entries = file.directory().unwrap();
        let names = entries.iter().map(|entry| String::from_utf8(entry.name.clone()).unwrap());
        names.skip(2).collect()
    }

    fn path(&self, location: &Location) -> String {
        String::from_utf8(location.shown(&self.fs.root)).unwrap()
    }
}

fn contents(file: &File) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match file.pread(all.len() as u64, &mut Buffer::new(&mut buffer))? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The error of what must fail.
fn error<T>(result: Result<T>) -> Errno {
    result.err().expect("it should have failed")
}
