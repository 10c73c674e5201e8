//! What a run can be given, in docker's notation: read by the command, which says what is wrong with it, and by the kernel, which does it.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::net::IpAddr;

/// Why an option is not what docker would take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionError {
    /// Of a size: `512m`.
    Size(String),
    /// Of a mount: its path has to be absolute.
    Path(String),
    /// Of a mount: an option that tmpfs(5) does not have, or a value that it cannot have.
    Mount(String),
    /// `NAME:IP`.
    Host(String),
    /// An address.
    Address(String),
}

impl core::fmt::Display for OptionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            OptionError::Size(text) => write!(f, "invalid size: {text:?}"),
            OptionError::Path(text) => write!(f, "invalid mount path: {text:?} mount path must be absolute"),
            OptionError::Mount(text) => write!(f, "invalid tmpfs option {text:?}"),
            OptionError::Host(text) => write!(f, "bad format for add-host: {text:?}"),
            OptionError::Address(text) => write!(f, "{text:?} is not an ip address"),
        }
    }
}

impl core::error::Error for OptionError {}

/// Bytes: a number, and `b`, `k`, `m`, `g` or `t` after it.
///
/// # Errors
/// `Size`.
pub fn size(text: &str) -> Result<u64, OptionError> {
    let invalid = || OptionError::Size(text.to_owned());
    let lower = text.to_ascii_lowercase();
    let lower = match lower.strip_suffix('b') {
        Some(rest) if rest.ends_with(['k', 'm', 'g', 't']) => rest,
        Some(rest) => rest,
        None => &lower,
    };
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let unit = units.iter().find_map(|&(unit, shift)| Some((lower.strip_suffix(unit)?, shift)));
    let (number, shift) = unit.unwrap_or((lower, 0));
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(1 << shift).ok_or_else(invalid)
}

/// `--tmpfs PATH[:OPTIONS]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tmpfs {
    pub path: String,
    /// Bytes; `None`: as much as there is.
    pub size: Option<u64>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub read_only: bool,
    /// As mount(8) shows them after `rw` or `ro`.
    pub shown: String,
}

impl Tmpfs {
    /// With docker's defaults: `rw,nosuid,nodev,noexec`, mode 1777.
    ///
    /// # Errors
    /// `Path`, `Mount`, `Size`.
    pub fn parse(text: &str) -> Result<Tmpfs, OptionError> {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        if !path.starts_with('/') || path.trim_end_matches('/').is_empty() {
            return Err(OptionError::Path(path.to_owned()));
        }
        let shown = String::new();
        let mut tmpfs = Tmpfs { path: path.to_owned(), size: None, mode: 0o1777, uid: 0, gid: 0, read_only: false, shown };
        let (mut set_ids, mut devices, mut programs) = (false, false, false);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let bad = || OptionError::Mount(option.to_owned());
            match option.split_once('=') {
                None => match option {
                    "rw" => tmpfs.read_only = false,
                    "ro" => tmpfs.read_only = true,
                    "suid" | "nosuid" => set_ids = option == "suid",
                    "dev" | "nodev" => devices = option == "dev",
                    "exec" | "noexec" => programs = option == "exec",
                    "relatime" | "noatime" | "nodiratime" | "async" | "sync" => {}
                    _ => return Err(bad()),
                },
                Some(("size", value)) => tmpfs.size = Some(size(value)?),
                Some(("mode", value)) => tmpfs.mode = u32::from_str_radix(value, 8).map_err(|_| bad())? & 0o7777,
                Some(("uid", value)) => tmpfs.uid = value.parse().map_err(|_| bad())?,
                Some(("gid", value)) => tmpfs.gid = value.parse().map_err(|_| bad())?,
                Some(_) => return Err(bad()),
            }
        }
        let flags = [(set_ids, "nosuid,"), (devices, "nodev,"), (programs, "noexec,")];
        tmpfs.shown = flags.into_iter().filter(|(allowed, _)| !allowed).map(|(_, shown)| shown).collect();
        tmpfs.shown += "relatime";
        if let Some(size) = tmpfs.size {
            tmpfs.shown += &alloc::format!(",size={}k", size.div_ceil(1024));
        }
        if tmpfs.mode != 0o1777 {
            tmpfs.shown += &alloc::format!(",mode={:o}", tmpfs.mode);
        }
        Ok(tmpfs)
    }
}

/// `--add-host NAME:IP`, or `NAME=IP`: a line of hosts(5).
///
/// # Errors
/// `Host`, `Address`.
pub fn host_line(text: &str) -> Result<String, OptionError> {
    let (name, address) =
        text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(|| OptionError::Host(text.to_owned()))?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(OptionError::Host(text.to_owned()));
    }
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    Ok(alloc::format!("{}\t{name}\n", ip_address(address)?))
}

/// `--dns IP`.
///
/// # Errors
/// `Address`.
pub fn ip_address(text: &str) -> Result<String, OptionError> {
    let address: IpAddr = text.parse().map_err(|_| OptionError::Address(text.to_owned()))?;
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_docker_s() {
        for (text, bytes) in
            [("100", 100), ("64k", 64 << 10), ("64KB", 64 << 10), ("5b", 5), ("512m", 512 << 20), ("2G", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "-1", "1.5g", "1x", "99999999999999999999", "99999999999t"] {
            assert_eq!(size(text), Err(OptionError::Size(text.into())));
        }
    }

    #[test]
    fn mounts_are_docker_s() {
        let plain = Tmpfs::parse("/run").unwrap();
        assert_eq!((plain.mode, plain.size, plain.shown.as_str()), (0o1777, None, "nosuid,nodev,noexec,relatime"));
        let full = Tmpfs::parse("/a:ro,exec,size=64m,mode=700,uid=5,gid=6").unwrap();
        assert_eq!((full.mode, full.uid, full.gid, full.size, full.read_only), (0o700, 5, 6, Some(64 << 20), true));
        assert_eq!(full.shown, "nosuid,nodev,relatime,size=65536k,mode=700");
        assert_eq!(Tmpfs::parse("run"), Err(OptionError::Path("run".into())));
        assert_eq!(Tmpfs::parse("/"), Err(OptionError::Path("/".into())));
        assert_eq!(Tmpfs::parse("/a:what"), Err(OptionError::Mount("what".into())));
        assert_eq!(Tmpfs::parse("/a:mode=9"), Err(OptionError::Mount("mode=9".into())));
    }

    #[test]
    fn hosts_are_docker_s() {
        assert_eq!(host_line("db:10.0.0.5").as_deref(), Ok("10.0.0.5\tdb\n"));
        assert_eq!(host_line("db=::1").as_deref(), Ok("::1\tdb\n"));
        assert_eq!(host_line("db:[::1]").as_deref(), Ok("::1\tdb\n"));
        assert_eq!(host_line("db:2001:db8::7").as_deref(), Ok("2001:db8::7\tdb\n"));
        assert_eq!(host_line("db"), Err(OptionError::Host("db".into())));
        assert_eq!(host_line(":1.2.3.4"), Err(OptionError::Host(":1.2.3.4".into())));
        assert_eq!(host_line("db:nowhere"), Err(OptionError::Address("nowhere".into())));
    }
}
