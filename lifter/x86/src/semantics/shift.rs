//! Shifts and rotates (SDM vol. 1, §7.3.6; vol. 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).
//!
//! A count is masked to 5 bits (6 for 64-bit operands), which is what Wasm's shifts do themselves. A masked count of zero changes no flag,
//! so with a count in CL each flag is a select between old and new. OF is defined for a count of 1 only: does that shift change the sign? Hardware
//! answers this for a shift of the operand by one whatever the count is, and so do the rows.

use iced_x86::{Instruction, Mnemonic, OpKind};

use crate::builder::{Builder, Width};
use crate::ir::{BinOp, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;
use crate::semantics::words::Place;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Shl | Sal => |b, i| shift(b, i, Direction::Left),
        Shr => |b, i| shift(b, i, Direction::Right),
        Sar => |b, i| shift(b, i, Direction::Arithmetic),
        Rol => |b, i| rotate(b, i, true),
        Ror => |b, i| rotate(b, i, false),
        Rcl => |b, i| rotate_carry(b, i, true),
        Rcr => |b, i| rotate_carry(b, i, false),
        Shld => |b, i| double_shift(b, i, true),
        Shrd => |b, i| double_shift(b, i, false),
        Shlx => |b, i| shift_without_flags(b, i, BinOp::I32Shl, BinOp::I64Shl),
        Shrx => |b, i| shift_without_flags(b, i, BinOp::I32ShrU, BinOp::I64ShrU),
        Sarx => |b, i| shift_without_flags(b, i, BinOp::I32ShrS, BinOp::I64ShrS),
        Rorx => |b, i| shift_without_flags(b, i, BinOp::I32Rotr, BinOp::I64Rotr),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Left,
    Right,
    Arithmetic,
}

/// A shift count.
#[derive(Clone, Copy)]
enum Count {
    /// Masked, not zero.
    Constant(u32),
    /// An i32, masked to 5 or 6 bits; perhaps zero.
    Variable(Value),
}

/// The flags that a shift or rotate sets.
struct NewFlags {
    /// ZF, SF and PF follow this result; rotates leave them alone.
    result: Option<Value>,
    cf: Value,
    of: Value,
}

fn mask(width: Width) -> u32 {
    if width == Width::B64 { 63 } else { 31 }
}

/// The count operand, `None` if it is a constant that masks to zero.
fn read_count(b: &mut Builder<'_>, instr: &Instruction, operand: u32, width: Width) -> Option<Count> {
    if instr.op_kind(operand) == OpKind::Register {
        let cl = b.read_gpr(instr.op_register(operand));
        let mask = b.i32(mask(width) as i32);
        return Some(Count::Variable(b.bin(BinOp::I32And, cl, mask)));
    }
    match instr.immediate(operand) as u32 & mask(width) {
        0 => None,
        count => Some(Count::Constant(count)),
    }
}

/// The count in the type of the width, for a shift operation.
fn amount(b: &mut Builder<'_>, width: Width, count: Count) -> Value {
    match count {
        Count::Constant(count) => b.count(width, count),
        Count::Variable(value) if width == Width::B64 => b.zero_extend_64(value),
        Count::Variable(value) => value,
    }
}

/// `from` − count, or count − `from` if `reversed`, in the type of the width.
fn distance(b: &mut Builder<'_>, width: Width, count: Count, from: u32, reversed: bool) -> Value {
    let (left, right) = match count {
        Count::Constant(count) => {
            let difference = if reversed { count.wrapping_sub(from) } else { from.wrapping_sub(count) };
            return b.count(width, difference);
        }
        Count::Variable(_) => {
            let (count, from) = (amount(b, width, count), b.count(width, from));
            if reversed { (count, from) } else { (from, count) }
        }
    };
    b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, left, right)
}

fn top_bit(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    b.bit(width, value, width.bits() - 1)
}

/// Does a shift to the left by one change the sign?
fn two_top_bits_differ(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    let (first, second) = (top_bit(b, width, value), b.bit(width, value, width.bits() - 2));
    b.bin(BinOp::I32Xor, first, second)
}

/// Does the sign change when this bit comes in at the top?
fn sign_changes(b: &mut Builder<'_>, width: Width, value: Value, bit: Value) -> Value {
    let sign = top_bit(b, width, value);
    b.bin(BinOp::I32Xor, sign, bit)
}

/// Writes the flags; with a variable count only where it is not zero.
fn set_flags(b: &mut Builder<'_>, width: Width, count: Count, new: NewFlags) {
    let Count::Variable(value) = count else {
        if let Some(result) = new.result {
            b.set_logic(width, result);
        }
        b.set_flag(Reg::CF, new.cf);
        b.set_flag(Reg::OF, new.of);
        return;
    };
    let kept: &[Reg] = match new.result {
        Some(_) => &[Reg::PF, Reg::AF, Reg::ZF, Reg::SF, Reg::CF, Reg::OF],
        None => &[Reg::CF, Reg::OF],
    };
    let old: alloc::vec::Vec<Value> = kept.iter().map(|&flag| b.flag(flag)).collect();
    if let Some(result) = new.result {
        b.set_logic(width, result);
    }
    b.set_flag(Reg::CF, new.cf);
    b.set_flag(Reg::OF, new.of);
    for (&flag, &old) in kept.iter().zip(&old) {
        let new = b.flag(flag);
        let chosen = b.select(value, new, old);
        b.set_flag(flag, chosen);
    }
}

/// SHL, SHR, SAR.
fn shift(b: &mut Builder<'_>, instr: &Instruction, direction: Direction) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let old = b.read_place(place, width);
    let Some(count) = read_count(b, instr, 1, width) else {
        // Only the write of a 32-bit register shows.
        return b.write_place(place, width, old);
    };
    let by = amount(b, width, count);
    let source = if direction == Direction::Arithmetic { b.sign_extend(width, old) } else { old };
    let (op32, op64) = match direction {
        Direction::Left => (I32Shl, I64Shl),
        Direction::Right => (I32ShrU, I64ShrU),
        Direction::Arithmetic => (I32ShrS, I64ShrS),
    };
    let shifted = b.bin_w(width, op32, op64, source, by);
    let res = b.truncate(width, shifted);
    let (cf, of) = match direction {
        Direction::Left => (carry_left(b, width, old, shifted, by), two_top_bits_differ(b, width, old)),
        _ => {
            // The last bit that left: bit count − 1.
            let before = distance(b, width, count, 1, true);
            let cf = b.bin_w(width, op32, op64, source, before);
            let cf = b.low_bit(width, cf);
            (cf, if direction == Direction::Right { top_bit(b, width, old) } else { b.i32(0) })
        }
    };
    set_flags(b, width, count, NewFlags { result: Some(res), cf, of });
    b.write_place(place, width, res);
}

/// CF of SHL. In 8 and 16 bits the bit shifted out last still stands above the result; in 32 and 64 a rotation brings it down.
fn carry_left(b: &mut Builder<'_>, width: Width, old: Value, shifted: Value, by: Value) -> Value {
    if width < Width::B32 {
        return b.bit(Width::B32, shifted, width.bits());
    }
    let rotated = b.bin_w(width, BinOp::I32Rotl, BinOp::I64Rotl, old, by);
    b.low_bit(width, rotated)
}

/// ROL and ROR. Narrow operands are repeated to fill 32 bits, whose rotation is theirs.
fn rotate(b: &mut Builder<'_>, instr: &Instruction, left: bool) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let old = b.read_place(place, width);
    let Some(count) = read_count(b, instr, 1, width) else {
        return b.write_place(place, width, old);
    };
    let by = amount(b, width, count);
    let filled = match width {
        Width::B8 => {
            let repeat = b.i32(0x0101_0101);
            b.bin(I32Mul, old, repeat)
        }
        Width::B16 => {
            let repeat = b.i32(0x0001_0001);
            b.bin(I32Mul, old, repeat)
        }
        _ => old,
    };
    let (op32, op64) = if left { (I32Rotl, I64Rotl) } else { (I32Rotr, I64Rotr) };
    let rotated = b.bin_w(width, op32, op64, filled, by);
    let res = b.truncate(width, rotated);
    let (cf, of) = if left {
        (b.low_bit(width, res), two_top_bits_differ(b, width, old))
    } else {
        let lowest = b.low_bit(width, old);
        (top_bit(b, width, res), sign_changes(b, width, old, lowest))
    };
    // Registers rotated by a constant of two or more are the exception: OF stays.
    let of = if matches!((count, place), (Count::Constant(2..), Place::Gpr(_))) { b.flag(Reg::OF) } else { of };
    set_flags(b, width, count, NewFlags { result: None, cf, of });
    b.write_place(place, width, res);
}

/// RCL and RCR: CF is one more bit of the operand.
fn rotate_carry(b: &mut Builder<'_>, instr: &Instruction, left: bool) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let old = b.read_place(place, width);
    let Some(count) = read_count(b, instr, 1, width) else {
        return b.write_place(place, width, old);
    };
    let carry = b.flag(Reg::CF);
    let count = turns(b, width, count);
    let (res, cf) = if width == Width::B64 {
        rotate_65(b, old, carry, count, left)
    } else {
        rotate_narrow(b, width, old, carry, count, left)
    };
    let of = if left { two_top_bits_differ(b, width, old) } else { sign_changes(b, width, old, carry) };
    set_flags(b, width, count, NewFlags { result: None, cf, of });
    b.write_place(place, width, res);
}

/// The count modulo 9 or 17 for narrow operands; full turns change nothing, OF neither. (33 and 65 bits never turn round.)
fn turns(b: &mut Builder<'_>, width: Width, count: Count) -> Count {
    if width >= Width::B32 {
        return count;
    }
    let count = match count {
        Count::Constant(count) => b.i32((count % (width.bits() + 1)) as i32),
        Count::Variable(count) => {
            let modulus = b.i32(width.bits() as i32 + 1);
            b.bin(BinOp::I32RemU, count, modulus)
        }
    };
    match b.constant(count) {
        Some(count) if count != 0 => Count::Constant(count as u32),
        _ => Count::Variable(count),
    }
}

/// Rotates CF:operand, 9, 17 or 33 bits, in an i64; result and new CF.
fn rotate_narrow(b: &mut Builder<'_>, width: Width, old: Value, carry: Value, count: Count, left: bool) -> (Value, Value) {
    use BinOp::*;
    let bits = width.bits();
    let low = b.zero_extend_64(old);
    let high = b.zero_extend_64(carry);
    let at = b.i64(i64::from(bits));
    let high = b.bin(I64Shl, high, at);
    let joined = b.bin(I64Or, high, low);
    let by = amount(b, Width::B64, count);
    let back = distance(b, Width::B64, count, bits + 1, false);
    let (by_left, by_right) = if left { (by, back) } else { (back, by) };
    let up = b.bin(I64Shl, joined, by_left);
    let down = b.bin(I64ShrU, joined, by_right);
    let rotated = b.bin(I64Or, up, down);
    let cf = b.bit(Width::B64, rotated, bits);
    (b.resize(Width::B64, width, false, rotated), cf)
}

/// Rotates CF:operand, 65 bits; result and new CF. A count of zero gives the operand (and a CF that is not used).
fn rotate_65(b: &mut Builder<'_>, old: Value, carry: Value, count: Count, left: bool) -> (Value, Value) {
    use BinOp::*;
    let width = Width::B64;
    let carry = b.zero_extend_64(carry);
    let by = amount(b, width, count);
    let one = b.i64(1);
    // What comes round from the other end, by 65 − count in two steps so that each is below 64.
    let back = distance(b, width, count, 64, false);
    let (away, home) = if left { (I64Shl, I64ShrU) } else { (I64ShrU, I64Shl) };
    let moved = b.bin(away, old, by);
    let wrapped = b.bin(home, old, one);
    let wrapped = b.bin(home, wrapped, back);
    // CF goes in count − 1 places from the end, and the last bit to leave is the new one.
    let (enter, leave) =
        if left { (distance(b, width, count, 1, true), back) } else { (back, distance(b, width, count, 1, true)) };
    let entered = b.bin(I64Shl, carry, enter);
    let left_last = b.bin(I64ShrU, old, leave);
    let cf = b.low_bit(width, left_last);
    let res = b.bin(I64Or, moved, wrapped);
    let res = b.bin(I64Or, res, entered);
    match count {
        Count::Constant(_) => (res, cf),
        Count::Variable(count) => (b.select(count, res, old), cf),
    }
}

/// SHLD and SHRD. 16-bit operands with counts above 16 (undefined) rotate the 32 bits that both make, as hardware does.
fn double_shift(b: &mut Builder<'_>, instr: &Instruction, left: bool) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let old = b.read_place(place, width);
    let filler = b.read_operand(instr, 1, width);
    let Some(count) = read_count(b, instr, 2, width) else {
        return b.write_place(place, width, old);
    };
    let by = amount(b, width, count);
    let (res, cf) = match width {
        Width::B64 | Width::B32 => {
            let before = distance(b, width, count, 1, true);
            let last =
                if left { b.bin_w(width, I32Rotl, I64Rotl, old, by) } else { b.bin_w(width, I32ShrU, I64ShrU, old, before) };
            let cf = b.low_bit(width, last);
            (shift_between(b, width, old, filler, count, left), cf)
        }
        _ => {
            let (high, low) = if left { (old, filler) } else { (filler, old) };
            let half = b.i32(16);
            let high = b.bin(I32Shl, high, half);
            let both = b.bin(I32Or, high, low);
            let moved = b.bin(if left { I32Rotl } else { I32Rotr }, both, by);
            if left {
                (b.bin(I32ShrU, moved, half), b.low_bit(width, moved))
            } else {
                (b.truncate(width, moved), b.bit(Width::B32, moved, 31))
            }
        }
    };
    let of = if left {
        two_top_bits_differ(b, width, old)
    } else {
        let lowest = b.low_bit(width, filler);
        sign_changes(b, width, old, lowest)
    };
    set_flags(b, width, count, NewFlags { result: Some(res), cf, of });
    b.write_place(place, width, res);
}

/// The result of SHLD and SHRD for 32 and 64 bits.
fn shift_between(b: &mut Builder<'_>, width: Width, old: Value, filler: Value, count: Count, left: bool) -> Value {
    use BinOp::*;
    if width == Width::B64 || matches!(count, Count::Constant(_)) {
        // The filler goes `bits − count` the other way, in two steps so that each is below `bits`.
        let (up, down) = ((I32Shl, I64Shl), (I32ShrU, I64ShrU));
        let (away, home) = if left { (up, down) } else { (down, up) };
        let by = amount(b, width, count);
        let moved = b.bin_w(width, away.0, away.1, old, by);
        let filled = match count {
            Count::Constant(count) => {
                let back = b.count(width, width.bits() - count);
                b.bin_w(width, home.0, home.1, filler, back)
            }
            Count::Variable(_) => {
                let one = b.count(width, 1);
                let back = distance(b, width, count, width.bits() - 1, false);
                let filled = b.bin_w(width, home.0, home.1, filler, one);
                b.bin_w(width, home.0, home.1, filled, back)
            }
        };
        return b.bin_w(width, I32Or, I64Or, moved, filled);
    }
    let (high, low) = if left { (old, filler) } else { (filler, old) };
    let (high, low) = (b.zero_extend_64(high), b.zero_extend_64(low));
    let half = b.i64(32);
    let high = b.bin(I64Shl, high, half);
    let both = b.bin(I64Or, high, low);
    let by = amount(b, Width::B64, count);
    let moved = b.bin(if left { I64Shl } else { I64ShrU }, both, by);
    let moved = if left { b.bin(I64ShrU, moved, half) } else { moved };
    b.un(UnOp::I32WrapI64, moved)
}

/// SHLX, SHRX, SARX, RORX: `dest = source op count`, no flags.
fn shift_without_flags(b: &mut Builder<'_>, instr: &Instruction, op32: BinOp, op64: BinOp) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let count = b.read_operand(instr, 2, width);
    let res = b.bin_w(width, op32, op64, source, count);
    b.write_operand(instr, 0, width, res);
}
