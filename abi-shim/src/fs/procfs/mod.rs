//! proc(5): `/proc` as far as programs read it.
//!
//! The tree is here: which names there are, which of them are links into the rest of the tree. Texts are made by the kernel
//! when they are read ([`crate::syscall::proc`]), because they tell of memory and tasks, which no inode knows.

mod node;
mod processes;
pub mod text;

pub use node::{process_of, root};
pub use processes::{Entry, Processes};
pub use text::{ProcText, Text};
