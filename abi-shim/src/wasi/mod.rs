//! The host, through WASI 0.2: standard streams, clocks, random bytes, environment, waiting. The only place that imports WASI;
//! natively a stand-in of the same shape, so that the rest of the kernel is tested as a native program.

#[cfg(target_arch = "wasm32")]
pub mod bindings;
#[cfg(target_arch = "wasm32")]
pub mod clock;
#[cfg(target_arch = "wasm32")]
pub mod directory;
#[cfg(target_arch = "wasm32")]
pub mod environment;
#[cfg(target_arch = "wasm32")]
pub mod poll;
#[cfg(target_arch = "wasm32")]
pub mod random;
#[cfg(target_arch = "wasm32")]
mod run;
#[cfg(target_arch = "wasm32")]
pub mod stdio;

#[cfg(not(target_arch = "wasm32"))]
#[path = "directory_native.rs"]
pub mod directory;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{clock, environment, poll, random, stdio};

/// Nanoseconds.
pub type Nanos = u64;

/// An output stream of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    Stdout,
    Stderr,
}

/// Something of the host's that a task can wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Event {
    /// There is something to read on standard input, or its end.
    Stdin,
    /// The host has sent a signal: [`stdio::signal`].
    Signal,
}

/// What the host tells about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStat {
    pub kind: hoist_vfs::Kind,
    /// The same for the same file.
    pub ino: u64,
    pub links: u64,
    pub size: u64,
    pub access: hoist_vfs::Timestamp,
    pub modification: hoist_vfs::Timestamp,
    pub change: hoist_vfs::Timestamp,
}

/// An entry of a directory of the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub name: String,
    pub kind: hoist_vfs::Kind,
}
