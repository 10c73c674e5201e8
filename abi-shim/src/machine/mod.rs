//! The machine under the kernel: what the linker puts into the component (the table in [`hoist_x86::boundary`]), or natively a
//! stand-in for tests. Only [`crate::user`], [`crate::rom`] and [`crate::cpu`] call it; they check addresses first, since outside the
//! memory or the ROM the component traps.

#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
mod implementation;
#[cfg(target_arch = "wasm32")]
#[path = "linked.rs"]
mod implementation;

pub use implementation::*;
