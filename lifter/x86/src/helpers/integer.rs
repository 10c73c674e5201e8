//! Integer arithmetic that Wasm lacks.

/// High 64 bits of the unsigned product (MUL, MULX).
pub fn mul_high_u(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// High 64 bits of the signed product (IMUL with one operand).
pub fn mul_high_s(a: u64, b: u64) -> u64 {
    ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
}

fn dividend(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// Quotient of 128 by 64 bits unsigned (DIV). The caller has tested that it fits.
pub fn div_u128(high: u64, low: u64, divisor: u64) -> u64 {
    dividend(high, low).checked_div(u128::from(divisor)).unwrap_or(0) as u64
}

/// Remainder of 128 by 64 bits unsigned (DIV).
pub fn rem_u128(high: u64, low: u64, divisor: u64) -> u64 {
    dividend(high, low).checked_rem(u128::from(divisor)).unwrap_or(0) as u64
}

/// 1 if IDIV raises #DE: the divisor is zero or the quotient does not fit 64 bits.
pub fn div_s128_overflows(high: u64, low: u64, divisor: u64) -> u32 {
    let quotient = (dividend(high, low) as i128).checked_div(i128::from(divisor as i64));
    u32::from(quotient.is_none_or(|q| i64::try_from(q).is_err()))
}

/// Quotient of 128 by 64 bits signed (IDIV).
pub fn div_s128(high: u64, low: u64, divisor: u64) -> u64 {
    (dividend(high, low) as i128).checked_div(i128::from(divisor as i64)).unwrap_or(0) as u64
}

/// Remainder of 128 by 64 bits signed (IDIV).
pub fn rem_s128(high: u64, low: u64, divisor: u64) -> u64 {
    (dividend(high, low) as i128).checked_rem(i128::from(divisor as i64)).unwrap_or(0) as u64
}

/// PDEP: deposits the low bits of `source` where `mask` has ones, lowest first.
pub fn pdep(source: u64, mask: u64) -> u64 {
    let (mut source, mut mask, mut result) = (source, mask, 0);
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        if source & 1 != 0 {
            result |= lowest;
        }
        source >>= 1;
        mask ^= lowest;
    }
    result
}

/// PEXT: collects the bits of `source` where `mask` has ones, lowest first.
pub fn pext(source: u64, mask: u64) -> u64 {
    let (mut mask, mut bit, mut result) = (mask, 1u64, 0);
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        if source & lowest != 0 {
            result |= bit;
        }
        bit = bit.wrapping_shl(1);
        mask ^= lowest;
    }
    result
}
