//! Bitwise logic, tests and shifts of vectors (SDM vol. 1, §10.4.2, §11.4.2; SSE4.1: §12.10).

use iced_x86::{Instruction, Mnemonic as M, OpKind};

use super::Row;
use crate::builder::{Builder, Width};
use crate::ir::{BinOp, Shape, UnOp, Value};
use crate::reg::Reg;
use crate::vector::{imm8, is_mmx, is_vex, parts, sources, splat32, splat64};

pub fn row(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Pand | M::Vpand | M::Andps | M::Vandps | M::Andpd | M::Vandpd => |b, i| b.lanes(i, BinOp::V128And),
        M::Por | M::Vpor | M::Orps | M::Vorps | M::Orpd | M::Vorpd => |b, i| b.lanes(i, BinOp::V128Or),
        M::Pxor | M::Vpxor | M::Xorps | M::Vxorps | M::Xorpd | M::Vxorpd => |b, i| b.lanes(i, BinOp::V128Xor),
        // Intel inverts the first operand, Wasm the second.
        M::Pandn | M::Vpandn | M::Andnps | M::Vandnps | M::Andnpd | M::Vandnpd => {
            |b, i| b.packed2(i, |b, x, y| b.bin(BinOp::V128AndNot, y, x))
        }
        M::Ptest | M::Vptest => |b, i| test(b, i, u128::MAX),
        M::Vtestps => |b, i| test(b, i, splat32(1 << 31)),
        M::Vtestpd => |b, i| test(b, i, splat64(1 << 63)),
        M::Psllw | M::Vpsllw => |b, i| shift(b, i, Width::B16, BinOp::I16x8Shl),
        M::Pslld | M::Vpslld => |b, i| shift(b, i, Width::B32, BinOp::I32x4Shl),
        M::Psllq | M::Vpsllq => |b, i| shift(b, i, Width::B64, BinOp::I64x2Shl),
        M::Psrlw | M::Vpsrlw => |b, i| shift(b, i, Width::B16, BinOp::I16x8ShrU),
        M::Psrld | M::Vpsrld => |b, i| shift(b, i, Width::B32, BinOp::I32x4ShrU),
        M::Psrlq | M::Vpsrlq => |b, i| shift(b, i, Width::B64, BinOp::I64x2ShrU),
        M::Psraw | M::Vpsraw => |b, i| shift(b, i, Width::B16, BinOp::I16x8ShrS),
        M::Psrad | M::Vpsrad => |b, i| shift(b, i, Width::B32, BinOp::I32x4ShrS),
        M::Pslldq | M::Vpslldq => |b, i| shift_bytes(b, i, true),
        M::Psrldq | M::Vpsrldq => |b, i| shift_bytes(b, i, false),
        _ => return None,
    })
}

/// PTEST, VTESTPS, VTESTPD: ZF = no bit of `mask` is in `a & b`, CF = none is in `b & !a`; the others are cleared.
fn test(b: &mut Builder<'_>, i: &Instruction, mask: u128) {
    let (first, second) = (b.vector_place(i, 0), b.vector_place(i, 1));
    let mut any: Option<(Value, Value)> = None;
    for part in 0..parts(i) {
        let x = b.read_part(first, part);
        let mut y = if first == second { x } else { b.read_part(second, part) };
        if mask != u128::MAX {
            let mask = b.v128(mask);
            y = b.bin(BinOp::V128And, y, mask);
        }
        let both = b.bin(BinOp::V128And, x, y);
        let only = b.bin(BinOp::V128AndNot, y, x);
        any = Some(match any {
            None => (both, only),
            Some((p, q)) => (b.bin(BinOp::V128Or, p, both), b.bin(BinOp::V128Or, q, only)),
        });
    }
    let Some((both, only)) = any else { return };
    let both = b.un(UnOp::V128AnyTrue, both);
    let zf = b.un(UnOp::I32Eqz, both);
    let only = b.un(UnOp::V128AnyTrue, only);
    let cf = b.un(UnOp::I32Eqz, only);
    b.set_flag(Reg::ZF, zf);
    b.set_flag(Reg::CF, cf);
    for flag in [Reg::PF, Reg::AF, Reg::SF, Reg::OF] {
        let zero = b.i32(0);
        b.set_flag(flag, zero);
    }
}

/// Shifts of all lanes by one count, an immediate or the low 64 bits of a vector. A count that reaches the lane's width gives zero,
/// or the sign in every bit for an arithmetic shift; Wasm takes the count modulo the width.
fn shift(b: &mut Builder<'_>, i: &Instruction, width: Width, op: BinOp) {
    let arithmetic = matches!(op, BinOp::I16x8ShrS | BinOp::I32x4ShrS);
    let (first, second) = sources(i);
    let source = b.vector_place(i, first);
    // The count: an i32 below the width, and whether the true count is below the width where that is not known.
    let (count, fits) = match i.op_kind(second) {
        OpKind::Register | OpKind::Memory => variable_count(b, i, second, width, arithmetic),
        _ => {
            let count = u32::from(imm8(i));
            if count >= width.bits() && !arithmetic {
                let zero = b.v128(0);
                let high = (parts(i) == 2).then_some(zero);
                return b.write_vector(i, 0, zero, high);
            }
            (b.i32(count.min(width.bits() - 1) as i32), None)
        }
    };
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let value = b.read_part(source, part);
        let mut result = b.bin(op, value, count);
        if let Some(fits) = fits {
            let zero = b.v128(0);
            result = b.select(fits, result, zero);
        }
        results[part as usize] = Some(result);
    }
    b.write_results(i, results);
}

fn variable_count(b: &mut Builder<'_>, i: &Instruction, operand: u32, width: Width, arithmetic: bool) -> (Value, Option<Value>) {
    let count = match b.vector_place(i, operand) {
        crate::vector::Place::Memory { addr, disp, .. } => b.load(Width::B64, addr, disp),
        place => {
            let vector = b.read_part(place, 0);
            b.extract(Shape::I64x2, 0, vector)
        }
    };
    let bits = b.i64(i64::from(width.bits()));
    let fits = b.bin(BinOp::I64LtU, count, bits);
    let low = b.wrap(count);
    if !arithmetic {
        return (low, Some(fits));
    }
    let most = b.i32(width.bits() as i32 - 1);
    (b.select(fits, low, most), None)
}

/// PSLLDQ, PSRLDQ: whole bytes, zeros come in.
fn shift_bytes(b: &mut Builder<'_>, i: &Instruction, left: bool) {
    debug_assert!(!is_mmx(i));
    let count = imm8(i).min(16);
    let source = b.vector_place(i, if is_vex(i) { 1 } else { 0 });
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let value = b.read_part(source, part);
        let zero = b.v128(0);
        let result = if left {
            b.shuffle(zero, value, core::array::from_fn(|n| 16 - count + n as u8))
        } else {
            b.shuffle(value, zero, core::array::from_fn(|n| count + n as u8))
        };
        results[part as usize] = Some(result);
    }
    b.write_results(i, results);
}
