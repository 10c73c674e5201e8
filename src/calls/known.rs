//! What the kernel does with each call, from the page that its tests keep up to date: docs/syscalls.md.

use std::fmt;

const PAGE: &str = include_str!("../../docs/syscalls.md");

/// What the kernel does with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treatment {
    Supported,
    /// What is different from the manual page.
    Partly(&'static str),
    /// ENOSYS, and why.
    Absent(&'static str),
    /// Linux has no such call.
    Unknown,
}

impl Treatment {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Treatment::Supported => "supported",
            Treatment::Partly(_) => "partly",
            Treatment::Absent(_) => "unsupported",
            Treatment::Unknown => "unknown",
        }
    }

    /// What there is to say about it.
    pub fn remark(&self) -> &'static str {
        match self {
            Treatment::Partly(remark) | Treatment::Absent(remark) => remark,
            Treatment::Supported | Treatment::Unknown => "",
        }
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        if self.remark().is_empty() { Ok(()) } else { write!(f, ": {}", self.remark()) }
    }
}

/// Name and treatment of the call with a number.
pub fn treatment(number: u32) -> (&'static str, Treatment) {
    let row = PAGE.lines().find_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        (cells.next()?.parse() == Ok(number)).then_some(cells)
    });
    let Some(mut cells) = row else { return ("", Treatment::Unknown) };
    let (name, file, _cases, remark) = (cells.next(), cells.next(), cells.next(), cells.next());
    let remark = remark.unwrap_or_default().trim();
    let treatment = match file.unwrap_or_default().trim() {
        "" => Treatment::Absent(remark.trim_start_matches("ENOSYS. ")),
        _ if remark.is_empty() => Treatment::Supported,
        _ => Treatment::Partly(remark),
    };
    (name.unwrap_or_default(), treatment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_understood() {
        assert_eq!(treatment(0), ("read", Treatment::Supported));
        assert!(matches!(treatment(10), ("mprotect", Treatment::Partly(_))));
        assert!(matches!(treatment(101), ("ptrace", Treatment::Absent(why)) if why.starts_with("Not done")));
        assert_eq!(treatment(9999), ("", Treatment::Unknown));
    }
}
