//! From ELF files to Wasm functions.

pub mod wasm;
