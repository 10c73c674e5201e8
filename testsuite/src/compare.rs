//! The same command natively and hoisted: same bytes out, same exit status (DESIGN §8).

mod hoisted;
mod image;
mod native;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

pub use hoisted::{Hoist, Lift};
pub use image::Image;
pub use native::{command as native_command, run as run_natively};

/// A command to run in an image: `docker run [OPTIONS] IMAGE ARGV < STDIN`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Invocation {
    pub argv: Vec<String>,
    /// Variables beside the image's.
    pub env: Vec<(String, String)>,
    /// Working directory instead of the image's.
    pub workdir: Option<String>,
    pub stdin: Vec<u8>,
    /// Give it a directory of the host at `/mnt`, a copy of the image's `/work/tree`.
    pub volume: bool,
}

/// What a command left behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// As a shell has it: 128 + the signal's number for a command that a signal ended.
    pub status: i32,
    /// What is in the volume now.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Outcome {
    /// What is different in `self` from what is expected; None if nothing is.
    pub fn difference(&self, expected: &Outcome) -> Option<String> {
        let mut text = String::new();
        if self.status != expected.status {
            let _ = writeln!(text, "  exit status {} instead of {}", self.status, expected.status);
        }
        for (name, got, want) in [("stdout", &self.stdout, &expected.stdout), ("stderr", &self.stderr, &expected.stderr)] {
            if got != want {
                let _ = writeln!(text, "  {name}:");
                let _ = diff(&mut text, got, want);
            }
        }
        for name in self.files.keys().chain(expected.files.keys()).collect::<BTreeSet<_>>() {
            match (self.files.get(name), expected.files.get(name)) {
                (Some(got), Some(want)) if got == want => {}
                (got, want) => {
                    let _ = writeln!(text, "  file {name}:");
                    let _ =
                        diff(&mut text, got.map_or(b"(is not there)", |got| got), want.map_or(b"(is not there)", |want| want));
                }
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// How many lines of a difference are shown.
const LINES: usize = 12;
/// How much of one line is shown.
const COLUMNS: usize = 160;

/// The lines from the first that differs on: `-` as expected, `+` as it is.
fn diff(out: &mut String, got: &[u8], want: &[u8]) -> fmt::Result {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.escape_ascii().to_string()).collect()
    };
    let (got, want) = (lines(got), lines(want));
    let same = got.iter().zip(&want).take_while(|(got, want)| got == want).count();
    for (sign, lines) in [('-', &want[same..]), ('+', &got[same..])] {
        for line in lines.iter().take(LINES) {
            writeln!(out, "    {sign}{:5} {}", same + 1, line.chars().take(COLUMNS).collect::<String>())?;
        }
        if lines.len() > LINES {
            writeln!(out, "    {sign}      and {} lines more", lines.len() - LINES)?;
        }
    }
    Ok(())
}
