//! The translated blocks, by the address they begin at.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::steps::Code;

/// Guest instructions from one address to the first that ends a block.
pub struct Block {
    pub pc: u32,
    /// The code that was translated.
    pub bytes: Box<[u8]>,
    pub instructions: u32,
    pub code: Code,
    /// Blocks that followed this one last: address and number.
    followers: [(u32, u32); 2],
}

/// No block has this number.
const NONE: u32 = u32::MAX;
/// With this many, all are forgotten; those still in use are soon translated again.
const MAX_BLOCKS: usize = 1 << 16;
const FIRST_TABLE: usize = 1 << 10;

/// Blocks by number, and an open-addressing table (linear probing, at most half full) from address to number.
pub struct Blocks {
    list: Vec<Block>,
    /// Address and number, or [`NONE`]. The length is a power of two.
    table: Vec<(u32, u32)>,
}

impl Block {
    pub fn new(pc: u32, bytes: Box<[u8]>, instructions: u32, code: Code) -> Block {
        Block { pc, bytes, instructions, code, followers: [(0, NONE); 2] }
    }
}

impl Blocks {
    pub fn new() -> Blocks {
        Blocks { list: Vec::new(), table: vec![(0, NONE); FIRST_TABLE] }
    }

    pub fn get_mut(&mut self, number: u32) -> &mut Block {
        &mut self.list[number as usize]
    }

    pub fn get(&self, number: u32) -> &Block {
        &self.list[number as usize]
    }

    /// The number of the block at `pc`, if there is one; `before` is the block that ran last, which remembers it.
    #[inline]
    pub fn find(&mut self, pc: u32, before: Option<u32>) -> Option<u32> {
        let Some(before) = before else { return self.look_up(pc) };
        let followers = &self.list[before as usize].followers;
        if let Some(&(_, number)) = followers.iter().find(|&&(address, number)| address == pc && number != NONE) {
            return Some(number);
        }
        let number = self.look_up(pc)?;
        let followers = &mut self.list[before as usize].followers;
        *followers = [(pc, number), followers[0]];
        Some(number)
    }

    fn look_up(&self, pc: u32) -> Option<u32> {
        let (_, number) = self.table[self.slot(pc)];
        (number != NONE).then_some(number)
    }

    /// Where `pc` stands in the table, or the free place for it.
    fn slot(&self, pc: u32) -> usize {
        let mask = self.table.len() - 1;
        let mut at = (pc.wrapping_mul(0x9e37_79b1) >> 12) as usize & mask;
        while self.table[at].1 != NONE && self.table[at].0 != pc {
            at = (at + 1) & mask;
        }
        at
    }

    /// Keeps a block, in place of the one at the same address if there is one; its number. Others may be forgotten: numbers and
    /// references from before are void.
    pub fn insert(&mut self, block: Block) -> u32 {
        if let Some(number) = self.look_up(block.pc) {
            self.list[number as usize] = block;
            return number;
        }
        if self.list.len() >= MAX_BLOCKS {
            *self = Blocks::new();
        }
        if self.list.len() * 2 >= self.table.len() {
            self.rebuild(self.table.len() * 2);
        }
        let (pc, number) = (block.pc, self.list.len() as u32);
        self.list.push(block);
        let slot = self.slot(pc);
        self.table[slot] = (pc, number);
        number
    }

    /// Forgets the blocks whose code overlaps a range of addresses.
    pub fn remove(&mut self, range: Range<u32>) {
        let count = self.list.len();
        let end = |block: &Block| block.pc.saturating_add(block.bytes.len() as u32);
        self.list.retain(|block| block.pc >= range.end || end(block) <= range.start);
        if self.list.len() < count {
            self.list.iter_mut().for_each(|block| block.followers = [(0, NONE); 2]);
            self.rebuild(self.table.len());
        }
    }

    fn rebuild(&mut self, length: usize) {
        self.table = vec![(0, NONE); length];
        for number in 0..self.list.len() {
            let pc = self.list[number].pc;
            let slot = self.slot(pc);
            self.table[slot] = (pc, number as u32);
        }
    }
}
