//! Calls as strace(1) writes them: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`.
//!
//! Structures that a call fills are shown as their addresses; everything that is cheap to decode is decoded.

use std::fmt::Write;

pub use super::flags;
use super::{Row, row};
use crate::errno::SysResult;
use crate::user;

/// What an argument is.
#[derive(Clone, Copy)]
pub enum Arg {
    /// A descriptor, or AT_FDCWD.
    Fd,
    /// An `int`, decimal.
    Int,
    /// A 64-bit number with sign: an offset.
    Long,
    /// A `size_t`.
    Size,
    /// A number in hexadecimal.
    Hex,
    /// An address that is not looked behind.
    Ptr,
    /// Permission bits, octal.
    Mode,
    /// A string that ends with NUL.
    Str,
    /// A path, likewise.
    Path,
    /// A list of strings: argv.
    Strings,
    /// Bytes that the call fills, as many as it returns.
    Buf,
    /// Bytes that the call reads, as many as the next argument says.
    Data,
    /// Any of these bits.
    Flags(&'static flags::Names),
    /// One of these numbers.
    Value(&'static flags::Names),
    /// open(2)'s flags: an access mode and bits.
    OpenFlags,
    Signal,
    /// A pointer to a set of signals.
    SigSet,
    /// A pointer to a `struct timespec`.
    Timespec,
    /// futex(2)'s operation.
    Futex,
}

/// Bytes of a string that are shown, as with strace's `-s`.
const SHOWN: usize = 32;
/// Elements of a list that are shown.
const SHOWN_STRINGS: usize = 16;

/// A call's text, made in two steps: what the call reads before it, what it fills after it.
pub struct Call {
    row: Option<&'static Row>,
    number: u64,
    args: [u64; 6],
    before: Vec<Option<String>>,
}

impl Call {
    /// To be made before the call, which may change what the arguments point to.
    pub fn begin(number: u64, args: [u64; 6]) -> Call {
        let row = row(number);
        let kinds = shown(row.map_or(&[][..], |row| row.args), &args);
        let next = |index: usize| args.get(index + 1).copied().unwrap_or(0);
        let before = kinds.iter().enumerate().map(|(index, kind)| show(*kind, args[index], next(index))).collect();
        Call { row, number, args, before }
    }

    /// The line, without its end. `None`: the call does not return.
    pub fn end(self, result: Option<SysResult>) -> String {
        let mut line = String::new();
        match self.row {
            Some(row) => line += row.name,
            None => _ = write!(line, "syscall_{:#x}", self.number),
        }
        line.push('(');
        let filled = result.and_then(Result::ok).unwrap_or(0);
        if self.row.is_none() {
            let args: Vec<String> = self.args.iter().map(|arg| format!("{arg:#x}")).collect();
            line += &args.join(", ");
        }
        for (index, text) in self.before.iter().enumerate() {
            line += if index == 0 { "" } else { ", " };
            match text {
                Some(text) => line += text,
                None => line += &bytes(self.args[index], filled),
            }
        }
        let _ = match result {
            None => write!(line, ") = ?"),
            Some(Err(errno)) => write!(line, ") = -1 {errno}"),
            Some(Ok(value)) if flags::HEX_RESULTS.contains(&self.number) => write!(line, ") = {value:#x}"),
            Some(Ok(value)) => write!(line, ") = {}", value as i64),
        };
        line
    }
}

/// The arguments that a call has: open(2) takes a mode only if it may create a file.
fn shown<'a>(kinds: &'a [Arg], args: &[u64; 6]) -> &'a [Arg] {
    const CREATES: u64 = 0o100 | 0o20_000_000;
    match kinds {
        [rest @ .., Arg::Mode] if matches!(rest, [.., Arg::OpenFlags]) && args[rest.len() - 1] & CREATES == 0 => rest,
        _ => kinds,
    }
}

/// One argument; `None` if it is shown after the call.
fn show(kind: Arg, value: u64, next: u64) -> Option<String> {
    const AT_FDCWD: i32 = -100;
    Some(match kind {
        Arg::Fd if value as i32 == AT_FDCWD => "AT_FDCWD".into(),
        Arg::Fd | Arg::Int => (value as i32).to_string(),
        Arg::Long => (value as i64).to_string(),
        Arg::Size => value.to_string(),
        Arg::Ptr if value == 0 => "NULL".into(),
        Arg::Hex if value == 0 => "0".into(),
        Arg::Ptr | Arg::Hex => format!("{value:#x}"),
        Arg::Mode => format!("0{:02o}", value as u32),
        Arg::Str | Arg::Path => string(value),
        Arg::Strings => strings(value),
        Arg::Buf => return None,
        Arg::Data => bytes(value, next),
        Arg::Flags(names) => flag_names(names, value),
        Arg::Value(names) => value_name(names, value),
        Arg::OpenFlags => open_flags(value as u32),
        Arg::Signal => value_name(flags::SIGNAL, value as u32 as u64),
        Arg::SigSet => signal_set(value),
        Arg::Timespec => match user::read::<[i64; 2]>(value) {
            _ if value == 0 => "NULL".into(),
            Ok([seconds, nanos]) => format!("{{tv_sec={seconds}, tv_nsec={nanos}}}"),
            Err(_) => format!("{value:#x}"),
        },
        Arg::Futex => {
            let command = value_name(flags::FUTEX, value & 0x7f);
            let flags: Vec<&str> = flags::FUTEX_FLAGS.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| *name).collect();
            [&[command.as_str()], flags.as_slice()].concat().join("|")
        }
    })
}

/// Names of the bits that are set, what has no name as a number.
fn flag_names(names: &flags::Names, value: u64) -> String {
    let mut rest = value;
    let mut shown = Vec::new();
    for (bits, name) in names {
        if rest & bits == *bits && (*bits != 0 || value == 0) {
            shown.push((*name).to_owned());
            rest &= !bits;
        }
    }
    if rest != 0 || shown.is_empty() {
        shown.push(if rest == 0 { "0".into() } else { format!("{rest:#x}") });
    }
    shown.join("|")
}

fn value_name(names: &flags::Names, value: u64) -> String {
    match names.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("{value:#x}"),
    }
}

fn open_flags(value: u32) -> String {
    const ACCESS: u32 = 3;
    let access = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(value & ACCESS) as usize];
    match value & !ACCESS {
        0 => access.to_owned(),
        rest => format!("{access}|{}", flag_names(flags::OPEN, rest.into())),
    }
}

fn signal_set(addr: u64) -> String {
    match user::read::<u64>(addr) {
        _ if addr == 0 => "NULL".into(),
        Err(_) => format!("{addr:#x}"),
        Ok(set) => {
            let name = |signal: u64| value_name(flags::SIGNAL, signal).trim_start_matches("SIG").to_owned();
            let names = |set: u64| (1..=64).filter(|n| set >> (n - 1) & 1 != 0).map(name).collect::<Vec<_>>().join(" ");
            if set.count_ones() > 32 { format!("~[{}]", names(!set)) } else { format!("[{}]", names(set)) }
        }
    }
}

fn string(addr: u64) -> String {
    if addr == 0 {
        return "NULL".into();
    }
    match user::strncpy_from_user(addr, user::PATH_MAX, crate::errno::Errno::ENAMETOOLONG) {
        Ok(text) => quote(&text, usize::MAX),
        Err(_) => format!("{addr:#x}"),
    }
}

fn strings(addr: u64) -> String {
    match user::read_strings(addr, 1 << 21) {
        _ if addr == 0 => "NULL".into(),
        Err(_) => format!("{addr:#x}"),
        Ok(list) => {
            let more = if list.len() > SHOWN_STRINGS { ", ..." } else { "" };
            let shown: Vec<String> = list.iter().take(SHOWN_STRINGS).map(|text| quote(text, SHOWN * 4)).collect();
            format!("[{}{more}]", shown.join(", "))
        }
    }
}

fn bytes(addr: u64, len: u64) -> String {
    let mut shown = vec![0; len.min(SHOWN as u64 + 1) as usize];
    match user::copy_from_user(addr, &mut shown) {
        Ok(()) => quote(&shown, SHOWN),
        Err(_) => format!("{addr:#x}"),
    }
}

/// In C's notation, at most `limit` bytes of it.
fn quote(text: &[u8], limit: usize) -> String {
    let mut quoted = String::from("\"");
    for (index, &byte) in text.iter().take(limit).enumerate() {
        let digit_follows = text.get(index + 1).is_some_and(u8::is_ascii_digit);
        let _ = match byte {
            b'\n' => write!(quoted, "\\n"),
            b'\t' => write!(quoted, "\\t"),
            b'\r' => write!(quoted, "\\r"),
            0x0b => write!(quoted, "\\v"),
            0x0c => write!(quoted, "\\f"),
            b'"' => write!(quoted, "\\\""),
            b'\\' => write!(quoted, "\\\\"),
            b' '..=b'~' => write!(quoted, "{}", byte as char),
            _ if digit_follows => write!(quoted, "\\{byte:03o}"),
            _ => write!(quoted, "\\{byte:o}"),
        };
    }
    quoted.push('"');
    if text.len() > limit {
        quoted += "...";
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;

    #[test]
    fn notation_is_strace_s() {
        crate::machine::install(vec![], vec![]);
        let a = u64::from(hoist_x86::boundary::MMAP_MIN_ADDR);
        user::grow_to(a + 4096).unwrap();
        user::copy_to_user(a, b"/bin/a\"b\n\0").unwrap();
        let line = |number, args, result| Call::begin(number, args).end(result);
        assert_eq!(
            line(9, [0, 8192, 3, 0x22, u64::MAX, 0], Some(Ok(0x70_0000))),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x700000"
        );
        assert_eq!(
            line(59, [a, 0, 0, 0, 0, 0], Some(Err(Errno::ENOENT))),
            r#"execve("/bin/a\"b\n", NULL, NULL) = -1 ENOENT (No such file or directory)"#
        );
        assert_eq!(line(2, [0, 0, 0o644, 0, 0, 0], Some(Ok(3))), "open(NULL, O_RDONLY) = 3");
        assert_eq!(line(2, [0, 0o101, 0o644, 0, 0, 0], Some(Ok(3))), "open(NULL, O_WRONLY|O_CREAT, 0644) = 3");
        assert_eq!(line(231, [3, 0, 0, 0, 0, 0], None), "exit_group(3) = ?");
        assert_eq!(line(449, [1, 2, 0, 0, 0, 0], Some(Err(Errno::ENOSYS))).split('(').next(), Some("syscall_0x1c1"));
        assert_eq!(flag_names(flags::PROT, 0), "PROT_NONE");
        assert_eq!(flag_names(flags::PROT, 0x8001), "PROT_READ|0x8000");
        assert_eq!(open_flags(0o2000101), "O_WRONLY|O_CREAT|O_CLOEXEC");
        assert_eq!(quote(b"\x001\x00a", 9), r#""\0001\0a""#);
        assert_eq!(quote(b"abc", 2), r#""ab"..."#);
    }
}
