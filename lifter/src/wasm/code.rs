//! Wasm code as bytes, with the peepholes that need to know only the last instruction.

use hoist_x86::ir::Value;
use wasm_encoder::{BlockType, Encode, Instruction};

#[derive(Default)]
pub struct Code {
    bytes: Vec<u8>,
    /// Where the last instruction is a `local.set` of this local: it can become a `local.tee`.
    last_set: Option<(usize, u32)>,
    /// Where the last instruction is a `br 0`: falling out of the block does the same.
    last_br_0: Option<usize>,
    hints: Vec<Hint>,
    accesses: Vec<(u32, Value)>,
}

/// Which way a branch nearly always goes (the branch-hinting proposal).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hint {
    /// Of the `if`, in bytes from the start of the function's body with its declarations.
    pub offset: u32,
    /// Whether its condition nearly always holds.
    pub likely: bool,
}

impl Code {
    pub fn op(&mut self, instruction: Instruction<'_>) {
        self.last_br_0 = None;
        self.last_set = match instruction {
            Instruction::LocalSet(local) => Some((self.bytes.len(), local)),
            _ => None,
        };
        instruction.encode(&mut self.bytes);
    }

    /// An `if` whose condition nearly always holds, or nearly never.
    pub fn hinted_if(&mut self, ty: BlockType, likely: bool) {
        self.hints.push(Hint { offset: self.bytes.len() as u32, likely });
        self.op(Instruction::If(ty));
    }

    /// An instruction that may reach a bad address: what `value` does.
    pub fn access(&mut self, value: Value, instruction: Instruction<'_>) {
        self.accesses.push((self.bytes.len() as u32, value));
        self.op(instruction);
    }

    /// `local.get`, or `local.tee` in place of the `local.set` just before.
    pub fn local_get(&mut self, local: u32) {
        const LOCAL_TEE: u8 = 0x22;
        match self.last_set.take() {
            Some((at, set)) if set == local => self.bytes[at] = LOCAL_TEE,
            _ => self.op(Instruction::LocalGet(local)),
        }
    }

    pub fn br(&mut self, depth: u32) {
        let at = self.bytes.len();
        self.op(Instruction::Br(depth));
        if depth == 0 {
            self.last_br_0 = Some(at);
        }
    }

    /// `end` of a block (not of a loop).
    pub fn end_block(&mut self) {
        if let Some(at) = self.last_br_0 {
            self.bytes.truncate(at);
        }
        self.op(Instruction::End);
    }

    /// The code, and hints and accesses with their offsets in it.
    pub fn finish(self) -> (Vec<u8>, Vec<Hint>, Vec<(u32, Value)>) {
        (self.bytes, self.hints, self.accesses)
    }
}
