//! Conversions between integers, singles, doubles and halves (SDM vol. 1, §11.4.1.6).
//!
//! A float that no integer can hold becomes the *integer indefinite*, the least integer (SDM vol. 1, §4.8.3.8 and table E-11); Wasm saturates.
//! Conversions *to* floats round to nearest even (see [`super::sse_float`]), those to integers as MXCSR says.

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::{Builder, Width, gpr_parts};
use crate::helper::Helper;
use crate::ir::{BinOp, Inst, Shape, UnOp, Value};
use crate::vector::{byte_lanes, imm8, parts, sources, splat32, splat64};

pub fn row(mnemonic: M) -> Option<Row> {
    scalars(mnemonic).or_else(|| packed(mnemonic)).or_else(|| mmx(mnemonic))
}

fn scalars(mnemonic: M) -> Option<Row> {
    use Shape::{F32x4, F64x2};
    Some(match mnemonic {
        M::Cvtsi2sd | M::Vcvtsi2sd => |b, i| from_integer(b, i, F64x2),
        M::Cvtsi2ss | M::Vcvtsi2ss => |b, i| from_integer(b, i, F32x4),
        M::Cvttsd2si | M::Vcvttsd2si => |b, i| truncate(b, i, F64x2),
        M::Cvttss2si | M::Vcvttss2si => |b, i| truncate(b, i, F32x4),
        M::Cvtsd2si | M::Vcvtsd2si => |b, i| round(b, i, F64x2),
        M::Cvtss2si | M::Vcvtss2si => |b, i| round(b, i, F32x4),
        M::Cvtss2sd | M::Vcvtss2sd => |b, i| {
            let x = b.read_scalar(i, sources(i).1, F32x4);
            let x = b.un(UnOp::F64PromoteF32, x);
            b.write_scalar(i, F64x2, x);
        },
        M::Cvtsd2ss | M::Vcvtsd2ss => |b, i| {
            let x = b.read_scalar(i, sources(i).1, F64x2);
            let x = b.un(UnOp::F32DemoteF64, x);
            b.write_scalar(i, F32x4, x);
        },
        _ => return None,
    })
}

fn from_integer(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let (_, second) = sources(i);
    let width = b.operand_width(i, second);
    let value = b.read_operand(i, second, width);
    let op = match (shape, width) {
        (Shape::F32x4, Width::B64) => UnOp::F32ConvertI64S,
        (Shape::F32x4, _) => UnOp::F32ConvertI32S,
        (_, Width::B64) => UnOp::F64ConvertI64S,
        _ => UnOp::F64ConvertI32S,
    };
    let value = b.un(op, value);
    b.write_scalar(i, shape, value);
}

/// Writes an integer result of 32 or 64 bits to operand 0.
fn write_integer(b: &mut Builder<'_>, i: &Instruction, value: Value) {
    b.write_gpr(i.op_register(0), value);
}

/// CVTTSD2SI, CVTTSS2SI: `|x| < 2^(n-1)` decides; only −2^(n-1) itself fails it and is the indefinite anyway.
fn truncate(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let x = b.read_scalar(i, 1, shape);
    let (_, width, _) = gpr_parts(i.op_register(0));
    let wide = width == Width::B64;
    let (abs, less, bound) = match (shape, wide) {
        (Shape::F32x4, false) => (UnOp::F32Abs, BinOp::F32Lt, Inst::F32(0x4f00_0000)),
        (Shape::F32x4, true) => (UnOp::F32Abs, BinOp::F32Lt, Inst::F32(0x5f00_0000)),
        (_, false) => (UnOp::F64Abs, BinOp::F64Lt, Inst::F64(0x41e0_0000_0000_0000)),
        (_, true) => (UnOp::F64Abs, BinOp::F64Lt, Inst::F64(0x43e0_0000_0000_0000)),
    };
    let op = match (shape, wide) {
        (Shape::F32x4, false) => UnOp::I32TruncSatF32S,
        (Shape::F32x4, true) => UnOp::I64TruncSatF32S,
        (_, false) => UnOp::I32TruncSatF64S,
        (_, true) => UnOp::I64TruncSatF64S,
    };
    let size = b.un(abs, x);
    let bound = b.inst(bound);
    let fits = b.bin(less, size, bound);
    let integer = b.un(op, x);
    let indefinite = if wide { b.i64(i64::MIN) } else { b.i32(i32::MIN) };
    let result = b.select(fits, integer, indefinite);
    write_integer(b, i, result);
}

/// CVTSD2SI, CVTSS2SI: rounds as MXCSR says. A single converts to double exactly.
fn round(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let mut x = b.read_scalar(i, 1, shape);
    if shape == Shape::F32x4 {
        x = b.un(UnOp::F64PromoteF32, x);
    }
    let (_, width, _) = gpr_parts(i.op_register(0));
    let helper = if width == Width::B64 { Helper::RoundToI64 } else { Helper::RoundToI32 };
    let result = b.helper(helper, &[x]);
    write_integer(b, i, result);
}

fn packed(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Cvtdq2ps | M::Vcvtdq2ps => |b, i| b.lanes1(i, UnOp::F32x4ConvertI32x4S),
        M::Cvttps2dq | M::Vcvttps2dq => |b, i| b.packed1(i, truncate_singles),
        M::Cvtps2dq | M::Vcvtps2dq => |b, i| {
            b.packed1(i, |b, x| {
                let rounded = b.helper(Helper::RoundF32x4, &[x]);
                truncate_singles(b, rounded)
            })
        },
        M::Cvtdq2pd | M::Vcvtdq2pd => |b, i| widen(b, i, UnOp::F64x2ConvertLowI32x4S),
        M::Cvtps2pd | M::Vcvtps2pd => |b, i| widen(b, i, UnOp::F64x2PromoteLowF32x4),
        M::Cvtpd2ps | M::Vcvtpd2ps => |b, i| narrow(b, i, |b, x| b.un(UnOp::F32x4DemoteF64x2Zero, x)),
        M::Cvttpd2dq | M::Vcvttpd2dq => |b, i| narrow(b, i, truncate_doubles),
        M::Cvtpd2dq | M::Vcvtpd2dq => |b, i| narrow(b, i, round_doubles),
        M::Vcvtph2ps => |b, i| {
            let source = b.read_vector(i, 1);
            let low = b.helper(Helper::HalvesToSingles, &[source]);
            let high = (parts(i) == 2).then(|| {
                let upper = b.shuffle(source, source, byte_lanes([1, 1]));
                b.helper(Helper::HalvesToSingles, &[upper])
            });
            b.write_vector(i, 0, low, high);
        },
        M::Vcvtps2ph => |b, i| {
            let control = imm8(i);
            narrow(b, i, move |b, x| {
                let control = b.i32(i32::from(control));
                b.helper(Helper::SinglesToHalves, &[x, control])
            });
        },
        _ => return None,
    })
}

/// Four singles to integers, towards zero. −2³¹ fails the test and is the indefinite anyway.
fn truncate_singles(b: &mut Builder<'_>, x: Value) -> Value {
    let size = b.un(UnOp::F32x4Abs, x);
    let bound = b.v128(splat32(0x4f00_0000));
    let fits = b.bin(BinOp::F32x4Lt, size, bound);
    let integers = b.un(UnOp::I32x4TruncSatF32x4S, x);
    let indefinite = b.v128(splat32(1 << 31));
    b.bitselect(fits, integers, indefinite)
}

/// Two doubles to integers in the low half, towards zero; the high half is zero. Here −2³¹ − 0.5 fails too, rightly to the same bits.
fn truncate_doubles(b: &mut Builder<'_>, x: Value) -> Value {
    let size = b.un(UnOp::F64x2Abs, x);
    let bound = b.v128(splat64(0x41e0_0000_0000_0000));
    let fits = b.bin(BinOp::F64x2Lt, size, bound);
    let zero = b.v128(0);
    let fits = b.shuffle(fits, zero, byte_lanes([0, 2, 4, 4]));
    let integers = b.un(UnOp::I32x4TruncSatF64x2SZero, x);
    let indefinite = b.v128(0x8000_0000_8000_0000);
    b.bitselect(fits, integers, indefinite)
}

fn round_doubles(b: &mut Builder<'_>, x: Value) -> Value {
    let rounded = b.helper(Helper::RoundF64x2, &[x]);
    truncate_doubles(b, rounded)
}

/// `op` of the low half of the source, and for 256 bits of its high half.
fn widen(b: &mut Builder<'_>, i: &Instruction, op: UnOp) {
    let source = b.read_vector(i, 1);
    let low = b.un(op, source);
    let high = (parts(i) == 2).then(|| {
        let upper = b.shuffle(source, source, byte_lanes([1, 1]));
        b.un(op, upper)
    });
    b.write_vector(i, 0, low, high);
}

/// `f` gives the low half of the result from 128 bits of the source; a 256-bit source (register or memory) fills the high half too.
fn narrow(b: &mut Builder<'_>, i: &Instruction, f: impl Fn(&mut Builder<'_>, Value) -> Value) {
    let source = b.vector_place(i, 1);
    let low = b.read_part(source, 0);
    let mut result = f(b, low);
    if parts(i) == 2 || i.memory_size().size() == 32 {
        let high = b.read_part(source, 1);
        let high = f(b, high);
        result = b.shuffle(result, high, byte_lanes([0, 2]));
    }
    b.write_vector(i, 0, result, None);
}

/// Conversions with MMX registers.
fn mmx(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Cvtpi2ps => |b, i| {
            let source = b.read_vector(i, 1);
            let singles = b.un(UnOp::F32x4ConvertI32x4S, source);
            let rest = b.read_vector(i, 0);
            let result = b.shuffle(singles, rest, byte_lanes([0, 3]));
            b.write_vector(i, 0, result, None);
        },
        M::Cvtpi2pd => |b, i| widen(b, i, UnOp::F64x2ConvertLowI32x4S),
        M::Cvttps2pi => |b, i| b.packed1(i, truncate_singles),
        M::Cvtps2pi => |b, i| {
            b.packed1(i, |b, x| {
                let rounded = b.helper(Helper::RoundF32x4, &[x]);
                truncate_singles(b, rounded)
            })
        },
        M::Cvttpd2pi => |b, i| b.packed1(i, truncate_doubles),
        M::Cvtpd2pi => |b, i| b.packed1(i, round_doubles),
        _ => return None,
    })
}
