//! The double extended-precision format (SDM vol. 1, §4.2.2 and §8.2.2) and what a value of it is.

/// A value as it stands in a register: sign and 15-bit exponent, and a significand whose integer bit is explicit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct F80 {
    /// Bit 15: sign; bits 14…0: biased exponent.
    pub sign_exponent: u16,
    pub significand: u64,
}

pub const BIAS: i32 = 16383;
/// Unbiased exponents of normal numbers.
pub const MIN_EXPONENT: i32 = 1 - BIAS;
pub const MAX_EXPONENT: i32 = BIAS;
pub const INTEGER_BIT: u64 = 1 << 63;
/// The bit of a NaN's significand that makes it quiet.
pub const QUIET_BIT: u64 = 1 << 62;
const EXPONENT_MASK: u16 = 0x7fff;

/// What a value is (SDM vol. 1, table 8-1 of §8.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Zero,
    /// Denormals and pseudo-denormals (exponent 0 with the integer bit set), which work as denormals do.
    Denormal,
    Normal,
    Infinity,
    QuietNan,
    SignalingNan,
    /// Unnormals, pseudo-infinities and pseudo-NaNs: the integer bit is 0 where it must be 1. Invalid as operands.
    Unsupported,
}

/// A finite value: ± significand / 2⁶³ × 2^exponent; the integer bit is set unless the value is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finite {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u64,
}

impl F80 {
    pub const ZERO: F80 = F80 { sign_exponent: 0, significand: 0 };
    pub const ONE: F80 = F80 { sign_exponent: BIAS as u16, significand: INTEGER_BIT };
    pub const INFINITY: F80 = F80 { sign_exponent: EXPONENT_MASK, significand: INTEGER_BIT };
    /// The real indefinite: what a masked invalid operation gives.
    pub const DEFAULT_NAN: F80 = F80 { sign_exponent: 0xffff, significand: INTEGER_BIT | QUIET_BIT };

    pub const fn zero(negative: bool) -> F80 {
        F80::ZERO.with_sign(negative)
    }

    pub const fn infinity(negative: bool) -> F80 {
        F80::INFINITY.with_sign(negative)
    }

    /// A normal number from its unbiased exponent.
    pub const fn normal(negative: bool, exponent: i32, significand: u64) -> F80 {
        F80 { sign_exponent: (exponent + BIAS) as u16, significand }.with_sign(negative)
    }

    pub const fn from_i64(value: i64) -> F80 {
        let size = value.unsigned_abs();
        if size == 0 {
            return F80::ZERO;
        }
        let shift = size.leading_zeros();
        F80::normal(value < 0, 63 - shift as i32, size << shift)
    }

    pub const fn is_negative(self) -> bool {
        self.sign_exponent >> 15 != 0
    }

    pub const fn with_sign(self, negative: bool) -> F80 {
        F80 { sign_exponent: self.sign_exponent & EXPONENT_MASK | (negative as u16) << 15, ..self }
    }

    pub const fn negated(self) -> F80 {
        self.with_sign(!self.is_negative())
    }

    const fn biased_exponent(self) -> u16 {
        self.sign_exponent & EXPONENT_MASK
    }

    pub const fn class(self) -> Class {
        let integer = self.significand & INTEGER_BIT != 0;
        match (self.biased_exponent(), integer) {
            (0, _) if self.significand == 0 => Class::Zero,
            (0, _) => Class::Denormal,
            (_, false) => Class::Unsupported,
            (EXPONENT_MASK, _) if self.significand == INTEGER_BIT => Class::Infinity,
            (EXPONENT_MASK, _) if self.significand & QUIET_BIT != 0 => Class::QuietNan,
            (EXPONENT_MASK, _) => Class::SignalingNan,
            _ => Class::Normal,
        }
    }

    /// A normal number: what nearly all operands are.
    pub const fn is_ordinary(self) -> bool {
        let exponent = self.biased_exponent();
        self.significand & INTEGER_BIT != 0 && exponent != 0 && exponent != EXPONENT_MASK
    }

    pub const fn is_nan(self) -> bool {
        matches!(self.class(), Class::QuietNan | Class::SignalingNan)
    }

    pub const fn is_zero(self) -> bool {
        matches!(self.class(), Class::Zero)
    }

    pub const fn is_infinite(self) -> bool {
        matches!(self.class(), Class::Infinity)
    }

    pub const fn quieted(self) -> F80 {
        F80 { significand: self.significand | QUIET_BIT, ..self }
    }

    /// A pseudo-denormal as the normal number that it equals; others as they are.
    pub const fn canonical(self) -> F80 {
        let pseudo = self.biased_exponent() == 0 && self.significand & INTEGER_BIT != 0;
        F80 { sign_exponent: self.sign_exponent | pseudo as u16, ..self }
    }

    /// Parts of a zero, denormal or normal number. A zero gets an exponent below all others.
    pub const fn finite(self) -> Finite {
        let negative = self.is_negative();
        if self.significand == 0 {
            return Finite { negative, exponent: 4 * MIN_EXPONENT, significand: 0 };
        }
        let biased = self.biased_exponent();
        let exponent = if biased == 0 { MIN_EXPONENT } else { biased as i32 - BIAS };
        let shift = self.significand.leading_zeros();
        Finite { negative, exponent: exponent - shift as i32, significand: self.significand << shift }
    }
}
