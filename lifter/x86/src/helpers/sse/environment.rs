//! What MXCSR asks of an operation, and what the operation says to it (SDM vol. 1, §10.2.3 and §11.5).

use super::number::{Format, is_denormal, is_nan, is_signaling};
use crate::helpers::float::Rounding;
use crate::state::CpuState;

/// Bits 5…0 of MXCSR, and six bits higher their masks.
pub mod exception {
    pub const INVALID: u32 = 1 << 0;
    pub const DENORMAL: u32 = 1 << 1;
    pub const ZERO_DIVIDE: u32 = 1 << 2;
    pub const OVERFLOW: u32 = 1 << 3;
    pub const UNDERFLOW: u32 = 1 << 4;
    pub const PRECISION: u32 = 1 << 5;
    pub const ALL: u32 = 0x3f;
    /// Those that are known before there is a result.
    pub const BEFORE: u32 = INVALID | DENORMAL | ZERO_DIVIDE;
}

/// Position of the masks.
const MASKS: u32 = 7;
const DENORMALS_ARE_ZERO: u32 = 1 << 6;
const FLUSH_TO_ZERO: u32 = 1 << 15;
const ROUNDING: u32 = 13;

/// MXCSR, taken apart.
pub struct Environment {
    pub rounding: Rounding,
    pub denormals_are_zero: bool,
    pub flush_to_zero: bool,
    masks: u32,
    /// [`exception`]s so far.
    pub raised: u32,
}

impl Environment {
    pub fn new(mxcsr: u32) -> Environment {
        Environment {
            rounding: Rounding::from_bits(mxcsr >> ROUNDING),
            denormals_are_zero: mxcsr & DENORMALS_ARE_ZERO != 0,
            flush_to_zero: mxcsr & FLUSH_TO_ZERO != 0,
            masks: mxcsr >> MASKS & exception::ALL,
            raised: 0,
        }
    }

    /// The one that processes start with: to nearest, nothing flushed, all exceptions masked.
    pub fn initial() -> Environment {
        Environment::new(CpuState::INITIAL_MXCSR)
    }

    pub fn raise(&mut self, exceptions: u32) {
        self.raised |= exceptions;
    }

    pub fn masks(&self, exceptions: u32) -> bool {
        self.masks & exceptions != 0
    }

    /// An operand as the operation sees it: DAZ makes denormals zeros.
    pub fn operand<F: Format>(&self, bits: u64) -> u64 {
        if self.denormals_are_zero && is_denormal::<F>(bits) { bits & F::SIGN } else { bits }
    }

    /// Denormal operands, of an operation that has a result by computing.
    pub fn note_denormals<F: Format>(&mut self, operands: &[u64]) {
        if operands.iter().any(|&bits| is_denormal::<F>(bits)) {
            self.raise(exception::DENORMAL);
        }
    }

    /// The result if an operand is a NaN: the first one, made quiet (SDM vol. 1, table 4-7).
    pub fn nan<F: Format>(&mut self, operands: &[u64]) -> Option<u64> {
        if operands.iter().any(|&bits| is_signaling::<F>(bits)) {
            self.raise(exception::INVALID);
        }
        operands.iter().find(|&&bits| is_nan::<F>(bits)).map(|nan| nan | F::QUIET)
    }

    /// The result of an invalid operation.
    pub fn invalid<F: Format>(&mut self) -> u64 {
        self.raise(exception::INVALID);
        F::DEFAULT_NAN
    }
}

/// Runs a part of an instruction; what it raises waits in `cpu.raised` for [`finish`].
pub fn with<R>(cpu: &mut CpuState, f: impl FnOnce(&mut Environment) -> R) -> R {
    let mut env = Environment::new(cpu.mxcsr);
    let result = f(&mut env);
    raised(cpu, env.raised);
    result
}

/// Exceptions came about. If all are masked nobody waits for the end of the instruction.
pub fn raised(cpu: &mut CpuState, exceptions: u32) {
    if cpu.mxcsr >> MASKS & exception::ALL == exception::ALL {
        cpu.mxcsr |= exceptions;
    } else {
        cpu.raised |= exceptions;
    }
}

/// The end of an instruction whose exceptions were collected: they go to MXCSR's flags. 1 if one of them is not masked: then the instruction
/// has no result, and of several parts those exceptions that need one did not come about (SDM vol. 1, §11.5.3).
pub fn finish(cpu: &mut CpuState) -> u32 {
    let raised = core::mem::take(&mut cpu.raised);
    let unmasked = raised & !(cpu.mxcsr >> MASKS) & exception::ALL;
    let aborted = unmasked & exception::BEFORE != 0;
    cpu.mxcsr |= if aborted { raised & exception::BEFORE } else { raised };
    u32::from(unmasked != 0)
}
