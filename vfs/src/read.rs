//! Reads a ROM where it lies, record by record.
//!
//! Opening reads the superblock and nothing else; a lookup reads the records of its binary search. Nothing
//! that a ROM says is believed: each record is checked as it is read, so that a damaged ROM gives a
//! [`RomError`], never a panic, and no allocation exceeds what Linux lets a name, a target or an attribute be.
//!
//! A directory's `.` and `..` are not stored: [`Rom::parent`] tells the second.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::layout::{EntryRecord, Extent, FormatError, InodeRecord, NONE, Superblock, XATTR_COUNT_SIZE, XattrHead};
use crate::name::{NAME_MAX, TARGET_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX, is_file_name, is_target};
use crate::node::{DIRECTORY_SIZE, Device, InodeId, Kind, Meta};

/// The bytes of a ROM, wherever they lie: in the kernel passive data segments, in a test a vector.
pub trait Source {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    /// `OutOfRange` if not all of them lie below [`Source::len`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange>;

    /// True if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Bytes were asked for that a [`Source`] does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes from {offset} to {offset} + {len} lie outside the source")]
pub struct OutOfRange {
    pub offset: u64,
    pub len: usize,
}

impl Source for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        let len = buffer.len();
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(len)?))
            .ok_or(OutOfRange { offset, len })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        Source::len(self.as_slice())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        self.as_slice().read_at(offset, buffer)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        (**self).read_at(offset, buffer)
    }
}

/// What is wrong with a ROM, or with the question put to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RomError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error("the ROM should have {stated} bytes, but only {present} are there")]
    Truncated { stated: u64, present: u64 },
    #[error("section {0} of the ROM lies outside it, or is not as long as its records")]
    BadSection(usize),
    #[error("the ROM has no inode {}", .0.0)]
    NoSuchInode(InodeId),
    #[error("inode {} of the ROM is damaged", .0.0)]
    BadInode(InodeId),
    #[error("directory entry {0} of the ROM is damaged")]
    BadEntry(u32),
    #[error("the extended attributes of inode {} in the ROM are damaged", .0.0)]
    BadXattrs(InodeId),
    #[error("inode {} of the ROM is not a {:?}", .inode.0, .wanted)]
    WrongKind { inode: InodeId, wanted: Kind },
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the directory, from 0. What follows it starts at `index + 1`.
    pub index: u32,
    pub name: Vec<u8>,
    pub inode: InodeId,
    pub kind: Kind,
}

/// An extended attribute: its full name and its value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// A ROM that has been opened.
#[derive(Clone, Debug)]
pub struct Rom<S> {
    source: S,
    superblock: Superblock,
}

impl<S: Source> Rom<S> {
    /// Reads and checks the superblock. The source may go on after the ROM.
    ///
    /// # Errors
    /// `Format`, `Truncated`, `BadSection`.
    pub fn open(source: S) -> Result<Rom<S>, RomError> {
        let present = source.len();
        let mut bytes = [0; Superblock::SIZE];
        if present < bytes.len() as u64 {
            let stated = bytes.len() as u64;
            return Err(RomError::Truncated { stated, present });
        }
        source.read_at(0, &mut bytes)?;
        let superblock = Superblock::decode(&bytes)?;
        let stated = superblock.len;
        if present < stated {
            return Err(RomError::Truncated { stated, present });
        }
        check_sections(&superblock)?;
        Ok(Rom { source, superblock })
    }

    /// The root directory.
    pub fn root(&self) -> InodeId {
        InodeId::ROOT
    }

    /// How many inodes there are; they number from 0.
    pub fn inode_count(&self) -> u32 {
        self.superblock.inode_count
    }

    /// The bytes of the ROM, file contents included.
    pub fn len(&self) -> u64 {
        self.superblock.len
    }

    /// False: a ROM has a root at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Where the ROM's bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What stat(2) tells about an inode.
    ///
    /// # Errors
    /// `NoSuchInode`, `BadInode`; likewise for all that follow.
    pub fn meta(&self, inode: InodeId) -> Result<Meta, RomError> {
        let record = self.record(inode)?;
        let (rdev, size) = match record.kind {
            Kind::Regular | Kind::Symlink => (Device::default(), record.size),
            Kind::Directory => (Device::default(), DIRECTORY_SIZE),
            Kind::CharDevice | Kind::BlockDevice => (device(record.place), 0),
            Kind::Fifo | Kind::Socket => (Device::default(), 0),
        };
        Ok(Meta {
            kind: record.kind,
            mode: record.attrs.mode,
            uid: record.attrs.uid,
            gid: record.attrs.gid,
            mtime: record.attrs.mtime,
            rdev,
            nlink: record.nlink,
            size,
            ino: inode.ino(),
        })
    }

    /// The entry of a directory with this name; `.` and `..` are not among them.
    ///
    /// # Errors
    /// Also `WrongKind`, `BadEntry`.
    pub fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>, RomError> {
        let (mut low, mut high) = self.entry_range(dir)?;
        let mut buffer = [0; NAME_MAX];
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry_record(middle)?;
            match self.name(middle, &entry, &mut buffer)?.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(Some(entry.inode)),
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The entries of a directory, sorted by the bytes of their names, from the one at place `from` on.
    /// After an entry that cannot be read the iterator ends.
    ///
    /// # Errors
    /// Also `WrongKind`; from the iterator `BadEntry`.
    pub fn entries(&self, dir: InodeId, from: u32) -> Result<Entries<'_, S>, RomError> {
        let (first, end) = self.entry_range(dir)?;
        Ok(Entries { rom: self, first, next: first.saturating_add(from).min(end), end })
    }

    /// How many entries a directory has.
    ///
    /// # Errors
    /// Also `WrongKind`.
    pub fn entry_count(&self, dir: InodeId) -> Result<u32, RomError> {
        let (first, end) = self.entry_range(dir)?;
        Ok(end - first)
    }

    /// The directory that holds this directory; the root's is the root.
    ///
    /// # Errors
    /// Also `WrongKind`.
    pub fn parent(&self, dir: InodeId) -> Result<InodeId, RomError> {
        Ok(self.record_of(dir, Kind::Directory)?.parent)
    }

    /// The target of a symlink.
    ///
    /// # Errors
    /// Also `WrongKind`.
    pub fn readlink(&self, inode: InodeId) -> Result<Vec<u8>, RomError> {
        let record = self.record_of(inode, Kind::Symlink)?;
        let extent = self.superblock.targets.slice(record.place, record.size);
        let target = self.bytes(extent.ok_or(RomError::BadInode(inode))?)?;
        match is_target(&target) {
            true => Ok(target),
            false => Err(RomError::BadInode(inode)),
        }
    }

    /// Where in the ROM, counted from its start, a regular file's content lies.
    ///
    /// # Errors
    /// Also `WrongKind`.
    pub fn content(&self, inode: InodeId) -> Result<Extent, RomError> {
        let record = self.record_of(inode, Kind::Regular)?;
        let extent = self.superblock.data.slice(record.place, record.size);
        extent.ok_or(RomError::BadInode(inode))
    }

    /// Which of the lifted ELF files this file is, by the number that the packer was given.
    pub fn elf(&self, inode: InodeId) -> Result<Option<u32>, RomError> {
        let record = self.record(inode)?;
        Ok(Some(record.elf).filter(|elf| *elf != NONE))
    }

    /// The extended attributes of an inode, names and values, sorted by the bytes of the names.
    ///
    /// # Errors
    /// Also `BadXattrs`.
    pub fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>, RomError> {
        let mut xattrs = Vec::new();
        self.each_xattr(inode, |name, value| {
            xattrs.push((name, self.bytes(value)?));
            Ok(())
        })?;
        Ok(xattrs)
    }

    /// The value of one extended attribute of an inode.
    ///
    /// # Errors
    /// Also `BadXattrs`.
    pub fn xattr(&self, inode: InodeId, name: &[u8]) -> Result<Option<Vec<u8>>, RomError> {
        let mut found = None;
        self.each_xattr(inode, |this, value| {
            if this == name {
                found = Some(self.bytes(value)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    // ---- Records, checked

    /// An inode's record, whatever its kind. Its parent exists and its entries lie in their section.
    fn record(&self, inode: InodeId) -> Result<InodeRecord, RomError> {
        if inode.0 >= self.superblock.inode_count {
            return Err(RomError::NoSuchInode(inode));
        }
        let start = u64::from(inode.0) * InodeRecord::SIZE as u64;
        let bytes = self.array(self.superblock.inodes.offset + start)?;
        let record = InodeRecord::decode(&bytes).ok_or(RomError::BadInode(inode))?;
        let superblock = &self.superblock;
        let all_entries = Extent { offset: 0, len: superblock.entry_count.into() };
        let sound = match record.kind {
            Kind::Regular => superblock.data.slice(record.place, record.size).is_some(),
            Kind::Symlink => record.size <= TARGET_MAX as u64 && superblock.targets.slice(record.place, record.size).is_some(),
            Kind::Directory => record.parent.0 < superblock.inode_count && all_entries.slice(record.place, record.size).is_some(),
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket => true,
        };
        match sound {
            true => Ok(record),
            false => Err(RomError::BadInode(inode)),
        }
    }

    fn record_of(&self, inode: InodeId, wanted: Kind) -> Result<InodeRecord, RomError> {
        let record = self.record(inode)?;
        match record.kind == wanted {
            true => Ok(record),
            false => Err(RomError::WrongKind { inode, wanted }),
        }
    }

    /// The numbers of a directory's first entry and of the one after its last.
    fn entry_range(&self, dir: InodeId) -> Result<(u32, u32), RomError> {
        let record = self.record_of(dir, Kind::Directory)?;
        // `record` saw that both are at most the number of entries, a u32.
        Ok((record.place as u32, (record.place + record.size) as u32))
    }

    /// An entry's record. Its inode exists, its name lies in its section and is not too long.
    fn entry_record(&self, number: u32) -> Result<EntryRecord, RomError> {
        let start = u64::from(number) * EntryRecord::SIZE as u64;
        let bytes = self.array(self.superblock.entries.offset + start)?;
        EntryRecord::decode(&bytes).filter(|entry| entry.inode.0 < self.superblock.inode_count).ok_or(RomError::BadEntry(number))
    }

    /// An entry's name, read into `buffer`.
    fn name<'b>(&self, number: u32, entry: &EntryRecord, buffer: &'b mut [u8; NAME_MAX]) -> Result<&'b [u8], RomError> {
        let len = usize::from(entry.name_len);
        let names = self.superblock.names;
        let extent = names.slice(entry.name_offset.into(), len as u64);
        let name = buffer.get_mut(..len);
        let (Some(extent), Some(name)) = (extent, name) else {
            return Err(RomError::BadEntry(number));
        };
        self.source.read_at(extent.offset, name)?;
        match is_file_name(name) {
            true => Ok(name),
            false => Err(RomError::BadEntry(number)),
        }
    }

    /// Calls `each` with the name of every extended attribute of an inode and the place of its value.
    fn each_xattr(&self, inode: InodeId, mut each: impl FnMut(Vec<u8>, Extent) -> Result<(), RomError>) -> Result<(), RomError> {
        let mut at = self.record(inode)?.xattrs;
        if at == InodeRecord::NO_XATTRS {
            return Ok(());
        }
        let damaged = RomError::BadXattrs(inode);
        let mut next = |len: usize| {
            let extent = self.superblock.xattrs.slice(at, len as u64);
            at = at.saturating_add(len as u64);
            extent.ok_or(damaged)
        };
        let count = u32::from_le_bytes(self.array(next(XATTR_COUNT_SIZE)?.offset)?);
        for _ in 0..count {
            let head = XattrHead::decode(&self.array(next(XattrHead::SIZE)?.offset)?);
            let (name_len, value_len) = (head.name_len as usize, head.value_len as usize);
            if !(1..=XATTR_NAME_MAX).contains(&name_len) || value_len > XATTR_SIZE_MAX {
                return Err(damaged);
            }
            let name = self.bytes(next(name_len)?)?;
            if name.contains(&0) {
                return Err(damaged);
            }
            each(name, next(value_len)?)?;
        }
        Ok(())
    }

    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], RomError> {
        let mut bytes = [0; N];
        self.source.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of an extent that its caller saw to be short.
    fn bytes(&self, extent: Extent) -> Result<Vec<u8>, RomError> {
        let mut bytes = vec![0; extent.len as usize];
        self.source.read_at(extent.offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// Every section lies in the ROM and is as long as its records.
fn check_sections(superblock: &Superblock) -> Result<(), RomError> {
    let rom = Extent { offset: 0, len: superblock.len };
    for (number, section) in superblock.sections().into_iter().enumerate() {
        rom.slice(section.offset, section.len).ok_or(RomError::BadSection(number))?;
    }
    let inodes = u64::from(superblock.inode_count) * InodeRecord::SIZE as u64;
    if superblock.inodes.len != inodes || inodes == 0 {
        return Err(RomError::BadSection(0));
    }
    let entries = u64::from(superblock.entry_count) * EntryRecord::SIZE as u64;
    if superblock.entries.len != entries {
        return Err(RomError::BadSection(1));
    }
    Ok(())
}

/// A device's number from its 64 bits in an inode's record.
fn device(place: u64) -> Device {
    Device { major: (place >> 32) as u32, minor: place as u32 }
}

/// The entries of a directory: see [`Rom::entries`].
#[derive(Debug)]
pub struct Entries<'a, S> {
    rom: &'a Rom<S>,
    first: u32,
    next: u32,
    end: u32,
}

impl<S: Source> Entries<'_, S> {
    fn read(&self, number: u32) -> Result<Entry, RomError> {
        let record = self.rom.entry_record(number)?;
        let mut buffer = [0; NAME_MAX];
        let name = self.rom.name(number, &record, &mut buffer)?.to_vec();
        Ok(Entry { index: number - self.first, name, inode: record.inode, kind: record.kind })
    }
}

impl<S: Source> Iterator for Entries<'_, S> {
    type Item = Result<Entry, RomError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let entry = self.read(self.next);
        self.next = match entry {
            Ok(_) => self.next + 1,
            Err(_) => self.end,
        };
        Some(entry)
    }
}
