//! The interpreter's view of the test's memory.

use hoist_x86::helper::Memory;

use super::{BASE, CODE, DATA, MEMORY_SIZE};

/// One run of bytes from [`BASE`] to the end of the stack; what lies outside reads as zero and is not written.
pub struct TestMemory(Vec<u8>);

const DATA_AT: usize = (DATA - BASE) as usize;

impl TestMemory {
    pub fn new() -> TestMemory {
        TestMemory(vec![0; DATA_AT + MEMORY_SIZE])
    }

    pub fn code(&mut self) -> &mut [u8] {
        &mut self.0[(CODE - BASE) as usize..DATA_AT]
    }

    /// What a [`super::State`] holds.
    pub fn data(&mut self) -> &mut [u8] {
        &mut self.0[DATA_AT..]
    }

    fn place(&mut self, addr: u32, len: usize) -> Option<&mut [u8]> {
        let at = addr.wrapping_sub(BASE) as usize;
        self.0.get_mut(at..at.checked_add(len)?)
    }
}

impl Memory for TestMemory {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        self.place(addr, N).and_then(|bytes| bytes.first_chunk().copied()).unwrap_or([0; N])
    }

    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        if let Some(place) = self.place(addr, N) {
            place.copy_from_slice(&bytes);
        }
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        let Some(bytes) = self.place(from, len as usize).map(|bytes| bytes.to_vec()) else { return };
        if let Some(place) = self.place(to, len as usize) {
            place.copy_from_slice(&bytes);
        }
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        if let Some(place) = self.place(to, len as usize) {
            place.fill(byte);
        }
    }
}
