//! The words the filesystem speaks: `struct stat`, credentials, open flags, changes of attributes.

use hoist_vfs::{Device, Kind, Timestamp};

use super::Result;
use crate::errno::Errno::{EACCES, EPERM};

/// The longest name of a directory entry in bytes: `NAME_MAX`.
pub const NAME_MAX: usize = 255;
/// The longest path in bytes, its NUL included: `PATH_MAX`.
pub const PATH_MAX: usize = 4096;
/// `st_blksize`, and the unit in which files occupy space.
pub const BLOCK_SIZE: u64 = 4096;

/// What stat(2) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub dev: Device,
    pub ino: u64,
    pub kind: Kind,
    /// `st_mode & 07777`.
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: Device,
    pub size: u64,
    /// Units of 512 bytes.
    pub blocks: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    /// When it was made; statx(2) alone tells.
    pub btime: Timestamp,
}

impl Stat {
    /// `st_mode`: kind and permission bits.
    pub fn st_mode(&self) -> u32 {
        self.kind.file_type_bits() | self.mode
    }

    /// A file of this kind with a number, root's, from the epoch; filesystems fill in the rest.
    pub fn new(dev: Device, ino: u64, kind: Kind, mode: u32) -> Stat {
        let epoch = Timestamp::default();
        Stat {
            dev,
            ino,
            kind,
            mode,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: Device::default(),
            size: 0,
            blocks: 0,
            atime: epoch,
            mtime: epoch,
            ctime: epoch,
            btime: epoch,
        }
    }
}

/// `dev_t` as the kernel packs it for stat(2): 12 bits of major, 20 bits of minor, split as glibc's makedev expects.
pub fn encode_device(device: Device) -> u64 {
    let (major, minor) = (u64::from(device.major), u64::from(device.minor));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// The device that mknod(2)'s `dev_t` means.
pub fn decode_device(dev: u64) -> Device {
    Device { major: ((dev >> 8 & 0xfff) | (dev >> 32 & !0xfff)) as u32, minor: ((dev & 0xff) | (dev >> 12 & 0xffff_ff00)) as u32 }
}

/// Capabilities of capabilities(7) that files ask about, by number.
pub mod cap {
    pub const CHOWN: u32 = 0;
    pub const DAC_OVERRIDE: u32 = 1;
    pub const DAC_READ_SEARCH: u32 = 2;
    pub const FOWNER: u32 = 3;
    pub const FSETID: u32 = 4;
    pub const SYS_CHROOT: u32 = 18;
    pub const SYS_ADMIN: u32 = 21;
    pub const MKNOD: u32 = 27;
}

/// Who asks: credentials(7) as the filesystem sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    pub fsuid: u32,
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities, bit by number.
    pub caps: u64,
}

impl Cred {
    /// root with every capability.
    pub fn root() -> Cred {
        Cred { fsuid: 0, fsgid: 0, groups: Vec::new(), caps: u64::MAX }
    }

    /// True if the capability is effective.
    pub fn capable(&self, capability: u32) -> bool {
        self.caps >> capability & 1 != 0
    }

    /// True if the group is the primary or a supplementary one.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Whether `mask` (`MAY_READ | MAY_WRITE | MAY_EXEC`) is allowed on a file.
    ///
    /// # Errors
    /// `EACCES`.
    pub fn permission(&self, stat: &Stat, mask: u32) -> Result<()> {
        let shift = match () {
            () if self.fsuid == stat.uid => 6,
            () if self.in_group(stat.gid) => 3,
            () => 0,
        };
        if stat.mode >> shift & mask == mask {
            return Ok(());
        }
        // As generic_permission() of Linux: execution of a plain file needs one x bit even of root.
        let directory = stat.kind == Kind::Directory;
        let executable = directory || mask & MAY_EXEC == 0 || stat.mode & 0o111 != 0;
        if self.capable(cap::DAC_OVERRIDE) && executable {
            return Ok(());
        }
        let looks = if directory { mask & MAY_WRITE == 0 } else { mask == MAY_READ };
        match looks && self.capable(cap::DAC_READ_SEARCH) {
            true => Ok(()),
            false => Err(EACCES),
        }
    }

    /// Whether this is the file's owner or may act as one.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn owner(&self, stat: &Stat) -> Result<()> {
        match self.fsuid == stat.uid || self.capable(cap::FOWNER) {
            true => Ok(()),
            false => Err(EPERM),
        }
    }
}

pub const MAY_EXEC: u32 = 1;
pub const MAY_WRITE: u32 = 2;
pub const MAY_READ: u32 = 4;

/// Flags of open(2), x86-64 values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    pub const RDONLY: u32 = 0;
    pub const WRONLY: u32 = 1;
    pub const RDWR: u32 = 2;
    pub const ACCMODE: u32 = 3;
    pub const CREAT: u32 = 0o100;
    pub const EXCL: u32 = 0o200;
    pub const NOCTTY: u32 = 0o400;
    pub const TRUNC: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const NONBLOCK: u32 = 0o4000;
    pub const DSYNC: u32 = 0o10000;
    pub const ASYNC: u32 = 0o20000;
    pub const DIRECT: u32 = 0o40000;
    pub const LARGEFILE: u32 = 0o100000;
    pub const DIRECTORY: u32 = 0o200000;
    pub const NOFOLLOW: u32 = 0o400000;
    pub const NOATIME: u32 = 0o1000000;
    pub const CLOEXEC: u32 = 0o2000000;
    pub const SYNC: u32 = 0o4010000;
    pub const PATH: u32 = 0o10000000;
    pub const TMPFILE: u32 = 0o20200000;

    /// True if every bit of `flag` is set.
    pub fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }

    /// Whether the file can be read from.
    pub fn readable(self) -> bool {
        matches!(self.0 & Self::ACCMODE, Self::RDONLY | Self::RDWR) && !self.has(Self::PATH)
    }

    /// Whether the file can be written to.
    pub fn writable(self) -> bool {
        matches!(self.0 & Self::ACCMODE, Self::WRONLY | Self::RDWR) && !self.has(Self::PATH)
    }
}

/// What [`super::Inode::create`] makes.
#[derive(Clone, Debug)]
pub struct NewInode {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of device files.
    pub rdev: Device,
    /// Of symlinks.
    pub target: Vec<u8>,
}

/// A change of attributes; `None` leaves as is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttr {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub atime: Option<Timestamp>,
    pub mtime: Option<Timestamp>,
}

/// What statfs(2) tells; the other fields follow from these.
#[derive(Clone, Copy, Debug)]
pub struct StatFs {
    /// `f_type`.
    pub magic: u64,
    /// Blocks of [`BLOCK_SIZE`].
    pub blocks: u64,
    pub free: u64,
    pub files: u64,
    pub files_free: u64,
}

/// Events of poll(2).
pub mod poll {
    pub const IN: u32 = 0x1;
    pub const PRI: u32 = 0x2;
    pub const OUT: u32 = 0x4;
    pub const ERR: u32 = 0x8;
    pub const HUP: u32 = 0x10;
    pub const NVAL: u32 = 0x20;
    pub const RDNORM: u32 = 0x40;
    pub const RDBAND: u32 = 0x80;
    pub const WRNORM: u32 = 0x100;
    pub const WRBAND: u32 = 0x200;
    pub const RDHUP: u32 = 0x2000;
    /// A file that never blocks.
    pub const ALWAYS: u32 = IN | OUT | RDNORM | WRNORM;
}
