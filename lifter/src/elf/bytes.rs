//! Range-checked little-endian reads: the only way in which ELF structures are taken from bytes.

/// Longer names are treated as missing, so that a table whose names overlap cannot ask for memory without bound.
const LONGEST_NAME: usize = 4096;

/// Reads from a position onwards; `None` where the bytes end.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Unsigned LEB128; bits beyond 64 are dropped.
    pub fn uleb(&mut self) -> Option<u64> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// Signed LEB128; bits beyond 64 are dropped.
    pub fn sleb(&mut self) -> Option<i64> {
        let mut value = 0i64;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(if byte & 0x40 != 0 && shift < 64 { value | -1 << shift } else { value });
            }
        }
    }

    /// Up to and without the next zero byte; `None` if that is more than [`LONGEST_NAME`] away.
    pub fn c_str(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let len = rest.iter().take(LONGEST_NAME).position(|byte| *byte == 0)?;
        self.at += len + 1;
        Some(&rest[..len])
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Reader::new(bytes, at).u32()
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Reader::new(bytes, at).u64()
}
