//! Reads tar archives: POSIX ustar and pax (pax(1)), GNU and old v7, with the sparse files of GNU tar.
//!
//! Not the `tar` crate: that splits pax records at newlines, which the binary values of extended attributes
//! contain; it cannot bound the size of extended headers; and its errors do not say where they are.

use std::collections::BTreeMap;
use std::io;

use hoist_vfs::{Content, Device, Timestamp};

use header::{BLOCK, Header};
use pax::Records;

mod header;
mod pax;
mod sparse;

pub use sparse::{Data, Segment};

/// Bounds on what an archive may ask of us, far above what images contain.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries of one archive.
    pub entries: usize,
    /// Bytes of a file name or link target.
    pub name: u64,
    /// Bytes of one extended header: all the pax records of an entry, its extended attributes included.
    pub extended_header: u64,
    /// Bytes of one file, holes included, and of all layers of an image, uncompressed.
    pub bytes: u64,
    /// Bytes of a manifest, an index or a config. Registries refuse manifests above 4 MiB.
    pub document: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 4_000_000, name: 64 << 10, extended_header: 16 << 20, bytes: 16 << 30, document: 8 << 20 }
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Regular(Data),
    /// Another name for the file of this name.
    HardLink(Vec<u8>),
    Symlink(Vec<u8>),
    CharDevice(Device),
    BlockDevice(Device),
    Directory,
    Fifo,
}

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its header lies in the archive, in bytes.
    pub offset: u64,
    /// As the archive has it: `./usr/bin/`, `/etc/passwd`, `a/../b`.
    pub name: Vec<u8>,
    pub kind: EntryKind,
    /// `st_mode & 07777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    /// By full name: `security.capability`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Why an archive cannot be read; `offset` is where the header lies, in bytes from the archive's start.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("the archive ends inside {what} that starts at byte {offset}")]
    Truncated { offset: u64, what: &'static str },
    #[error("no tar header at byte {offset}: its checksum is wrong")]
    Checksum { offset: u64 },
    #[error("the header at byte {offset} has a malformed {field}")]
    Field { offset: u64, field: &'static str },
    #[error("the extended header at byte {offset} is malformed: {problem}")]
    Extended { offset: u64, problem: &'static str },
    #[error("the sparse file at byte {offset} is malformed: {problem}")]
    Sparse { offset: u64, problem: &'static str },
    #[error("the entry at byte {offset} is of type {:?}, which is no file of a layer", char::from(*.flag))]
    Type { offset: u64, flag: u8 },
    #[error("the {what} at byte {offset} is longer than the limit of {limit} bytes")]
    TooLong { offset: u64, what: &'static str, limit: u64 },
    #[error("more than {limit} entries")]
    TooMany { limit: usize },
    #[error("reading at byte {offset}: {source}")]
    Read { offset: u64, source: io::Error },
}

/// The entries of an archive, in its order. Ends at the end-of-archive mark, at the end of the bytes, or
/// after the first error.
pub struct Entries<'a> {
    archive: &'a Content,
    limits: &'a Limits,
    /// Where the next header lies.
    next: u64,
    seen: usize,
    done: bool,
}

impl<'a> Entries<'a> {
    /// The entries of an uncompressed archive.
    pub fn new(archive: &'a Content, limits: &'a Limits) -> Entries<'a> {
        Entries { archive, limits, next: 0, seen: 0, done: false }
    }

    /// The next entry, its extended headers taken in.
    fn entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut records = Records::default();
        let (mut long_name, mut long_link) = (None, None);
        let mut is_described = false;
        loop {
            let offset = self.next;
            let Some(header) = self.header()? else {
                return match is_described {
                    true => Err(truncated(offset, "an extended header")),
                    false => Ok(None),
                };
            };
            // The size of what an extended header describes does not apply to a further one.
            match header.flag() {
                b'x' => records = Records::parse(&self.extended(&header)?, offset)?,
                b'L' => long_name = Some(until_nul(self.extended(&header)?)),
                b'K' => long_link = Some(until_nul(self.extended(&header)?)),
                // Global records state defaults that no image builder relies on; Go's reader skips them too.
                b'g' => {
                    self.extended(&header)?;
                    continue;
                }
                _ => return self.finish(&header, &records, long_name, long_link).map(Some),
            }
            is_described = true;
        }
    }

    /// The header at `self.next`, which moves behind it; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        let offset = self.next;
        let rest = self.archive.len().saturating_sub(offset);
        if rest == 0 {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.read(offset, &mut block, "a header")?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        self.next = offset + BLOCK as u64;
        Header::parse(block, offset).map(Some)
    }

    /// The data of an extended header; `self.next` moves behind it.
    fn extended(&mut self, header: &Header) -> Result<Vec<u8>, TarError> {
        let (offset, size) = (header.offset, header.size()?);
        let limit = self.limits.extended_header;
        if size > limit {
            let what = "extended header";
            return Err(TarError::TooLong { offset, what, limit });
        }
        let at = self.skip(size, offset, "an extended header")?;
        let mut data = vec![0; size as usize];
        self.read(at, &mut data, "an extended header")?;
        Ok(data)
    }

    /// The entry of a header that is no extended one; `self.next` moves behind its data.
    fn finish(
        &mut self,
        header: &Header,
        records: &Records,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, TarError> {
        let offset = header.offset;
        let mut name = match long_name {
            Some(name) => name,
            None => records.path()?.unwrap_or_else(|| header.name()),
        };
        let link = match long_link {
            Some(link) => link,
            None => records.linkpath()?.unwrap_or_else(|| header.link()),
        };
        let limit = self.limits.name;
        if name.len().max(link.len()) as u64 > limit {
            let what = "name";
            return Err(TarError::TooLong { offset, what, limit });
        }
        // Only files have data; a size in another header says nothing, to Go's reader either.
        let kind = match header.flag() {
            // Before POSIX, a directory was a file with a slash at the end of its name.
            b'\0' if name.ends_with(b"/") => EntryKind::Directory,
            b'0' | b'\0' | b'7' | b'S' => {
                let (data, real_name) = sparse::data(self, header, records)?;
                name = real_name.unwrap_or(name);
                EntryKind::Regular(data)
            }
            b'1' => EntryKind::HardLink(link),
            b'2' => EntryKind::Symlink(link),
            b'3' => EntryKind::CharDevice(header.device()?),
            b'4' => EntryKind::BlockDevice(header.device()?),
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            flag => return Err(TarError::Type { offset, flag }),
        };
        Ok(Entry {
            offset,
            name,
            kind,
            mode: header.mode()?,
            uid: records.uid()?.map_or_else(|| header.uid(), Ok)?,
            gid: records.gid()?.map_or_else(|| header.gid(), Ok)?,
            mtime: records.mtime()?.map_or_else(|| header.mtime(), Ok)?,
            xattrs: records.xattrs(),
        })
    }

    /// Moves `self.next` behind `size` bytes of data and their padding; gives where the data lies.
    ///
    /// # Errors
    /// `Truncated`, with where `what` starts, if the archive ends before the data does. The padding may be
    /// missing at the very end, where some writers forget it.
    fn skip(&mut self, size: u64, offset: u64, what: &'static str) -> Result<u64, TarError> {
        let at = self.next;
        let end = at.checked_add(size).filter(|&end| end <= self.archive.len());
        let end = end.ok_or_else(|| truncated(offset, what))?;
        self.next = end.next_multiple_of(BLOCK as u64);
        Ok(at)
    }

    /// Fills `buffer` from a place in the archive.
    fn read(&self, at: u64, buffer: &mut [u8], what: &'static str) -> Result<(), TarError> {
        let count = self.archive.read_at(at, buffer);
        let count = count.map_err(|source| TarError::Read { offset: at, source })?;
        match count == buffer.len() {
            true => Ok(()),
            false => Err(truncated(at, what)),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.seen == self.limits.entries {
            self.done = true;
            // Only if there is one more.
            let limit = self.limits.entries;
            return match self.header() {
                Ok(None) => None,
                _ => Some(Err(TarError::TooMany { limit })),
            };
        }
        self.seen += 1;
        let entry = self.entry().transpose();
        self.done = !matches!(entry, Some(Ok(_)));
        entry
    }
}

fn truncated(offset: u64, what: &'static str) -> TarError {
    TarError::Truncated { offset, what }
}

/// The bytes before the first NUL.
fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    bytes
}
