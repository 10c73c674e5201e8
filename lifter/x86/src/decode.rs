//! Bytes → instructions, in 64-bit mode, with iced-x86.

use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction};

/// No x86 instruction is longer (SDM vol. 2, §2.3.11).
pub const MAX_LENGTH: usize = 15;

/// Why there is no instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecodable {
    /// The bytes end before the instruction does.
    Truncated,
    /// No instruction begins with these bytes; the processor raises #UD.
    Invalid,
}

/// Decodes the instruction that stands at guest address `pc` and begins `bytes`.
pub fn instruction(bytes: &[u8], pc: u32) -> Result<Instruction, Undecodable> {
    straight(bytes, pc).next().unwrap_or(Err(Undecodable::Truncated))
}

/// The instructions of `bytes`, which stand at `pc`, one after the other; ends after the first error or at the end.
pub fn straight(bytes: &[u8], pc: u32) -> impl Iterator<Item = Result<Instruction, Undecodable>> {
    let mut decoder = Decoder::with_ip(64, bytes, u64::from(pc), DecoderOptions::NONE);
    let mut failed = false;
    core::iter::from_fn(move || {
        if failed || !decoder.can_decode() {
            return None;
        }
        let instr = decoder.decode();
        Some(match decoder.last_error() {
            DecoderError::None => Ok(instr),
            error => {
                failed = true;
                let truncated = error == DecoderError::NoMoreBytes;
                Err(if truncated { Undecodable::Truncated } else { Undecodable::Invalid })
            }
        })
    })
}
