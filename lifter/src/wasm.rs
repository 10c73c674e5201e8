//! IR → Wasm.

pub mod layout;
