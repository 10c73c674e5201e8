//! Integer arithmetic that Wasm lacks.

/// High 64 bits of the unsigned product (MUL, MULX).
pub fn mul_high_u(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// High 64 bits of the signed product (IMUL with one operand).
pub fn mul_high_s(a: u64, b: u64) -> u64 {
    ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
}
