//! Where a file's bytes lie in an archive; sparse files as GNU tar stores them ("Storing Sparse Files" in
//! its manual): the old GNU header, and pax formats 0.0, 0.1 and 1.0.

use hoist_vfs::Content;

use super::header::{BLOCK, Header, number};
use super::pax::{Records, decimal};
use super::{Entries, TarError};

/// The bytes of a file as pieces of the archive. What no piece covers is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The file's size in bytes, holes included.
    pub size: u64,
    /// In ascending order, none overlapping another, all within the size and within the archive.
    pub segments: Vec<Segment>,
}

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it belongs in the file.
    pub file_offset: u64,
    /// Where it lies in the archive.
    pub archive_offset: u64,
    pub len: u64,
}

impl Data {
    /// The content, if it lies in one piece of the archive: a part of it, nothing copied where the archive
    /// is spooled.
    pub fn in_one_piece(&self, archive: &Content) -> Option<Content> {
        let [segment] = &self.segments[..] else {
            return (self.size == 0).then(Content::default);
        };
        if segment.len != self.size {
            return None;
        }
        match archive {
            Content::Spool { file, offset, .. } => {
                Some(Content::Spool { file: file.clone(), offset: offset.checked_add(segment.archive_offset)?, len: self.size })
            }
            Content::Bytes(bytes) => {
                let from = usize::try_from(segment.archive_offset).ok()?;
                let to = from.checked_add(usize::try_from(segment.len).ok()?)?;
                bytes.get(from..to).map(Content::bytes)
            }
        }
    }
}

/// An offset in the file and a length in bytes.
type Extent = (u64, u64);

/// The data of a regular file's header, and its real name if format 1.0 or 0.1 hides it in a record.
pub(super) fn data(entries: &mut Entries<'_>, header: &Header, records: &Records) -> Result<(Data, Option<Vec<u8>>), TarError> {
    let offset = header.offset;
    let stored = records.size()?.map_or_else(|| header.size(), Ok)?;
    let (map, size) = if header.flag() == b'S' {
        (old_gnu_map(entries, header)?, header.unsigned(REAL_SIZE, "real size")?)
    } else if let Some(real_size) = pax_real_size(records)? {
        let is_format_1 = records.get("GNU.sparse.major") == Some(b"1");
        match is_format_1 {
            true => return format_1(entries, header, records, stored, real_size),
            false => (pax_map(records, offset)?, real_size),
        }
    } else {
        (vec![(0, stored)], stored)
    };
    check_size(size, offset, entries.limits.bytes)?;
    let at = entries.skip(stored, offset, "a file")?;
    let data = segments(&map, at, stored, size, offset)?;
    Ok((data, records.get("GNU.sparse.name").map(<[u8]>::to_vec)))
}

const REAL_SIZE: std::ops::Range<usize> = 483..495;

/// The map of the old GNU format: four extents in the header, and while a byte says that there are more,
/// further blocks of twenty-one.
fn old_gnu_map(entries: &mut Entries<'_>, header: &Header) -> Result<Vec<Extent>, TarError> {
    let offset = header.offset;
    let mut map = Vec::new();
    let mut take = |fields: &[u8]| {
        for field in fields.chunks_exact(24) {
            // An extent of NULs ends the list early.
            if field.iter().all(|&byte| byte == 0) {
                break;
            }
            let part = |at: &[u8]| number(at).and_then(|number| u64::try_from(number).ok());
            let (at, len) = (part(&field[..12]), part(&field[12..]));
            map.push(at.zip(len).ok_or_else(|| malformed(offset, "an extent is no number"))?);
        }
        Ok::<_, TarError>(())
    };
    take(&header.block[386..482])?;
    let mut has_more = header.block[482] != 0;
    while has_more {
        let at = entries.skip(BLOCK as u64, offset, "a sparse file's map")?;
        let mut block = [0; BLOCK];
        entries.read(at, &mut block, "a sparse file's map")?;
        take(&block[..504])?;
        has_more = block[504] != 0;
    }
    Ok(map)
}

/// The real size if the records describe a sparse file, in any of the pax formats.
fn pax_real_size(records: &Records) -> Result<Option<u64>, TarError> {
    let problem = "a malformed GNU.sparse size";
    let realsize = records.number("GNU.sparse.realsize", problem)?;
    match realsize {
        Some(size) => Ok(Some(size)),
        None => records.number("GNU.sparse.size", problem),
    }
}

/// The map in the records: format 0.1 in one, `OFFSET,LENGTH,…`; format 0.0 in a pair for each extent.
fn pax_map(records: &Records, offset: u64) -> Result<Vec<Extent>, TarError> {
    let parse = |digits: &[u8]| decimal(digits).ok_or_else(|| malformed(offset, "an extent is no number"));
    let numbers: Vec<u64> = match records.get("GNU.sparse.map") {
        Some(map) => map.split(|&byte| byte == b',').map(parse).collect::<Result<_, _>>()?,
        None => records
            .all()
            .filter(|(key, _)| [&b"GNU.sparse.offset"[..], b"GNU.sparse.numbytes"].contains(key))
            .map(|(_, value)| parse(value))
            .collect::<Result<_, _>>()?,
    };
    pairs(&numbers, offset)
}

/// Format 1.0: the map stands before the data, as decimal numbers in lines, padded to a block: how many
/// extents, then offset and length of each.
fn format_1(
    entries: &mut Entries<'_>,
    header: &Header,
    records: &Records,
    stored: u64,
    size: u64,
) -> Result<(Data, Option<Vec<u8>>), TarError> {
    let offset = header.offset;
    check_size(size, offset, entries.limits.bytes)?;
    let start = entries.skip(stored, offset, "a file")?;
    let (mut at, end) = (start, start + stored);
    let mut text: Vec<u8> = Vec::new();
    let (mut wanted, mut lines) = (None, 0);
    let numbers = loop {
        if wanted.is_none() && lines > 0 {
            let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let count = decimal(first).and_then(|count| count.checked_mul(2)?.checked_add(1));
            wanted = Some(count.ok_or_else(|| malformed(offset, "its map has no length"))?);
        }
        if wanted.is_some_and(|wanted| lines >= wanted) {
            let count = wanted.unwrap_or(1) as usize - 1;
            let rest = text.split(|&byte| byte == b'\n').skip(1).take(count);
            let number = |line| decimal(line).ok_or_else(|| malformed(offset, "an extent is no number"));
            break rest.map(number).collect::<Result<Vec<_>, _>>()?;
        }
        if end - at < BLOCK as u64 || text.len() as u64 > entries.limits.extended_header {
            return Err(malformed(offset, "its map does not end"));
        }
        let mut block = [0; BLOCK];
        entries.read(at, &mut block, "a sparse file's map")?;
        lines += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
        text.extend(block);
        at += BLOCK as u64;
    };
    let data = segments(&pairs(&numbers, offset)?, at, end - at, size, offset)?;
    Ok((data, records.get("GNU.sparse.name").map(<[u8]>::to_vec)))
}

fn pairs(numbers: &[u64], offset: u64) -> Result<Vec<Extent>, TarError> {
    let chunks = numbers.chunks_exact(2);
    match chunks.remainder() {
        [] => Ok(chunks.map(|pair| (pair[0], pair[1])).collect()),
        _ => Err(malformed(offset, "an offset without a length")),
    }
}

/// The segments of a map whose data, `stored` bytes, lies at `at`.
fn segments(map: &[Extent], mut at: u64, stored: u64, size: u64, offset: u64) -> Result<Data, TarError> {
    let mut left = stored;
    let mut covered = 0;
    let mut segments = Vec::new();
    for &(file_offset, len) in map {
        let end = file_offset.checked_add(len).filter(|&end| end <= size);
        let end = end.ok_or_else(|| malformed(offset, "an extent lies outside the file"))?;
        if file_offset < covered {
            return Err(malformed(offset, "extents overlap or are not in order"));
        }
        left = left.checked_sub(len).ok_or_else(|| malformed(offset, "less data than its map says"))?;
        if len > 0 {
            segments.push(Segment { file_offset, archive_offset: at, len });
        }
        at += len;
        covered = end;
    }
    Ok(Data { size, segments })
}

fn check_size(size: u64, offset: u64, limit: u64) -> Result<(), TarError> {
    let what = "file";
    match size > limit {
        true => Err(TarError::TooLong { offset, what, limit }),
        false => Ok(()),
    }
}

fn malformed(offset: u64, problem: &'static str) -> TarError {
    TarError::Sparse { offset, problem }
}
