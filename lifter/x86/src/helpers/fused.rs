//! Fused multiply-add (SDM vol. 1, §14.5): one rounding, to nearest even, in integers, so that every host gives the same bits.

use super::vector::{dwords, from_dwords, from_qwords, qwords};

/// Negate the product (VFNMADD, VFNMSUB).
pub const NEGATE_PRODUCT: u32 = 1;
/// Negate the addend in even lanes (VFMSUB, VFNMSUB, VFMADDSUB).
pub const NEGATE_EVEN: u32 = 2;
/// Negate the addend in odd lanes (VFMSUB, VFNMSUB, VFMSUBADD).
pub const NEGATE_ODD: u32 = 4;

/// `±a × b ± c` of two doubles.
pub fn fused_f64x2(a: u128, b: u128, c: u128, control: u32) -> u128 {
    let (a, b, c) = (qwords(a), qwords(b), qwords(c));
    from_qwords(core::array::from_fn(|n| fused::<Double>(a[n], b[n], c[n], control, n)))
}

/// `±a × b ± c` of four singles.
pub fn fused_f32x4(a: u128, b: u128, c: u128, control: u32) -> u128 {
    let (a, b, c) = (dwords(a), dwords(b), dwords(c));
    from_dwords(core::array::from_fn(|n| fused::<Single>(a[n].into(), b[n].into(), c[n].into(), control, n) as u32))
}

/// A binary format (IEEE 754, §3.4): bits of the fraction and of the exponent.
trait Format {
    const FRACTION: u32;
    const EXPONENT: u32;
    const SIGN: u64 = 1 << (Self::FRACTION + Self::EXPONENT);
    const INFINITY: u64 = ((1 << Self::EXPONENT) - 1) << Self::FRACTION;
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    const BIAS: i32 = (1 << (Self::EXPONENT - 1)) - 1;
}

struct Single;
impl Format for Single {
    const FRACTION: u32 = 23;
    const EXPONENT: u32 = 8;
}

struct Double;
impl Format for Double {
    const FRACTION: u32 = 52;
    const EXPONENT: u32 = 11;
}

/// Significand and exponent of a finite number: it is `significand × 2^exponent`.
fn parts<F: Format>(bits: u64) -> (u64, i32) {
    let fraction = bits & ((1 << F::FRACTION) - 1);
    let exponent = (bits >> F::FRACTION) as i32 & ((1 << F::EXPONENT) - 1);
    let unit = 1 - F::BIAS - F::FRACTION as i32;
    if exponent == 0 { (fraction, unit) } else { (fraction | 1 << F::FRACTION, unit + exponent - 1) }
}

fn fused<F: Format>(a: u64, b: u64, c: u64, control: u32, lane: usize) -> u64 {
    let is_nan = |x: u64| x & !F::SIGN > F::INFINITY;
    if let Some(nan) = [a, b, c].into_iter().find(|&x| is_nan(x)) {
        return nan | F::QUIET;
    }
    let product_sign = (a ^ b) & F::SIGN ^ if control & NEGATE_PRODUCT != 0 { F::SIGN } else { 0 };
    let negate = if lane & 1 == 0 { NEGATE_EVEN } else { NEGATE_ODD };
    let c = c ^ if control & negate != 0 { F::SIGN } else { 0 };
    let (a, b) = (a & !F::SIGN, b & !F::SIGN);
    let default_nan = F::SIGN | F::INFINITY | F::QUIET;
    if a == F::INFINITY || b == F::INFINITY {
        let opposite = c & !F::SIGN == F::INFINITY && c & F::SIGN != product_sign;
        return if a == 0 || b == 0 || opposite { default_nan } else { product_sign | F::INFINITY };
    }
    if c & !F::SIGN == F::INFINITY {
        return c;
    }
    let ((a, a_exponent), (b, b_exponent), (addend, c_exponent)) = (parts::<F>(a), parts::<F>(b), parts::<F>(c & !F::SIGN));
    let product = u128::from(a) * u128::from(b);
    if product == 0 {
        // 0 + c: a zero keeps its sign only if both have it.
        return if addend == 0 { product_sign & c } else { c };
    }
    let (sign, magnitude, exponent) =
        add((product_sign, product, a_exponent + b_exponent), (c & F::SIGN, u128::from(addend), c_exponent));
    if magnitude == 0 { 0 } else { sign | round::<F>(magnitude, exponent) }
}

/// Adds two signed numbers `(sign, significand, exponent)` of at most 106 bits; what falls below is kept as a sticky lowest bit.
/// The sum of opposites is +0.
fn add(x: (u64, u128, i32), y: (u64, u128, i32)) -> (u64, u128, i32) {
    if y.1 == 0 {
        return x;
    }
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

/// Rounds `magnitude × 2^exponent`, not zero, to the format without sign; its lowest bit may be sticky.
fn round<F: Format>(magnitude: u128, exponent: i32) -> u64 {
    let top = 127 - magnitude.leading_zeros() as i32;
    // Exponent of the result's last place.
    let place = (exponent + top - F::FRACTION as i32).max(1 - F::BIAS - F::FRACTION as i32);
    let drop = place - exponent;
    if drop <= 0 {
        // Exact: a product of few bits.
        return assemble::<F>((magnitude << -drop) as u64, place);
    }
    if drop > 127 {
        return 0;
    }
    let kept = (magnitude >> drop) as u64;
    let rest = magnitude & ((1 << drop) - 1);
    let half = 1 << (drop - 1);
    assemble::<F>(kept + u64::from(rest > half || (rest == half && kept & 1 == 1)), place)
}

/// A significand with its last place: a carry beyond the significand's bits moves on into the exponent by itself.
fn assemble<F: Format>(significand: u64, place: i32) -> u64 {
    let biased = (place + F::BIAS + F::FRACTION as i32 - 1) as u64;
    (biased << F::FRACTION).saturating_add(significand).min(F::INFINITY)
}
