//! Floating-point operations that Wasm lacks, or that depend on MXCSR.

use super::vector::{dwords, from_dwords, from_qwords, from_words, qwords, words};
use crate::helper::Memory;
use crate::state::CpuState;

/// Rounding control: MXCSR.RC and imm8[1:0] of ROUNDxx (SDM vol. 1, table 4-8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest,
    Down,
    Up,
    TowardZero,
}

impl Rounding {
    /// From the low two bits.
    pub fn from_bits(bits: u32) -> Rounding {
        match bits & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Down,
            2 => Rounding::Up,
            _ => Rounding::TowardZero,
        }
    }

    fn of(cpu: &CpuState) -> Rounding {
        Rounding::from_bits(cpu.mxcsr >> 13)
    }
}

/// Rounds to an integral value; NaNs become quiet, zeros keep the operand's sign.
pub fn round_to_integral(x: f64, rounding: Rounding) -> f64 {
    const FIRST_INTEGRAL: f64 = 4_503_599_627_370_496.0; // 2⁵²
    if x.is_nan() {
        return x + x;
    }
    if x.abs() >= FIRST_INTEGRAL {
        return x;
    }
    let truncated = x as i64;
    let rest = x - truncated as f64;
    let step = match rounding {
        Rounding::TowardZero => 0,
        Rounding::Down => -i64::from(rest < 0.0),
        Rounding::Up => i64::from(rest > 0.0),
        Rounding::Nearest if rest.abs() > 0.5 || (rest.abs() == 0.5 && truncated & 1 == 1) => rest.signum() as i64,
        Rounding::Nearest => 0,
    };
    ((truncated + step) as f64).copysign(x)
}

/// Four singles to integral values by MXCSR (ROUNDPS with imm8[2], CVTPS2DQ).
pub fn round_f32x4(cpu: &mut CpuState, _: &mut impl Memory, v: u128) -> u128 {
    let rounding = Rounding::of(cpu);
    from_dwords(dwords(v).map(|bits| (round_to_integral(f64::from(f32::from_bits(bits)), rounding) as f32).to_bits()))
}

/// Two doubles to integral values by MXCSR (ROUNDPD with imm8[2], CVTPD2DQ).
pub fn round_f64x2(cpu: &mut CpuState, _: &mut impl Memory, v: u128) -> u128 {
    let rounding = Rounding::of(cpu);
    from_qwords(qwords(v).map(|bits| round_to_integral(f64::from_bits(bits), rounding).to_bits()))
}

/// CVTSD2SI r64: rounded by MXCSR, or the integer indefinite.
pub fn round_to_i64(cpu: &mut CpuState, _: &mut impl Memory, bits: u64) -> u64 {
    let x = round_to_integral(f64::from_bits(bits), Rounding::of(cpu));
    const BOUND: f64 = 9_223_372_036_854_775_808.0; // 2⁶³
    if x.abs() < BOUND { x as i64 as u64 } else { i64::MIN as u64 }
}

/// CVTSD2SI r32.
pub fn round_to_i32(cpu: &mut CpuState, _: &mut impl Memory, bits: u64) -> u32 {
    let x = round_to_integral(f64::from_bits(bits), Rounding::of(cpu));
    const BOUND: f64 = 2_147_483_648.0; // 2³¹
    if x.abs() < BOUND { x as i32 as u32 } else { i32::MIN as u32 }
}

/// A denormal single counts as zero for RCPPS and RSQRTPS (SDM vol. 2), with its sign.
fn flushed(bits: u32) -> f32 {
    if bits & 0x7f80_0000 == 0 { f32::from_bits(bits & 0x8000_0000) } else { f32::from_bits(bits) }
}

/// RCPPS: 1 / x, within the error that the SDM allows (1.5 × 2⁻¹²); Intel's table is not published. Tiny results are zero.
pub fn reciprocal(v: u128) -> u128 {
    from_dwords(dwords(v).map(|bits| flushed((1.0 / flushed(bits)).to_bits()).to_bits()))
}

/// RSQRTPS: 1 / √x, likewise; negative numbers give the default NaN.
pub fn reciprocal_root(v: u128) -> u128 {
    from_dwords(dwords(v).map(|bits| {
        let x = flushed(bits);
        if x.is_nan() {
            return bits | 0x0040_0000;
        }
        if x < 0.0 {
            return 0xffc0_0000;
        }
        root_reciprocal(x).to_bits()
    }))
}

/// 1 / √x for x ≥ 0 in double precision by Newton's iteration, as `core` has no square root.
fn root_reciprocal(x: f32) -> f32 {
    if x == 0.0 || x == f32::INFINITY {
        return 1.0 / x;
    }
    let x = f64::from(x);
    // Halving and negating the exponent gives a first guess within 4 %; each step doubles the digits.
    let mut y = f64::from_bits(0x5fe6_eb50_c7b5_37a9 - (x.to_bits() >> 1));
    for _ in 0..4 {
        y *= 1.5 - 0.5 * x * y * y;
    }
    y as f32
}

/// VCVTPH2PS: the four halves in the low 64 bits to singles, exactly; NaNs become quiet.
pub fn halves_to_singles(v: u128) -> u128 {
    let halves = words(v);
    from_dwords(core::array::from_fn(|n| single_from_half(halves[n])))
}

fn single_from_half(half: u16) -> u32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10 & 0x1f);
    let fraction = u32::from(half & 0x3ff);
    sign | match (exponent, fraction) {
        (31, 0) => 0x7f80_0000,
        (31, _) => 0x7fc0_0000 | fraction << 13,
        // A denormal half is fraction × 2⁻²⁴, a normal single.
        (0, _) => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(),
        _ => (exponent + 112) << 23 | fraction << 13,
    }
}

/// VCVTPS2PH: four singles to halves in the low 64 bits; `control` is imm8: bits 1…0 the rounding, bit 2 rounding by MXCSR.
pub fn singles_to_halves(cpu: &mut CpuState, _: &mut impl Memory, v: u128, control: u32) -> u128 {
    let rounding = if control & 4 != 0 { Rounding::of(cpu) } else { Rounding::from_bits(control) };
    let [a, b, c, d] = dwords(v).map(|bits| half_from_single(bits, rounding));
    from_words([a, b, c, d, 0, 0, 0, 0])
}

fn half_from_single(bits: u32, rounding: Rounding) -> u16 {
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00 | (magnitude >> 13 & 0x3ff) as u16;
    }
    if magnitude == 0x7f80_0000 {
        return sign | 0x7c00;
    }
    // In units of the half's last place: normals keep 10 bits of fraction, below 2⁻¹⁴ the unit is 2⁻²⁴.
    let exponent = magnitude >> 23;
    let significand = if exponent == 0 { magnitude } else { magnitude & 0x7f_ffff | 0x80_0000 };
    let (dropped, base) = if exponent >= 113 { (13, (exponent - 113) << 10) } else { ((126 - exponent.max(1)).min(31), 0) };
    let kept = significand >> dropped;
    let rest = significand & ((1 << dropped) - 1);
    let half_unit = 1 << (dropped - 1);
    let up = match rounding {
        Rounding::Nearest => rest > half_unit || (rest == half_unit && kept & 1 == 1),
        Rounding::Down => rest != 0 && sign != 0,
        Rounding::Up => rest != 0 && sign == 0,
        Rounding::TowardZero => false,
    };
    // For normals `kept` has the leading one (0x400), which adds the 1 that `base` leaves out; a carry moves to the next exponent.
    let rounded = base + kept + u32::from(up);
    if rounded < 0x7c00 {
        return sign | rounded as u16;
    }
    let to_infinity = match rounding {
        Rounding::Nearest => true,
        Rounding::Down => sign != 0,
        Rounding::Up => sign == 0,
        Rounding::TowardZero => false,
    };
    sign | if to_infinity { 0x7c00 } else { 0x7bff }
}
