//! Which forms of instructions the discovered code of a file has, and how often each.

use hoist_x86::form::{Census, count};
use hoist_x86::iced_x86::{Decoder, DecoderOptions, Instruction};

use crate::discover::Program;
use crate::elf::Elf;

/// Adds the instructions of a file's functions to a census. Code that two functions share counts once.
pub fn add(elf: &Elf<'_>, program: &Program, census: &mut Census) {
    each(elf, program, |instr| count(census, instr));
}

/// Calls `f` with every instruction that discovery found, by address.
pub fn each(elf: &Elf<'_>, program: &Program, mut f: impl FnMut(&Instruction)) {
    let mut blocks: Vec<(u32, u32)> =
        program.functions.values().flat_map(|function| function.blocks.iter().map(|(&start, &end)| (start, end))).collect();
    blocks.sort_unstable();
    let mut done = 0;
    for (start, end) in blocks {
        let code = elf.read(start, end.saturating_sub(start) as usize).unwrap_or(&[]);
        let decoder = Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE);
        for instr in decoder.into_iter().filter(|instr| !instr.is_invalid()) {
            if instr.ip() as u32 >= done {
                f(&instr);
            }
        }
        done = done.max(end);
    }
}
