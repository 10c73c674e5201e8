//! The subcommands, one file each.

pub mod cache;
pub mod compile;
pub mod convert;
pub mod image;
pub mod inspect;
pub mod login;
pub mod machine;
pub mod pull;
pub mod push;
pub mod run;
pub mod syscalls;
pub mod topology;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::hints;

/// A command failed: what to say, and the exit status.
#[derive(Debug)]
pub struct Failure {
    pub status: u8,
    message: String,
    /// What the user may do about it.
    pub hint: Option<String>,
}

/// Docker's: the failure is hoist's, not the guest's.
pub const OWN_FAILURE: u8 = 125;

impl Failure {
    pub fn new(status: u8, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into(), hint: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    /// The error with its causes, each unless what is said already ends in it.
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut hint = hints::of(&error);
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            hint = hint.or_else(|| hints::of(cause));
            source = cause.source();
        }
        Failure { status: OWN_FAILURE, message, hint }
    }
}

/// Where hoist keeps what it can make again: `$XDG_CACHE_HOME/hoist`, by default `~/.cache/hoist`.
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("hoist"))
}

/// How a command prints its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}
