//! Moves between vector registers, memory and general-purpose registers (SDM vol. 1, §10.4.1 and §11.4.1).

use iced_x86::{Instruction, Mnemonic as M, Register};

use super::Row;
use crate::boundary::Vector;
use crate::builder::Builder;
use crate::helper::Helper;
use crate::ir::{BinOp, Exit, LoadOp, Shape, StoreOp, UnOp, Value};
use crate::reg::Reg;
use crate::vector::{Place, byte_lanes, imm8, is_mmx, parts, sources};

pub fn row(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Movaps | M::Vmovaps | M::Movups | M::Vmovups | M::Movapd | M::Vmovapd | M::Movupd | M::Vmovupd => copy,
        M::Movdqa | M::Vmovdqa | M::Movdqu | M::Vmovdqu | M::Lddqu | M::Vlddqu => copy,
        // Non-temporal: the caches are the host's, so these are plain moves.
        M::Movntps | M::Vmovntps | M::Movntpd | M::Vmovntpd | M::Movntdq | M::Vmovntdq | M::Movntq => copy,
        M::Movntdqa | M::Vmovntdqa => copy,
        M::Movnti => |b, i| {
            let width = b.operand_width(i, 0);
            let value = b.read_operand(i, 1, width);
            b.write_operand(i, 0, width, value);
        },
        M::Movd | M::Vmovd | M::Movq | M::Vmovq | M::Movq2dq | M::Movdq2q => low_bits,
        M::Movss | M::Vmovss => |b, i| scalar(b, i, Shape::F32x4),
        M::Movsd | M::Vmovsd => |b, i| scalar(b, i, Shape::F64x2),
        M::Movlps | M::Vmovlps | M::Movlpd | M::Vmovlpd => |b, i| half(b, i, 0),
        M::Movhps | M::Vmovhps | M::Movhpd | M::Vmovhpd => |b, i| half(b, i, 1),
        M::Movhlps | M::Vmovhlps => |b, i| b.packed2(i, |b, x, y| b.shuffle(y, x, byte_lanes([1, 3]))),
        M::Movlhps | M::Vmovlhps => |b, i| b.packed2(i, |b, x, y| b.shuffle(x, y, byte_lanes([0, 2]))),
        M::Movddup | M::Vmovddup => |b, i| b.packed1(i, |b, x| b.shuffle(x, x, byte_lanes([0, 0]))),
        M::Movsldup | M::Vmovsldup => |b, i| b.packed1(i, |b, x| b.shuffle(x, x, byte_lanes([0, 0, 2, 2]))),
        M::Movshdup | M::Vmovshdup => |b, i| b.packed1(i, |b, x| b.shuffle(x, x, byte_lanes([1, 1, 3, 3]))),
        M::Movmskps | M::Vmovmskps => |b, i| mask(b, i, UnOp::I32x4Bitmask, 4),
        M::Movmskpd | M::Vmovmskpd => |b, i| mask(b, i, UnOp::I64x2Bitmask, 2),
        M::Pmovmskb | M::Vpmovmskb => |b, i| mask(b, i, UnOp::I8x16Bitmask, 16),
        M::Maskmovdqu | M::Vmaskmovdqu => masked_bytes,
        M::Maskmovq => masked_bytes,
        M::Pextrb | M::Vpextrb => |b, i| extract(b, i, Shape::I8x16),
        M::Pextrw | M::Vpextrw => |b, i| extract(b, i, Shape::I16x8),
        M::Pextrd | M::Vpextrd | M::Extractps | M::Vextractps => |b, i| extract(b, i, Shape::I32x4),
        M::Pextrq | M::Vpextrq => |b, i| extract(b, i, Shape::I64x2),
        M::Pinsrb | M::Vpinsrb => |b, i| insert(b, i, Shape::I8x16),
        M::Pinsrw | M::Vpinsrw => |b, i| insert(b, i, Shape::I16x8),
        M::Pinsrd | M::Vpinsrd => |b, i| insert(b, i, Shape::I32x4),
        M::Pinsrq | M::Vpinsrq => |b, i| insert(b, i, Shape::I64x2),
        M::Insertps | M::Vinsertps => insertps,
        M::Emms => |b, _| {
            b.helper(Helper::MmxEmpty, &[]);
        },
        M::Ldmxcsr | M::Vldmxcsr => |b, i| {
            let (addr, disp) = b.address(i);
            let value = b.load_op(LoadOp::I32Load, addr, disp);
            // Bits 31…16 are reserved: #GP.
            let reserved = b.i32(!0xffff);
            let reserved = b.bin(BinOp::I32And, value, reserved);
            b.exception_if(reserved, Vector::GeneralProtection);
            let exact = b.helper(Helper::MxcsrWrite, &[value]);
            go_on_exactly(b, exact);
        },
        M::Stmxcsr | M::Vstmxcsr => |b, i| {
            let value = b.helper(Helper::MxcsrRead, &[]);
            let (addr, disp) = b.address(i);
            b.store_op(StoreOp::I32Store, addr, disp, value);
        },
        _ => return None,
    })
}

/// After a write of MXCSR; `exact` is the new value of [`Reg::EXACT`]. If plain code can no longer go on, it leaves: the pc that comes back is
/// none that a caller expects, so that all plain code on the Wasm stack is left, too.
pub(super) fn go_on_exactly(b: &mut Builder<'_>, exact: Value) {
    b.set(Reg::EXACT, exact);
    let right_up_to = b.i32(b.floats as i32);
    let too_plain = b.bin(BinOp::I32GtU, exact, right_up_to);
    let (yes, no) = (b.new_block(), b.new_block());
    b.branch(too_plain, yes, no);
    b.switch_to(yes);
    b.exit(Exit::Leave { at: b.next_pc });
    b.switch_to(no);
}

/// All bits of operand 1 to operand 0.
fn copy(b: &mut Builder<'_>, i: &Instruction) {
    b.packed1(i, |_, x| x);
}

/// MOVD, MOVQ: the low 32 or 64 bits, zero-extended. Operand sizes follow from the operand that is not a vector, else 64 bits.
fn low_bits(b: &mut Builder<'_>, i: &Instruction) {
    let (from, to) = (b.vector_place(i, 1), b.vector_place(i, 0));
    let value = b.read_part(from, 0);
    match (from, to) {
        (Place::Vector(_), Place::Vector(_)) => {
            let zero = b.v128(0);
            let low = b.shuffle(value, zero, byte_lanes([0, 2]));
            b.write_vector(i, 0, low, None);
        }
        _ => b.write_vector(i, 0, value, None),
    }
}

/// MOVSS, MOVSD: a load clears the rest of the register; between registers the rest stays (VEX: comes from operand 1).
fn scalar(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let load = matches!(b.vector_place(i, 1), Place::Memory { .. });
    match (load, b.vector_place(i, 0)) {
        (true, _) | (_, Place::Memory { .. }) => copy(b, i),
        _ => b.scalar1(i, shape, |_, x| x),
    }
}

/// MOVLPS, MOVHPS and the like: half `lane` of a register from or to memory; a load keeps the other half.
fn half(b: &mut Builder<'_>, i: &Instruction, lane: u8) {
    if let Place::Memory { addr, disp, .. } = b.vector_place(i, 0) {
        let vector = b.read_vector(i, 1);
        let value = b.extract(Shape::F64x2, lane, vector);
        return b.store_op(StoreOp::F64Store, addr, disp, value);
    }
    let (first, second) = sources(i);
    let rest = b.read_vector(i, first);
    let value = b.read_scalar(i, second, Shape::F64x2);
    let result = b.replace(Shape::F64x2, lane, rest, value);
    b.write_vector(i, 0, result, None);
}

/// The sign bits of all lanes; `lanes` of them in 128 bits.
fn mask(b: &mut Builder<'_>, i: &Instruction, op: UnOp, lanes: i32) {
    let source = b.vector_place(i, 1);
    let low = b.read_part(source, 0);
    let mut bits = b.un(op, low);
    if parts(i) == 2 {
        let high = b.read_part(source, 1);
        let high = b.un(op, high);
        let count = b.i32(lanes);
        let high = b.bin(BinOp::I32Shl, high, count);
        bits = b.bin(BinOp::I32Or, bits, high);
    }
    if is_mmx(i) {
        let low_byte = b.i32(0xff);
        bits = b.bin(BinOp::I32And, bits, low_byte);
    }
    b.write_zero_extended(i, 0, bits);
}

/// MASKMOVDQU, MASKMOVQ: the bytes of operand 1 whose mask byte in operand 2 is negative, to [rdi].
fn masked_bytes(b: &mut Builder<'_>, i: &Instruction) {
    let rdi = b.get(Reg::RDI);
    let mut addr = b.wrap(rdi);
    if let Some(base) = segment_base(i) {
        let base = b.get(base);
        let base = b.wrap(base);
        addr = b.bin(BinOp::I32Add, addr, base);
    }
    let (bytes, mask) = (b.read_vector(i, 1), b.read_vector(i, 2));
    let mut bits = b.un(UnOp::I8x16Bitmask, mask);
    if is_mmx(i) {
        let low_byte = b.i32(0xff);
        bits = b.bin(BinOp::I32And, bits, low_byte);
    }
    b.helper(Helper::StoreMasked, &[addr, bytes, bits]);
}

/// The segment base that an implicit memory operand adds.
fn segment_base(i: &Instruction) -> Option<Reg> {
    match i.memory_segment() {
        Register::FS => Some(Reg::FS_BASE),
        Register::GS => Some(Reg::GS_BASE),
        _ => None,
    }
}

fn lane(i: &Instruction, shape: Shape) -> u8 {
    let lanes = if is_mmx(i) { 4 } else { shape.count() as u8 };
    imm8(i) & (lanes - 1)
}

fn extract(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let vector = b.read_vector(i, 1);
    let value = b.extract(shape, lane(i, shape), vector);
    if let Place::Memory { addr, disp, .. } = b.vector_place(i, 0) {
        let op = match shape {
            Shape::I8x16 => StoreOp::I32Store8,
            Shape::I16x8 => StoreOp::I32Store16,
            Shape::I64x2 => StoreOp::I64Store,
            _ => StoreOp::I32Store,
        };
        b.store_op(op, addr, disp, value);
    } else if shape == Shape::I64x2 {
        b.write_gpr(i.op_register(0), value);
    } else {
        b.write_zero_extended(i, 0, value);
    }
}

fn insert(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let (first, second) = sources(i);
    let rest = b.read_vector(i, first);
    let value = match b.vector_place(i, second) {
        Place::Memory { addr, disp, .. } => {
            let op = match shape {
                Shape::I8x16 => LoadOp::I32Load8U,
                Shape::I16x8 => LoadOp::I32Load16U,
                Shape::I64x2 => LoadOp::I64Load,
                _ => LoadOp::I32Load,
            };
            b.load_op(op, addr, disp)
        }
        _ => b.read_gpr(i.op_register(second)),
    };
    let value = if shape != Shape::I64x2 && i.op_register(second).is_gpr64() { b.wrap(value) } else { value };
    let result = b.replace(shape, lane(i, shape), rest, value);
    b.write_vector(i, 0, result, None);
}

/// INSERTPS: imm8[7:6] chooses the source's lane (memory: the value itself), [5:4] the destination's, [3:0] lanes to clear.
fn insertps(b: &mut Builder<'_>, i: &Instruction) {
    let imm = imm8(i);
    let (first, second) = sources(i);
    let rest = b.read_vector(i, first);
    let from = b.vector_place(i, second);
    let source = b.read_part(from, 0);
    let source_lane = if matches!(from, Place::Memory { .. }) { 0 } else { imm >> 6 };
    let value = b.extract(Shape::F32x4, source_lane, source);
    let inserted = b.replace(Shape::F32x4, imm >> 4 & 3, rest, value);
    let result = clear_lanes(b, inserted, imm & 15);
    b.write_vector(i, 0, result, None);
}

/// Clears the 32-bit lanes whose bit is set in `lanes`.
fn clear_lanes(b: &mut Builder<'_>, vector: Value, lanes: u8) -> Value {
    if lanes == 0 {
        return vector;
    }
    let keep = (0..4).filter(|lane| lanes >> lane & 1 == 0).map(|lane| 0xffff_ffffu128 << (32 * lane)).sum();
    let keep = b.v128(keep);
    b.bin(BinOp::V128And, vector, keep)
}
