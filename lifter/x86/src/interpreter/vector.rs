//! Wasm's operations on v128 (WebAssembly core specification 2.0, §4.3.4), lane by lane.

use super::float::{demote, double, promote, single};
use crate::ops::{BinOp, Shape, UnOp};

/// A number that is one lane of a vector, little-endian.
trait Lane: Copy {
    const BYTES: usize;
    fn read(bytes: &[u8; 16], lane: usize) -> Self;
    fn write(self, bytes: &mut [u8; 16], lane: usize);
}

macro_rules! lane {
    ($($ty:ident)*) => { $(
        impl Lane for $ty {
            const BYTES: usize = size_of::<$ty>();
            #[inline(always)]
            fn read(bytes: &[u8; 16], lane: usize) -> $ty {
                let mut own = [0; size_of::<$ty>()];
                own.copy_from_slice(&bytes[lane * Self::BYTES..][..Self::BYTES]);
                $ty::from_le_bytes(own)
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8; 16], lane: usize) {
                bytes[lane * Self::BYTES..][..Self::BYTES].copy_from_slice(&self.to_le_bytes());
            }
        }
    )* };
}
lane!(u8 i8 u16 i16 u32 i32 u64 i64);

/// Applies `f` to each lane.
#[inline(always)]
fn map<T: Lane>(a: u128, f: impl Fn(T) -> T) -> u128 {
    let (a, mut out) = (a.to_le_bytes(), [0; 16]);
    for lane in 0..16 / T::BYTES {
        f(T::read(&a, lane)).write(&mut out, lane);
    }
    u128::from_le_bytes(out)
}

/// Applies `f` to each pair of lanes.
#[inline(always)]
fn zip<T: Lane>(a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    let (a, b, mut out) = (a.to_le_bytes(), b.to_le_bytes(), [0; 16]);
    for lane in 0..16 / T::BYTES {
        f(T::read(&a, lane), T::read(&b, lane)).write(&mut out, lane);
    }
    u128::from_le_bytes(out)
}

/// A comparison: all ones in the lanes where it holds.
#[inline(always)]
fn test<T: Lane>(a: u128, b: u128, f: impl Fn(T, T) -> bool) -> u128 {
    let (a, b, mut out) = (a.to_le_bytes(), b.to_le_bytes(), [0; 16]);
    for lane in 0..16 / T::BYTES {
        let ones = if f(T::read(&a, lane), T::read(&b, lane)) { 0xff } else { 0 };
        out[lane * T::BYTES..][..T::BYTES].fill(ones);
    }
    u128::from_le_bytes(out)
}

/// Lane `i` of the result from lane `first + i` of `a`; lanes of another size may follow, missing ones are zero.
#[inline(always)]
fn convert<T: Lane, R: Lane>(a: u128, first: usize, f: impl Fn(T) -> R) -> u128 {
    let (a, mut out) = (a.to_le_bytes(), [0; 16]);
    for lane in 0..(16 / R::BYTES).min(16 / T::BYTES - first) {
        f(T::read(&a, first + lane)).write(&mut out, lane);
    }
    u128::from_le_bytes(out)
}

/// The same with pairs: lane `i` from lanes `first + i` of both.
#[inline(always)]
fn convert2<T: Lane, R: Lane>(a: u128, b: u128, first: usize, f: impl Fn(T, T) -> R) -> u128 {
    let (a, b, mut out) = (a.to_le_bytes(), b.to_le_bytes(), [0; 16]);
    for lane in 0..16 / R::BYTES {
        f(T::read(&a, first + lane), T::read(&b, first + lane)).write(&mut out, lane);
    }
    u128::from_le_bytes(out)
}

/// Lane `i` from the neighbours `2 i` and `2 i + 1`.
#[inline(always)]
fn pairwise<T: Lane, R: Lane>(a: u128, f: impl Fn(T, T) -> R) -> u128 {
    let (a, mut out) = (a.to_le_bytes(), [0; 16]);
    for lane in 0..8 / T::BYTES {
        f(T::read(&a, 2 * lane), T::read(&a, 2 * lane + 1)).write(&mut out, lane);
    }
    u128::from_le_bytes(out)
}

/// Halves the lanes of `a`, then those of `b`.
#[inline(always)]
fn narrow<T: Lane, R: Lane>(a: u128, b: u128, f: impl Fn(T) -> R) -> u128 {
    convert(a, 0, &f) | convert(b, 0, &f) << 64
}

fn all_true<T: Lane + PartialEq + Default>(a: u128) -> u128 {
    let a = a.to_le_bytes();
    u128::from((0..16 / T::BYTES).all(|lane| T::read(&a, lane) != T::default()))
}

/// The highest bits of all lanes, lane 0 lowest.
fn bitmask(a: u128, lane_bytes: usize) -> u128 {
    let a = a.to_le_bytes();
    (0..16 / lane_bytes).fold(0, |mask, lane| mask | u128::from(a[(lane + 1) * lane_bytes - 1] >> 7) << lane)
}

fn splat<T: Lane>(value: T) -> u128 {
    map::<T>(0, |_| value)
}

pub fn extract(shape: Shape, lane: u8, vector: u128) -> u128 {
    let bits = 128 / shape.count();
    let shifted = vector >> (u32::from(lane) * bits);
    shifted & ((1 << bits) - 1)
}

pub fn replace(shape: Shape, lane: u8, vector: u128, value: u128) -> u128 {
    let bits = 128 / shape.count();
    let (at, mask) = (u32::from(lane) * bits, (1u128 << bits) - 1);
    vector & !(mask << at) | (value & mask) << at
}

pub fn shuffle(a: u128, b: u128, lanes: &[u8; 16]) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    u128::from_le_bytes(lanes.map(|lane| {
        let source = if lane & 16 == 0 { &a } else { &b };
        source[usize::from(lane & 15)]
    }))
}

fn swizzle(a: u128, indices: u128) -> u128 {
    let a = a.to_le_bytes();
    u128::from_le_bytes(indices.to_le_bytes().map(|i| a.get(usize::from(i)).copied().unwrap_or(0)))
}

pub fn unary(op: UnOp, a: u128) -> u128 {
    use UnOp::*;
    match op {
        I8x16Splat => splat(a as u8),
        I16x8Splat => splat(a as u16),
        I32x4Splat | F32x4Splat => splat(a as u32),
        I64x2Splat | F64x2Splat => splat(a as u64),
        V128Not => !a,
        V128AnyTrue => u128::from(a != 0),
        I8x16Abs => map::<i8>(a, i8::wrapping_abs),
        I16x8Abs => map::<i16>(a, i16::wrapping_abs),
        I32x4Abs => map::<i32>(a, i32::wrapping_abs),
        I64x2Abs => map::<i64>(a, i64::wrapping_abs),
        I8x16Neg => map::<i8>(a, i8::wrapping_neg),
        I16x8Neg => map::<i16>(a, i16::wrapping_neg),
        I32x4Neg => map::<i32>(a, i32::wrapping_neg),
        I64x2Neg => map::<i64>(a, i64::wrapping_neg),
        I8x16AllTrue => all_true::<u8>(a),
        I16x8AllTrue => all_true::<u16>(a),
        I32x4AllTrue => all_true::<u32>(a),
        I64x2AllTrue => all_true::<u64>(a),
        I8x16Bitmask => bitmask(a, 1),
        I16x8Bitmask => bitmask(a, 2),
        I32x4Bitmask => bitmask(a, 4),
        I64x2Bitmask => bitmask(a, 8),
        I8x16Popcnt => map::<u8>(a, |x| x.count_ones() as u8),
        I16x8ExtendLowI8x16S => convert(a, 0, |x: i8| i16::from(x)),
        I16x8ExtendLowI8x16U => convert(a, 0, |x: u8| u16::from(x)),
        I16x8ExtendHighI8x16S => convert(a, 8, |x: i8| i16::from(x)),
        I16x8ExtendHighI8x16U => convert(a, 8, |x: u8| u16::from(x)),
        I32x4ExtendLowI16x8S => convert(a, 0, |x: i16| i32::from(x)),
        I32x4ExtendLowI16x8U => convert(a, 0, |x: u16| u32::from(x)),
        I32x4ExtendHighI16x8S => convert(a, 4, |x: i16| i32::from(x)),
        I32x4ExtendHighI16x8U => convert(a, 4, |x: u16| u32::from(x)),
        I64x2ExtendLowI32x4S => convert(a, 0, |x: i32| i64::from(x)),
        I64x2ExtendLowI32x4U => convert(a, 0, |x: u32| u64::from(x)),
        I64x2ExtendHighI32x4S => convert(a, 2, |x: i32| i64::from(x)),
        I64x2ExtendHighI32x4U => convert(a, 2, |x: u32| u64::from(x)),
        I16x8ExtAddPairwiseI8x16S => pairwise(a, |x: i8, y: i8| i16::from(x) + i16::from(y)),
        I16x8ExtAddPairwiseI8x16U => pairwise(a, |x: u8, y: u8| u16::from(x) + u16::from(y)),
        I32x4ExtAddPairwiseI16x8S => pairwise(a, |x: i16, y: i16| i32::from(x) + i32::from(y)),
        I32x4ExtAddPairwiseI16x8U => pairwise(a, |x: u16, y: u16| u32::from(x) + u32::from(y)),
        F32x4Ceil => map(a, single::ceil),
        F32x4Floor => map(a, single::floor),
        F32x4Trunc => map(a, single::trunc),
        F32x4Nearest => map(a, single::nearest),
        F32x4Abs => map(a, single::abs),
        F32x4Neg => map(a, single::neg),
        F32x4Sqrt => map(a, single::sqrt),
        F64x2Ceil => map(a, double::ceil),
        F64x2Floor => map(a, double::floor),
        F64x2Trunc => map(a, double::trunc),
        F64x2Nearest => map(a, double::nearest),
        F64x2Abs => map(a, double::abs),
        F64x2Neg => map(a, double::neg),
        F64x2Sqrt => map(a, double::sqrt),
        I32x4TruncSatF32x4S => map(a, single::to_i32),
        I32x4TruncSatF32x4U => map(a, single::to_u32),
        F32x4ConvertI32x4S => map(a, single::from_i32),
        F32x4ConvertI32x4U => map(a, single::from_u32),
        I32x4TruncSatF64x2SZero => convert(a, 0, double::to_i32),
        I32x4TruncSatF64x2UZero => convert(a, 0, double::to_u32),
        F64x2ConvertLowI32x4S => convert(a, 0, double::from_i32),
        F64x2ConvertLowI32x4U => convert(a, 0, double::from_u32),
        F32x4DemoteF64x2Zero => convert(a, 0, demote),
        F64x2PromoteLowF32x4 => convert(a, 0, promote),
        scalar => unreachable!("{scalar:?} is scalar"),
    }
}

pub fn binary(op: BinOp, a: u128, b: u128) -> u128 {
    use BinOp::*;
    match op {
        V128And => a & b,
        V128AndNot => a & !b,
        V128Or => a | b,
        V128Xor => a ^ b,
        I8x16Swizzle => swizzle(a, b),
        I8x16Add => zip(a, b, u8::wrapping_add),
        I16x8Add => zip(a, b, u16::wrapping_add),
        I32x4Add => zip(a, b, u32::wrapping_add),
        I64x2Add => zip(a, b, u64::wrapping_add),
        I8x16Sub => zip(a, b, u8::wrapping_sub),
        I16x8Sub => zip(a, b, u16::wrapping_sub),
        I32x4Sub => zip(a, b, u32::wrapping_sub),
        I64x2Sub => zip(a, b, u64::wrapping_sub),
        I16x8Mul => zip(a, b, u16::wrapping_mul),
        I32x4Mul => zip(a, b, u32::wrapping_mul),
        I64x2Mul => zip(a, b, u64::wrapping_mul),
        I8x16MinS => zip::<i8>(a, b, Ord::min),
        I8x16MinU => zip::<u8>(a, b, Ord::min),
        I8x16MaxS => zip::<i8>(a, b, Ord::max),
        I8x16MaxU => zip::<u8>(a, b, Ord::max),
        I16x8MinS => zip::<i16>(a, b, Ord::min),
        I16x8MinU => zip::<u16>(a, b, Ord::min),
        I16x8MaxS => zip::<i16>(a, b, Ord::max),
        I16x8MaxU => zip::<u16>(a, b, Ord::max),
        I32x4MinS => zip::<i32>(a, b, Ord::min),
        I32x4MinU => zip::<u32>(a, b, Ord::min),
        I32x4MaxS => zip::<i32>(a, b, Ord::max),
        I32x4MaxU => zip::<u32>(a, b, Ord::max),
        I8x16AddSatS => zip(a, b, i8::saturating_add),
        I8x16AddSatU => zip(a, b, u8::saturating_add),
        I8x16SubSatS => zip(a, b, i8::saturating_sub),
        I8x16SubSatU => zip(a, b, u8::saturating_sub),
        I16x8AddSatS => zip(a, b, i16::saturating_add),
        I16x8AddSatU => zip(a, b, u16::saturating_add),
        I16x8SubSatS => zip(a, b, i16::saturating_sub),
        I16x8SubSatU => zip(a, b, u16::saturating_sub),
        I8x16AvgrU => zip(a, b, |x: u8, y: u8| (u16::from(x) + u16::from(y)).div_ceil(2) as u8),
        I16x8AvgrU => zip(a, b, |x: u16, y: u16| (u32::from(x) + u32::from(y)).div_ceil(2) as u16),
        I16x8Q15MulrSatS => zip(a, b, |x: i16, y: i16| {
            let product = (i32::from(x) * i32::from(y) + 0x4000) >> 15;
            product.min(i32::from(i16::MAX)) as i16
        }),
        I32x4DotI16x8S => {
            let low = convert2(a, b, 0, product_s16);
            let high = convert2(a, b, 4, product_s16);
            let sum = |v: u128| pairwise(v, i32::wrapping_add) as u64;
            u128::from(sum(low)) | u128::from(sum(high)) << 64
        }
        I8x16NarrowI16x8S => narrow(a, b, |x: i16| x.clamp(-128, 127) as i8),
        I8x16NarrowI16x8U => narrow(a, b, |x: i16| x.clamp(0, 255) as u8),
        I16x8NarrowI32x4S => narrow(a, b, |x: i32| x.clamp(-32768, 32767) as i16),
        I16x8NarrowI32x4U => narrow(a, b, |x: i32| x.clamp(0, 65535) as u16),
        I16x8ExtMulLowI8x16S => convert2(a, b, 0, product_s8),
        I16x8ExtMulHighI8x16S => convert2(a, b, 8, product_s8),
        I16x8ExtMulLowI8x16U => convert2(a, b, 0, product_u8),
        I16x8ExtMulHighI8x16U => convert2(a, b, 8, product_u8),
        I32x4ExtMulLowI16x8S => convert2(a, b, 0, product_s16),
        I32x4ExtMulHighI16x8S => convert2(a, b, 4, product_s16),
        I32x4ExtMulLowI16x8U => convert2(a, b, 0, product_u16),
        I32x4ExtMulHighI16x8U => convert2(a, b, 4, product_u16),
        I64x2ExtMulLowI32x4S => convert2(a, b, 0, product_s32),
        I64x2ExtMulHighI32x4S => convert2(a, b, 2, product_s32),
        I64x2ExtMulLowI32x4U => convert2(a, b, 0, product_u32),
        I64x2ExtMulHighI32x4U => convert2(a, b, 2, product_u32),
        F32x4Add => zip(a, b, single::add),
        F32x4Sub => zip(a, b, single::sub),
        F32x4Mul => zip(a, b, single::mul),
        F32x4Div => zip(a, b, single::div),
        F32x4Min => zip(a, b, single::min),
        F32x4Max => zip(a, b, single::max),
        F32x4PMin => zip(a, b, single::pmin),
        F32x4PMax => zip(a, b, single::pmax),
        F64x2Add => zip(a, b, double::add),
        F64x2Sub => zip(a, b, double::sub),
        F64x2Mul => zip(a, b, double::mul),
        F64x2Div => zip(a, b, double::div),
        F64x2Min => zip(a, b, double::min),
        F64x2Max => zip(a, b, double::max),
        F64x2PMin => zip(a, b, double::pmin),
        F64x2PMax => zip(a, b, double::pmax),
        I8x16Shl | I8x16ShrS | I8x16ShrU | I16x8Shl | I16x8ShrS | I16x8ShrU | I32x4Shl | I32x4ShrS | I32x4ShrU | I64x2Shl
        | I64x2ShrS | I64x2ShrU => shift(op, a, b as u32),
        _ => compare(op, a, b),
    }
}

fn product_s8(x: i8, y: i8) -> i16 {
    i16::from(x) * i16::from(y)
}
fn product_u8(x: u8, y: u8) -> u16 {
    u16::from(x) * u16::from(y)
}
fn product_s16(x: i16, y: i16) -> i32 {
    i32::from(x) * i32::from(y)
}
fn product_u16(x: u16, y: u16) -> u32 {
    u32::from(x) * u32::from(y)
}
fn product_s32(x: i32, y: i32) -> i64 {
    i64::from(x) * i64::from(y)
}
fn product_u32(x: u32, y: u32) -> u64 {
    u64::from(x) * u64::from(y)
}

/// All lanes by one count, modulo the lane's width.
fn shift(op: BinOp, a: u128, count: u32) -> u128 {
    use BinOp::*;
    match op {
        I8x16Shl => map(a, |x: u8| x.wrapping_shl(count)),
        I8x16ShrS => map(a, |x: i8| x.wrapping_shr(count)),
        I8x16ShrU => map(a, |x: u8| x.wrapping_shr(count)),
        I16x8Shl => map(a, |x: u16| x.wrapping_shl(count)),
        I16x8ShrS => map(a, |x: i16| x.wrapping_shr(count)),
        I16x8ShrU => map(a, |x: u16| x.wrapping_shr(count)),
        I32x4Shl => map(a, |x: u32| x.wrapping_shl(count)),
        I32x4ShrS => map(a, |x: i32| x.wrapping_shr(count)),
        I32x4ShrU => map(a, |x: u32| x.wrapping_shr(count)),
        I64x2Shl => map(a, |x: u64| x.wrapping_shl(count)),
        I64x2ShrS => map(a, |x: i64| x.wrapping_shr(count)),
        I64x2ShrU => map(a, |x: u64| x.wrapping_shr(count)),
        other => unreachable!("{other:?} is no shift of lanes"),
    }
}

fn compare(op: BinOp, a: u128, b: u128) -> u128 {
    use BinOp::*;
    match op {
        I8x16Eq => test::<u8>(a, b, |x, y| x == y),
        I8x16Ne => test::<u8>(a, b, |x, y| x != y),
        I8x16LtS => test::<i8>(a, b, |x, y| x < y),
        I8x16LtU => test::<u8>(a, b, |x, y| x < y),
        I8x16GtS => test::<i8>(a, b, |x, y| x > y),
        I8x16GtU => test::<u8>(a, b, |x, y| x > y),
        I8x16LeS => test::<i8>(a, b, |x, y| x <= y),
        I8x16LeU => test::<u8>(a, b, |x, y| x <= y),
        I8x16GeS => test::<i8>(a, b, |x, y| x >= y),
        I8x16GeU => test::<u8>(a, b, |x, y| x >= y),
        I16x8Eq => test::<u16>(a, b, |x, y| x == y),
        I16x8Ne => test::<u16>(a, b, |x, y| x != y),
        I16x8LtS => test::<i16>(a, b, |x, y| x < y),
        I16x8LtU => test::<u16>(a, b, |x, y| x < y),
        I16x8GtS => test::<i16>(a, b, |x, y| x > y),
        I16x8GtU => test::<u16>(a, b, |x, y| x > y),
        I16x8LeS => test::<i16>(a, b, |x, y| x <= y),
        I16x8LeU => test::<u16>(a, b, |x, y| x <= y),
        I16x8GeS => test::<i16>(a, b, |x, y| x >= y),
        I16x8GeU => test::<u16>(a, b, |x, y| x >= y),
        I32x4Eq => test::<u32>(a, b, |x, y| x == y),
        I32x4Ne => test::<u32>(a, b, |x, y| x != y),
        I32x4LtS => test::<i32>(a, b, |x, y| x < y),
        I32x4LtU => test::<u32>(a, b, |x, y| x < y),
        I32x4GtS => test::<i32>(a, b, |x, y| x > y),
        I32x4GtU => test::<u32>(a, b, |x, y| x > y),
        I32x4LeS => test::<i32>(a, b, |x, y| x <= y),
        I32x4LeU => test::<u32>(a, b, |x, y| x <= y),
        I32x4GeS => test::<i32>(a, b, |x, y| x >= y),
        I32x4GeU => test::<u32>(a, b, |x, y| x >= y),
        I64x2Eq => test::<u64>(a, b, |x, y| x == y),
        I64x2Ne => test::<u64>(a, b, |x, y| x != y),
        I64x2LtS => test::<i64>(a, b, |x, y| x < y),
        I64x2GtS => test::<i64>(a, b, |x, y| x > y),
        I64x2LeS => test::<i64>(a, b, |x, y| x <= y),
        I64x2GeS => test::<i64>(a, b, |x, y| x >= y),
        F32x4Eq => test(a, b, single::eq),
        F32x4Ne => test(a, b, single::ne),
        F32x4Lt => test(a, b, single::lt),
        F32x4Gt => test(a, b, single::gt),
        F32x4Le => test(a, b, single::le),
        F32x4Ge => test(a, b, single::ge),
        F64x2Eq => test(a, b, double::eq),
        F64x2Ne => test(a, b, double::ne),
        F64x2Lt => test(a, b, double::lt),
        F64x2Gt => test(a, b, double::gt),
        F64x2Le => test(a, b, double::le),
        F64x2Ge => test(a, b, double::ge),
        scalar => unreachable!("{scalar:?} is scalar"),
    }
}
