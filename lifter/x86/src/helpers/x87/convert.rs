//! Conversions between the registers' format and those in memory (SDM vol. 1, §8.3.3; BCD: §4.7).

use super::arithmetic::integer_size;
use super::context::{Context, Format, Rounded, status};
use super::number::{BIAS, Class, F80, INTEGER_BIT};
use crate::helpers::float::Rounding;

/// A float of `fraction` bits and `exponent` bits in the registers' format, exactly; a signaling NaN stays one. Notes a denormal.
fn widen(cx: &mut Context, bits: u64, fraction: u32, exponent: u32) -> F80 {
    let negative = bits >> (fraction + exponent) & 1 != 0;
    let max = (1 << exponent) - 1;
    let biased = (bits >> fraction & max) as i32;
    let significand = bits << (63 - fraction) & (INTEGER_BIT - 1);
    let bias = (max >> 1) as i32;
    match biased {
        0 if significand == 0 => F80::zero(negative),
        0 => {
            cx.raised |= status::DENORMAL;
            let shift = significand.leading_zeros();
            F80::normal(negative, 1 - bias - shift as i32, significand << shift)
        }
        _ if biased == max as i32 => F80 { sign_exponent: 0x7fff, significand: INTEGER_BIT | significand }.with_sign(negative),
        _ => F80::normal(negative, biased - bias, INTEGER_BIT | significand),
    }
}

pub fn from_single(cx: &mut Context, bits: u32) -> F80 {
    widen(cx, u64::from(bits), 23, 8)
}

pub fn from_double(cx: &mut Context, bits: u64) -> F80 {
    widen(cx, bits, 52, 11)
}

/// A register to a float of `exponent` bits; the format has the rest.
fn narrow(cx: &mut Context, x: F80, format: Format, exponent_bits: u32) -> u64 {
    let fraction = format.bits - 1;
    let max = (1u64 << exponent_bits) - 1;
    let sign = |negative: bool| u64::from(negative) << (fraction + exponent_bits);
    let pack = |negative, biased: u64, significand: u64| {
        sign(negative) | biased << fraction | (significand & (INTEGER_BIT - 1)) >> (63 - fraction)
    };
    // A stored denormal does not raise the denormal exception.
    let raised = cx.raised;
    if let Some(nan) = cx.check1(x) {
        return pack(nan.is_negative(), max, nan.significand);
    }
    cx.raised = raised;
    let negative = x.is_negative();
    match x.class() {
        Class::Zero => return sign(negative),
        Class::Infinity => return pack(negative, max, 0),
        _ => {}
    }
    let value = x.finite();
    match cx.round(negative, value.exponent, u128::from(value.significand) << 64, format) {
        Rounded::Infinity => pack(negative, max, 0),
        Rounded::Finite { significand, .. } if significand & INTEGER_BIT == 0 => pack(negative, 0, significand),
        Rounded::Finite { exponent, significand } => pack(negative, (exponent + format.max_exponent) as u64, significand),
    }
}

pub fn to_single(cx: &mut Context, x: F80) -> u32 {
    narrow(cx, x, Format::SINGLE, 8) as u32
}

pub fn to_double(cx: &mut Context, x: F80) -> u64 {
    narrow(cx, x, Format::DOUBLE, 11)
}

/// An integer of at most `limit` in size (one more if negative and `twos_complement`), or `None`, which is invalid.
fn to_integer(cx: &mut Context, x: F80, rounding: Rounding, limit: u64, twos_complement: bool) -> Option<(bool, u64)> {
    let value = x.finite();
    let fits = !matches!(x.class(), Class::Unsupported | Class::Infinity) && !x.is_nan() && value.exponent < 64;
    let before = (cx.raised, cx.c1);
    if fits {
        let size = integer_size(cx, value, rounding);
        let most = u128::from(limit) + u128::from(value.negative && twos_complement);
        if size <= most {
            return Some((value.negative, size as u64));
        }
    }
    (cx.raised, cx.c1) = before;
    cx.raised |= status::INVALID;
    None
}

/// FIST, FISTTP: a signed integer of `bits` bits, sign-extended; the integer indefinite (the most negative one) if it does not fit.
pub fn to_signed(cx: &mut Context, x: F80, rounding: Rounding, bits: u32) -> i64 {
    let limit = i64::MAX as u64 >> (64 - bits);
    match to_integer(cx, x, rounding, limit, true) {
        Some((negative, size)) => {
            if negative {
                (size as i64).wrapping_neg()
            } else {
                size as i64
            }
        }
        None => i64::MIN >> (64 - bits),
    }
}

const MAX_DECIMAL: u64 = 999_999_999_999_999_999;

/// Eighteen decimal digits and a sign in ten bytes.
pub fn from_decimal(bytes: [u8; 10]) -> F80 {
    let digits = bytes[..9].iter().rev().fold(0i64, |sum, byte| sum * 100 + i64::from(byte >> 4) * 10 + i64::from(byte & 15));
    F80::from_i64(digits).with_sign(bytes[9] >> 7 != 0)
}

/// FBSTP; the packed decimal indefinite if the number has more than eighteen digits.
pub fn to_decimal(cx: &mut Context, x: F80) -> [u8; 10] {
    let rounding = cx.rounding();
    let Some((negative, mut rest)) = to_integer(cx, x, rounding, MAX_DECIMAL, false) else {
        return [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];
    };
    let mut bytes = [0; 10];
    for byte in &mut bytes[..9] {
        let pair = (rest % 100) as u8;
        *byte = ((pair / 10) << 4) | (pair % 10);
        rest /= 100;
    }
    bytes[9] = u8::from(negative) << 7;
    bytes
}

/// The constants of FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, in the order of their opcodes, rounded as the control word says
/// (SDM vol. 2, FLD1: the stored constants have 66 bits).
pub fn constant(rounding: Rounding, number: u32) -> F80 {
    // Exponent, 64 bits rounded down, and whether the 66-bit value is nearer to the next number; none of them is exact.
    let (exponent, significand, nearest_up) = match number {
        0 => return F80::ONE,
        1 => (1, 0xd49a_784b_cd1b_8afe, false),
        2 => (0, 0xb8aa_3b29_5c17_f0bb, true),
        3 => (1, 0xc90f_daa2_2168_c234, true),
        4 => (-2, 0x9a20_9a84_fbcf_f798, true),
        5 => (-1, 0xb172_17f7_d1cf_79ab, true),
        _ => return F80::ZERO,
    };
    let up = match rounding {
        Rounding::Nearest => nearest_up,
        Rounding::Up => true,
        Rounding::Down | Rounding::TowardZero => false,
    };
    F80 { sign_exponent: (exponent + BIAS) as u16, significand: significand + u64::from(up) }
}
