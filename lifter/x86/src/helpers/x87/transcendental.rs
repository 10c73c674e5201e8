//! Trigonometric functions, logarithms, powers of two (SDM vol. 1, §8.3.7 to §8.3.10).
//!
//! Computed to about 120 bits and rounded once, so nearly always the correctly rounded value; the processor's own results
//! differ from it by less than one unit in the last place. Angles are reduced as the processor does it, with a π of 66 bits.

use super::context::{Context, status};
use super::number::{Class, F80, Finite};
use super::wide::Wide;

/// Terms below this, relative to the sum, change nothing.
const NEGLIGIBLE: i32 = 130;

/// Sum of `term(previous term, n)` for n = 1, 2, … after `first`, until a term is negligible.
fn series(first: Wide, mut next: impl FnMut(Wide, u32) -> Wide) -> Wide {
    let (mut sum, mut term) = (first, first);
    for n in 1.. {
        term = next(term, n);
        if term.is_zero() || term.exponent < sum.exponent - NEGLIGIBLE {
            // Where the first term is all that counts, the second still tells on which side of it the value is.
            return if n == 1 { sum.add(term) } else { sum };
        }
        sum = sum.add(term);
    }
    sum
}

fn sine_series(r: Wide) -> Wide {
    let square = r.mul(r).negated();
    series(r, |term, n| term.mul(square).div_small(2 * n * (2 * n + 1)))
}

fn cosine_series(r: Wide) -> Wide {
    let square = r.mul(r).negated();
    series(Wide::ONE, |term, n| term.mul(square).div_small(2 * n * (2 * n - 1)))
}

/// Arguments from 2⁶³ on are not reduced: C2 is set and the operand stays.
const REDUCIBLE: i32 = 63;

/// x = quarter turns × π/2 + rest, |rest| ≤ π/4, for |x| < 2⁶³, with the processor's π.
fn reduce(x: Finite) -> (u32, Wide) {
    /// π in units of 2⁻⁶⁴, so π/2 in units of 2⁻⁶⁵.
    const PI_66: u128 = 0x3_243f_6a88_85a3_08d3;
    if x.exponent < -2 {
        return (0, Wide::from_finite(x).with_sign(false));
    }
    let size = u128::from(x.significand) << (x.exponent + 2);
    let (quarters, rest) = (size / PI_66, size % PI_66);
    let unit = 127 - 65;
    if 2 * rest > PI_66 {
        (quarters as u32 + 1, Wide::new(true, unit, PI_66 - rest))
    } else {
        (quarters as u32, Wide::new(false, unit, rest))
    }
}

/// Sine and cosine of the size of an angle.
fn sine_and_cosine(x: Finite) -> (Wide, Wide) {
    let (quarters, rest) = reduce(x);
    let (sine, cosine) = (sine_series(rest), cosine_series(rest));
    match quarters & 3 {
        0 => (sine, cosine),
        1 => (cosine, sine.negated()),
        2 => (sine.negated(), cosine.negated()),
        _ => (cosine.negated(), sine),
    }
}

/// What a trigonometric function does with its operand.
enum Angle {
    /// The result is this for all functions: a NaN.
    Result(F80),
    Zero,
    TooLarge,
    Finite(Finite),
}

fn angle(cx: &mut Context, x: F80) -> Angle {
    if let Some(nan) = cx.check1(x) {
        return Angle::Result(nan);
    }
    match x.class() {
        Class::Infinity => Angle::Result(cx.invalid()),
        Class::Zero => Angle::Zero,
        _ if x.finite().exponent >= REDUCIBLE => Angle::TooLarge,
        _ => Angle::Finite(x.finite()),
    }
}

/// Below this an angle's sine and tangent are the angle for the processor, its cosine one.
const TINY: i32 = -68;

/// Rounds a sine or tangent of x, whose sign is that for |x|.
fn deliver_odd(cx: &mut Context, x: Finite, value: Wide) -> F80 {
    if x.exponent >= TINY {
        return value.with_sign(value.negative != x.negative).deliver_inexact(cx);
    }
    cx.rounding_to_nearest(|cx| Wide::from_finite(x).deliver_inexact(cx))
}

fn deliver_cosine(cx: &mut Context, x: Finite, cosine: Wide) -> F80 {
    if x.exponent >= TINY {
        return cosine.deliver_inexact(cx);
    }
    cx.inexact(false);
    F80::ONE
}

/// FSIN; `None`: out of range.
pub fn sine(cx: &mut Context, x: F80) -> Option<F80> {
    Some(match angle(cx, x) {
        Angle::Result(nan) => nan,
        Angle::Zero => x,
        Angle::TooLarge => return None,
        Angle::Finite(value) => {
            let (sine, _) = sine_and_cosine(value);
            deliver_odd(cx, value, sine)
        }
    })
}

/// FCOS.
pub fn cosine(cx: &mut Context, x: F80) -> Option<F80> {
    Some(match angle(cx, x) {
        Angle::Result(nan) => nan,
        Angle::Zero => F80::ONE,
        Angle::TooLarge => return None,
        Angle::Finite(value) => deliver_cosine(cx, value, sine_and_cosine(value).1),
    })
}

/// FSINCOS: sine, cosine.
pub fn both(cx: &mut Context, x: F80) -> Option<(F80, F80)> {
    Some(match angle(cx, x) {
        Angle::Result(nan) => (nan, nan),
        Angle::Zero => (x, F80::ONE),
        Angle::TooLarge => return None,
        Angle::Finite(value) => {
            let (sine, cosine) = sine_and_cosine(value);
            (deliver_odd(cx, value, sine), deliver_cosine(cx, value, cosine))
        }
    })
}

/// FPTAN: tangent and one.
pub fn tangent(cx: &mut Context, x: F80) -> Option<(F80, F80)> {
    Some(match angle(cx, x) {
        Angle::Result(nan) => (nan, nan),
        Angle::Zero => (x, F80::ONE),
        Angle::TooLarge => return None,
        Angle::Finite(value) => {
            let (sine, cosine) = sine_and_cosine(value);
            (deliver_odd(cx, value, sine.div(cosine)), F80::ONE)
        }
    })
}

/// Arc tangents of 1/8, 2/8, … 8/8.
const ARC_TANGENTS: [Wide; 8] = [
    Wide::positive(-4, 0xfead_d4d5_617b_6e32_c897_989f_3e88_8ef7),
    Wide::positive(-3, 0xfadb_afc9_6406_eb15_6dc7_9ef5_f7a2_17e5),
    Wide::positive(-2, 0xb7b0_ca0f_26f7_8473_8aa3_2122_dcfe_4483),
    Wide::positive(-2, 0xed63_382b_0dda_7b45_6fe4_45ec_bc3a_8d03),
    Wide::positive(-1, 0x8f00_5d5e_f7f5_9f9b_5c83_5e16_65c4_3747),
    Wide::positive(-1, 0xa4bc_7d19_34f7_0924_19a8_7f2a_457d_ac9e),
    Wide::positive(-1, 0xb805_3e2b_c231_9e73_cb2d_a552_10a4_443d),
    Wide::positive(-1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1),
];

/// The arc tangent of 0 < t ≤ 1: atan t = atan c + atan((t − c) / (1 + tc)) with c the nearest eighth.
fn arc_tangent(t: Wide) -> Wide {
    let eighths = if t.exponent < -4 { 0 } else { (((t.significand >> 122) >> -t.exponent) as i32 + 2) / 4 };
    let (base, rest) = match eighths {
        0 => (Wide::ZERO, t),
        n => {
            let c = Wide::from_i32(n).mul(Wide::positive(-3, 1 << 127));
            (ARC_TANGENTS[n as usize - 1], t.sub(c).div(Wide::ONE.add(t.mul(c))))
        }
    };
    let square = rest.mul(rest).negated();
    let mut power = rest;
    let sum = series(rest, |_, n| {
        power = power.mul(square);
        power.div_small(2 * n + 1)
    });
    base.add(sum)
}

/// FPATAN: the angle of the point (x, y).
pub fn arc_tangent_of(cx: &mut Context, y: F80, x: F80) -> F80 {
    use Class::{Infinity, Zero};
    if let Some(nan) = cx.check2(y, x) {
        return nan;
    }
    let negative = y.is_negative();
    let times_pi = |cx: &mut Context, eighths: i32| {
        let eighth = Wide { exponent: Wide::PI.exponent - 3, ..Wide::PI };
        eighth.mul(Wide::from_i32(eighths)).with_sign(negative).deliver_inexact(cx)
    };
    match (y.class(), x.class(), x.is_negative()) {
        (Infinity, Infinity, false) => return times_pi(cx, 2),
        (Infinity, Infinity, true) => return times_pi(cx, 6),
        (Infinity, ..) => return times_pi(cx, 4),
        (Zero, _, true) | (_, Infinity, true) => return times_pi(cx, 8),
        (Zero, ..) | (_, Infinity, false) => return F80::zero(negative),
        (_, Zero, _) => return times_pi(cx, 4),
        _ => {}
    }
    let size = |v: F80| Wide::from_finite(v.finite()).with_sign(false);
    let (height, width) = (size(y), size(x));
    let half_pi = Wide { exponent: 0, ..Wide::PI };
    let steep = (height.exponent, height.significand) > (width.exponent, width.significand);
    let first = match steep {
        true => half_pi.sub(arc_tangent(width.div(height))),
        false => arc_tangent(height.div(width)),
    };
    let angle = if x.is_negative() { Wide::PI.sub(first) } else { first };
    angle.with_sign(negative).deliver_inexact(cx)
}

/// log₂((1 + s) / (1 − s)) = 2 / ln 2 × artanh s, for small s.
fn log2_of_ratio(s: Wide) -> Wide {
    let square = s.mul(s);
    let mut power = s;
    let sum = series(s, |_, n| {
        power = power.mul(square);
        power.div_small(2 * n + 1)
    });
    let twice = Wide { exponent: sum.exponent + 1, ..sum };
    twice.mul(Wide::LOG2_E)
}

/// log₂ of a positive number that is not a power of two.
fn log2(x: Wide) -> Wide {
    // √2, above which the mantissa is halved.
    const ROOT: u128 = 0xb504_f333_f9de_6484_597d_89b3_754a_be9f;
    let up = i32::from(x.significand > ROOT);
    let mantissa = Wide { exponent: -up, ..x };
    let ratio = mantissa.sub(Wide::ONE).div(mantissa.add(Wide::ONE));
    Wide::from_i32(x.exponent + up).add(log2_of_ratio(ratio))
}

/// FYL2X: y × log₂ x.
pub fn y_log2(cx: &mut Context, y: F80, x: F80) -> F80 {
    use Class::{Infinity, Zero};
    if let Some(nan) = cx.check2(y, x) {
        return nan;
    }
    let negative = y.is_negative();
    if x.is_negative() && !x.is_zero() {
        cx.raised &= !status::DENORMAL;
        return cx.invalid();
    }
    let log_sign = |x: F80| x.finite().exponent < 0;
    match (y.class(), x.class()) {
        (Zero, Zero | Infinity) => return cx.invalid(),
        (Infinity, Zero) => return F80::infinity(!negative),
        (_, Zero) => {
            cx.raised = cx.raised & !status::DENORMAL | status::ZERO_DIVIDE;
            return F80::infinity(!negative);
        }
        (_, Infinity) => return F80::infinity(negative),
        (Infinity, _) if x == F80::ONE => return cx.invalid(),
        (Infinity, _) => return F80::infinity(negative != log_sign(x)),
        (Zero, _) => return F80::zero(negative != log_sign(x)),
        _ => {}
    }
    let (factor, number) = (Wide::from_finite(y.finite()), Wide::from_finite(x.finite()));
    if number.significand == 1 << 127 {
        let log = Wide::from_i32(number.exponent);
        return if log.is_zero() { F80::zero(negative) } else { factor.mul(log).deliver_below(cx) };
    }
    factor.mul(log2(number)).deliver_inexact(cx)
}

/// FYL2XP1: y × log₂(1 + x), for x > −1.
pub fn y_log2_plus_1(cx: &mut Context, y: F80, x: F80) -> F80 {
    use Class::{Infinity, Zero};
    if let Some(nan) = cx.check2(y, x) {
        return nan;
    }
    let negative = y.is_negative() != x.is_negative();
    match (y.class(), x.class()) {
        (Infinity, Zero) | (Zero, Infinity) => return cx.invalid(),
        (_, Infinity) if x.is_negative() => {
            cx.raised &= !status::DENORMAL;
            return cx.invalid();
        }
        (Infinity, _) | (_, Infinity) => return F80::infinity(negative),
        (Zero, _) | (_, Zero) => return F80::zero(negative),
        _ => {}
    }
    let (factor, number) = (Wide::from_finite(y.finite()), Wide::from_finite(x.finite()));
    let sum = Wide::ONE.add(number);
    if sum.negative || sum.is_zero() {
        return unchanged(cx, x);
    }
    if number.exponent < -2 {
        let ratio = number.div(number.add(Wide::from_i32(2)));
        return factor.mul(log2_of_ratio(ratio)).deliver_inexact(cx);
    }
    if sum.significand == 1 << 127 {
        return factor.mul(Wide::from_i32(sum.exponent)).deliver_exact(cx);
    }
    factor.mul(log2(sum)).deliver_inexact(cx)
}

/// A result that is not computed, but counts as inexact: that for operands out of range is the operand.
fn unchanged(cx: &mut Context, x: F80) -> F80 {
    cx.inexact(false);
    x
}

/// F2XM1: 2^x − 1 for −1 ≤ x ≤ 1.
pub fn power_of_2_minus_1(cx: &mut Context, x: F80) -> F80 {
    if let Some(nan) = cx.check1(x) {
        return nan;
    }
    let value = x.finite();
    match x.class() {
        Class::Zero => return x,
        Class::Infinity if x.is_negative() => return F80::ONE.negated(),
        Class::Infinity => return x,
        _ if value.exponent > 0 || (value.exponent == 0 && value.significand != 1 << 63) => return unchanged(cx, x),
        // 2¹ − 1 = 1 and 2⁻¹ − 1 = −1/2.
        _ if value.exponent == 0 => return unchanged(cx, F80::normal(value.negative, -i32::from(value.negative), 1 << 63)),
        _ => {}
    }
    let power = Wide::from_finite(value).mul(Wide::LN_2);
    series(power, |term, n| term.mul(power).div_small(n + 1)).deliver_inexact(cx)
}
