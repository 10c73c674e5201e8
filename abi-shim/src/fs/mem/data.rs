//! The content of a regular file: what the ROM has, and in pages what was written over it.

use std::collections::BTreeMap;

use hoist_vfs::Extent;

use crate::errno::Errno::{EFBIG, ENOSPC};
use crate::fs::types::BLOCK_SIZE;
use crate::fs::{Feed, Result, Sink};
use crate::heap::{self, Claim};

use super::MemFs;

const PAGE: usize = BLOCK_SIZE as usize;

/// The largest file, as ext4 has it: 2³² − 1 blocks.
pub const SIZE_MAX: u64 = u32::MAX as u64 * BLOCK_SIZE;

/// Content. Bytes in neither a page nor the ROM's part are a hole.
#[derive(Default)]
pub struct Data {
    size: u64,
    /// What of the ROM's bytes is still part of the file, from its start.
    lower: Option<Extent>,
    /// By number of the page in the file.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    /// True once anything was written or cut off.
    changed: bool,
}

impl Data {
    /// The ROM's content.
    pub fn over_rom(extent: Extent) -> Data {
        Data { size: extent.len, lower: Some(extent), ..Data::default() }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The ROM's extent as long as it is the whole content.
    pub fn unchanged(&self) -> Option<Extent> {
        self.lower.filter(|_| !self.changed)
    }

    fn lower_len(&self) -> u64 {
        self.lower.map_or(0, |lower| lower.len)
    }

    /// Units of 512 bytes that are occupied.
    pub fn blocks(&self) -> u64 {
        let below = self.lower_len().div_ceil(BLOCK_SIZE);
        let above = self.pages.keys().filter(|&&page| page >= below).count() as u64;
        (below + above) * (BLOCK_SIZE / 512)
    }

    /// How many pages are in memory.
    pub fn page_count(&self) -> i64 {
        self.pages.len() as i64
    }

    /// Reads from `offset` until the sink is full or the file ends.
    pub fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let len = self.size.saturating_sub(offset).min(sink.room() as u64) as usize;
        let (mut at, end) = (offset, offset + len as u64);
        while at < end {
            let page = at / BLOCK_SIZE;
            // How far the same source reaches: to the page's end, or to the next page that is in memory.
            let part = match self.pages.get(&page) {
                Some(bytes) => {
                    let start = (at % BLOCK_SIZE) as usize;
                    let part = (end - at).min((PAGE - start) as u64);
                    sink.put(&bytes[start..start + part as usize])?;
                    part
                }
                None => {
                    let next = self.pages.range(page..).next().map_or(end, |(next, _)| next * BLOCK_SIZE);
                    let part = next.min(end) - at;
                    let from_rom = self.lower_len().saturating_sub(at).min(part);
                    if let Some(lower) = self.lower.filter(|_| from_rom > 0) {
                        sink.put_rom(lower.offset + at, from_rom as usize)?;
                    }
                    sink.put_zeros((part - from_rom) as usize)?;
                    part
                }
            };
            at += part;
        }
        Ok(len)
    }

    /// Writes at `offset` what the feed has. A count short of it if space ran out on the way.
    pub fn write_at(&mut self, fs: &MemFs, offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        if feed.left() == 0 {
            return Ok(0);
        }
        let room = SIZE_MAX.saturating_sub(offset);
        if room == 0 {
            return Err(EFBIG);
        }
        let len = (feed.left() as u64).min(room);
        let mut done = 0;
        while done < len {
            let at = offset + done;
            let start = (at % BLOCK_SIZE) as usize;
            let part = (len - done).min((PAGE - start) as u64);
            let result = self.page(fs, at / BLOCK_SIZE).and_then(|page| feed.take(&mut page[start..start + part as usize]));
            match result {
                Ok(()) => done += part,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.size = self.size.max(offset + done);
        }
        self.changed = true;
        Ok(done as usize)
    }

    /// The page for writing: what the file has there, from now on in memory.
    fn page(&mut self, fs: &MemFs, number: u64) -> Result<&mut [u8; PAGE]> {
        use std::collections::btree_map::Entry;
        match self.pages.entry(number) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(place) => {
                let zeros = heap::zeroed(Claim::File, PAGE)?.into_boxed_slice();
                let mut page: Box<[u8; PAGE]> = zeros.try_into().map_err(|_| ENOSPC)?;
                fs.count_pages(1)?;
                let start = number * BLOCK_SIZE;
                if let Some(lower) = self.lower.filter(|lower| lower.len > start) {
                    let part = (lower.len - start).min(BLOCK_SIZE) as usize;
                    let mut buffer = crate::fs::uio::Buffer::new(&mut page[..part]);
                    buffer.put_rom(lower.offset + start, part)?;
                }
                Ok(place.insert(page))
            }
        }
    }

    /// Cuts off or extends with a hole.
    pub fn truncate(&mut self, fs: &MemFs, size: u64) -> Result<()> {
        if size > SIZE_MAX {
            return Err(EFBIG);
        }
        if size < self.size {
            let before = self.page_count();
            self.pages.split_off(&size.div_ceil(BLOCK_SIZE));
            if let Some(page) = self.pages.get_mut(&(size / BLOCK_SIZE)) {
                page[(size % BLOCK_SIZE) as usize..].fill(0);
            }
            if let Some(lower) = &mut self.lower {
                lower.len = lower.len.min(size);
            }
            fs.count_pages(self.page_count() - before)?;
        }
        self.changed |= size != self.size;
        self.size = size;
        Ok(())
    }

    /// Zeros from `offset`, as a hole where whole pages allow it.
    pub fn punch_hole(&mut self, fs: &MemFs, offset: u64, len: u64) -> Result<()> {
        let end = offset.saturating_add(len).min(self.size);
        let mut at = offset;
        while at < end {
            let page = at / BLOCK_SIZE;
            let start = (at % BLOCK_SIZE) as usize;
            let part = (end - at).min((PAGE - start) as u64);
            let in_rom = self.lower_len() > page * BLOCK_SIZE;
            match part == BLOCK_SIZE && !in_rom {
                true if self.pages.remove(&page).is_some() => fs.count_pages(-1)?,
                true => {}
                false => self.page(fs, page)?[start..start + part as usize].fill(0),
            }
            at += part;
        }
        self.changed = true;
        Ok(())
    }

    /// The first byte from `offset` on that is data or a hole; the end of the file counts as a hole.
    pub fn seek_data(&self, offset: u64, data: bool) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let mut at = offset;
        while at < self.size {
            let page = at / BLOCK_SIZE;
            let is_data = at < self.lower_len() || self.pages.contains_key(&page);
            if is_data == data {
                return Some(at);
            }
            let next_page = self.pages.range(page + 1..).next().map_or(self.size, |(page, _)| page * BLOCK_SIZE);
            at = match is_data {
                true if at < self.lower_len() => self.lower_len().next_multiple_of(BLOCK_SIZE),
                true => (page + 1) * BLOCK_SIZE,
                false => next_page,
            };
        }
        (!data).then_some(self.size)
    }
}
