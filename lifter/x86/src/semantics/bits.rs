//! Single bits, counting and BMI (SDM vol. 1, §7.3.7; vol. 2, the instructions' pages).
//!
//! Flags that the manual leaves undefined are those of current Intel processors: mostly cleared.

use iced_x86::{Instruction, Mnemonic, OpKind};

use crate::builder::{Builder, Width, gpr_parts};
use crate::helper::Helper;
use crate::ir::{BinOp, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;
use crate::semantics::words::Place;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Bt => |b, i| bit_test(b, i, Change::None),
        Bts => |b, i| bit_test(b, i, Change::Set),
        Btr => |b, i| bit_test(b, i, Change::Reset),
        Btc => |b, i| bit_test(b, i, Change::Complement),
        Bsf => |b, i| bit_scan(b, i, true),
        Bsr => |b, i| bit_scan(b, i, false),
        Tzcnt => |b, i| count_zeros(b, i, true),
        Lzcnt => |b, i| count_zeros(b, i, false),
        Popcnt => popcnt,
        Andn => andn,
        Bextr => bextr,
        Blsi => |b, i| lowest_set_bit(b, i, Lowest::Isolate),
        Blsmsk => |b, i| lowest_set_bit(b, i, Lowest::Mask),
        Blsr => |b, i| lowest_set_bit(b, i, Lowest::Reset),
        Bzhi => bzhi,
        Pdep => |b, i| with_mask(b, i, Helper::Pdep),
        Pext => |b, i| with_mask(b, i, Helper::Pext),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    None,
    Set,
    Reset,
    Complement,
}

/// BT, BTS, BTR, BTC: CF = the bit. A register offset into memory reaches beyond the operand: bit strings are up to 2⁶³ bits long.
fn bit_test(b: &mut Builder<'_>, instr: &Instruction, change: Change) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let offset = b.read_operand(instr, 1, width);
    let mut place = b.place(instr, 0);
    if let (Place::Memory(addr, disp), OpKind::Register) = (place, instr.op_kind(1)) {
        place = Place::Memory(bit_string_address(b, width, addr, offset), disp);
    }
    let old = b.read_place(place, width);
    let mask = b.int(width, i64::from(width.bits()) - 1);
    let position = match b.constant(offset) {
        Some(constant) => b.int(width, constant & (i64::from(width.bits()) - 1)),
        // Shifts of 32 and 64 bits mask the count themselves.
        None if width >= Width::B32 => offset,
        None => b.bin(I32And, offset, mask),
    };
    let shifted = b.bin_w(width, I32ShrU, I64ShrU, old, position);
    let cf = b.low_bit(width, shifted);
    b.set_flag(Reg::CF, cf);
    if change == Change::None {
        return;
    }
    let one = b.int(width, 1);
    let bit = b.bin_w(width, I32Shl, I64Shl, one, position);
    let new = match change {
        Change::Set => b.bin_w(width, I32Or, I64Or, old, bit),
        Change::Complement => b.bin_w(width, I32Xor, I64Xor, old, bit),
        _ => {
            let ones = b.int(width, -1);
            let others = b.bin_w(width, I32Xor, I64Xor, bit, ones);
            b.bin_w(width, I32And, I64And, old, others)
        }
    };
    b.write_place(place, width, new);
}

/// Address of the operand-sized piece of a bit string that holds bit `offset`, which is signed.
fn bit_string_address(b: &mut Builder<'_>, width: Width, addr: Value, offset: Value) -> Value {
    let offset = b.sign_extend(width, offset);
    let count = b.count(width, width.bits().trailing_zeros());
    let index = b.bin_w(width, BinOp::I32ShrS, BinOp::I64ShrS, offset, count);
    let index = if width == Width::B64 { b.wrap(index) } else { index };
    let count = b.i32(width.bytes().trailing_zeros() as i32);
    let bytes = b.bin(BinOp::I32Shl, index, count);
    b.bin(BinOp::I32Add, addr, bytes)
}

/// Number of zeros below the lowest one; the width if there is none.
fn trailing_zeros(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    if width == Width::B64 {
        return b.un(UnOp::I64Ctz, value);
    }
    let value = if width < Width::B32 {
        let stop = b.i32(1 << width.bits());
        b.bin(BinOp::I32Or, value, stop)
    } else {
        value
    };
    b.un(UnOp::I32Ctz, value)
}

/// Number of zeros above the highest one; the width if there is none.
fn leading_zeros(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    if width == Width::B64 {
        return b.un(UnOp::I64Clz, value);
    }
    let zeros = b.un(UnOp::I32Clz, value);
    let above = b.i32(width.bits() as i32 - 32);
    b.bin(BinOp::I32Add, zeros, above)
}

fn is_zero(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    b.un(if width == Width::B64 { UnOp::I64Eqz } else { UnOp::I32Eqz }, value)
}

/// The flags that these instructions clear, except those named.
fn clear_flags(b: &mut Builder<'_>, except: &[Reg]) {
    let no = b.i32(0);
    for flag in [Reg::CF, Reg::PF, Reg::AF, Reg::ZF, Reg::SF, Reg::OF] {
        if !except.contains(&flag) {
            b.set_flag(flag, no);
        }
    }
}

/// ZF and SF from a result, all others cleared: BMI.
fn set_result_flags(b: &mut Builder<'_>, width: Width, res: Value) {
    b.set_logic(width, res);
    clear_flags(b, &[Reg::ZF, Reg::SF]);
}

/// BSF, BSR: a source of zero sets ZF and leaves the whole destination register as it is.
fn bit_scan(b: &mut Builder<'_>, instr: &Instruction, forward: bool) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let none = is_zero(b, width, source);
    let index = if forward {
        trailing_zeros(b, width, source)
    } else {
        // The highest bit less the zeros above; they are at most that many, so a XOR subtracts.
        let zeros = leading_zeros(b, width, source);
        let top = b.int(width, i64::from(width.bits()) - 1);
        b.bin_w(width, BinOp::I32Xor, BinOp::I64Xor, zeros, top)
    };
    let (reg, ..) = gpr_parts(instr.op_register(0));
    let old = b.get(reg);
    b.write_gpr(instr.op_register(0), index);
    let new = b.get(reg);
    let chosen = b.select(none, old, new);
    b.set(reg, chosen);
    let zero = b.int(width, 0);
    let parity_of = b.select(none, zero, index);
    b.set_logic(width, parity_of);
    clear_flags(b, &[Reg::PF]);
    b.set_flag(Reg::ZF, none);
}

/// TZCNT, LZCNT: CF = source is zero, ZF = result is zero.
fn count_zeros(b: &mut Builder<'_>, instr: &Instruction, trailing: bool) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let res = if trailing { trailing_zeros(b, width, source) } else { leading_zeros(b, width, source) };
    let (cf, zf) = (is_zero(b, width, source), is_zero(b, width, res));
    clear_flags(b, &[]);
    b.set_flag(Reg::CF, cf);
    b.set_flag(Reg::ZF, zf);
    b.write_operand(instr, 0, width, res);
}

/// POPCNT: ZF = source is zero; all other status flags are cleared.
fn popcnt(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let res = b.un(if width == Width::B64 { UnOp::I64Popcnt } else { UnOp::I32Popcnt }, source);
    let zf = is_zero(b, width, source);
    clear_flags(b, &[]);
    b.set_flag(Reg::ZF, zf);
    b.write_operand(instr, 0, width, res);
}

/// ANDN: dest = ¬first & second.
fn andn(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let first = b.read_operand(instr, 1, width);
    let second = b.read_operand(instr, 2, width);
    let ones = b.int(width, -1);
    let inverted = b.bin_w(width, BinOp::I32Xor, BinOp::I64Xor, first, ones);
    let res = b.bin_w(width, BinOp::I32And, BinOp::I64And, inverted, second);
    set_result_flags(b, width, res);
    b.write_operand(instr, 0, width, res);
}

/// The mask of the lowest `count` bits (i32, below 256): all ones from the width upwards.
fn low_mask(b: &mut Builder<'_>, width: Width, count: Value) -> Value {
    use BinOp::*;
    let bits = b.i32(width.bits() as i32);
    let within = b.bin(I32LtU, count, bits);
    let by = if width == Width::B64 { b.zero_extend_64(count) } else { count };
    let ones = b.int(width, -1);
    let above = b.bin_w(width, I32Shl, I64Shl, ones, by);
    let below = b.bin_w(width, I32Xor, I64Xor, above, ones);
    b.select(within, below, ones)
}

/// BEXTR: bits start … start + length − 1; both are bytes of the control operand. ZF; CF = OF = 0.
fn bextr(b: &mut Builder<'_>, instr: &Instruction) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let control = b.read_operand(instr, 2, width);
    let control = if width == Width::B64 { b.wrap(control) } else { control };
    let start = b.truncate(Width::B8, control);
    let eight = b.i32(8);
    let length = b.bin(I32ShrU, control, eight);
    let length = b.truncate(Width::B8, length);
    let by = if width == Width::B64 { b.zero_extend_64(start) } else { start };
    let shifted = b.bin_w(width, I32ShrU, I64ShrU, source, by);
    let bits = b.i32(width.bits() as i32);
    let within = b.bin(I32LtU, start, bits);
    let zero = b.int(width, 0);
    let shifted = b.select(within, shifted, zero);
    let mask = low_mask(b, width, length);
    let res = b.bin_w(width, I32And, I64And, shifted, mask);
    let zf = is_zero(b, width, res);
    clear_flags(b, &[]);
    b.set_flag(Reg::ZF, zf);
    b.write_operand(instr, 0, width, res);
}

/// BZHI: the bits below the index in the second source's low byte. CF = the index is not below the width.
fn bzhi(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let index = b.read_operand(instr, 2, width);
    let index = if width == Width::B64 { b.wrap(index) } else { index };
    let index = b.truncate(Width::B8, index);
    let mask = low_mask(b, width, index);
    let res = b.bin_w(width, BinOp::I32And, BinOp::I64And, source, mask);
    set_result_flags(b, width, res);
    let bits = b.i32(width.bits() as i32);
    let cf = b.bin(BinOp::I32GeU, index, bits);
    b.set_flag(Reg::CF, cf);
    b.write_operand(instr, 0, width, res);
}

#[derive(Clone, Copy, PartialEq)]
enum Lowest {
    Isolate,
    Mask,
    Reset,
}

/// BLSI, BLSMSK, BLSR. CF tells whether the source is zero: BLSI sets it when it is not, the others when it is.
fn lowest_set_bit(b: &mut Builder<'_>, instr: &Instruction, what: Lowest) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let other = if what == Lowest::Isolate {
        let zero = b.int(width, 0);
        b.bin_w(width, I32Sub, I64Sub, zero, source)
    } else {
        let minus_one = b.int(width, -1);
        b.bin_w(width, I32Add, I64Add, source, minus_one)
    };
    let (op32, op64) = if what == Lowest::Mask { (I32Xor, I64Xor) } else { (I32And, I64And) };
    let res = b.bin_w(width, op32, op64, source, other);
    set_result_flags(b, width, res);
    let cf = if what == Lowest::Isolate { b.is_nonzero(width, source) } else { is_zero(b, width, source) };
    b.set_flag(Reg::CF, cf);
    b.write_operand(instr, 0, width, res);
}

/// PDEP, PEXT.
fn with_mask(b: &mut Builder<'_>, instr: &Instruction, helper: Helper) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let mask = b.read_operand(instr, 2, width);
    let source = b.resize(width, Width::B64, false, source);
    let mask = b.resize(width, Width::B64, false, mask);
    let res = b.helper(helper, &[source, mask]);
    let res = b.resize(Width::B64, width, false, res);
    b.write_operand(instr, 0, width, res);
}
