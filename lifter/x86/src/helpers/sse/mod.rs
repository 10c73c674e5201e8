//! SSE and AVX floating point as MXCSR wants it: rounding modes, denormals as zeros, flushing to zero, and the sticky flags of the six
//! exceptions (SDM vol. 1, chapter 11).
//!
//! Code that runs while MXCSR is as at the start, with flags that nobody reads, uses plain Wasm operations ([`crate::semantics::sse_float`]).
//! These helpers are what the *exact* translation ([`crate::semantics::sse_exact`]) calls: an instruction calls one or more that compute, and
//! then [`finish`], which says whether an exception is not masked.

mod arithmetic;
mod compare;
mod convert;
mod environment;
mod number;

use environment::{Environment, with};
use number::{Double, Format, Single};

pub use environment::exception;

use super::float::Rounding;
use super::vector::{dwords, from_dwords, from_qwords, from_words, qwords, words};
use crate::helper::Memory;
use crate::state::CpuState;

/// Bits of `control`: the operands are doubles.
pub const DOUBLE: u32 = 1 << 8;
/// Only lane 0 is computed; the others come from the first operand.
pub const SCALAR: u32 = 1 << 9;
/// Of comparisons for flags: COMISS, so quiet NaNs are invalid.
pub const SIGNALING: u32 = 1 << 10;
/// Conversion to integers towards zero, whatever MXCSR says.
pub const TRUNCATE: u32 = 1 << 10;
/// Of 64 bits.
pub const WIDE: u32 = 1 << 11;
/// Position of a comparison's predicate, or of ROUNDPS' and VCVTPS2PH's immediate byte.
pub const IMMEDIATE: u32 = 16;
/// Of `fused`: negate the product (VFNMADD, VFNMSUB).
pub const NEGATE_PRODUCT: u32 = 1;
/// Negate the addend in even lanes (VFMSUB, VFNMSUB, VFMADDSUB).
pub const NEGATE_EVEN: u32 = 2;
/// Negate the addend in odd lanes (VFMSUB, VFNMSUB, VFMSUBADD).
pub const NEGATE_ODD: u32 = 4;

macro_rules! operations {
    ($(#[$doc:meta])* $enum:ident: $($name:ident,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum $enum { $($name,)* }

        impl $enum {
            const ALL: &'static [$enum] = &[$($enum::$name,)*];

            fn of(control: u32) -> $enum {
                Self::ALL[(control & 0xff) as usize % Self::ALL.len()]
            }
        }
    };
}
operations! {
    /// What [`binary`] does in each lane; bits 7…0 of its `control`.
    Binary: Add, Subtract, Multiply, Divide, Minimum, Maximum,
    // Even lanes subtract, odd ones add.
    AddSubtract,
    // All ones where the predicate holds.
    Compare,
}
operations! {
    /// What [`unary`] does.
    Unary: SquareRoot,
    // ROUNDPS with its immediate byte.
    Round,
    // Between singles and doubles, in the low lanes; the rest of the result is zero.
    Widen, Narrow,
    // Halves in the low lanes from and to singles.
    FromHalves, ToHalves,
    // 32-bit integers and floats; those of doubles are in the low half.
    FromIntegers, ToIntegers,
}

fn binary_lane<F: Format>(env: &mut Environment, control: u32, lane: usize, a: u64, b: u64) -> u64 {
    match Binary::of(control) {
        Binary::Add => arithmetic::add::<F>(env, a, b),
        Binary::Subtract => arithmetic::subtract::<F>(env, a, b),
        Binary::Multiply => arithmetic::multiply::<F>(env, a, b),
        Binary::Divide => arithmetic::divide::<F>(env, a, b),
        Binary::Minimum => arithmetic::minimum::<F>(env, a, b),
        Binary::Maximum => arithmetic::maximum::<F>(env, a, b),
        Binary::AddSubtract if lane & 1 == 0 => arithmetic::subtract::<F>(env, a, b),
        Binary::AddSubtract => arithmetic::add::<F>(env, a, b),
        Binary::Compare if compare::holds::<F>(env, a, b, control >> IMMEDIATE) => u64::MAX,
        Binary::Compare => 0,
    }
}

/// `f` in each lane, or in lane 0, of vectors of singles or doubles; where it is not, the lane of `rest`.
fn lanes(control: u32, rest: u128, mut single: impl FnMut(usize) -> u64, mut double: impl FnMut(usize) -> u64) -> u128 {
    let computed = |lane: usize| lane == 0 || control & SCALAR == 0;
    if control & DOUBLE != 0 {
        let mut result = qwords(rest);
        (0..2).filter(|&lane| computed(lane)).for_each(|lane| result[lane] = double(lane));
        from_qwords(result)
    } else {
        let mut result = dwords(rest);
        (0..4).filter(|&lane| computed(lane)).for_each(|lane| result[lane] = single(lane) as u32);
        from_dwords(result)
    }
}

/// `a op b` in each lane; the operation is a [`Binary`].
pub fn binary(cpu: &mut CpuState, _: &mut impl Memory, a: u128, b: u128, control: u32) -> u128 {
    if let Some(result) = ordinary(cpu, a, b, control) {
        return result;
    }
    let ((p, q), (x, y)) = ((dwords(a), dwords(b)), (qwords(a), qwords(b)));
    let env = &mut Environment::new(cpu.mxcsr);
    let cell = core::cell::RefCell::new(env);
    let result = lanes(
        control,
        a,
        |lane| binary_lane::<Single>(&mut cell.borrow_mut(), control, lane, p[lane].into(), q[lane].into()),
        |lane| binary_lane::<Double>(&mut cell.borrow_mut(), control, lane, x[lane], y[lane]),
    );
    let exceptions = cell.borrow().raised;
    environment::raised(cpu, exceptions);
    result
}

/// The one case that most code consists of: scalar doubles, nothing special about operands and result, to nearest, and that results are
/// inexact is known already. The host computes it.
fn ordinary(cpu: &CpuState, a: u128, b: u128, control: u32) -> Option<u128> {
    const TO_NEAREST_INEXACT: u32 = CpuState::INITIAL_MXCSR | exception::PRECISION;
    if cpu.mxcsr & !(exception::ALL & !exception::PRECISION) != TO_NEAREST_INEXACT || control & !0xff != DOUBLE | SCALAR {
        return None;
    }
    let (x, y) = (a as u64, b as u64);
    // Exponents that are neither the least nor the largest; of the result not the second least either, whose tininess may be at stake.
    let normal = |bits: u64, from: u64| (from..0x7ff).contains(&(bits >> 52 & 0x7ff));
    if !normal(x, 1) || !normal(y, 1) {
        return None;
    }
    let (p, q) = (f64::from_bits(x), f64::from_bits(y));
    let result = match Binary::of(control) {
        Binary::Add => p + q,
        Binary::Subtract => p - q,
        Binary::Multiply => p * q,
        Binary::Divide => p / q,
        _ => return None,
    };
    let bits = result.to_bits();
    normal(bits, 2).then_some(a >> 64 << 64 | u128::from(bits))
}

fn unary_lane<F: Format>(env: &mut Environment, control: u32, a: u64) -> u64 {
    let immediate = control >> IMMEDIATE;
    match Unary::of(control) {
        Unary::Round => {
            let rounding = if immediate & 4 != 0 { env.rounding } else { Rounding::from_bits(immediate) };
            convert::to_integral::<F>(env, a, rounding, immediate & 8 != 0)
        }
        _ => arithmetic::square_root::<F>(env, a),
    }
}

/// An operation with one operand, a [`Unary`]; in lanes that are not computed the result is `rest`'s.
pub fn unary(cpu: &mut CpuState, _: &mut impl Memory, rest: u128, a: u128, control: u32) -> u128 {
    with(cpu, |env| {
        let double = control & DOUBLE != 0;
        let computed = if control & SCALAR != 0 { 1 } else { 4 };
        let (singles, doubles) = (dwords(a), qwords(a));
        // Conversions: as many lanes as the wider side has, the rest zero, or of a scalar one `rest`.
        match Unary::of(control) {
            Unary::SquareRoot | Unary::Round => {
                let env = core::cell::RefCell::new(env);
                lanes(
                    control,
                    rest,
                    |lane| unary_lane::<Single>(&mut env.borrow_mut(), control, singles[lane].into()),
                    |lane| unary_lane::<Double>(&mut env.borrow_mut(), control, doubles[lane]),
                )
            }
            Unary::Widen => {
                let mut result = qwords(rest);
                for lane in 0..computed.min(2) {
                    result[lane] = convert::format::<Single, Double>(env, singles[lane].into());
                }
                from_qwords(result)
            }
            Unary::Narrow => {
                let mut result = dwords(rest);
                for lane in 0..computed.min(2) {
                    result[lane] = convert::format::<Double, Single>(env, doubles[lane]) as u32;
                }
                from_dwords(result)
            }
            Unary::FromHalves => {
                from_dwords(core::array::from_fn(|lane| convert::from_half::<Single>(env, words(a)[lane].into()) as u32))
            }
            Unary::ToHalves => {
                let immediate = control >> IMMEDIATE;
                if immediate & 4 == 0 {
                    env.rounding = Rounding::from_bits(immediate);
                }
                let [p, q, r, s] = singles.map(|bits| convert::to_half::<Single>(env, bits.into()) as u16);
                from_words([p, q, r, s, 0, 0, 0, 0])
            }
            // Doubles hold every 32-bit integer, so only singles come here.
            Unary::FromIntegers => {
                from_dwords(singles.map(|bits| convert::from_integer::<Single>(env, i64::from(bits as i32)) as u32))
            }
            Unary::ToIntegers => {
                let rounding = if control & TRUNCATE != 0 { Rounding::TowardZero } else { env.rounding };
                match double {
                    true => {
                        let [low, high] = doubles.map(|bits| convert::to_integer::<Double>(env, bits, 32, rounding) as u32);
                        from_dwords([low, high, 0, 0])
                    }
                    false => {
                        from_dwords(singles.map(|bits| convert::to_integer::<Single>(env, bits.into(), 32, rounding) as u32))
                    }
                }
            }
        }
    })
}

/// `±a × b ± c` in each lane, rounded once; bits of `control` choose signs. Lanes that are not computed come from `a`.
fn fused_lane<F: Format>(env: &mut Environment, operands: [u64; 3], lane: usize, control: u32) -> u64 {
    let negate = if lane & 1 == 0 { NEGATE_EVEN } else { NEGATE_ODD };
    arithmetic::fused::<F>(env, operands, control & NEGATE_PRODUCT != 0, control & negate != 0)
}

fn fused_lanes(env: &mut Environment, [a, b, c]: [u128; 3], control: u32) -> u128 {
    let env = core::cell::RefCell::new(env);
    let (singles, doubles) = ([a, b, c].map(dwords), [a, b, c].map(qwords));
    lanes(
        control,
        a,
        |lane| fused_lane::<Single>(&mut env.borrow_mut(), singles.map(|v| v[lane].into()), lane, control),
        |lane| fused_lane::<Double>(&mut env.borrow_mut(), doubles.map(|v| v[lane]), lane, control),
    )
}

/// Fused multiply-add as MXCSR wants it.
pub fn fused(cpu: &mut CpuState, _: &mut impl Memory, a: u128, b: u128, c: u128, control: u32) -> u128 {
    with(cpu, |env| fused_lanes(env, [a, b, c], control))
}

/// `±a × b ± c` to nearest, whatever MXCSR says: what plain code uses.
pub fn fused_f64x2(a: u128, b: u128, c: u128, control: u32) -> u128 {
    fused_lanes(&mut Environment::initial(), [a, b, c], control | DOUBLE)
}

/// Likewise, singles.
pub fn fused_f32x4(a: u128, b: u128, c: u128, control: u32) -> u128 {
    fused_lanes(&mut Environment::initial(), [a, b, c], control)
}

/// UCOMISS and so on of the lowest lanes: ZF, PF, CF as in RFLAGS' low byte.
pub fn compare_flags(cpu: &mut CpuState, _: &mut impl Memory, a: u128, b: u128, control: u32) -> u32 {
    let signaling = control & SIGNALING != 0;
    with(cpu, |env| match control & DOUBLE {
        0 => compare::flags::<Single>(env, u64::from(a as u32), u64::from(b as u32), signaling),
        _ => compare::flags::<Double>(env, a as u64, b as u64, signaling),
    })
}

/// CVTSD2SI and so on of the lowest lane, to 64 bits if [`WIDE`]; the result of 32 bits is sign-extended.
pub fn to_integer(cpu: &mut CpuState, _: &mut impl Memory, a: u128, control: u32) -> u64 {
    let width = if control & WIDE != 0 { 64 } else { 32 };
    with(cpu, |env| {
        let rounding = if control & TRUNCATE != 0 { Rounding::TowardZero } else { env.rounding };
        match control & DOUBLE {
            0 => convert::to_integer::<Single>(env, u64::from(a as u32), width, rounding),
            _ => convert::to_integer::<Double>(env, a as u64, width, rounding),
        }
    })
}

/// CVTSI2SD and so on: a signed integer to the lowest lane, the rest from `rest`.
pub fn from_integer(cpu: &mut CpuState, _: &mut impl Memory, rest: u128, value: u64, control: u32) -> u128 {
    with(cpu, |env| match control & DOUBLE {
        0 => rest >> 32 << 32 | u128::from(convert::from_integer::<Single>(env, value as i64)),
        _ => rest >> 64 << 64 | u128::from(convert::from_integer::<Double>(env, value as i64)),
    })
}

/// See [`environment::finish`].
pub fn finish(cpu: &mut CpuState, _: &mut impl Memory) -> u32 {
    environment::finish(cpu)
}
