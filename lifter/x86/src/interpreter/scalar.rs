//! Wasm's operations on i32, i64, f32 and f64 (WebAssembly core specification 2.0, §4.3.2 and §4.3.3).
//!
//! Values are bits; what stands above an operand's type is ignored, results are zero-extended to 128. Vector operations are passed on to [`super::vector`].

use super::float::{demote, double, promote, single};
use super::vector;
use crate::ops::{BinOp, UnOp};

#[inline(always)]
pub fn unary(op: UnOp, a: u128) -> u128 {
    use UnOp::*;
    let (x, y) = (a as u32, a as u64);
    let half = match op {
        I32Clz => x.leading_zeros(),
        I32Ctz => x.trailing_zeros(),
        I32Popcnt => x.count_ones(),
        I32Extend8S => x as i8 as u32,
        I32Extend16S => x as i16 as u32,
        I32Eqz => u32::from(x == 0),
        I64Eqz => u32::from(y == 0),
        I32WrapI64 | I32ReinterpretF32 | F32ReinterpretI32 => x,
        F32Abs => single::abs(x),
        F32Neg => single::neg(x),
        F32Sqrt => single::sqrt(x),
        F32Ceil => single::ceil(x),
        F32Floor => single::floor(x),
        F32Trunc => single::trunc(x),
        F32Nearest => single::nearest(x),
        I32TruncSatF32S => single::to_i32(x),
        I32TruncSatF32U => single::to_u32(x),
        I32TruncSatF64S => double::to_i32(y),
        I32TruncSatF64U => double::to_u32(y),
        F32ConvertI32S => single::from_i32(x),
        F32ConvertI32U => single::from_u32(x),
        F32ConvertI64S => single::from_i64(y),
        F32ConvertI64U => single::from_u64(y),
        F32DemoteF64 => demote(y),
        _ => return unary_64(op, a),
    };
    u128::from(half)
}

/// Operations with a 64-bit result.
#[inline(always)]
fn unary_64(op: UnOp, a: u128) -> u128 {
    use UnOp::*;
    let (x, y) = (a as u32, a as u64);
    let full = match op {
        I64Clz => u64::from(y.leading_zeros()),
        I64Ctz => u64::from(y.trailing_zeros()),
        I64Popcnt => u64::from(y.count_ones()),
        I64Extend8S => y as i8 as u64,
        I64Extend16S => y as i16 as u64,
        I64Extend32S | I64ExtendI32S => x as i32 as u64,
        I64ExtendI32U => u64::from(x),
        I64ReinterpretF64 | F64ReinterpretI64 => y,
        F64Abs => double::abs(y),
        F64Neg => double::neg(y),
        F64Sqrt => double::sqrt(y),
        F64Ceil => double::ceil(y),
        F64Floor => double::floor(y),
        F64Trunc => double::trunc(y),
        F64Nearest => double::nearest(y),
        I64TruncSatF32S => single::to_i64(x),
        I64TruncSatF32U => single::to_u64(x),
        I64TruncSatF64S => double::to_i64(y),
        I64TruncSatF64U => double::to_u64(y),
        F64ConvertI32S => double::from_i32(x),
        F64ConvertI32U => double::from_u32(x),
        F64ConvertI64S => double::from_i64(y),
        F64ConvertI64U => double::from_u64(y),
        F64PromoteF32 => promote(x),
        _ => return vector::unary(op, a),
    };
    u128::from(full)
}

#[inline(always)]
pub fn binary(op: BinOp, a: u128, b: u128) -> u128 {
    use BinOp::*;
    let (x, y) = (a as u32, b as u32);
    let half = match op {
        I32Add => x.wrapping_add(y),
        I32Sub => x.wrapping_sub(y),
        I32Mul => x.wrapping_mul(y),
        I32And => x & y,
        I32Or => x | y,
        I32Xor => x ^ y,
        I32Shl => x.wrapping_shl(y),
        I32ShrS => (x as i32).wrapping_shr(y) as u32,
        I32ShrU => x.wrapping_shr(y),
        I32Rotl => x.rotate_left(y & 31),
        I32Rotr => x.rotate_right(y & 31),
        // Rows test before they divide; what would trap in Wasm gives zero here.
        I32DivS => (x as i32).checked_div(y as i32).unwrap_or(0) as u32,
        I32DivU => x.checked_div(y).unwrap_or(0),
        I32RemS => (x as i32).checked_rem(y as i32).unwrap_or(0) as u32,
        I32RemU => x.checked_rem(y).unwrap_or(0),
        F32Add => single::add(x, y),
        F32Sub => single::sub(x, y),
        F32Mul => single::mul(x, y),
        F32Div => single::div(x, y),
        F32Min => single::min(x, y),
        F32Max => single::max(x, y),
        F32Copysign => single::copysign(x, y),
        _ => return binary_64(op, a, b),
    };
    u128::from(half)
}

/// Operations with a 64-bit result.
#[inline(always)]
fn binary_64(op: BinOp, a: u128, b: u128) -> u128 {
    use BinOp::*;
    let (x, y) = (a as u64, b as u64);
    let full = match op {
        I64Add => x.wrapping_add(y),
        I64Sub => x.wrapping_sub(y),
        I64Mul => x.wrapping_mul(y),
        I64And => x & y,
        I64Or => x | y,
        I64Xor => x ^ y,
        I64Shl => x.wrapping_shl(y as u32),
        I64ShrS => (x as i64).wrapping_shr(y as u32) as u64,
        I64ShrU => x.wrapping_shr(y as u32),
        I64Rotl => x.rotate_left(y as u32 & 63),
        I64Rotr => x.rotate_right(y as u32 & 63),
        I64DivS => (x as i64).checked_div(y as i64).unwrap_or(0) as u64,
        I64DivU => x.checked_div(y).unwrap_or(0),
        I64RemS => (x as i64).checked_rem(y as i64).unwrap_or(0) as u64,
        I64RemU => x.checked_rem(y).unwrap_or(0),
        F64Add => double::add(x, y),
        F64Sub => double::sub(x, y),
        F64Mul => double::mul(x, y),
        F64Div => double::div(x, y),
        F64Min => double::min(x, y),
        F64Max => double::max(x, y),
        F64Copysign => double::copysign(x, y),
        _ => return compare(op, a, b),
    };
    u128::from(full)
}

/// Comparisons: 0 or 1.
#[inline(always)]
fn compare(op: BinOp, a: u128, b: u128) -> u128 {
    use BinOp::*;
    let (x, y) = (a as u32, b as u32);
    let (p, q) = (a as u64, b as u64);
    let holds = match op {
        I32Eq => x == y,
        I32Ne => x != y,
        I32LtS => (x as i32) < y as i32,
        I32LtU => x < y,
        I32GtS => x as i32 > y as i32,
        I32GtU => x > y,
        I32LeS => x as i32 <= y as i32,
        I32LeU => x <= y,
        I32GeS => x as i32 >= y as i32,
        I32GeU => x >= y,
        I64Eq => p == q,
        I64Ne => p != q,
        I64LtS => (p as i64) < q as i64,
        I64LtU => p < q,
        I64GtS => p as i64 > q as i64,
        I64GtU => p > q,
        I64LeS => p as i64 <= q as i64,
        I64LeU => p <= q,
        I64GeS => p as i64 >= q as i64,
        I64GeU => p >= q,
        F32Eq => single::eq(x, y),
        F32Ne => single::ne(x, y),
        F32Lt => single::lt(x, y),
        F32Gt => single::gt(x, y),
        F32Le => single::le(x, y),
        F32Ge => single::ge(x, y),
        F64Eq => double::eq(p, q),
        F64Ne => double::ne(p, q),
        F64Lt => double::lt(p, q),
        F64Gt => double::gt(p, q),
        F64Le => double::le(p, q),
        F64Ge => double::ge(p, q),
        _ => return vector::binary(op, a, b),
    };
    u128::from(holds)
}
