//! Binary floating-point formats, and rounding to them (IEEE 754-2019, §3.4 and §4.3).

use super::environment::{Environment, exception};
use crate::helpers::float::Rounding;

/// A binary format: its bits from the lowest are the fraction, the exponent and the sign. Numbers are passed as their bits in a `u64`.
pub trait Format {
    const FRACTION: u32;
    const EXPONENT: u32;
    const SIGN: u64 = 1 << (Self::FRACTION + Self::EXPONENT);
    const INFINITY: u64 = ((1 << Self::EXPONENT) - 1) << Self::FRACTION;
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// What an invalid operation gives: the "real indefinite" (SDM vol. 1, §4.8.3.7).
    const DEFAULT_NAN: u64 = Self::SIGN | Self::INFINITY | Self::QUIET;
    const LARGEST: u64 = Self::INFINITY - 1;
    const BIAS: i32 = (1 << (Self::EXPONENT - 1)) - 1;
    const ONE: u64 = (Self::BIAS as u64) << Self::FRACTION;
    /// Exponent of the last place of denormal numbers: each is a multiple of 2 to this.
    const LEAST: i32 = 1 - Self::BIAS - Self::FRACTION as i32;
}

pub struct Half;
impl Format for Half {
    const FRACTION: u32 = 10;
    const EXPONENT: u32 = 5;
}

pub struct Single;
impl Format for Single {
    const FRACTION: u32 = 23;
    const EXPONENT: u32 = 8;
}

pub struct Double;
impl Format for Double {
    const FRACTION: u32 = 52;
    const EXPONENT: u32 = 11;
}

pub fn magnitude<F: Format>(bits: u64) -> u64 {
    bits & !F::SIGN
}

pub fn is_nan<F: Format>(bits: u64) -> bool {
    magnitude::<F>(bits) > F::INFINITY
}

pub fn is_signaling<F: Format>(bits: u64) -> bool {
    is_nan::<F>(bits) && bits & F::QUIET == 0
}

pub fn is_infinite<F: Format>(bits: u64) -> bool {
    magnitude::<F>(bits) == F::INFINITY
}

pub fn is_zero<F: Format>(bits: u64) -> bool {
    magnitude::<F>(bits) == 0
}

pub fn is_denormal<F: Format>(bits: u64) -> bool {
    !is_zero::<F>(bits) && bits & F::INFINITY == 0
}

/// Significand and exponent of a finite number: its size is `significand × 2^exponent`.
pub fn parts<F: Format>(bits: u64) -> (u64, i32) {
    let fraction = bits & ((1 << F::FRACTION) - 1);
    let exponent = ((bits & F::INFINITY) >> F::FRACTION) as i32;
    if exponent == 0 { (fraction, F::LEAST) } else { (fraction | 1 << F::FRACTION, F::LEAST + exponent - 1) }
}

/// What is left of a number that was cut at some place.
pub struct Cut {
    /// Rounded to a multiple of that place.
    pub kept: u64,
    pub inexact: bool,
}

/// Cuts `drop` low bits off, rounding; the lowest bit may be sticky. A negative `drop` appends zeros. What is kept fits into 64 bits.
pub fn cut(rounding: Rounding, negative: bool, magnitude: u128, drop: i32) -> Cut {
    if drop <= 0 {
        return Cut { kept: (magnitude << -drop) as u64, inexact: false };
    }
    // Beyond all bits nothing is kept, and the rest is less than half a unit.
    let (kept, rest, half) = match drop {
        1..128 => ((magnitude >> drop) as u64, magnitude & ((1 << drop) - 1), 1 << (drop - 1)),
        _ => (0, u128::from(magnitude != 0), 2),
    };
    let up = match rounding {
        Rounding::Nearest => rest > half || (rest == half && kept & 1 == 1),
        Rounding::Down => rest != 0 && negative,
        Rounding::Up => rest != 0 && !negative,
        Rounding::TowardZero => false,
    };
    Cut { kept: kept + u64::from(up), inexact: rest != 0 }
}

/// Rounds `magnitude × 2^exponent`, not zero, whose lowest bit may be sticky; `sign` is 0 or [`Format::SIGN`]. Raises overflow, underflow
/// and precision as their masks want it. Tininess is detected after rounding.
pub fn round<F: Format>(env: &mut Environment, sign: u64, magnitude: u128, exponent: i32) -> u64 {
    let negative = sign != 0;
    let top = 127 - magnitude.leading_zeros() as i32;
    // Exponent of the last place, were there no smallest and no largest one.
    let place = exponent + top - F::FRACTION as i32;
    let Cut { kept, inexact } = cut(env.rounding, negative, magnitude, place - exponent);
    let place = place + i32::from(kept >> (F::FRACTION + 1) != 0);
    if place < F::LEAST {
        return tiny::<F>(env, sign, magnitude, exponent, inexact);
    }
    // A carry out of the significand moves on into the exponent by itself.
    let normal = (1 << F::FRACTION) - 1;
    let biased = (place - F::LEAST) as u64 + 1;
    let fraction = if kept >> (F::FRACTION + 1) != 0 { 0 } else { kept & normal };
    if biased << F::FRACTION >= F::INFINITY {
        env.raise(exception::OVERFLOW);
        // Without the masked response only what the significand lost is inexact.
        if inexact || env.masks(exception::OVERFLOW) {
            env.raise(exception::PRECISION);
        }
        return sign | overflow::<F>(env.rounding, negative);
    }
    if inexact {
        env.raise(exception::PRECISION);
    }
    sign | biased << F::FRACTION | fraction
}

/// A result below the normal numbers; would it be inexact if there were no smallest exponent?
fn tiny<F: Format>(env: &mut Environment, sign: u64, magnitude: u128, exponent: i32, would_be_inexact: bool) -> u64 {
    let masked = env.masks(exception::UNDERFLOW);
    if masked && env.flush_to_zero {
        env.raise(exception::UNDERFLOW | exception::PRECISION);
        return sign;
    }
    let Cut { kept, inexact } = cut(env.rounding, sign != 0, magnitude, F::LEAST - exponent);
    if inexact || !masked {
        env.raise(exception::UNDERFLOW);
    }
    if if masked { inexact } else { would_be_inexact } {
        env.raise(exception::PRECISION);
    }
    sign | kept
}

/// The masked response to overflow (SDM vol. 1, table 4-10), without sign.
fn overflow<F: Format>(rounding: Rounding, negative: bool) -> u64 {
    let to_infinity = match rounding {
        Rounding::Nearest => true,
        Rounding::Down => negative,
        Rounding::Up => !negative,
        Rounding::TowardZero => false,
    };
    if to_infinity { F::INFINITY } else { F::LARGEST }
}
