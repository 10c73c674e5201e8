//! What can be wrong with manifests.

use std::fmt;
use std::io;
use std::sync::Arc;

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// As the user names it.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl At {
    /// `NAME:LINE`, without directories: what an output may say of the machine that it was made on.
    pub fn brief(&self) -> String {
        format!("{}:{}", self.file.rsplit('/').next().unwrap_or(&self.file), self.line)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why there is no topology.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{at}: {problem}")]
    At { at: At, problem: Problem },
    #[error("no service {name:?}; there are: {}", list(.there))]
    NoService { name: String, there: Vec<String> },
    #[error("{0}: no services in it")]
    Empty(String),
    #[error("service {service:?}: {problem}")]
    Service { service: String, problem: Problem },
    #[error("the output cannot be written as {format}: {message}")]
    Encode { format: &'static str, message: String },
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not YAML: {0}")]
    Syntax(String),
    #[error("{path}: additional property {key:?} is not allowed")]
    UnknownKey { path: String, key: String },
    #[error("{path}: {message}")]
    Type { path: String, message: String },
    #[error("the key {0:?} is stated twice")]
    DuplicateKey(String),
    #[error("a key that is not text")]
    Key,
    #[error("{0} has no meaning here")]
    Tag(String),
    #[error("`<<` merges mappings only")]
    MergeKey,
    #[error("with its aliases resolved the file has more than {0} nodes, or more than {1} levels")]
    TooLarge(usize, usize),
    #[error("invalid interpolation format in {0:?}: you may need to escape a $ with another $")]
    Interpolation(String),
    #[error("required variable {name} is missing a value: {message}")]
    Required { name: String, message: String },
    #[error("{value:?} is not {what}")]
    Value { value: String, what: &'static str },
    #[error("{what} {name:?} is not defined")]
    Undefined { what: &'static str, name: String },
    #[error("{0} in a circle")]
    Circle(String),
    #[error("it has no image; hoist converts images, and builds none: build it, and name it with `image`")]
    NoImage,
    #[error("neither `apiVersion` and `kind` nor a List of such objects")]
    NoObject,
    #[error("{0} is not a kind that describes how something runs or is reached")]
    Kind(String),
    #[error("there are two of {kind} {name:?}")]
    Twice { kind: String, name: String },
}

impl Problem {
    /// With its place.
    pub fn at(self, at: &At) -> Error {
        Error::At { at: at.clone(), problem: self }
    }
}

/// Names as a sentence has them.
fn list(names: &[String]) -> String {
    names.join(", ")
}
