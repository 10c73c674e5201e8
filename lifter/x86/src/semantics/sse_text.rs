//! SSE4.2: string comparison (SDM vol. 2B, §4.1) and CRC32.

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::{Builder, Width, gpr_parts};
use crate::helper::Helper;
use crate::ir::{BinOp, UnOp, Value};
use crate::reg::Reg;
use crate::vector::{imm8, is_vex};

pub fn row(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Pcmpistri | M::Vpcmpistri => |b, i| {
            let result = implicit(b, i);
            index(b, i, result);
        },
        M::Pcmpistrm | M::Vpcmpistrm => |b, i| {
            let result = implicit(b, i);
            mask(b, i, result);
        },
        M::Pcmpestri | M::Vpcmpestri => |b, i| {
            let result = explicit(b, i, Width::B32);
            index(b, i, result);
        },
        M::Pcmpestrm | M::Vpcmpestrm => |b, i| {
            let result = explicit(b, i, Width::B32);
            mask(b, i, result);
        },
        // With REX.W the lengths are 64 bits wide.
        M::Pcmpestri64 | M::Vpcmpestri64 => |b, i| {
            let result = explicit(b, i, Width::B64);
            index(b, i, result);
        },
        M::Pcmpestrm64 | M::Vpcmpestrm64 => |b, i| {
            let result = explicit(b, i, Width::B64);
            mask(b, i, result);
        },
        M::Crc32 => crc32,
        _ => return None,
    })
}

/// What the helper found out: IntRes2 and which of the strings end.
fn implicit(b: &mut Builder<'_>, i: &Instruction) -> Value {
    let (x, y) = (b.read_vector(i, 0), b.read_vector(i, 1));
    let imm = b.i32(i32::from(imm8(i)));
    b.helper(Helper::CompareImplicit, &[x, y, imm])
}

fn explicit(b: &mut Builder<'_>, i: &Instruction, width: Width) -> Value {
    let (x, y) = (b.read_vector(i, 0), b.read_vector(i, 1));
    let mut control = b.i32(i32::from(imm8(i)));
    for (reg, shift) in [(Reg::RAX, 8), (Reg::RDX, 16)] {
        let mut length = b.get(reg);
        if width == Width::B32 {
            let low = b.wrap(length);
            length = b.un(UnOp::I64ExtendI32S, low);
        }
        let length = b.helper(Helper::ExplicitLength, &[length]);
        let shift = b.i32(shift);
        let length = b.bin(BinOp::I32Shl, length, shift);
        control = b.bin(BinOp::I32Or, control, length);
    }
    b.helper(Helper::CompareExplicit, &[x, y, control])
}

/// CF = any match, ZF and SF = the second and the first string end, OF = the first element matches. Returns IntRes2.
fn flags(b: &mut Builder<'_>, result: Value) -> Value {
    let low = b.i32(0xffff);
    let matches = b.bin(BinOp::I32And, result, low);
    let zero = b.i32(0);
    let cf = b.bin(BinOp::I32Ne, matches, zero);
    b.set_flag(Reg::CF, cf);
    for (flag, bit) in [(Reg::ZF, 16), (Reg::SF, 17), (Reg::OF, 0)] {
        let shift = b.i32(bit);
        let value = b.bin(BinOp::I32ShrU, result, shift);
        let one = b.i32(1);
        let value = b.bin(BinOp::I32And, value, one);
        b.set_flag(flag, value);
    }
    b.set_flag(Reg::PF, zero);
    b.set_flag(Reg::AF, zero);
    matches
}

/// PCMPxSTRI: ECX = the first (imm8[6]: the last) match, or the number of elements.
fn index(b: &mut Builder<'_>, i: &Instruction, result: Value) {
    let matches = flags(b, result);
    let imm = imm8(i);
    let count = if imm & 1 == 0 { 16 } else { 8 };
    let found = if imm & 0x40 == 0 {
        let stop = b.i32(1 << count);
        let bits = b.bin(BinOp::I32Or, matches, stop);
        b.un(UnOp::I32Ctz, bits)
    } else {
        let leading = b.un(UnOp::I32Clz, matches);
        let top = b.i32(31);
        let last = b.bin(BinOp::I32Sub, top, leading);
        let none = b.i32(count);
        b.select(matches, last, none)
    };
    let found = b.zero_extend_64(found);
    b.set(Reg::RCX, found);
}

/// PCMPxSTRM: XMM0 = IntRes2, or (imm8[6]) each of its bits as a byte or word.
fn mask(b: &mut Builder<'_>, i: &Instruction, result: Value) {
    let matches = flags(b, result);
    let imm = imm8(i);
    let vector = if imm & 0x40 == 0 {
        b.from_i32(matches)
    } else {
        let words = b.i32(i32::from(imm & 1));
        b.helper(Helper::SpreadBits, &[matches, words])
    };
    b.set(Reg::xmm(0), vector);
    if is_vex(i) {
        let zero = b.v128(0);
        b.set(Reg::ymm_high(0), zero);
    }
}

fn crc32(b: &mut Builder<'_>, i: &Instruction) {
    let width = b.operand_width(i, 1);
    let value = b.read_operand(i, 1, width);
    let data = if width == Width::B64 { value } else { b.zero_extend_64(value) };
    let (reg, _, _) = gpr_parts(i.op_register(0));
    let crc = b.get(reg);
    let crc = b.wrap(crc);
    let bytes = b.i32(width.bytes() as i32);
    let crc = b.helper(Helper::Crc32c, &[crc, data, bytes]);
    b.write_zero_extended(i, 0, crc);
}
