//! Guest memory for tests.

use hoist_x86::helper::Memory;

/// A few bytes of memory from address 0.
pub struct Bytes(pub Vec<u8>);

impl Memory for Bytes {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        self.0[addr as usize..][..N].try_into().unwrap()
    }
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        self.0[addr as usize..][..N].copy_from_slice(&bytes);
    }
    fn copy(&mut self, to: u32, from: u32, len: u32) {
        self.0.copy_within(from as usize..(from + len) as usize, to as usize);
    }
    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        self.0[to as usize..(to + len) as usize].fill(byte);
    }
}
