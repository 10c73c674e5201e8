//! The meaning of each instruction: one row per mnemonic, written once, as a translation to IR.
//!
//! A family of instructions is a file; each has a function `row` from iced's [`Mnemonic`] (Intel's name) to the routine that
//! writes its meaning. Forms of one mnemonic differ only in operands, which the builder reads generically.

use iced_x86::{EncodingKind, Instruction, Mnemonic};

use crate::boundary::Vector;
use crate::builder::{Builder, Floats};

mod avx;
mod beyond;
mod bits;
mod control;
mod crypto;
mod fma;
mod integer;
mod shift;
mod sse_bits;
mod sse_convert;
mod sse_exact;
mod sse_float;
mod sse_integer;
mod sse_move;
mod sse_shuffle;
mod sse_text;
mod string;
mod system;
mod transfer;
mod words;
mod x87;
mod xsave;

pub use beyond::is_beyond;

/// Writes one instruction's meaning at the builder's current point. It leaves the block open when control goes on to the next
/// instruction, and ends it when not.
pub type Row = fn(&mut Builder<'_>, &Instruction);

/// The row of an instruction, or `None` if hoist does not know it.
pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    transfer::row(mnemonic)
        .or_else(|| integer::row(mnemonic))
        .or_else(|| shift::row(mnemonic))
        .or_else(|| bits::row(mnemonic))
        .or_else(|| control::row(mnemonic))
        .or_else(|| system::row(mnemonic))
        .or_else(|| sse_move::row(mnemonic))
        .or_else(|| sse_bits::row(mnemonic))
        .or_else(|| sse_shuffle::row(mnemonic))
        .or_else(|| sse_integer::row(mnemonic))
        .or_else(|| sse_float::row(mnemonic))
        .or_else(|| sse_convert::row(mnemonic))
        .or_else(|| sse_text::row(mnemonic))
        .or_else(|| crypto::row(mnemonic))
        .or_else(|| avx::row(mnemonic))
        .or_else(|| fma::row(mnemonic))
        .or_else(|| string::row(mnemonic))
        .or_else(|| x87::row(mnemonic))
        .or_else(|| xsave::row(mnemonic))
}

/// Translates one instruction. `false` if there is no row for it (nothing is written then).
pub fn translate(builder: &mut Builder<'_>, instr: &Instruction) -> bool {
    // MOVSD and CMPSD are string instructions and SSE2's, too.
    let string = if instr.is_string_instruction() { string::row(instr.mnemonic()) } else { None };
    // AVX-512 shares mnemonics with AVX, but has masks and 32 registers.
    let beyond: Option<Row> = is_beyond(instr).then_some(|b, _| b.exception(Vector::InvalidOpcode));
    let exact = || if builder.floats >= Floats::Masked { sse_exact::row(instr.mnemonic()) } else { None };
    let row = match beyond {
        Some(_) if instr.encoding() == EncodingKind::EVEX => beyond,
        _ => string.or_else(exact).or_else(|| row(instr.mnemonic())).or(beyond),
    };
    let Some(row) = row else { return false };
    builder.pc = instr.ip() as u32;
    builder.next_pc = instr.next_ip() as u32;
    if builder.floats == Floats::Exact && x87::waits(instr) {
        x87::raise_pending(builder);
    }
    row(builder, instr);
    true
}

/// Does what the instruction does depend on MXCSR: has it another, exact translation?
pub fn depends_on_mxcsr(instr: &Instruction) -> bool {
    !instr.is_string_instruction() && instr.encoding() != EncodingKind::EVEX && sse_exact::row(instr.mnemonic()).is_some()
}

/// Does the instruction raise what earlier ones of the x87 left pending? Only [`Floats::Exact`] does that; nothing is pending while all
/// exceptions are masked.
pub fn waits_for_x87(instr: &Instruction) -> bool {
    x87::waits(instr)
}
