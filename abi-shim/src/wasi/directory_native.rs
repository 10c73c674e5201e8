//! Directories of the machine in place of granted ones: tests mount them.

use std::cell::RefCell;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hoist_vfs::{Kind, Timestamp};

use super::{Entry, FileStat};
use crate::errno::Errno;

type Result<T> = core::result::Result<T, Errno>;

thread_local! {
    static GRANTED: RefCell<Vec<(PathBuf, String, bool)>> = RefCell::default();
}

/// A directory, by its path: unlike a descriptor it does not move along when it is renamed.
pub struct Directory {
    path: PathBuf,
    writable: bool,
}

pub struct HostFile(File);

/// What [`granted`] gives from now on, in this thread: path, name, whether it can be written to.
pub fn grant(directories: &[(&Path, &str, bool)]) {
    let owned = directories.iter().map(|&(path, name, writable)| (path.to_owned(), name.to_owned(), writable));
    GRANTED.set(owned.collect());
}

pub fn granted() -> Vec<(Directory, String)> {
    GRANTED.with_borrow(|granted| {
        let open = |(path, name, writable): &(PathBuf, String, bool)| {
            (Directory { path: path.clone(), writable: *writable }, name.clone())
        };
        granted.iter().map(open).collect()
    })
}

impl Directory {
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    pub fn stat(&self) -> Result<FileStat> {
        fs::metadata(&self.path).map(|meta| decode(&meta)).map_err(errno)
    }

    pub fn stat_at(&self, name: &str) -> Result<FileStat> {
        fs::symlink_metadata(self.path.join(name)).map(|meta| decode(&meta)).map_err(errno)
    }

    pub fn open_directory(&self, name: &str) -> Result<Directory> {
        let directory = Directory { path: self.path.join(name), writable: self.writable };
        if directory.path.is_dir() { Ok(directory) } else { directory.stat().and(Err(Errno::ENOTDIR)) }
    }

    pub fn open_file(&self, name: &str, write: bool) -> Result<HostFile> {
        self.change(write)?;
        OpenOptions::new().read(true).write(write).open(self.path.join(name)).map(HostFile).map_err(errno)
    }

    pub fn create_file(&self, name: &str) -> Result<HostFile> {
        self.change(true)?;
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(self.path.join(name));
        opened.map(HostFile).map_err(errno)
    }

    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let kind = kind(entry.file_type().map_err(errno)?);
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        Ok(entries)
    }

    pub fn make_directory(&self, name: &str) -> Result<()> {
        self.change(true)?;
        fs::create_dir(self.path.join(name)).map_err(errno)
    }

    pub fn symlink(&self, target: &str, name: &str) -> Result<()> {
        self.change(true)?;
        std::os::unix::fs::symlink(target, self.path.join(name)).map_err(errno)
    }

    pub fn readlink(&self, name: &str) -> Result<String> {
        let target = fs::read_link(self.path.join(name)).map_err(errno)?;
        Ok(target.to_string_lossy().into_owned())
    }

    pub fn link(&self, name: &str, to: &Directory, to_name: &str) -> Result<()> {
        self.change(true)?;
        fs::hard_link(self.path.join(name), to.path.join(to_name)).map_err(errno)
    }

    pub fn unlink(&self, name: &str) -> Result<()> {
        self.change(true)?;
        fs::remove_file(self.path.join(name)).map_err(errno)
    }

    pub fn remove_directory(&self, name: &str) -> Result<()> {
        self.change(true)?;
        fs::remove_dir(self.path.join(name)).map_err(errno)
    }

    pub fn rename(&self, name: &str, to: &Directory, to_name: &str) -> Result<()> {
        self.change(true)?;
        fs::rename(self.path.join(name), to.path.join(to_name)).map_err(errno)
    }

    pub fn set_times_at(&self, name: &str, access: Option<Timestamp>, modification: Option<Timestamp>) -> Result<()> {
        self.change(true)?;
        let file = File::open(self.path.join(name)).map_err(errno)?;
        let mut times = fs::FileTimes::new();
        let time = |time: Timestamp| -> SystemTime { UNIX_EPOCH + Duration::new(time.secs.max(0) as u64, time.nanos) };
        if let Some(access) = access {
            times = times.set_accessed(time(access));
        }
        if let Some(modification) = modification {
            times = times.set_modified(time(modification));
        }
        file.set_times(times).map_err(errno)
    }

    fn change(&self, wanted: bool) -> Result<()> {
        if wanted && !self.writable { Err(Errno::EPERM) } else { Ok(()) }
    }
}

impl HostFile {
    pub fn stat(&self) -> Result<FileStat> {
        self.0.metadata().map(|meta| decode(&meta)).map_err(errno)
    }

    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read_at(buffer, offset).map_err(errno)
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.0.write_at(bytes, offset).map_err(errno)
    }

    pub fn set_size(&self, size: u64) -> Result<()> {
        self.0.set_len(size).map_err(errno)
    }

    pub fn sync(&self) -> Result<()> {
        self.0.sync_all().map_err(errno)
    }
}

fn decode(meta: &Metadata) -> FileStat {
    let time = |secs, nanos: i64| Timestamp { secs, nanos: nanos as u32 };
    FileStat {
        kind: kind(meta.file_type()),
        ino: meta.ino(),
        links: meta.nlink(),
        size: meta.size(),
        access: time(meta.atime(), meta.atime_nsec()),
        modification: time(meta.mtime(), meta.mtime_nsec()),
        change: time(meta.ctime(), meta.ctime_nsec()),
    }
}

fn kind(ty: fs::FileType) -> Kind {
    match () {
        () if ty.is_dir() => Kind::Directory,
        () if ty.is_symlink() => Kind::Symlink,
        () if ty.is_fifo() => Kind::Fifo,
        () if ty.is_socket() => Kind::Socket,
        () if ty.is_char_device() => Kind::CharDevice,
        () if ty.is_block_device() => Kind::BlockDevice,
        () => Kind::Regular,
    }
}

fn errno(error: io::Error) -> Errno {
    let number = error.raw_os_error().unwrap_or_default() as u64;
    Errno::ALL.iter().copied().find(|errno| errno.number() == number).unwrap_or(Errno::EIO)
}
