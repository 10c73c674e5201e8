//! The tree that a container starts with: the image, and what container runtimes mount on it.

use std::cell::RefCell;
use std::rc::Rc;

use hoist_vfs::{Device, Kind, Rom};
use hoist_x86::run_options::Tmpfs;

use super::console::{ConsoleFile, Stdio};
use super::device::{self, Devices};
use super::fd_table::FdTable;
use super::file::File;
use super::mem::{Clock, MemFs, magic};
use super::tty::pty::Ptys;
use super::tty::{Posted, Tty, TtyFile};
use super::types::{Cred, NewInode, OpenFlags, SetAttr};
use super::vfs::{NewMount, Vfs};
use super::walk::{Rules, Walker};
use super::{Location, Result, host, procfs, sysfs};
use crate::rom::RomSource;
use crate::wasi::directory::Directory;
use crate::wasi::{self, Output};

/// The numbers of the filesystems' devices: `st_dev`.
const fn dev(minor: u32) -> Device {
    Device { major: 0, minor }
}

/// The device of the first directory that the host grants.
const FIRST_GRANTED: u32 = 50;

/// Everything that is there before the first process: the ROM as `/`, and over it `/proc`, `/dev`, `/sys`.
///
/// `terminals`: whether standard input, output, error are the host's terminal; `size`: rows and columns, if that sends bytes as they are
/// typed.
///
/// # Errors
/// `EIO` if the ROM is damaged.
pub fn boot(terminals: [bool; 3], size: Option<[u16; 2]>) -> Result<Vfs> {
    let clock: Clock = Rc::new(|| {
        let (secs, nanos) = wasi::clock::realtime();
        hoist_vfs::Timestamp { secs: secs as i64, nanos }
    });
    let rom = Rom::open(RomSource).map_err(|_| crate::errno::Errno::EIO)?;
    let root = NewMount {
        fs_type: "overlay",
        source: b"overlay".to_vec(),
        read_only: false,
        options: "relatime".into(),
        root: MemFs::over_rom(rom, dev(40), clock.clone())?,
    };
    let devices = devices(terminals, size, clock.clone());
    let vfs = Vfs::new(root, devices, clock);
    keeping_times(&vfs, b"/", || {
        mount_proc(&vfs)?;
        mount_dev(&vfs)?;
        mount_sys(&vfs)?;
        mount_granted(&vfs)
    })?;
    Ok(vfs)
}

fn devices(terminals: [bool; 3], size: Option<[u16; 2]>, clock: Clock) -> Devices {
    let posted = Rc::<Posted>::default();
    let ptys = Ptys::new(posted.clone(), clock, dev(42));
    let output = if terminals[2] && !terminals[1] { Output::Stderr } else { Output::Stdout };
    let console = terminals.contains(&true).then(|| Tty::of_host(output, size, &posted));
    if let Some(tty) = &console {
        // The first process leads a session, whose terminal it is.
        tty.give_to(1, 1);
        ptys.add_console(tty);
    }
    Devices { controlling: RefCell::new(console.clone()), console, ptys, posted }
}

/// Does what changes a directory's entries; its times stay, because it is not the guest that changes them.
fn keeping_times(vfs: &Vfs, path: &[u8], change: impl FnOnce() -> Result<()>) -> Result<()> {
    let cred = Cred::root();
    let at = walker(vfs, &cred).resolve(path, true)?;
    let before = at.inode().stat()?;
    change()?;
    let times = SetAttr { atime: Some(before.atime), mtime: Some(before.mtime), ..SetAttr::default() };
    at.inode().set_attr(&times)
}

/// A walker for the kernel's own use.
pub fn walker<'a>(vfs: &Vfs, cred: &'a Cred) -> Walker<'a> {
    Walker { cred, root: vfs.root(), start: vfs.root(), rules: Rules::default() }
}

/// The directory at a path; made if it is not there.
///
/// # Errors
/// `ENOTDIR` if something else is in the way.
pub fn directory(vfs: &Vfs, path: &[u8]) -> Result<Location> {
    use crate::errno::Errno::{ENOENT, ENOTDIR};
    let cred = Cred::root();
    let walker = walker(vfs, &cred);
    let found = match walker.resolve(path, true) {
        Err(ENOENT) => vfs.create(&walker, path, new(Kind::Directory, 0o755))?,
        found => found?,
    };
    match found.inode().kind() {
        Kind::Directory => Ok(found),
        _ => Err(ENOTDIR),
    }
}

fn new(kind: Kind, mode: u32) -> NewInode {
    NewInode { kind, mode, uid: 0, gid: 0, rdev: Device::default(), target: Vec::new() }
}

fn mount_proc(vfs: &Vfs) -> Result<()> {
    let at = directory(vfs, b"/proc")?;
    let root = procfs::root(vfs.processes().clone(), vfs.clock().clone(), vfs.root());
    let options = "nosuid,nodev,noexec,relatime".into();
    vfs.mount(at, NewMount { fs_type: "proc", source: b"proc".to_vec(), read_only: false, options, root });
    Ok(())
}

fn mount_sys(vfs: &Vfs) -> Result<()> {
    let at = directory(vfs, b"/sys")?;
    let root = sysfs::root(dev(45), vfs.clock().clone())?;
    let options = "nosuid,nodev,noexec,relatime".into();
    vfs.mount(at, NewMount { fs_type: "sysfs", source: b"sysfs".to_vec(), read_only: true, options, root });
    Ok(())
}

/// What the host grants, at the names under which it does; the directories there are made where they are missing. The root
/// is the image's: `/` and `.` are passed over, as docker refuses such a volume.
fn mount_granted(vfs: &Vfs) -> Result<()> {
    for (number, (directory, name)) in wasi::directory::granted().into_iter().enumerate() {
        let names = names(&name);
        if !names.is_empty() {
            let read_only = !directory.is_writable();
            mount_host(vfs, &names, directory, dev(FIRST_GRANTED + number as u32), read_only)?;
        }
    }
    Ok(())
}

/// The names of a path.
fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !matches!(*name, "" | ".")).collect()
}

/// A directory of the host, at a place that is made where it is missing.
fn mount_host(vfs: &Vfs, names: &[&str], directory: Directory, dev: Device, read_only: bool) -> Result<()> {
    let mut path = Vec::new();
    for name in names {
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        self::directory(vfs, &path)?;
    }
    let at = self::directory(vfs, &path)?;
    let root = host::root(directory, dev, vfs.processes().clone());
    vfs.mount(at, NewMount { fs_type: "fuse", source: path, read_only, options: "relatime".into(), root });
    Ok(())
}

/// The device of the first directory of a granted root.
const FIRST_VOLUME: u32 = 500;

/// Directories that lie in a granted root, at the same paths here. What is not a directory there is passed over: nothing was mounted in
/// the container, so the image's own stays.
///
/// # Errors
/// `ENOTDIR` if the image has something else there.
pub fn mount_volumes(vfs: &Vfs, volumes: &[String]) -> Result<()> {
    keeping_times(vfs, b"/", || {
        for (number, volume) in volumes.iter().enumerate() {
            let names = names(volume);
            let granted = wasi::directory::granted().into_iter().find(|(_, name)| self::names(name).is_empty());
            let Some((root, _)) = granted.filter(|_| !names.is_empty() && !names.contains(&"..")) else { continue };
            // Hosts say so of what they grant only.
            let read_only = !root.is_writable();
            let there = names.iter().try_fold(root, |above, name| above.open_directory(name));
            if let Ok(directory) = there {
                mount_host(vfs, &names, directory, dev(FIRST_VOLUME + number as u32), read_only)?;
            }
        }
        Ok(())
    })
}

/// A file that names this machine; what the image says itself stays.
fn put_file(vfs: &Vfs, path: &[u8], content: &str) -> Result<()> {
    use crate::errno::Errno::ENOENT;
    let cred = Cred::root();
    let walker = walker(vfs, &cred);
    match walker.resolve(path, false).and_then(|found| found.inode().stat()) {
        // Images have them empty, as places to mount the real ones on.
        Ok(stat) if stat.kind != Kind::Regular || stat.size > 0 => return Ok(()),
        Ok(_) => {}
        Err(ENOENT) => drop(vfs.create(&walker, path, new(Kind::Regular, 0o644))?),
        Err(error) => return Err(error),
    }
    let file = vfs.open(&walker, path, OpenFlags(OpenFlags::WRONLY), 0)?;
    file.write(&mut content.as_bytes()).map(drop)
}

/// `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf` as docker writes them, where the image has none; `hosts`: lines that come after, `resolver`:
/// lines in the place of what there is.
///
/// # Errors
/// `ENOTDIR` if `/etc` is something else.
pub fn name_machine(vfs: &Vfs, hostname: &str, hosts: &str, resolver: &str) -> Result<()> {
    directory(vfs, b"/etc")?;
    keeping_times(vfs, b"/etc", || {
        put_names(vfs, hostname)?;
        let write = |path: &[u8], flags, content: &str| {
            let cred = Cred::root();
            let file = vfs.open(&walker(vfs, &cred), path, OpenFlags(OpenFlags::WRONLY | flags), 0)?;
            file.write(&mut content.as_bytes()).map(drop)
        };
        if !hosts.is_empty() {
            write(b"/etc/hosts", OpenFlags::APPEND, hosts)?;
        }
        if !resolver.is_empty() {
            write(b"/etc/resolv.conf", OpenFlags::TRUNC, resolver)?;
        }
        Ok(())
    })
}

/// The device of the first tmpfs that the run asks for.
const FIRST_TMPFS: u32 = 1000;

/// Mounts an empty filesystem where the run asks for one; the directory is made if it is not there.
///
/// # Errors
/// `ENOTDIR` if something else is in the way.
pub fn mount_tmpfs(vfs: &Vfs, number: u32, tmpfs: &Tmpfs) -> Result<()> {
    let mut path = String::new();
    for name in tmpfs.path.split('/').filter(|name| !name.is_empty()) {
        path = format!("{path}/{name}");
        directory(vfs, path.as_bytes())?;
    }
    let at = directory(vfs, path.as_bytes())?;
    let root = MemFs::bounded(tmpfs.mode, dev(FIRST_TMPFS + number), vfs.clock().clone(), tmpfs.size);
    root.set_attr(&SetAttr { uid: Some(tmpfs.uid), gid: Some(tmpfs.gid), ..SetAttr::default() })?;
    let (source, options) = (b"tmpfs".to_vec(), tmpfs.shown.clone().into());
    vfs.mount(at, NewMount { fs_type: "tmpfs", source, read_only: tmpfs.read_only, options, root });
    Ok(())
}

fn put_names(vfs: &Vfs, hostname: &str) -> Result<()> {
    put_file(vfs, b"/etc/hostname", &format!("{hostname}\n"))?;
    let local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
                 ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    put_file(vfs, b"/etc/hosts", &format!("{local}127.0.1.1\t{hostname}\n"))?;
    put_file(vfs, b"/etc/resolv.conf", "nameserver 127.0.0.1\n")
}

/// `/dev` as container runtimes make it (OCI runtime specification, "Default Devices"), and what they mount in it.
fn mount_dev(vfs: &Vfs) -> Result<()> {
    const OPTIONS: &str = "nosuid";
    let at = directory(vfs, b"/dev")?;
    let tmpfs = |mode, minor| MemFs::empty(mode, dev(minor), magic::TMPFS, vfs.clock().clone());
    let mount = |at, fs_type, source: &[u8], options: &'static str, root| {
        vfs.mount(at, NewMount { fs_type, source: source.to_vec(), read_only: false, options: options.into(), root })
    };
    mount(at, "tmpfs", b"tmpfs", OPTIONS, tmpfs(0o755, 41));
    let cred = Cred::root();
    let walker = walker(vfs, &cred);
    for (name, rdev, mode) in device::NODES {
        // A container without a terminal has no console.
        if rdev != device::CONSOLE || vfs.devices().console.is_some() {
            let path = [b"/dev/", name].concat();
            vfs.create(&walker, &path, NewInode { rdev, ..new(Kind::CharDevice, mode) })?;
        }
    }
    let links: [(&[u8], &[u8]); 5] = [
        (b"/dev/fd", b"/proc/self/fd"),
        (b"/dev/stdin", b"/proc/self/fd/0"),
        (b"/dev/stdout", b"/proc/self/fd/1"),
        (b"/dev/stderr", b"/proc/self/fd/2"),
        (b"/dev/core", b"/proc/kcore"),
    ];
    for (path, target) in links {
        vfs.create(&walker, path, NewInode { target: target.to_vec(), ..new(Kind::Symlink, 0o777) })?;
    }
    let pts = directory(vfs, b"/dev/pts")?;
    let root = vfs.devices().ptys.root();
    mount(pts, "devpts", b"devpts", "nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666", root);
    let shm = directory(vfs, b"/dev/shm")?;
    mount(shm, "tmpfs", b"shm", "nosuid,nodev,noexec,relatime,size=65536k", tmpfs(0o1777, 43));
    directory(vfs, b"/dev/mqueue").map(drop)
}

/// Descriptors 0, 1 and 2, and which of them are the host's terminal.
///
/// # Errors
/// None that a tree from [`boot`] could give.
pub fn open_stdio(vfs: &Vfs, terminals: [bool; 3]) -> Result<FdTable> {
    let mut table = FdTable::default();
    let cred = Cred::root();
    for (stream, is_terminal) in [Stdio::In, Stdio::Out, Stdio::Err].into_iter().zip(terminals) {
        let flags = if stream == Stdio::In { OpenFlags::RDONLY } else { OpenFlags::WRONLY };
        let file = if let (true, Some(tty)) = (is_terminal, &vfs.devices().console) {
            let at = walker(vfs, &cred).resolve(b"/dev/pts/0", true)?;
            File::object(at, OpenFlags(OpenFlags::RDWR), TtyFile::new(tty))
        } else {
            let reopen = Box::new(move |_| Ok(Some(ConsoleFile::stream(stream) as Rc<_>)));
            let at = vfs.anonymous(Kind::Fifo, 0o600, "pipe:[{}]", super::anon::magic::PIPEFS, reopen);
            File::object(at, OpenFlags(flags), ConsoleFile::stream(stream))
        };
        table.add(file, false)?;
    }
    Ok(table)
}

/// What a process knows of the tree: `struct fs_struct` of Linux. Shared by tasks made with CLONE_FS.
#[derive(Clone)]
pub struct FsInfo {
    pub root: Location,
    pub cwd: Location,
    pub umask: u32,
}

impl FsInfo {
    /// Everything at the root.
    pub fn new(vfs: &Vfs) -> FsInfo {
        FsInfo { root: vfs.root(), cwd: vfs.root(), umask: 0o022 }
    }

    /// A walker from the working directory, or from another directory.
    pub fn walker<'a>(&self, cred: &'a Cred, from: Option<Location>) -> Walker<'a> {
        let start = from.unwrap_or_else(|| self.cwd.clone());
        Walker { cred, root: self.root.clone(), start, rules: Rules::default() }
    }
}
