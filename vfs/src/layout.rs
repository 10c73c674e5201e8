//! The ROM's records, version 1: the one place where packer and reader meet.
//!
//! A ROM is one range of bytes, little-endian throughout:
//!
//! ```text
//! superblock  128 bytes    magic, version, length, counts, where each section lies
//! inodes      64 bytes a record, by inode number; the root is number 0
//! entries     12 bytes a record; a directory's stand together, sorted by the bytes of their names
//! names       the bytes of file names, each name once
//! targets     the bytes of symlink targets
//! xattrs      sets of extended attributes, each set once
//! data        file contents, each contiguous, aligned to 16 bytes, equal ones once
//! ```
//!
//! Everything before `data` is the *index*. Offsets in the superblock count from the start of the ROM, all
//! others from the start of their section. Sections are aligned to 16 bytes; the gaps are zero.

use crate::node::{Attrs, InodeId, Kind, MODE_BITS, S_IFMT, Timestamp};

/// The first eight bytes of a ROM.
pub const MAGIC: [u8; 8] = *b"HOISTROM";

/// The version that this crate writes, and the only one that it reads: a component carries its own reader.
pub const VERSION: u32 = 1;

/// What sections and file contents are aligned to, in bytes.
pub const ALIGNMENT: u64 = 16;

/// Stands for "none" in a field that holds an index.
pub const NONE: u32 = u32::MAX;

/// A range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub len: u64,
}

impl Extent {
    /// `len` bytes from `offset` of this range, counted as this range is; `None` if they are not all in it.
    pub fn slice(self, offset: u64, len: u64) -> Option<Extent> {
        let fits = offset <= self.len && len <= self.len - offset;
        let offset = self.offset.checked_add(offset).filter(|_| fits)?;
        Some(Extent { offset, len })
    }
}

/// Why bytes are not the superblock of a ROM that this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("not a ROM: it starts with {0:?}, not with \"HOISTROM\"")]
    Magic([u8; 8]),
    #[error("a ROM of version {0}; this is the reader of version {VERSION}")]
    Version(u32),
    #[error("a superblock of {0} bytes; that of version {VERSION} is shorter or longer")]
    Size(u32),
}

/// The ROM's first record.
///
/// ```text
///  0  magic    [u8; 8]      24  inodes   u32      32 + 16 n  offset  u64   of section n
///  8  version  u32          28  entries  u32      40 + 16 n  len     u64   of section n
/// 12  size     u32, of this record
/// 16  len      u64, of the ROM
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// The length of the ROM in bytes.
    pub len: u64,
    pub inode_count: u32,
    pub entry_count: u32,
    pub inodes: Extent,
    pub entries: Extent,
    pub names: Extent,
    pub targets: Extent,
    pub xattrs: Extent,
    pub data: Extent,
}

impl Superblock {
    /// Bytes of the record.
    pub const SIZE: usize = 128;

    /// The sections in the order in which they stand in the record and in the ROM.
    pub fn sections(&self) -> [Extent; 6] {
        [self.inodes, self.entries, self.names, self.targets, self.xattrs, self.data]
    }

    /// The record's bytes.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut record = Fields([0; Self::SIZE]);
        record.put(0, MAGIC);
        record.put(8, VERSION.to_le_bytes());
        record.put(12, (Self::SIZE as u32).to_le_bytes());
        record.put(16, self.len.to_le_bytes());
        record.put(24, self.inode_count.to_le_bytes());
        record.put(28, self.entry_count.to_le_bytes());
        for (number, section) in self.sections().into_iter().enumerate() {
            record.put(32 + 16 * number, section.offset.to_le_bytes());
            record.put(40 + 16 * number, section.len.to_le_bytes());
        }
        record.0
    }

    /// The record. Counts and extents are unchecked.
    ///
    /// # Errors
    /// If the bytes are no superblock of this version.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Result<Superblock, FormatError> {
        let record = Fields(*bytes);
        if record.take(0) != MAGIC {
            return Err(FormatError::Magic(record.take(0)));
        }
        if record.u32(8) != VERSION {
            return Err(FormatError::Version(record.u32(8)));
        }
        if record.u32(12) != Self::SIZE as u32 {
            return Err(FormatError::Size(record.u32(12)));
        }
        let section = |number: usize| Extent { offset: record.u64(32 + 16 * number), len: record.u64(40 + 16 * number) };
        Ok(Superblock {
            len: record.u64(16),
            inode_count: record.u32(24),
            entry_count: record.u32(28),
            inodes: section(0),
            entries: section(1),
            names: section(2),
            targets: section(3),
            xattrs: section(4),
            data: section(5),
        })
    }
}

/// One inode.
///
/// ```text
///  0  st_mode  u32    16  mtime seconds      i64    40  size    u64
///  4  uid      u32    24  mtime nanoseconds  u32    48  place   u64
///  8  gid      u32    28  elf                u32    56  parent  u32
/// 12  nlink    u32    32  xattrs             u64    60  zero    u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InodeRecord {
    pub kind: Kind,
    pub attrs: Attrs,
    pub nlink: u32,
    /// Index of the lifted ELF file that this file is, or [`NONE`].
    pub elf: u32,
    /// Offset of the set of extended attributes in its section, or [`InodeRecord::NO_XATTRS`].
    pub xattrs: u64,
    /// Regular: bytes of content. Symlink: bytes of target. Directory: number of entries. Else 0.
    pub size: u64,
    /// Regular: offset in data. Symlink: offset in targets. Directory: index of the first entry.
    /// Device: major number in the upper 32 bits, minor number in the lower. Else 0.
    pub place: u64,
    /// Directory: the inode that holds it. Else 0.
    pub parent: InodeId,
}

impl InodeRecord {
    /// Bytes of the record.
    pub const SIZE: usize = 64;

    /// Stands for "no extended attributes".
    pub const NO_XATTRS: u64 = u64::MAX;

    /// The record's bytes.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let st_mode = self.kind.file_type_bits() | self.attrs.mode;
        let mut record = Fields([0; Self::SIZE]);
        record.put(0, st_mode.to_le_bytes());
        record.put(4, self.attrs.uid.to_le_bytes());
        record.put(8, self.attrs.gid.to_le_bytes());
        record.put(12, self.nlink.to_le_bytes());
        record.put(16, self.attrs.mtime.secs.to_le_bytes());
        record.put(24, self.attrs.mtime.nanos.to_le_bytes());
        record.put(28, self.elf.to_le_bytes());
        record.put(32, self.xattrs.to_le_bytes());
        record.put(40, self.size.to_le_bytes());
        record.put(48, self.place.to_le_bytes());
        record.put(56, self.parent.0.to_le_bytes());
        record.0
    }

    /// The record; `None` if its mode or its time is none. Places are unchecked.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Option<InodeRecord> {
        let record = Fields(*bytes);
        let st_mode = record.u32(0);
        let kind = Kind::from_st_mode(st_mode)?;
        let mode = st_mode & !S_IFMT;
        let nanos = record.u32(24);
        if mode & !MODE_BITS != 0 || nanos > 999_999_999 {
            return None;
        }
        Some(InodeRecord {
            kind,
            attrs: Attrs {
                mode,
                uid: record.u32(4),
                gid: record.u32(8),
                mtime: Timestamp { secs: record.u64(16) as i64, nanos },
            },
            nlink: record.u32(12),
            elf: record.u32(28),
            xattrs: record.u64(32),
            size: record.u64(40),
            place: record.u64(48),
            parent: InodeId(record.u32(56)),
        })
    }
}

/// One entry of a directory.
///
/// ```text
///  0  name offset  u32    8  name length       u16
///  4  inode        u32   10  kind, as d_type   u8    11  zero  u8
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRecord {
    /// Offset in names.
    pub name_offset: u32,
    pub name_len: u16,
    pub inode: InodeId,
    pub kind: Kind,
}

impl EntryRecord {
    /// Bytes of the record.
    pub const SIZE: usize = 12;

    /// The record's bytes.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut record = Fields([0; Self::SIZE]);
        record.put(0, self.name_offset.to_le_bytes());
        record.put(4, self.inode.0.to_le_bytes());
        record.put(8, self.name_len.to_le_bytes());
        record.put(10, [self.kind.d_type()]);
        record.0
    }

    /// The record; `None` if its kind is none. The places are unchecked.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Option<EntryRecord> {
        let record = Fields(*bytes);
        Some(EntryRecord {
            name_offset: record.u32(0),
            inode: InodeId(record.u32(4)),
            name_len: u16::from_le_bytes(record.take(8)),
            kind: Kind::from_d_type(record.0[10])?,
        })
    }
}

/// The head of a set of extended attributes: how many. Each follows as an [`XattrHead`], name, value,
/// sorted by the bytes of the names, without gaps.
pub const XATTR_COUNT_SIZE: usize = 4;

/// What stands before an extended attribute's name: the length of the name (u32) and of the value (u32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrHead {
    pub name_len: u32,
    pub value_len: u32,
}

impl XattrHead {
    /// Bytes of the record.
    pub const SIZE: usize = 8;

    /// The record's bytes.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut record = Fields([0; Self::SIZE]);
        record.put(0, self.name_len.to_le_bytes());
        record.put(4, self.value_len.to_le_bytes());
        record.0
    }

    /// The record, unchecked.
    pub fn decode(bytes: &[u8; Self::SIZE]) -> XattrHead {
        let record = Fields(*bytes);
        XattrHead { name_len: record.u32(0), value_len: record.u32(4) }
    }
}

/// A record of `N` bytes. The offsets that it is asked for are constants of this file.
struct Fields<const N: usize>([u8; N]);

impl<const N: usize> Fields<N> {
    fn put<const M: usize>(&mut self, offset: usize, bytes: [u8; M]) {
        self.0[offset..offset + M].copy_from_slice(&bytes);
    }

    fn take<const M: usize>(&self, offset: usize) -> [u8; M] {
        let mut bytes = [0; M];
        bytes.copy_from_slice(&self.0[offset..offset + M]);
        bytes
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.take(offset))
    }

    fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.take(offset))
    }
}
