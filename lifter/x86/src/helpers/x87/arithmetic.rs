//! Arithmetic and comparison (SDM vol. 1, §8.3.5 and §8.3.6).

use core::cmp::Ordering;

use super::context::{Context, rounds_up, shift_right_sticky, status};
use super::number::{Class, F80, Finite};
use crate::helpers::float::Rounding;

/// The arithmetic instructions with two operands, numbered as in ModRM.reg of opcode D8H.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Operation {
    Add = 0,
    Multiply = 1,
    Subtract = 4,
    SubtractReversed = 5,
    Divide = 6,
    DivideReversed = 7,
}

impl Operation {
    pub fn from_number(number: u32) -> Operation {
        match number {
            0 => Operation::Add,
            1 => Operation::Multiply,
            4 => Operation::Subtract,
            5 => Operation::SubtractReversed,
            6 => Operation::Divide,
            _ => Operation::DivideReversed,
        }
    }

    /// `dest op source`.
    pub fn apply(self, cx: &mut Context, dest: F80, source: F80) -> F80 {
        match self {
            Operation::Add => add(cx, dest, source),
            Operation::Multiply => multiply(cx, dest, source),
            Operation::Subtract => subtract(cx, dest, source),
            Operation::SubtractReversed => subtract(cx, source, dest),
            Operation::Divide => divide(cx, dest, source),
            Operation::DivideReversed => divide(cx, source, dest),
        }
    }
}

pub fn add(cx: &mut Context, x: F80, y: F80) -> F80 {
    cx.check2(x, y).unwrap_or_else(|| sum(cx, x, y))
}

pub fn subtract(cx: &mut Context, x: F80, y: F80) -> F80 {
    cx.check2(x, y).unwrap_or_else(|| sum(cx, x, y.negated()))
}

fn sum(cx: &mut Context, x: F80, y: F80) -> F80 {
    match (x.is_infinite(), y.is_infinite()) {
        (true, true) if x.is_negative() != y.is_negative() => return cx.invalid(),
        (true, _) => return x,
        (_, true) => return y,
        _ => {}
    }
    let (a, b) = (x.finite(), y.finite());
    let (large, small) = if (a.exponent, a.significand) >= (b.exponent, b.significand) { (a, b) } else { (b, a) };
    // One bit is left for the carry.
    let size = u128::from(large.significand) << 63;
    let other = shift_right_sticky(u128::from(small.significand) << 63, (large.exponent - small.exponent) as u32);
    let same_sign = large.negative == small.negative;
    let total = if same_sign { size + other } else { size - other };
    if total == 0 {
        // Zeros of one sign keep it; an exact difference is +0, or −0 when rounding down.
        let negative = if same_sign { large.negative } else { cx.rounding() == Rounding::Down };
        return F80::zero(negative);
    }
    cx.result(large.negative, large.exponent + 1, total)
}

pub fn multiply(cx: &mut Context, x: F80, y: F80) -> F80 {
    if let Some(nan) = cx.check2(x, y) {
        return nan;
    }
    let negative = x.is_negative() != y.is_negative();
    if x.is_infinite() || y.is_infinite() {
        return if x.is_zero() || y.is_zero() { cx.invalid() } else { F80::infinity(negative) };
    }
    let (a, b) = (x.finite(), y.finite());
    cx.result(negative, a.exponent + b.exponent + 1, u128::from(a.significand) * u128::from(b.significand))
}

pub fn divide(cx: &mut Context, x: F80, y: F80) -> F80 {
    if let Some(nan) = cx.check2(x, y) {
        return nan;
    }
    let negative = x.is_negative() != y.is_negative();
    match (x.class(), y.class()) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => return cx.invalid(),
        (Class::Infinity, _) => return F80::infinity(negative),
        (_, Class::Infinity) | (Class::Zero, _) => return F80::zero(negative),
        (_, Class::Zero) => {
            // It comes before the denormal exception.
            cx.raised = cx.raised & !status::DENORMAL | status::ZERO_DIVIDE;
            return F80::infinity(negative);
        }
        _ => {}
    }
    let (a, b) = (x.finite(), y.finite());
    cx.result(negative, a.exponent - b.exponent, quotient(a.significand, b.significand))
}

/// a / b × 2¹²⁷ rounded down to 126 bits or more, the lowest bit sticky. Both have their top bit set.
fn quotient(a: u64, b: u64) -> u128 {
    let (divisor, dividend) = (u128::from(b), u128::from(a) << 63);
    let (high, rest) = (dividend / divisor, dividend % divisor);
    let dividend = rest << 63;
    let (low, rest) = (dividend / divisor, dividend % divisor);
    // a / b = (high / 2⁶³) + (low / 2¹²⁶): one more bit to the left is 2¹²⁷, which a / b < 2 leaves free.
    (high << 63 | low) << 1 | u128::from(rest != 0)
}

pub fn square_root(cx: &mut Context, x: F80) -> F80 {
    if let Some(nan) = cx.check1(x) {
        return nan;
    }
    match x.class() {
        Class::Zero => return x,
        _ if x.is_negative() => {
            cx.raised &= !status::DENORMAL;
            return cx.invalid();
        }
        Class::Infinity => return x,
        _ => {}
    }
    let Finite { exponent, significand, .. } = x.finite();
    // √(s / 2⁶³ × 2ᵉ) with e even is √(s × 2⁶³) / 2⁶³ × 2^(e/2): a root of 64 bits and a remainder.
    let radicand = u128::from(significand) << (63 + (exponent & 1));
    let root = radicand.isqrt();
    let rest = radicand - root * root;
    // The fraction is above one half exactly when rest > root, and is never one half.
    let tail = u128::from(rest > root) << 63 | u128::from(rest != 0);
    cx.result(false, exponent >> 1, root << 64 | tail)
}

/// Rounds to an integral value (FRNDINT).
pub fn round_to_integer(cx: &mut Context, x: F80) -> F80 {
    if let Some(nan) = cx.check1(x) {
        return nan;
    }
    let value = x.finite();
    if x.is_infinite() || x.is_zero() || value.exponent >= 63 {
        return x;
    }
    let rounding = cx.rounding();
    let size = integer_size(cx, value, rounding);
    if size == 0 {
        return F80::zero(value.negative);
    }
    let shift = size.leading_zeros();
    F80::normal(value.negative, 127 - shift as i32, (size << shift >> 64) as u64)
}

/// The size of a finite number below 2⁶⁴ as an integer; raises precision.
pub fn integer_size(cx: &mut Context, value: Finite, rounding: Rounding) -> u128 {
    const HALF: u64 = 1 << 63;
    let fixed = shift_right_sticky(u128::from(value.significand) << 64, (63 - value.exponent) as u32);
    let (whole, rest) = (fixed >> 64, fixed as u64);
    let up = rounds_up(rounding, value.negative, whole & 1 == 1, rest, HALF);
    if rest != 0 {
        cx.inexact(up);
    }
    whole + u128::from(up)
}

/// Compares; `None`: unordered. `quiet` as in FUCOM: a quiet NaN is not invalid.
pub fn compare(cx: &mut Context, x: F80, y: F80, quiet: bool) -> Option<Ordering> {
    if cx.check2(x, y).is_some() {
        if !quiet {
            cx.raised |= status::INVALID;
        }
        return None;
    }
    Some(order(x, y))
}

fn order(x: F80, y: F80) -> Ordering {
    if x.is_zero() && y.is_zero() {
        return Ordering::Equal;
    }
    let key = |v: F80| {
        let exponent = if v.is_infinite() { i32::MAX } else { v.finite().exponent };
        (exponent, v.finite().significand)
    };
    match (x.is_negative(), y.is_negative()) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => key(x).cmp(&key(y)),
        (true, true) => key(y).cmp(&key(x)),
    }
}

/// FXAM's class as C3, C2, C0, and the sign as C1 (SDM vol. 2, table of FXAM); `None`: an empty register.
pub fn examine(x: F80, in_use: bool) -> u16 {
    use status::{C0, C1, C2, C3};
    let class = match x.class() {
        _ if !in_use => C3 | C0,
        Class::Unsupported => 0,
        Class::QuietNan | Class::SignalingNan => C0,
        Class::Normal => C2,
        Class::Infinity => C2 | C0,
        Class::Zero => C3,
        Class::Denormal => C3 | C2,
    };
    class | if x.is_negative() { C1 } else { 0 }
}
