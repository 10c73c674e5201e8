//! From ELF files to Wasm functions.

pub mod discover;
pub mod wasm;
