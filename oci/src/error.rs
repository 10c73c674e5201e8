//! What can go wrong between a reference and a root filesystem.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::auth::AuthError;
use crate::digest::Digest;
use crate::layer::LayerError;
use crate::platform::Platform;
use crate::reference::ReferenceError;
use crate::registry::RegistryError;

/// Which part of an image an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// An image index (manifest list); without a digest while it is known by its tag only.
    Index(Option<Digest>),
    /// An image manifest.
    Manifest(Option<Digest>),
    /// The image config.
    Config(Digest),
    /// A layer, counted from one.
    Layer { number: usize, digest: Digest },
}

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, digest) = match self {
            Blob::Index(digest) => ("index", digest.as_ref()),
            Blob::Manifest(digest) => ("manifest", digest.as_ref()),
            Blob::Config(digest) => ("config", Some(digest)),
            Blob::Layer { number, digest } => return write!(f, "layer {number} ({digest})"),
        };
        match digest {
            Some(digest) => write!(f, "{name} {digest}"),
            None => f.write_str(name),
        }
    }
}

/// Why an image could not be had. The words are docker's where docker has words for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Reference(#[from] ReferenceError),

    // ---- What the reference names is not there, or not an image for us
    #[error("manifest for {0} not found: manifest unknown")]
    NotFound(String),
    #[error("pull access denied for {name}, repository does not exist or may require 'docker login': {source}")]
    AccessDenied {
        name: String,
        /// HTTP's: 401 unknown, 403 not allowed, 404 as some registries say it.
        status: u16,
        source: Box<RegistryError>,
    },
    #[error("requested access to {name} is denied: {source}")]
    PushDenied { name: String, source: Box<RegistryError> },
    #[error("{name}: registries.conf blocks {prefix}")]
    Blocked { name: String, prefix: String },
    #[error("{error}; before that, of mirrors: {}", .mirrors.join("; "))]
    Mirrors { error: Box<Error>, mirrors: Vec<String> },
    #[error("{image} holds more than one image; name one of them: {}", .names.join(", "))]
    WhichImage { image: String, names: Vec<String> },
    #[error("{image} has no image {wanted:?}; it has {}", list(.names))]
    NoSuchImage { image: String, wanted: String, names: Vec<String> },
    #[error(
        "no matching manifest for {wanted} in the manifest list entries: the image is there for {} only",
        list(.available)
    )]
    NoPlatform { wanted: Platform, available: Vec<Platform> },
    #[error("the image's platform ({found}) does not match the specified platform ({wanted})")]
    WrongPlatform { wanted: Box<Platform>, found: Box<Platform> },
    #[error("{blob}: neither an image manifest nor an image index")]
    NotAnImage { blob: Blob },
    #[error("{blob}: docker's schema 1 is no longer read; push the image again with a newer docker")]
    Schema1 { blob: Blob },
    #[error("{blob}: {media_type:?} is not the media type of a root filesystem layer")]
    NotALayer { blob: Blob, media_type: String },
    #[error("{blob}: a foreign layer ({media_type}), which registries need not have and hoist does not read")]
    ForeignLayer { blob: Blob, media_type: String },
    #[error("indexes nest more than {0} deep")]
    NestedIndexes(usize),

    // ---- What came is not what was promised
    #[error("{blob}: expected digest {expected}, got {actual}")]
    Digest { blob: Blob, expected: Digest, actual: Digest },
    #[error("{blob}, uncompressed: the config expects diff_id {expected}, got {actual}")]
    DiffId { blob: Blob, expected: Digest, actual: Digest },
    #[error("{blob}: expected {expected} bytes, {}", got(*.expected, *.actual))]
    Size {
        blob: Blob,
        expected: u64,
        /// Counting stops at the first byte too many.
        actual: u64,
    },
    #[error("{blob}: not there, though the image refers to it")]
    MissingBlob { blob: Blob },
    #[error("{blob}: malformed JSON: {source}")]
    Json { blob: Blob, source: serde_json::Error },
    #[error("the config lists {diff_ids} layers, the manifest {layers}")]
    LayerCount { diff_ids: usize, layers: usize },
    #[error("{blob}: {bytes} bytes are more than the {limit} that hoist takes")]
    TooLong { blob: Blob, bytes: u64, limit: u64 },
    #[error("{blob}, uncompressed: with it the image has more than the {limit} bytes that hoist takes")]
    TooBig { blob: Blob, limit: u64 },
    #[error("{blob}: with it the image's layers have more than the {limit} bytes that hoist takes")]
    TooBigStored { blob: Blob, limit: u64 },
    #[error("{path}: {problem}")]
    Archive { path: PathBuf, problem: String },

    // ---- Layers
    #[error("{blob}: the {format} stream is damaged or ends early, after {read} bytes in and {written} bytes out: {source}")]
    Decompress { blob: Blob, format: &'static str, read: u64, written: u64, source: io::Error },
    #[error("{blob}: compressed with {format}; hoist reads tar, gzip and zstd")]
    Compression { blob: Blob, format: &'static str },
    #[error("{blob}: {source}")]
    Layer { blob: Blob, source: LayerError },

    // ---- Input and output
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{blob}: {}", chain(.source))]
    Read { blob: Blob, source: io::Error },
    #[error("{blob}: the cache cannot keep it: {source}")]
    Keep { blob: Blob, source: io::Error },
    #[error("cannot write a layer to {dir}: {source}")]
    Spool { dir: PathBuf, source: io::Error },

    // ---- Registry
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("registry {registry}: {source}")]
    Registry { registry: String, source: Box<RegistryError> },
    #[error("{path}: {source}")]
    RegistriesConf { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the registry client did not start: {0}")]
    Client(io::Error),
    #[error("pull and push block, so they cannot be called from asynchronous code")]
    Asynchronous,
}

impl Error {
    pub(crate) fn json(blob: &Blob, source: serde_json::Error) -> Error {
        Error::Json { blob: blob.clone(), source }
    }

    pub(crate) fn registry(registry: &str, source: RegistryError) -> Error {
        Error::Registry { registry: registry.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Error {
        Error::File { path: path.into(), source }
    }
}

/// `a, b, c`, or that there are none.
fn list(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

fn got(expected: u64, actual: u64) -> String {
    match actual > expected {
        true => "got more".to_owned(),
        false => format!("got {actual}"),
    }
}

/// An error with its causes: the client's own message often says only which URL it was.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
