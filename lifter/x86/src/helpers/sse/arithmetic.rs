//! Arithmetic in integers, so that every host gives the same bits: a × b + c with one rounding, of which sum and product are special cases;
//! quotient, square root, minimum, maximum.

use super::environment::{Environment, exception};
use super::number::{Format, is_infinite, is_nan, is_zero, magnitude, parts, round};
use crate::helpers::float::Rounding;

pub fn add<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    if let Some(nan) = env.nan::<F>(&[a, b]) {
        return nan;
    }
    multiply_add::<F>(env, [a, F::ONE, b], a & F::SIGN)
}

pub fn subtract<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    // Not a sum with −b if b is a NaN: that keeps its sign.
    add::<F>(env, a, if is_nan::<F>(b) { b } else { b ^ F::SIGN })
}

pub fn multiply<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    if let Some(nan) = env.nan::<F>(&[a, b]) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    // A zero of the product's sign changes nothing.
    multiply_add::<F>(env, [a, b, sign], sign)
}

/// `±a × b ± c`, rounded once: the product negated, the addend negated.
pub fn fused<F: Format>(env: &mut Environment, operands: [u64; 3], negate_product: bool, negate_addend: bool) -> u64 {
    let [a, b, c] = operands.map(|bits| env.operand::<F>(bits));
    if let Some(nan) = env.nan::<F>(&[a, b, c]) {
        return nan;
    }
    let negated = |negate: bool| if negate { F::SIGN } else { 0 };
    multiply_add::<F>(env, [a, b, c ^ negated(negate_addend)], (a ^ b) & F::SIGN ^ negated(negate_product))
}

/// `sign |a × b| + c`; no operand is a NaN.
fn multiply_add<F: Format>(env: &mut Environment, [a, b, c]: [u64; 3], sign: u64) -> u64 {
    let [x, y, z] = [a, b, c].map(magnitude::<F>);
    let addend_sign = c & F::SIGN;
    if x == F::INFINITY || y == F::INFINITY {
        if x == 0 || y == 0 || (z == F::INFINITY && addend_sign != sign) {
            return env.invalid::<F>();
        }
        env.note_denormals::<F>(&[x, y, z]);
        return sign | F::INFINITY;
    }
    env.note_denormals::<F>(&[x, y, z]);
    if z == F::INFINITY {
        return c;
    }
    let ((x, x_exponent), (y, y_exponent), (z, z_exponent)) = (parts::<F>(x), parts::<F>(y), parts::<F>(z));
    let product = (sign, u128::from(x) * u128::from(y), x_exponent + y_exponent);
    let addend = (addend_sign, u128::from(z), z_exponent);
    match (product.1, addend.1) {
        (0, 0) if sign == addend_sign => return sign,
        (0, 0) => return zero_of_opposites::<F>(env),
        (0, _) => return round::<F>(env, addend_sign, addend.1, addend.2),
        (_, 0) => return round::<F>(env, sign, product.1, product.2),
        _ => {}
    }
    let (sign, magnitude, exponent) = sum(product, addend);
    if magnitude == 0 { zero_of_opposites::<F>(env) } else { round::<F>(env, sign, magnitude, exponent) }
}

/// The exact zero that opposites sum up to (IEEE 754, §6.3).
fn zero_of_opposites<F: Format>(env: &Environment) -> u64 {
    if env.rounding == Rounding::Down { F::SIGN } else { 0 }
}

/// Adds two signed numbers `(sign, significand, exponent)` of at most 106 bits, not zero; what falls below is kept as a sticky lowest bit.
fn sum(x: (u64, u128, i32), y: (u64, u128, i32)) -> (u64, u128, i32) {
    // Both with their highest bit at 125: room for a carry, and at least 19 bits below a product.
    let normal = |(sign, significand, exponent): (u64, u128, i32)| {
        let shift = significand.leading_zeros() as i32 - 2;
        (sign, significand << shift, exponent - shift)
    };
    let (x, y) = (normal(x), normal(y));
    let (large, small) = if (x.2, x.1) >= (y.2, y.1) { (x, y) } else { (y, x) };
    let distance = (large.2 - small.2) as u32;
    let shifted = if distance > 127 { 1 } else { small.1 >> distance | u128::from(small.1 & ((1 << distance) - 1) != 0) };
    let magnitude = if large.0 == small.0 { large.1 + shifted } else { large.1 - shifted };
    (large.0, magnitude, large.2)
}

pub fn divide<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    if let Some(nan) = env.nan::<F>(&[a, b]) {
        return nan;
    }
    let sign = (a ^ b) & F::SIGN;
    if is_zero::<F>(a) && is_zero::<F>(b) || is_infinite::<F>(a) && is_infinite::<F>(b) {
        return env.invalid::<F>();
    }
    if is_zero::<F>(b) && !is_infinite::<F>(a) {
        env.raise(exception::ZERO_DIVIDE);
        return sign | F::INFINITY;
    }
    env.note_denormals::<F>(&[a, b]);
    if is_infinite::<F>(a) {
        return sign | F::INFINITY;
    }
    if is_zero::<F>(a) || is_infinite::<F>(b) {
        return sign;
    }
    let ((x, x_exponent), (y, y_exponent)) = (parts::<F>(a), parts::<F>(b));
    // Both with bit 63 set: the quotient has 64 or 65 bits.
    let (x_shift, y_shift) = (x.leading_zeros(), y.leading_zeros());
    let (dividend, divisor) = (u128::from(x << x_shift) << 64, u128::from(y << y_shift));
    let quotient = dividend / divisor;
    let sticky = u128::from(quotient * divisor != dividend);
    let exponent = (x_exponent - x_shift as i32) - (y_exponent - y_shift as i32) - 64;
    round::<F>(env, sign, quotient | sticky, exponent)
}

pub fn square_root<F: Format>(env: &mut Environment, a: u64) -> u64 {
    let a = env.operand::<F>(a);
    if let Some(nan) = env.nan::<F>(&[a]) {
        return nan;
    }
    if is_zero::<F>(a) {
        return a;
    }
    if a & F::SIGN != 0 {
        return env.invalid::<F>();
    }
    env.note_denormals::<F>(&[a]);
    if is_infinite::<F>(a) {
        return a;
    }
    let (significand, exponent) = parts::<F>(a);
    // An even exponent, and a radicand of at least 125 bits: the root has 63.
    let shift = (u128::from(significand).leading_zeros() as i32 - 1 - (exponent & 1)) & !1 | (exponent & 1);
    let radicand = u128::from(significand) << shift;
    let root = radicand.isqrt();
    round::<F>(env, 0, root | u128::from(root * root != radicand), (exponent - shift) / 2)
}

/// MIN: `a < b ? a : b`, so b if they are zeros or one is a NaN, which is invalid even if quiet.
pub fn minimum<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    extreme::<F>(env, a, b, |x, y| x < y)
}

pub fn maximum<F: Format>(env: &mut Environment, a: u64, b: u64) -> u64 {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    extreme::<F>(env, a, b, |x, y| x > y)
}

fn extreme<F: Format>(env: &mut Environment, a: u64, b: u64, first: impl Fn(i64, i64) -> bool) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        env.raise(exception::INVALID);
        return b;
    }
    env.note_denormals::<F>(&[a, b]);
    if first(order::<F>(a), order::<F>(b)) { a } else { b }
}

/// Numbers, no NaNs, as integers of the same order; both zeros are 0.
pub fn order<F: Format>(bits: u64) -> i64 {
    let size = magnitude::<F>(bits) as i64;
    if bits & F::SIGN != 0 { -size } else { size }
}
