//! From ELF files to Wasm functions.

pub mod discover;
pub mod elf;
pub mod elf;
pub mod wasm;
mod flags_across;
mod graph;
pub mod lift;
pub mod module;
pub mod opt;
pub mod ssa;
pub mod translate;
pub mod unit;
