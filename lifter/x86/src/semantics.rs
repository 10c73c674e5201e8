//! The meaning of each instruction: one row per mnemonic, written once, as a translation to IR.
//!
//! A family of instructions is a file; each has a function `row` from iced's [`Mnemonic`] (Intel's name) to the routine that
//! writes its meaning. Forms of one mnemonic differ only in operands, which the builder reads generically.

use iced_x86::{Instruction, Mnemonic};

use crate::builder::Builder;

/// Writes one instruction's meaning at the builder's current point. It leaves the block open when control goes on to the next
/// instruction, and ends it when not.
pub type Row = fn(&mut Builder<'_>, &Instruction);

/// The row of an instruction, or `None` if hoist does not know it.
pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    let _ = mnemonic;
    None
}

/// Translates one instruction. `false` if there is no row for it (nothing is written then).
pub fn translate(builder: &mut Builder<'_>, instr: &Instruction) -> bool {
    let Some(row) = row(instr.mnemonic()) else { return false };
    builder.pc = instr.ip() as u32;
    builder.next_pc = instr.next_ip() as u32;
    row(builder, instr);
    true
}
