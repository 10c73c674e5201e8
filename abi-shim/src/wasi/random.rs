//! wasi:random.

use super::bindings::wasi::random::random;

/// Fills the buffer with bytes fit for cryptography.
pub fn fill(buffer: &mut [u8]) {
    // In pieces: each comes as a list in kernel memory.
    for piece in buffer.chunks_mut(1 << 16) {
        piece.copy_from_slice(&random::get_random_bytes(piece.len() as u64));
    }
}
