//! What surrounds one operation: the control word that it obeys, the exceptions that it raises (SDM vol. 1, §4.9 and §8.5), and rounding.

use super::number::{BIAS, Class, F80, INTEGER_BIT, MAX_EXPONENT, MIN_EXPONENT};
use crate::helpers::float::Rounding;

/// Bits of the status word (SDM vol. 1, figure 8-4).
pub mod status {
    pub const INVALID: u16 = 1 << 0;
    pub const DENORMAL: u16 = 1 << 1;
    pub const ZERO_DIVIDE: u16 = 1 << 2;
    pub const OVERFLOW: u16 = 1 << 3;
    pub const UNDERFLOW: u16 = 1 << 4;
    pub const PRECISION: u16 = 1 << 5;
    /// The six exceptions, whose masks are the same bits of the control word.
    pub const EXCEPTIONS: u16 = 0x3f;
    pub const STACK_FAULT: u16 = 1 << 6;
    /// An unmasked exception is pending.
    pub const SUMMARY: u16 = 1 << 7;
    pub const C0: u16 = 1 << 8;
    pub const C1: u16 = 1 << 9;
    pub const C2: u16 = 1 << 10;
    pub const TOP_SHIFT: u32 = 11;
    pub const TOP: u16 = 7 << TOP_SHIFT;
    pub const C3: u16 = 1 << 14;
    /// For the 8087's sake a copy of the summary.
    pub const BUSY: u16 = 1 << 15;
}

/// How far the exponent of an unmasked overflow or underflow in a register is moved (SDM vol. 1, §4.9.1.4).
const EXPONENT_ADJUST: i32 = 24576;

/// A binary format: how many bits its significand has and which exponents its normal numbers have.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub bits: u32,
    pub min_exponent: i32,
    pub max_exponent: i32,
    /// The destination is a register: an unmasked overflow or underflow delivers a result with its exponent adjusted.
    register: bool,
}

impl Format {
    pub const SINGLE: Format = Format { bits: 24, min_exponent: -126, max_exponent: 127, register: false };
    pub const DOUBLE: Format = Format { bits: 53, min_exponent: -1022, max_exponent: 1023, register: false };
    pub const EXTENDED: Format = Format::register(64);

    const fn register(bits: u32) -> Format {
        Format { bits, min_exponent: MIN_EXPONENT, max_exponent: MAX_EXPONENT, register: true }
    }
}

/// The size of a rounded number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounded {
    /// significand / 2⁶³ × 2^exponent; the integer bit is clear in denormals (of the smallest exponent) and zero.
    Finite {
        exponent: i32,
        significand: u64,
    },
    Infinity,
}

/// One operation's control word, and what is to be said of it in the status word.
#[derive(Clone, Debug)]
pub struct Context {
    pub control: u16,
    /// Exceptions raised, and the stack fault.
    pub raised: u16,
    /// C1: the result was rounded away from zero; the stack overflowed.
    pub c1: bool,
}

impl Context {
    pub fn new(control: u16) -> Context {
        Context { control, raised: 0, c1: false }
    }

    pub fn rounding(&self) -> Rounding {
        Rounding::from_bits(u32::from(self.control >> 10))
    }

    /// Rounds to nearest whatever the control word says.
    pub fn rounding_to_nearest<R>(&mut self, f: impl FnOnce(&mut Context) -> R) -> R {
        const ROUNDING: u16 = 3 << 10;
        let control = self.control;
        self.control &= !ROUNDING;
        let result = f(self);
        self.control = control;
        result
    }

    /// What precision control makes of results of add, subtract, multiply, divide and square root (SDM vol. 1, §8.1.5.2).
    pub fn precision(&self) -> Format {
        Format::register(match self.control >> 8 & 3 {
            0 => 24,
            2 => 53,
            _ => 64,
        })
    }

    pub fn is_masked(&self, exception: u16) -> bool {
        self.control & exception != 0
    }

    /// Was an exception raised that is not masked and comes before the result? Then operands stay as they were.
    pub fn is_aborted(&self) -> bool {
        use status::*;
        self.raised & !self.control & (INVALID | DENORMAL | ZERO_DIVIDE) != 0
    }

    /// Raises what comes with the result, unless there is none.
    pub fn raise_after(&mut self, exceptions: u16) {
        if !self.is_aborted() {
            self.raised |= exceptions;
        }
    }

    /// The result is not exact; `up`: it was rounded away from zero.
    pub fn inexact(&mut self, up: bool) {
        if !self.is_aborted() {
            self.raised |= status::PRECISION;
            self.c1 = up;
        }
    }

    pub fn invalid(&mut self) -> F80 {
        self.raised |= status::INVALID;
        F80::DEFAULT_NAN
    }

    /// A register that was to be read is empty.
    pub fn stack_underflow(&mut self) -> F80 {
        self.raised |= status::INVALID | status::STACK_FAULT;
        self.c1 = false;
        F80::DEFAULT_NAN
    }

    /// A register that was to be pushed to is in use.
    pub fn stack_overflow(&mut self) -> F80 {
        self.stack_underflow();
        self.c1 = true;
        F80::DEFAULT_NAN
    }

    pub fn note_denormal(&mut self, x: F80) {
        if x.class() == Class::Denormal {
            self.raised |= status::DENORMAL;
        }
    }

    /// The result that a NaN or unsupported operand forces (SDM vol. 1, §4.8.3.5, table 4-7); notes a denormal if there is none.
    pub fn check1(&mut self, x: F80) -> Option<F80> {
        match x.class() {
            Class::Unsupported => Some(self.invalid()),
            Class::SignalingNan => {
                self.raised |= status::INVALID;
                Some(x.quieted())
            }
            Class::QuietNan => Some(x),
            _ => {
                self.note_denormal(x);
                None
            }
        }
    }

    /// As [`Context::check1`] for two operands: of two NaNs a quiet one, else that with the larger significand, else the positive one.
    pub fn check2(&mut self, x: F80, y: F80) -> Option<F80> {
        use Class::*;
        if x.is_ordinary() && y.is_ordinary() {
            return None;
        }
        let (a, b) = (x.class(), y.class());
        if a == Unsupported || b == Unsupported {
            return Some(self.invalid());
        }
        if a == SignalingNan || b == SignalingNan {
            self.raised |= status::INVALID;
        }
        let nan = match (a, b) {
            (SignalingNan, QuietNan) => y,
            (QuietNan, SignalingNan) => x,
            (SignalingNan | QuietNan, SignalingNan | QuietNan) => {
                let key = |v: F80| (v.significand, !v.is_negative());
                if key(x) >= key(y) { x } else { y }
            }
            (SignalingNan | QuietNan, _) => x,
            (_, SignalingNan | QuietNan) => y,
            _ => {
                self.note_denormal(x);
                self.note_denormal(y);
                return None;
            }
        };
        Some(nan.quieted())
    }

    /// ± significand / 2¹²⁷ × 2^exponent, rounded by precision control.
    pub fn result(&mut self, negative: bool, exponent: i32, significand: u128) -> F80 {
        let format = self.precision();
        self.deliver(negative, exponent, significand, format)
    }

    /// ± significand / 2¹²⁷ × 2^exponent, rounded to 64 bits whatever precision control says.
    pub fn extended(&mut self, negative: bool, exponent: i32, significand: u128) -> F80 {
        self.deliver(negative, exponent, significand, Format::EXTENDED)
    }

    fn deliver(&mut self, negative: bool, exponent: i32, significand: u128, format: Format) -> F80 {
        if significand == 0 {
            return F80::zero(negative);
        }
        let shift = significand.leading_zeros();
        match self.round(negative, exponent - shift as i32, significand << shift, format) {
            Rounded::Infinity => F80::infinity(negative),
            Rounded::Finite { exponent, significand } => {
                let normal = significand & INTEGER_BIT != 0;
                let biased = if normal { (exponent + BIAS) as u16 } else { 0 };
                F80 { sign_exponent: biased, significand }.with_sign(negative)
            }
        }
    }

    /// Rounds significand / 2¹²⁷ × 2^exponent (bit 127 is set) to a format, raising overflow, underflow and precision.
    /// Tininess is detected after rounding.
    pub fn round(&mut self, negative: bool, exponent: i32, significand: u128, format: Format) -> Rounded {
        let rounding = self.rounding();
        let mut cut = Cut::new(rounding, negative, significand, format.bits);
        let mut exponent = exponent;
        if exponent + i32::from(cut.carry) < format.min_exponent {
            let adjust = format.register && !self.is_masked(status::UNDERFLOW);
            if adjust && exponent + EXPONENT_ADJUST < format.min_exponent {
                self.raise_after(status::UNDERFLOW);
                self.inexact(false);
                return Rounded::Finite { exponent: format.min_exponent, significand: 0 };
            } else if adjust {
                self.raise_after(status::UNDERFLOW);
                exponent += EXPONENT_ADJUST;
            } else {
                let denormal = shift_right_sticky(significand, (format.min_exponent - exponent) as u32);
                cut = Cut::new(rounding, negative, denormal, format.bits);
                exponent = format.min_exponent;
                if cut.inexact || !self.is_masked(status::UNDERFLOW) {
                    self.raise_after(status::UNDERFLOW);
                }
            }
        }
        exponent += i32::from(cut.carry);
        if exponent > format.max_exponent {
            self.raise_after(status::OVERFLOW);
            if self.is_masked(status::OVERFLOW) {
                return self.overflow(negative, format);
            }
            if format.register {
                exponent -= EXPONENT_ADJUST;
                if exponent > format.max_exponent {
                    // FSCALE can go beyond what the adjustment reaches.
                    self.inexact(true);
                    return Rounded::Infinity;
                }
            }
        }
        if cut.inexact {
            self.inexact(cut.up);
        }
        Rounded::Finite { exponent, significand: cut.kept }
    }

    /// The masked response to overflow (SDM vol. 1, table 4-10).
    fn overflow(&mut self, negative: bool, format: Format) -> Rounded {
        let to_infinity = match self.rounding() {
            Rounding::Nearest => true,
            Rounding::Down => negative,
            Rounding::Up => !negative,
            Rounding::TowardZero => false,
        };
        self.inexact(to_infinity);
        if to_infinity {
            return Rounded::Infinity;
        }
        Rounded::Finite { exponent: format.max_exponent, significand: u64::MAX << (64 - format.bits) }
    }
}

/// A significand cut to some bits, at the top of 64.
struct Cut {
    kept: u64,
    /// Rounding up gave the next power of two; `kept` is the integer bit then.
    carry: bool,
    inexact: bool,
    up: bool,
}

impl Cut {
    /// `bits` is at most 64.
    fn new(rounding: Rounding, negative: bool, significand: u128, bits: u32) -> Cut {
        let (high, low) = ((significand >> 64) as u64, significand as u64);
        // What is cut off and half of its unit, the low half as a sticky bit where there is more above it.
        let (unit, rest, half) = match 64 - bits {
            0 => (1, low, 1 << 63),
            dropped => (1 << dropped, (high & ((1 << dropped) - 1)) << 1 | u64::from(low != 0), 1 << dropped),
        };
        let kept = high & !(unit - 1);
        let up = rounds_up(rounding, negative, kept & unit != 0, rest, half);
        let (sum, carry) = if up { kept.overflowing_add(unit) } else { (kept, false) };
        Cut { kept: if carry { INTEGER_BIT } else { sum }, carry, inexact: rest != 0, up }
    }
}

/// Does what was cut off, `rest` with half a unit being `half`, make the size of what is kept one unit larger?
pub fn rounds_up(rounding: Rounding, negative: bool, odd: bool, rest: u64, half: u64) -> bool {
    match rounding {
        Rounding::Nearest => rest > half || (rest == half && odd),
        Rounding::Down => rest != 0 && negative,
        Rounding::Up => rest != 0 && !negative,
        Rounding::TowardZero => false,
    }
}

/// Shifts right; bits that fall out make the lowest bit 1, so that rounding still knows of them.
pub fn shift_right_sticky(value: u128, count: u32) -> u128 {
    match count {
        0 => value,
        1..128 => value >> count | u128::from(value << (128 - count) != 0),
        _ => u128::from(value != 0),
    }
}
