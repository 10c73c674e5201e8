//! The translated blocks, by the address they begin at and how they were translated.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::steps::Code;
use crate::builder::Floats;

/// What a block is found by: its address, and how its floating point is translated (from bit 32 on).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(u64);

impl Key {
    pub fn new(pc: u32, floats: Floats) -> Key {
        Key(u64::from(pc) | (floats as u64) << 32)
    }

    pub fn pc(self) -> u32 {
        self.0 as u32
    }

    pub fn floats(self) -> Floats {
        if self.0 >> 32 == 0 { Floats::Plain } else { Floats::Exact }
    }
}

/// Guest instructions from one address to the first that ends a block.
pub struct Block {
    pub key: Key,
    /// The code that was translated.
    pub bytes: Box<[u8]>,
    pub instructions: u32,
    pub code: Code,
    /// Blocks that followed this one last, and their numbers.
    followers: [(Key, u32); 2],
}

/// No block has this number.
const NONE: u32 = u32::MAX;
const NOBODY: (Key, u32) = (Key(0), NONE);
/// With this many, all are forgotten; those still in use are soon translated again.
const MAX_BLOCKS: usize = 1 << 16;
const FIRST_TABLE: usize = 1 << 10;

/// Blocks by number, and an open-addressing table (linear probing, at most half full) from key to number.
pub struct Blocks {
    list: Vec<Block>,
    /// Key and number, or [`NONE`]. The length is a power of two.
    table: Vec<(Key, u32)>,
}

impl Block {
    pub fn new(key: Key, bytes: Box<[u8]>, instructions: u32, code: Code) -> Block {
        Block { key, bytes, instructions, code, followers: [NOBODY; 2] }
    }
}

impl Blocks {
    pub fn new() -> Blocks {
        Blocks { list: Vec::new(), table: vec![NOBODY; FIRST_TABLE] }
    }

    pub fn get_mut(&mut self, number: u32) -> &mut Block {
        &mut self.list[number as usize]
    }

    pub fn get(&self, number: u32) -> &Block {
        &self.list[number as usize]
    }

    /// The number of a block, if there is one; `before` is the block that ran last, which remembers it.
    #[inline]
    pub fn find(&mut self, key: Key, before: Option<u32>) -> Option<u32> {
        let Some(before) = before else { return self.look_up(key) };
        let followers = &self.list[before as usize].followers;
        if let Some(&(_, number)) = followers.iter().find(|&&(other, number)| other == key && number != NONE) {
            return Some(number);
        }
        let number = self.look_up(key)?;
        let followers = &mut self.list[before as usize].followers;
        *followers = [(key, number), followers[0]];
        Some(number)
    }

    fn look_up(&self, key: Key) -> Option<u32> {
        let (_, number) = self.table[self.slot(key)];
        (number != NONE).then_some(number)
    }

    /// Where a key stands in the table, or the free place for it.
    fn slot(&self, key: Key) -> usize {
        let mask = self.table.len() - 1;
        let mut at = (key.pc().wrapping_mul(0x9e37_79b1) >> 12) as usize & mask;
        while self.table[at].1 != NONE && self.table[at].0 != key {
            at = (at + 1) & mask;
        }
        at
    }

    /// Keeps a block, in place of the one at the same address if there is one; its number. Others may be forgotten: numbers and
    /// references from before are void.
    pub fn insert(&mut self, block: Block) -> u32 {
        if let Some(number) = self.look_up(block.key) {
            self.list[number as usize] = block;
            return number;
        }
        if self.list.len() >= MAX_BLOCKS {
            *self = Blocks::new();
        }
        if self.list.len() * 2 >= self.table.len() {
            self.rebuild(self.table.len() * 2);
        }
        let (key, number) = (block.key, self.list.len() as u32);
        self.list.push(block);
        let slot = self.slot(key);
        self.table[slot] = (key, number);
        number
    }

    /// Forgets the blocks whose code overlaps a range of addresses.
    pub fn remove(&mut self, range: Range<u32>) {
        let count = self.list.len();
        let end = |block: &Block| block.key.pc().saturating_add(block.bytes.len() as u32);
        self.list.retain(|block| block.key.pc() >= range.end || end(block) <= range.start);
        if self.list.len() < count {
            self.list.iter_mut().for_each(|block| block.followers = [NOBODY; 2]);
            self.rebuild(self.table.len());
        }
    }

    fn rebuild(&mut self, length: usize) {
        self.table = vec![NOBODY; length];
        for number in 0..self.list.len() {
            let key = self.list[number].key;
            let slot = self.slot(key);
            self.table[slot] = (key, number as u32);
        }
    }
}
