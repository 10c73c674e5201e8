//! wasi:filesystem: the directories that the host grants.

use super::bindings::wasi::clocks::wall_clock::Datetime;
use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use super::{Entry, FileStat};
use crate::errno::Errno;

use hoist_vfs::{Kind, Timestamp};

type Result<T> = core::result::Result<T, Errno>;

/// A directory, open.
pub struct Directory(Descriptor);

/// A regular file, open.
pub struct HostFile(Descriptor);

/// The granted directories, and the names under which they were granted.
pub fn granted() -> Vec<(Directory, String)> {
    preopens::get_directories().into_iter().map(|(descriptor, name)| (Directory(descriptor), name)).collect()
}

impl Directory {
    /// Whether entries can be made and changed.
    pub fn is_writable(&self) -> bool {
        self.0.get_flags().is_ok_and(|flags| flags.contains(DescriptorFlags::MUTATE_DIRECTORY))
    }

    /// What the directory itself is.
    ///
    /// # Errors
    /// Of the host; likewise for all that follow.
    pub fn stat(&self) -> Result<FileStat> {
        stat_of(&self.0)
    }

    /// What an entry is; symlinks are not followed.
    pub fn stat_at(&self, name: &str) -> Result<FileStat> {
        let stat = self.0.stat_at(PathFlags::empty(), name).map_err(errno)?;
        let hash = self.0.metadata_hash_at(PathFlags::empty(), name).map_err(errno)?;
        Ok(decode(&stat, hash.lower))
    }

    /// The directory below with this name.
    pub fn open_directory(&self, name: &str) -> Result<Directory> {
        let mut flags = DescriptorFlags::READ;
        if self.is_writable() {
            flags |= DescriptorFlags::MUTATE_DIRECTORY;
        }
        let opened = self.0.open_at(PathFlags::empty(), name, OpenFlags::DIRECTORY, flags);
        opened.map(Directory).map_err(errno)
    }

    /// The regular file with this name.
    pub fn open_file(&self, name: &str, write: bool) -> Result<HostFile> {
        self.open(name, OpenFlags::empty(), write)
    }

    /// Makes a regular file with this name.
    pub fn create_file(&self, name: &str) -> Result<HostFile> {
        self.open(name, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, true)
    }

    fn open(&self, name: &str, how: OpenFlags, write: bool) -> Result<HostFile> {
        let flags = if write { DescriptorFlags::READ | DescriptorFlags::WRITE } else { DescriptorFlags::READ };
        self.0.open_at(PathFlags::empty(), name, how, flags).map(HostFile).map_err(errno)
    }

    /// All entries, `.` and `..` not among them.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let stream = self.0.read_directory().map_err(errno)?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.read_directory_entry().map_err(errno)? {
            entries.push(Entry { name: entry.name, kind: kind(entry.type_) });
        }
        Ok(entries)
    }

    pub fn make_directory(&self, name: &str) -> Result<()> {
        self.0.create_directory_at(name).map_err(errno)
    }

    pub fn symlink(&self, target: &str, name: &str) -> Result<()> {
        self.0.symlink_at(target, name).map_err(errno)
    }

    pub fn readlink(&self, name: &str) -> Result<String> {
        self.0.readlink_at(name).map_err(errno)
    }

    pub fn link(&self, name: &str, to: &Directory, to_name: &str) -> Result<()> {
        self.0.link_at(PathFlags::empty(), name, &to.0, to_name).map_err(errno)
    }

    pub fn unlink(&self, name: &str) -> Result<()> {
        self.0.unlink_file_at(name).map_err(errno)
    }

    pub fn remove_directory(&self, name: &str) -> Result<()> {
        self.0.remove_directory_at(name).map_err(errno)
    }

    pub fn rename(&self, name: &str, to: &Directory, to_name: &str) -> Result<()> {
        self.0.rename_at(name, &to.0, to_name).map_err(errno)
    }

    /// Sets times of access and modification of an entry; `None` leaves as is.
    pub fn set_times_at(&self, name: &str, access: Option<Timestamp>, modification: Option<Timestamp>) -> Result<()> {
        self.0.set_times_at(PathFlags::empty(), name, new_time(access), new_time(modification)).map_err(errno)
    }
}

impl HostFile {
    pub fn stat(&self) -> Result<FileStat> {
        stat_of(&self.0)
    }

    /// Fills the buffer from `offset`; 0 at the end.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let (bytes, _) = self.0.read(buffer.len() as u64, offset).map_err(errno)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Writes at `offset`; how much.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes, offset).map(|count| count as usize).map_err(errno)
    }

    pub fn set_size(&self, size: u64) -> Result<()> {
        self.0.set_size(size).map_err(errno)
    }

    pub fn sync(&self) -> Result<()> {
        self.0.sync().map_err(errno)
    }
}

fn stat_of(descriptor: &Descriptor) -> Result<FileStat> {
    let stat = descriptor.stat().map_err(errno)?;
    let hash = descriptor.metadata_hash().map_err(errno)?;
    Ok(decode(&stat, hash.lower))
}

fn decode(stat: &DescriptorStat, ino: u64) -> FileStat {
    let time = |time: Option<Datetime>| {
        time.map_or_else(Timestamp::default, |time| Timestamp { secs: time.seconds as i64, nanos: time.nanoseconds })
    };
    FileStat {
        kind: kind(stat.type_),
        ino,
        links: stat.link_count,
        size: stat.size,
        access: time(stat.data_access_timestamp),
        modification: time(stat.data_modification_timestamp),
        change: time(stat.status_change_timestamp),
    }
}

fn kind(ty: DescriptorType) -> Kind {
    match ty {
        DescriptorType::Directory => Kind::Directory,
        DescriptorType::SymbolicLink => Kind::Symlink,
        DescriptorType::Fifo => Kind::Fifo,
        DescriptorType::Socket => Kind::Socket,
        DescriptorType::BlockDevice => Kind::BlockDevice,
        DescriptorType::CharacterDevice => Kind::CharDevice,
        DescriptorType::RegularFile | DescriptorType::Unknown => Kind::Regular,
    }
}

fn new_time(time: Option<Timestamp>) -> NewTimestamp {
    match time {
        None => NewTimestamp::NoChange,
        Some(time) => NewTimestamp::Timestamp(Datetime { seconds: time.secs.max(0) as u64, nanoseconds: time.nanos }),
    }
}

fn errno(code: ErrorCode) -> Errno {
    match code {
        ErrorCode::Access => Errno::EACCES,
        ErrorCode::WouldBlock => Errno::EAGAIN,
        ErrorCode::Already => Errno::EALREADY,
        ErrorCode::BadDescriptor => Errno::EBADF,
        ErrorCode::Busy => Errno::EBUSY,
        ErrorCode::Deadlock => Errno::EDEADLK,
        ErrorCode::Quota => Errno::EDQUOT,
        ErrorCode::Exist => Errno::EEXIST,
        ErrorCode::FileTooLarge => Errno::EFBIG,
        ErrorCode::IllegalByteSequence => Errno::EILSEQ,
        ErrorCode::InProgress => Errno::EINPROGRESS,
        ErrorCode::Interrupted => Errno::EINTR,
        ErrorCode::Invalid => Errno::EINVAL,
        ErrorCode::Io => Errno::EIO,
        ErrorCode::IsDirectory => Errno::EISDIR,
        ErrorCode::Loop => Errno::ELOOP,
        ErrorCode::TooManyLinks => Errno::EMLINK,
        ErrorCode::MessageSize => Errno::EMSGSIZE,
        ErrorCode::NameTooLong => Errno::ENAMETOOLONG,
        ErrorCode::NoDevice | ErrorCode::NoSuchDevice => Errno::ENODEV,
        ErrorCode::NoEntry => Errno::ENOENT,
        ErrorCode::NoLock => Errno::ENOLCK,
        ErrorCode::InsufficientMemory => Errno::ENOMEM,
        ErrorCode::InsufficientSpace => Errno::ENOSPC,
        ErrorCode::NotDirectory => Errno::ENOTDIR,
        ErrorCode::NotEmpty => Errno::ENOTEMPTY,
        ErrorCode::NotRecoverable => Errno::ENOTRECOVERABLE,
        ErrorCode::Unsupported => Errno::EOPNOTSUPP,
        ErrorCode::NoTty => Errno::ENOTTY,
        ErrorCode::Overflow => Errno::EOVERFLOW,
        ErrorCode::NotPermitted => Errno::EPERM,
        ErrorCode::Pipe => Errno::EPIPE,
        ErrorCode::ReadOnly => Errno::EROFS,
        ErrorCode::InvalidSeek => Errno::ESPIPE,
        ErrorCode::TextFileBusy => Errno::ETXTBSY,
        ErrorCode::CrossDevice => Errno::EXDEV,
    }
}
