//! Flags that the SDM leaves undefined (vol. 2, "Flags Affected" of each instruction).
//!
//! hoist makes of them what Intel's processors make of them, in every row: the oracle compares them like all others. Nothing but the coverage
//! page needs to know which they are.

use iced_x86::{Instruction, Mnemonic as M, OpKind, RflagsBits};

/// The flags, as [`RflagsBits`], that the SDM leaves undefined for some values of the operands.
pub fn by_manual(instr: &Instruction) -> u32 {
    let narrow = match instr.op0_kind() {
        OpKind::Register => instr.op0_register().size() < 4,
        _ => instr.memory_size().size() < 4,
    };
    instr.rflags_undefined()
        | match instr.mnemonic() {
            // OF for counts other than 1, AF for all but 0, CF for counts beyond the width.
            M::Shl | M::Shr | M::Sal => RflagsBits::OF | RflagsBits::AF | if narrow { RflagsBits::CF } else { 0 },
            M::Sar => RflagsBits::OF | RflagsBits::AF,
            M::Shld | M::Shrd if narrow => STATUS,
            M::Shld | M::Shrd => RflagsBits::OF | RflagsBits::AF,
            M::Rol | M::Ror | M::Rcl | M::Rcr => RflagsBits::OF,
            _ => 0,
        }
}

const STATUS: u32 = RflagsBits::CF | RflagsBits::PF | RflagsBits::AF | RflagsBits::ZF | RflagsBits::SF | RflagsBits::OF;
