//! IR → Wasm.

mod code;
mod emit;
mod flow;
pub mod layout;
mod leave;
mod locals;
mod lower;
mod spelling;
mod trees;

pub use code::Hint;
pub use emit::{Emitted, emit, val_type};
pub use lower::run as lower;
