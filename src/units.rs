//! Sizes and times as people write them.

use std::fmt;
use std::time::Duration;

/// A string is not a size, or not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("want a number of bytes, or one with KiB, MiB, GiB or TiB (K, M, G and T mean the same)")]
    Size,
    #[error("want a number of seconds, or one with ms, s, m, h or d")]
    Time,
}

/// `512`, `8MiB`, `16g`: powers of 1024, as docker's sizes are.
///
/// # Errors
/// `UnitError::Size`
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| UnitError::Size)?;
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return Err(UnitError::Size),
    };
    number.checked_mul(1 << (10 * power)).ok_or(UnitError::Size)
}

/// `90`, `1.5s`, `500ms`, `24h`, `7d`.
///
/// # Errors
/// `UnitError::Time`
pub fn time(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text);
    let number: f64 = number.parse().map_err(|_| UnitError::Time)?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(UnitError::Time),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| UnitError::Time)
}

/// The number and what follows it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A number of bytes as people read it.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let power = (self.0.ilog2() / 10).min(UNITS.len() as u32);
        f.pad(&format!("{:.1} {}", self.0 as f64 / (1u64 << (10 * power)) as f64, UNITS[power as usize - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!((size("512"), size("8MiB"), size("1 g")), (Ok(512), Ok(8 << 20), Ok(1 << 30)));
        for text in ["", "x", "1.5G", "-1", "1PiB", "99999999999999999999"] {
            assert_eq!(size(text), Err(UnitError::Size), "{text}");
        }
        assert_eq!(
            (time("2"), time("500ms"), time("1.5m")),
            (Ok(Duration::from_secs(2)), Ok(Duration::from_millis(500)), Ok(Duration::from_secs(90)))
        );
        for text in ["", "s", "-1s", "1w", "1e9d"] {
            assert_eq!(time(text), Err(UnitError::Time), "{text}");
        }
        assert_eq!(format!("{:>9}|{}", Bytes(1536), Bytes(7)), "  1.5 KiB|7 B");
    }
}
