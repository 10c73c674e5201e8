//! One header block: "ustar Interchange Format" of pax(1p), and GNU tar's and star's deviations from it.

use std::ops::Range;

use hoist_vfs::{Device, Timestamp};

use super::{TarError, until_nul};

/// Bytes of a block; headers and data start at multiples of it.
pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const DEV_MAJOR: Range<usize> = 329..337;
const DEV_MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;
/// star keeps times behind a shorter prefix, and says so at the block's end.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_MAGIC: Range<usize> = 508..512;

/// A header whose checksum is right.
pub(super) struct Header {
    pub(super) offset: u64,
    pub(super) block: [u8; BLOCK],
}

impl Header {
    /// Checks the checksum: the sum of all bytes, those of the checksum taken as spaces. Old tars summed
    /// signed bytes.
    pub(super) fn parse(block: [u8; BLOCK], offset: u64) -> Result<Header, TarError> {
        let header = Header { offset, block };
        let bytes = || {
            let sum_as = |(at, &byte)| if CHECKSUM.contains(&at) { b' ' } else { byte };
            header.block.iter().enumerate().map(sum_as)
        };
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
        match number(&header.block[CHECKSUM]) {
            Some(sum) if sum == unsigned || sum == signed => Ok(header),
            _ => Err(TarError::Checksum { offset }),
        }
    }

    pub(super) fn flag(&self) -> u8 {
        self.block[FLAG]
    }

    /// The name, joined with POSIX's prefix. GNU tar has other things in the prefix's place.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(self.block[NAME].to_vec());
        if &self.block[MAGIC] != b"ustar\0" {
            return name;
        }
        let prefix = match &self.block[STAR_MAGIC] == b"tar\0" {
            true => STAR_PREFIX,
            false => PREFIX,
        };
        let mut whole = until_nul(self.block[prefix].to_vec());
        if !whole.is_empty() {
            whole.push(b'/');
        }
        whole.extend(name);
        whole
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(self.block[LINK].to_vec())
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        self.unsigned(SIZE, "size")
    }

    /// Permission bits; a mode may state the file type too, which goes.
    pub(super) fn mode(&self) -> Result<u32, TarError> {
        self.unsigned(MODE, "mode").map(|mode| (mode & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<u32, TarError> {
        self.small(UID, "uid")
    }

    pub(super) fn gid(&self) -> Result<u32, TarError> {
        self.small(GID, "gid")
    }

    pub(super) fn mtime(&self) -> Result<Timestamp, TarError> {
        let secs = number(&self.block[MTIME]).ok_or_else(|| self.malformed("mtime"))?;
        Ok(Timestamp { secs, nanos: 0 })
    }

    pub(super) fn device(&self) -> Result<Device, TarError> {
        Ok(Device { major: self.small(DEV_MAJOR, "device number")?, minor: self.small(DEV_MINOR, "device number")? })
    }

    /// A number that cannot be negative.
    pub(super) fn unsigned(&self, at: Range<usize>, field: &'static str) -> Result<u64, TarError> {
        let number = number(&self.block[at]).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| self.malformed(field))
    }

    fn small(&self, at: Range<usize>, field: &'static str) -> Result<u32, TarError> {
        let number = self.unsigned(at, field)?;
        u32::try_from(number).map_err(|_| self.malformed(field))
    }

    fn malformed(&self, field: &'static str) -> TarError {
        let offset = self.offset;
        TarError::Field { offset, field }
    }
}

/// A numeric field: octal digits among spaces and NULs, nothing for zero; or, with the first bit set, GNU's
/// base 256, a big-endian two's complement number whose sign is the second bit. `None` if it is neither or
/// does not fit.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        let is_negative = first & 0x40 != 0;
        let top = if is_negative { first } else { first & 0x7f };
        let bytes = std::iter::once(top).chain(field[1..].iter().copied());
        let start: i128 = if is_negative { -1 } else { 0 };
        // Twelve bytes at most, so 128 bits hold it.
        let value = bytes.fold(start, |value, byte| value << 8 | i128::from(byte));
        return i64::try_from(value).ok();
    }
    let is_filler = |byte: &u8| *byte == b' ' || *byte == 0;
    let from = field.iter().position(|byte| !is_filler(byte));
    let Some(from) = from else { return Some(0) };
    let digits = field[from..].split(is_filler).next()?;
    digits.iter().try_fold(0_i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b" 644 \0\0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"77777777777\0"), Some(0o77777777777));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(0x2_0000_0000));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
        assert_eq!(number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"0000689\0"), None);
        assert_eq!(number(b"-1\0"), None);
    }
}
