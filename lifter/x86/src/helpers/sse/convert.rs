//! Conversions between formats and with integers, and rounding to integral values.

use super::environment::{Environment, exception};
use super::number::{Cut, Format, cut, is_denormal, is_infinite, is_nan, is_zero, parts, round};
use crate::helpers::float::Rounding;

/// From one format to another. Of a NaN the sign and the upper bits of the payload stay, and it becomes quiet.
pub fn format<From: Format, To: Format>(env: &mut Environment, bits: u64) -> u64 {
    let bits = env.operand::<From>(bits);
    let sign = if bits & From::SIGN != 0 { To::SIGN } else { 0 };
    if let Some(nan) = env.nan::<From>(&[bits]) {
        let payload = nan & (From::QUIET - 1);
        let shift = To::FRACTION as i32 - From::FRACTION as i32;
        let payload = if shift < 0 { payload >> -shift } else { payload << shift };
        return sign | To::INFINITY | To::QUIET | payload;
    }
    if is_infinite::<From>(bits) {
        return sign | To::INFINITY;
    }
    if is_zero::<From>(bits) {
        return sign;
    }
    env.note_denormals::<From>(&[bits]);
    let (significand, exponent) = parts::<From>(bits);
    round::<To>(env, sign, significand.into(), exponent)
}

/// VCVTPH2PS: exact; denormal halves are numbers as any other (SDM vol. 1, §14.4.1).
pub fn from_half<To: Format>(env: &mut Environment, bits: u64) -> u64 {
    let mut own = Environment::initial();
    let result = format::<super::number::Half, To>(&mut own, bits);
    env.raise(own.raised & exception::INVALID);
    result
}

/// VCVTPS2PH: FTZ is ignored there. With an underflow that is not masked processors take every denormal for inexact.
pub fn to_half<From: Format>(env: &mut Environment, bits: u64) -> u64 {
    let flush = core::mem::replace(&mut env.flush_to_zero, false);
    let result = format::<From, super::number::Half>(env, bits);
    env.flush_to_zero = flush;
    if is_denormal::<From>(env.operand::<From>(bits)) && !env.masks(exception::UNDERFLOW) {
        env.raise(exception::PRECISION);
    }
    result
}

/// A number cut at the integers.
fn integral<F: Format>(env: &Environment, bits: u64, rounding: Rounding) -> Option<Cut> {
    let bits = env.operand::<F>(bits);
    let (significand, exponent) = parts::<F>(bits);
    // Beyond 64 bits it cannot be kept, and is an integer anyway.
    (!is_nan::<F>(bits) && exponent <= 63 - F::FRACTION as i32)
        .then(|| cut(rounding, bits & F::SIGN != 0, significand.into(), -exponent))
}

/// To an integer of `width` bits, sign-extended to 64; what no such integer can hold is invalid and gives the least one.
pub fn to_integer<F: Format>(env: &mut Environment, bits: u64, width: u32, rounding: Rounding) -> u64 {
    let least = u64::MAX << (width - 1);
    let negative = bits & F::SIGN != 0;
    let size = 1 << (width - 1);
    match integral::<F>(env, bits, rounding) {
        Some(Cut { kept, inexact }) if kept < size || (kept == size && negative) => {
            if inexact {
                env.raise(exception::PRECISION);
            }
            if negative { kept.wrapping_neg() } else { kept }
        }
        _ => {
            env.raise(exception::INVALID);
            least
        }
    }
}

/// From a signed integer.
pub fn from_integer<F: Format>(env: &mut Environment, value: i64) -> u64 {
    let sign = if value < 0 { F::SIGN } else { 0 };
    if value == 0 { 0 } else { round::<F>(env, sign, value.unsigned_abs().into(), 0) }
}

/// ROUNDPS: to an integral value of the same format; zeros keep the operand's sign. `quietly`: precision is not raised.
pub fn to_integral<F: Format>(env: &mut Environment, bits: u64, rounding: Rounding, quietly: bool) -> u64 {
    let bits = env.operand::<F>(bits);
    if let Some(nan) = env.nan::<F>(&[bits]) {
        return nan;
    }
    let (_, exponent) = parts::<F>(bits);
    if exponent >= 0 {
        return bits;
    }
    let sign = bits & F::SIGN;
    let Some(Cut { kept, inexact }) = integral::<F>(env, bits, rounding) else { return bits };
    if inexact && !quietly {
        env.raise(exception::PRECISION);
    }
    if kept == 0 {
        return sign;
    }
    // An integer of at most as many bits as the significand: exact.
    round::<F>(&mut Environment::initial(), sign, kept.into(), 0)
}
