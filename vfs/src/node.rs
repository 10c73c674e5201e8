//! What an inode is, in the words of inode(7) and stat(2).

/// An inode's number inside one tree or one ROM. The two number independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub u32);

impl InodeId {
    /// The root directory, in every tree and every ROM.
    pub const ROOT: InodeId = InodeId(0);
}

/// The type of a file: the `S_IFMT` part of `st_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Regular,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
}

/// The bits of `st_mode` that hold the kind.
pub const S_IFMT: u32 = 0o170000;

/// The bits of `st_mode` that are not the kind: rwx for user, group and others, sticky, setgid, setuid.
pub const MODE_BITS: u32 = 0o7777;

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 7] =
        [Kind::Regular, Kind::Directory, Kind::Symlink, Kind::CharDevice, Kind::BlockDevice, Kind::Fifo, Kind::Socket];

    /// The `S_IF…` constant of inode(7).
    pub const fn file_type_bits(self) -> u32 {
        match self {
            Kind::Fifo => 0o010000,
            Kind::CharDevice => 0o020000,
            Kind::Directory => 0o040000,
            Kind::BlockDevice => 0o060000,
            Kind::Regular => 0o100000,
            Kind::Symlink => 0o120000,
            Kind::Socket => 0o140000,
        }
    }

    /// The kind that `st_mode` states; `None` if its `S_IFMT` bits are no file type.
    pub fn from_st_mode(st_mode: u32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.file_type_bits() == st_mode & S_IFMT)
    }

    /// The `DT_…` constant of readdir(3), which is the file type shifted down.
    pub const fn d_type(self) -> u8 {
        (self.file_type_bits() >> 12) as u8
    }

    /// The kind of a `DT_…` constant; `None` for `DT_UNKNOWN` and what is no constant.
    pub fn from_d_type(d_type: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.d_type() == d_type)
    }
}

/// A point in time: seconds since the epoch (negative before it) and nanoseconds forward from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    pub secs: i64,
    /// Below 1,000,000,000.
    pub nanos: u32,
}

/// A device's number, as makedev(3) splits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

/// What an image states about a file of any kind, besides its extended attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attrs {
    /// Permission bits with sticky, setgid and setuid: `st_mode & 07777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
}

impl Attrs {
    /// The given mode, owned by root, from the epoch.
    pub const fn with_mode(mode: u32) -> Attrs {
        Attrs { mode, uid: 0, gid: 0, mtime: Timestamp { secs: 0, nanos: 0 } }
    }
}

/// What stat(2) tells about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub kind: Kind,
    /// Permission bits with sticky, setgid and setuid: `st_mode & 07777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    /// The device that a device file stands for; zero for every other kind.
    pub rdev: Device,
    /// Names of a file; for a directory two and one for each subdirectory, as ext4 counts.
    pub nlink: u32,
    /// Bytes: of a file its content, of a symlink its target, of a directory [`DIRECTORY_SIZE`], else zero.
    pub size: u64,
    /// `st_ino`: never zero.
    pub ino: u64,
}

/// `st_size` of every directory: one ext4 block, as most directories in a container have.
pub const DIRECTORY_SIZE: u64 = 4096;

impl Meta {
    /// `st_mode`: the kind and the permission bits.
    pub const fn st_mode(&self) -> u32 {
        self.kind.file_type_bits() | self.mode
    }
}

impl InodeId {
    /// `st_ino` of this inode. Zero would mean "deleted" to old readers of directories.
    pub const fn ino(self) -> u64 {
        self.0 as u64 + 1
    }
}
