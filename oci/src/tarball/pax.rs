//! The records of a pax extended header: "pax Extended Header" of pax(1p).

use std::collections::BTreeMap;

use hoist_vfs::Timestamp;

use super::TarError;

/// How star, GNU tar and Go's writer name an extended attribute.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// The records of one extended header, in order: GNU's sparse format 0.0 repeats keys.
#[derive(Default)]
pub(super) struct Records {
    offset: u64,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    /// Parses `LENGTH KEY=VALUE\n`, where LENGTH counts all of the record. Values may hold any byte.
    pub(super) fn parse(mut data: &[u8], offset: u64) -> Result<Records, TarError> {
        let malformed = |problem| TarError::Extended { offset, problem };
        let mut records = Vec::new();
        while !data.is_empty() {
            let space = data.iter().position(|&byte| byte == b' ');
            let space = space.ok_or_else(|| malformed("a record without a length"))?;
            let length = decimal(&data[..space]).and_then(|length| usize::try_from(length).ok());
            let length = length.ok_or_else(|| malformed("a record's length is no number"))?;
            // One byte at least for the key, one for `=`, one for the newline.
            if length > data.len() || length < space + 3 {
                return Err(malformed("a record's length is wrong"));
            }
            let (record, rest) = data.split_at(length);
            let record = record[space + 1..].strip_suffix(b"\n");
            let record = record.ok_or_else(|| malformed("a record does not end with a newline"))?;
            let equals = record.iter().position(|&byte| byte == b'=');
            let equals = equals.ok_or_else(|| malformed("a record without ="))?;
            records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            data = rest;
        }
        Ok(Records { offset, records })
    }

    /// The last value of a key; an empty one takes earlier ones back.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let mut values = self.records.iter().rev();
        let (_, value) = values.find(|(name, _)| name == key.as_bytes())?;
        (!value.is_empty()).then_some(value)
    }

    /// Every record, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    pub(super) fn path(&self) -> Result<Option<Vec<u8>>, TarError> {
        self.name("path")
    }

    pub(super) fn linkpath(&self) -> Result<Option<Vec<u8>>, TarError> {
        self.name("linkpath")
    }

    fn name(&self, key: &str) -> Result<Option<Vec<u8>>, TarError> {
        match self.get(key) {
            Some(name) if name.contains(&0) => Err(self.malformed("a name with a NUL in it")),
            name => Ok(name.map(<[u8]>::to_vec)),
        }
    }

    pub(super) fn uid(&self) -> Result<Option<u32>, TarError> {
        self.number("uid", "a malformed uid")
    }

    pub(super) fn gid(&self) -> Result<Option<u32>, TarError> {
        self.number("gid", "a malformed gid")
    }

    pub(super) fn size(&self) -> Result<Option<u64>, TarError> {
        self.number("size", "a malformed size")
    }

    /// A decimal number of a type that holds it.
    pub(super) fn number<T: TryFrom<u64>>(&self, key: &str, problem: &'static str) -> Result<Option<T>, TarError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = decimal(value).and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.malformed(problem))
    }

    pub(super) fn mtime(&self) -> Result<Option<Timestamp>, TarError> {
        let Some(value) = self.get("mtime") else {
            return Ok(None);
        };
        let time = timestamp(value);
        time.map(Some).ok_or_else(|| self.malformed("a malformed mtime"))
    }

    /// The extended attributes, by their full names.
    pub(super) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let xattr = |(key, value): (&[u8], &[u8])| {
            let name = key.strip_prefix(XATTR)?;
            Some((name.to_vec(), value.to_vec()))
        };
        self.all().filter_map(xattr).collect()
    }

    fn malformed(&self, problem: &'static str) -> TarError {
        let offset = self.offset;
        TarError::Extended { offset, problem }
    }
}

/// Decimal digits, one at least; `None` also for what does not fit.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `[-]SECONDS[.FRACTION]`; digits below a nanosecond are cut.
fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let secs = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanos = digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some(match (is_negative, nanos) {
        (false, nanos) => Timestamp { secs, nanos },
        (true, 0) => Timestamp { secs: -secs, nanos },
        // Nanoseconds count forward, before the epoch too.
        (true, nanos) => Timestamp { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_newlines() {
        let data = b"11 path=ab\n30 SCHILY.xattr.user.x=a\nb\0=c\n";
        let records = Records::parse(data, 0).expect("well formed");
        assert_eq!(records.get("path"), Some(&b"ab"[..]));
        let xattrs = records.xattrs();
        assert_eq!(xattrs.get(&b"user.x"[..]).map(Vec::as_slice), Some(&b"a\nb\0=c"[..]));
    }

    #[test]
    fn malformed() {
        for data in ["5", "x a=b\n", "99 a=b\n", "6 a=b\n5", "3 \n", "6 a=b\0", "18446744073709551616 a=b\n"] {
            assert!(Records::parse(data.as_bytes(), 0).is_err(), "{data:?}");
        }
    }

    #[test]
    fn times() {
        let time = |secs, nanos| Some(Timestamp { secs, nanos });
        assert_eq!(timestamp(b"12"), time(12, 0));
        assert_eq!(timestamp(b"12.5"), time(12, 500_000_000));
        assert_eq!(timestamp(b"12.0123456789"), time(12, 12_345_678));
        assert_eq!(timestamp(b"-1.25"), time(-2, 750_000_000));
        assert_eq!(timestamp(b"-1"), time(-1, 0));
        for text in ["", "-", ".5", "1.x", "1e3", "--1"] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
