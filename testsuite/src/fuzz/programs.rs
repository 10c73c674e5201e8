//! Programs of random bytes, and states to run them in.

use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use crate::oracle::Rng;
use crate::oracle::forms::{self, Samples};

/// Makes programs: of random bytes, and of instructions that exist, damaged here and there.
pub struct Programs {
    instructions: Vec<Vec<u8>>,
    /// Nothing but this.
    only: Option<Vec<u8>>,
}

impl Default for Programs {
    fn default() -> Programs {
        Programs::new()
    }
}

impl Programs {
    pub fn new() -> Programs {
        let mut samples = Samples::new();
        forms::enumerate(&mut samples, |_| true);
        Programs { instructions: samples.into_values().map(|sample| sample.bytes).collect(), only: None }
    }

    /// One program, again and again.
    pub fn only(code: Vec<u8>) -> Programs {
        Programs { instructions: Vec::new(), only: Some(code) }
    }

    pub fn random(&self, rng: &mut Rng) -> Vec<u8> {
        if let Some(code) = &self.only {
            return code.clone();
        }
        let mut code = Vec::new();
        let instructions = 1 + rng.below(12);
        let damage = rng.below(4) == 0;
        for _ in 0..instructions {
            match rng.below(8) {
                0 => code.extend((0..1 + rng.below(8)).map(|_| rng.next() as u8)),
                // A short jump somewhere near: loops, and jumps into the middle of instructions.
                1 => code.extend([0x70 | rng.below(16) as u8, (rng.below(48) as i8 - 24) as u8]),
                _ => code.extend(&self.instructions[rng.below(self.instructions.len() as u64) as usize]),
            }
        }
        if damage {
            for _ in 0..=code.len() / 16 {
                let at = rng.below(code.len() as u64) as usize;
                code[at] = rng.next() as u8;
            }
        }
        // RET; behind it HLT, which raises #GP, for when RET's byte belongs to the instruction before.
        code.push(0xc3);
        code.extend([0xf4; 32]);
        code
    }
}

/// Registers that point into the data, small numbers, and any.
pub fn state(data: u32, end: u32, rng: &mut Rng) -> CpuState {
    let mut cpu = CpuState::default();
    let middle = u64::from(data) + u64::from(end - data) / 2;
    for n in 0..16 {
        cpu.int[n] = match rng.below(8) {
            0 => rng.next(),
            1 => rng.below(100),
            _ => middle - 0x4000 + rng.below(0x8000),
        };
    }
    cpu.int[4] = middle + 8 * rng.below(64);
    for n in 0..32 {
        cpu.vector[n] = u128::from(rng.next()) << 64 | u128::from(rng.next());
    }
    for flag in Reg::all().filter(|reg| reg.is_status_flag()) {
        cpu.set(flag, rng.below(2).into());
    }
    cpu
}

/// Random bytes, not all of them new.
pub fn fill_data(data: &mut [u8], rng: &mut Rng) {
    for _ in 0..256 {
        let at = rng.below(data.len() as u64 / 8) as usize * 8;
        data[at..at + 8].copy_from_slice(&rng.next().to_le_bytes());
    }
}
