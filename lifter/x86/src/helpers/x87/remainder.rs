//! Partial remainders, scaling, and taking a number apart (SDM vol. 1, §8.3.5).

use super::context::{Context, status};
use super::number::{Class, F80};

/// What a remainder leaves in C3, C2, C1, C0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quotient {
    /// The remainder is complete; the quotient's low bits are C0 (bit 2), C3 (bit 1), C1 (bit 0).
    Complete(u64),
    /// C2: only the exponent was reduced.
    Partial,
    /// There is none: C3 and C0 stay.
    Unknown,
}

impl Quotient {
    /// Which conditions are set, and to what.
    pub fn conditions(self) -> (u16, u16) {
        use status::{C0, C1, C2, C3};
        match self {
            Quotient::Unknown => (C2 | C1, 0),
            Quotient::Partial => (C3 | C2 | C1 | C0, C2),
            Quotient::Complete(q) => {
                let bit = |n: u32, condition: u16| if q >> n & 1 != 0 { condition } else { 0 };
                (C3 | C2 | C1 | C0, bit(2, C0) | bit(1, C3) | bit(0, C1))
            }
        }
    }
}

/// FPREM (`nearest` false: the quotient is truncated) and FPREM1 (rounded to the nearest, ties to even): x − y × quotient.
pub fn remainder(cx: &mut Context, x: F80, y: F80, nearest: bool) -> (F80, Quotient) {
    if let Some(nan) = cx.check2(x, y) {
        return (nan, Quotient::Unknown);
    }
    if x.is_infinite() || y.is_zero() {
        // Invalid comes before the denormal exception.
        cx.raised &= !status::DENORMAL;
        return (cx.invalid(), Quotient::Unknown);
    }
    if x.is_zero() || y.is_infinite() {
        return (x.canonical(), Quotient::Complete(0));
    }
    let (a, b) = (x.finite(), y.finite());
    let distance = a.exponent - b.exponent;
    let (size, divisor) = (u128::from(a.significand), u128::from(b.significand));
    let mut negative = a.negative;
    // The remainder in units of 2^(exponent − 63).
    let (mut rest, mut exponent, mut quotient) = (size, a.exponent, 0);
    match distance {
        64.. => {
            // As many bits at once as the processor takes, so that programs see the same intermediate values.
            let bits = distance & 31 | 32;
            let rest = (size << bits) % divisor;
            return (cx.extended(negative, a.exponent - bits + 64, rest), Quotient::Partial);
        }
        0.. => {
            rest = (size << distance) % divisor;
            quotient = ((size << distance) / divisor) as u64;
            exponent = b.exponent;
            if nearest && (2 * rest > divisor || (2 * rest == divisor && quotient & 1 == 1)) {
                rest = divisor - rest;
                quotient = quotient.wrapping_add(1);
                negative = !negative;
            }
        }
        // Half of the divisor is size's unit here.
        -1 if nearest && size > divisor => {
            rest = 2 * divisor - size;
            quotient = 1;
            negative = !negative;
        }
        _ => {}
    }
    if rest == 0 {
        return (F80::zero(a.negative), Quotient::Complete(quotient));
    }
    (cx.extended(negative, exponent + 64, rest), Quotient::Complete(quotient))
}

/// FSCALE: x × 2^y, y truncated.
pub fn scale(cx: &mut Context, x: F80, y: F80) -> F80 {
    if let Some(nan) = cx.check2(x, y) {
        return nan;
    }
    let negative = x.is_negative();
    match (x.class(), y.class(), y.is_negative()) {
        (Class::Zero, Class::Infinity, false) | (Class::Infinity, Class::Infinity, true) => return cx.invalid(),
        (Class::Zero | Class::Infinity, ..) => return x,
        // That cannot underflow.
        (_, Class::Zero, _) => return x.canonical(),
        (_, Class::Infinity, true) => return F80::zero(negative),
        (_, Class::Infinity, false) => return F80::infinity(negative),
        _ => {}
    }
    // Beyond this every result overflows or underflows.
    const MOST: i32 = 0x1_8000;
    let by = y.finite();
    let size = match by.exponent {
        ..0 => 0,
        0..16 => (by.significand >> (63 - by.exponent)) as i32,
        _ => MOST,
    };
    let by = if by.negative { -size } else { size };
    let value = x.finite();
    cx.extended(negative, value.exponent + by, u128::from(value.significand) << 64)
}

/// FXTRACT: exponent and significand.
pub fn extract(cx: &mut Context, x: F80) -> (F80, F80) {
    if let Some(nan) = cx.check1(x) {
        return (nan, nan);
    }
    match x.class() {
        Class::Zero => {
            cx.raised |= status::ZERO_DIVIDE;
            (F80::infinity(true), x)
        }
        Class::Infinity => (F80::INFINITY, x),
        _ => {
            let value = x.finite();
            (F80::from_i64(i64::from(value.exponent)), F80::normal(value.negative, 0, value.significand))
        }
    }
}
