//! Why kernel and image could not become a component.

use std::io;

/// Failures of the linker. All but `TooLarge`, `RomTooLarge`, `TooManyFunctions`, `Rom` and `Write` mean that hoist was built wrongly.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the embedded kernel cannot be parsed")]
    Parse(#[from] wasmparser::Error),
    #[error("the embedded kernel imports {module}.{name}, which the linker does not know")]
    UnknownImport { module: String, name: String },
    #[error("the embedded kernel declares hoist.{name} with another type than the linker gives it")]
    ImportType { name: String },
    #[error("the embedded kernel does not export {0}")]
    MissingExport(String),
    #[error("the embedded kernel has {0}, which the linker cannot merge")]
    Shape(&'static str),
    #[error("the embedded kernel cannot be re-encoded: {0}")]
    Reencode(String),
    #[error("no component could be made of the embedded kernel: {0}")]
    Skeleton(String),
    #[error("more than {max} lifted functions in one image")]
    TooManyFunctions { max: u32 },
    #[error(
        "the image needs a core module of {len} bytes, {over} more than the 1 GiB that one may have; convert a smaller image",
        over = len - MAX_MODULE
    )]
    TooLarge { len: u64 },
    #[error("the root filesystem takes {len} bytes, {over} more than a component can address", over = len - MAX_ROM)]
    RomTooLarge { len: u64 },
    #[error(transparent)]
    Rom(#[from] hoist_vfs::PackError),
    #[error("writing the component")]
    Write(#[from] io::Error),
    #[error("the linked component is not valid")]
    Invalid(#[source] wasmparser::Error),
}

/// Bytes that a core module may have (the limit of browsers, wasmparser and so wasmtime).
pub const MAX_MODULE: u64 = 1 << 30;

/// Bytes that a ROM may have: the kernel counts them in 32 bits.
pub const MAX_ROM: u64 = u32::MAX as u64;

impl<E: std::fmt::Display> From<wasm_encoder::reencode::Error<E>> for LinkError {
    fn from(error: wasm_encoder::reencode::Error<E>) -> LinkError {
        match error {
            wasm_encoder::reencode::Error::ParseError(error) => LinkError::Parse(error),
            error => LinkError::Reencode(error.to_string()),
        }
    }
}
