//! Floats with 128 bits of significand: twice what a result needs, so that rounding them nearly always rounds the true value.

use super::context::{Context, shift_right_sticky, status};
use super::number::{Class, F80, Finite};

/// ± significand / 2¹²⁷ × 2^exponent with bit 127 set, or zero. Operations truncate; the error is a few units of the last bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wide {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u128,
}

const TOP: u128 = 1 << 127;

impl Wide {
    pub const ZERO: Wide = Wide { negative: false, exponent: 0, significand: 0 };
    pub const ONE: Wide = Wide::positive(0, TOP);
    pub const PI: Wide = Wide::positive(1, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1);
    pub const LN_2: Wide = Wide::positive(-1, 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af);
    /// 1 / ln 2.
    pub const LOG2_E: Wide = Wide::positive(0, 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88);

    pub const fn positive(exponent: i32, significand: u128) -> Wide {
        Wide { negative: false, exponent, significand }
    }

    /// significand / 2¹²⁷ × 2^exponent, whatever its top bit.
    pub fn new(negative: bool, exponent: i32, significand: u128) -> Wide {
        if significand == 0 {
            return Wide::ZERO;
        }
        let shift = significand.leading_zeros();
        Wide { negative, exponent: exponent - shift as i32, significand: significand << shift }
    }

    pub fn from_finite(x: Finite) -> Wide {
        Wide::new(x.negative, x.exponent, u128::from(x.significand) << 64)
    }

    pub fn from_i32(n: i32) -> Wide {
        Wide::new(n < 0, 127, u128::from(n.unsigned_abs()))
    }

    pub fn is_zero(self) -> bool {
        self.significand == 0
    }

    pub fn negated(self) -> Wide {
        Wide { negative: !self.negative, ..self }
    }

    pub fn with_sign(self, negative: bool) -> Wide {
        Wide { negative, ..self }
    }

    pub fn add(self, other: Wide) -> Wide {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        let order = |v: Wide| (v.exponent, v.significand);
        let (large, small) = if order(self) >= order(other) { (self, other) } else { (other, self) };
        let aligned = shift_right_sticky(small.significand, (large.exponent - small.exponent) as u32);
        if large.negative != small.negative {
            return Wide::new(large.negative, large.exponent, large.significand - aligned);
        }
        let (sum, carry) = large.significand.overflowing_add(aligned);
        let (exponent, significand) = if carry { (large.exponent + 1, sum >> 1 | TOP | sum & 1) } else { (large.exponent, sum) };
        Wide { negative: large.negative, exponent, significand }
    }

    pub fn sub(self, other: Wide) -> Wide {
        self.add(other.negated())
    }

    pub fn mul(self, other: Wide) -> Wide {
        let product = high_product(self.significand, other.significand);
        Wide::new(self.negative != other.negative, self.exponent + other.exponent + 1, product)
    }

    /// Division by a number that is not zero.
    pub fn div(self, other: Wide) -> Wide {
        if self.is_zero() {
            return self;
        }
        let divisor = other.significand;
        // One bit a step; the first is the integer part.
        let (mut rest, mut quotient) = (self.significand, 0u128);
        for bit in 0..128 {
            // A carry out of the doubled rest is above every divisor.
            let (doubled, carry) = if bit == 0 { (rest, false) } else { (rest << 1, rest >> 127 != 0) };
            let fits = carry || doubled >= divisor;
            rest = if fits { doubled.wrapping_sub(divisor) } else { doubled };
            quotient = quotient << 1 | u128::from(fits);
        }
        Wide::new(self.negative != other.negative, self.exponent - other.exponent, quotient)
    }

    pub fn div_small(self, divisor: u32) -> Wide {
        Wide::new(self.negative, self.exponent, self.significand / u128::from(divisor))
    }

    /// Rounds to a register; what was computed is never exactly representable.
    pub fn deliver_inexact(self, cx: &mut Context) -> F80 {
        cx.extended(self.negative, self.exponent, self.significand | 1)
    }

    /// Rounds to a register what is exact, but counts as inexact.
    pub fn deliver_exact(self, cx: &mut Context) -> F80 {
        let result = cx.extended(self.negative, self.exponent, self.significand);
        if cx.raised & status::PRECISION == 0 {
            cx.inexact(false);
        }
        if result.class() == Class::Denormal {
            cx.raise_after(status::UNDERFLOW);
        }
        result
    }

    /// Rounds to a register what is exact here, as the processor does it: as if the size were a little less.
    pub fn deliver_below(self, cx: &mut Context) -> F80 {
        Wide::new(self.negative, self.exponent, self.significand - 1).deliver_inexact(cx)
    }
}

/// Bits 255…128 of a product.
fn high_product(a: u128, b: u128) -> u128 {
    let split = |v: u128| (v >> 64, v & u128::from(u64::MAX));
    let ((a1, a0), (b1, b0)) = (split(a), split(b));
    let (low, middle, other) = (a0 * b0, a1 * b0, a0 * b1);
    let carry = (low >> 64) + (middle & u128::from(u64::MAX)) + (other & u128::from(u64::MAX));
    a1 * b1 + (middle >> 64) + (other >> 64) + (carry >> 64)
}
