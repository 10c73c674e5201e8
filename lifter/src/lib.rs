//! From ELF files to Wasm functions.

pub mod callees;
pub mod census;
pub mod discover;
mod early;
pub mod elf;
mod graph;
pub mod lift;
pub mod live;
pub mod module;
pub mod opt;
pub mod ssa;
pub mod translate;
mod turns;
pub mod unit;
pub mod wasm;
