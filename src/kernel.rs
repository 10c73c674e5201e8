//! The kernel, built for wasm32 by build.rs.

/// Its core module, not linked yet.
pub const WASM: &[u8] = include_bytes!(env!("HOIST_KERNEL"));
