//! What AVX and AVX2 add to the SSE rows: broadcasts, moves between the 128-bit parts, permutations, masks, gathers
//! (SDM vol. 1, §14.1 and §14.7).

use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};

use super::Row;
use super::sse_shuffle::each_part;
use crate::builder::{Builder, Width};
use crate::helper::Helper;
use crate::ir::{BinOp, Shape, UnOp, Value};
use crate::reg::Reg;
use crate::vector::{Place, byte_lanes, four_lanes, imm8, parts, splat32};

pub fn row(mnemonic: M) -> Option<Row> {
    between_parts(mnemonic).or_else(|| permutes(mnemonic)).or_else(|| masks(mnemonic)).or_else(|| shifts(mnemonic))
}

fn between_parts(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Vzeroupper => |b, _| clear_registers(b, false),
        M::Vzeroall => |b, _| clear_registers(b, true),
        M::Vpbroadcastb => |b, i| broadcast(b, i, Shape::I8x16),
        M::Vpbroadcastw => |b, i| broadcast(b, i, Shape::I16x8),
        M::Vpbroadcastd | M::Vbroadcastss => |b, i| broadcast(b, i, Shape::I32x4),
        M::Vpbroadcastq | M::Vbroadcastsd => |b, i| broadcast(b, i, Shape::I64x2),
        M::Vbroadcastf128 | M::Vbroadcasti128 => |b, i| {
            let value = b.read_vector(i, 1);
            b.write_vector(i, 0, value, Some(value));
        },
        M::Vextractf128 | M::Vextracti128 => |b, i| {
            let source = b.vector_place(i, 1);
            let part = b.read_part(source, u32::from(imm8(i) & 1));
            b.write_vector(i, 0, part, None);
        },
        M::Vinsertf128 | M::Vinserti128 => |b, i| {
            let source = b.vector_place(i, 1);
            let inserted = b.read_vector(i, 2);
            let kept = b.read_part(source, u32::from(!imm8(i) & 1));
            let (low, high) = if imm8(i) & 1 == 0 { (inserted, kept) } else { (kept, inserted) };
            b.write_vector(i, 0, low, Some(high));
        },
        M::Vperm2f128 | M::Vperm2i128 => |b, i| {
            let low = choose_part(b, i, imm8(i) & 15);
            let high = choose_part(b, i, imm8(i) >> 4);
            b.write_vector(i, 0, low, Some(high));
        },
        _ => return None,
    })
}

fn clear_registers(b: &mut Builder<'_>, low_too: bool) {
    for n in 0..16 {
        let zero = b.v128(0);
        b.set(Reg::ymm_high(n), zero);
        if low_too {
            b.set(Reg::xmm(n), zero);
        }
    }
}

fn broadcast(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let source = b.read_vector(i, 1);
    let lane = b.extract(shape, 0, source);
    let op = match shape {
        Shape::I8x16 => UnOp::I8x16Splat,
        Shape::I16x8 => UnOp::I16x8Splat,
        Shape::I32x4 => UnOp::I32x4Splat,
        _ => UnOp::I64x2Splat,
    };
    let value = b.un(op, lane);
    let high = (parts(i) == 2).then_some(value);
    b.write_vector(i, 0, value, high);
}

/// VPERM2F128: bits 1…0 choose one of the four parts of both sources, bit 3 clears.
fn choose_part(b: &mut Builder<'_>, i: &Instruction, control: u8) -> Value {
    if control & 8 != 0 {
        return b.v128(0);
    }
    let source = b.vector_place(i, 1 + u32::from(control >> 1 & 1));
    b.read_part(source, u32::from(control & 1))
}

fn permutes(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Vpermq | M::Vpermpd => |b, i| {
            let source = b.vector_place(i, 1);
            let (low, high) = (b.read_part(source, 0), b.read_part(source, 1));
            let [p, q, r, s] = four_lanes(imm8(i));
            let new_low = b.shuffle(low, high, byte_lanes([p, q]));
            let new_high = b.shuffle(low, high, byte_lanes([r, s]));
            b.write_vector(i, 0, new_low, Some(new_high));
        },
        M::Vpermd | M::Vpermps => |b, i| {
            let (index, source) = (b.vector_place(i, 1), b.vector_place(i, 2));
            let (low, high) = (b.read_part(source, 0), b.read_part(source, 1));
            let results = [0, 1].map(|part| {
                let index = b.read_part(index, part);
                let seven = b.v128(splat32(7));
                let index = b.bin(BinOp::V128And, index, seven);
                let index = byte_index(b, index);
                let from_low = b.bin(BinOp::I8x16Swizzle, low, index);
                // Below 16 this wraps to an index that gives zero.
                let sixteen = b.v128(splat32(0x1010_1010));
                let index = b.bin(BinOp::I8x16Sub, index, sixteen);
                let from_high = b.bin(BinOp::I8x16Swizzle, high, index);
                Some(b.bin(BinOp::V128Or, from_low, from_high))
            });
            b.write_results(i, results);
        },
        M::Vpermilps => |b, i| match i.op_kind(2) {
            OpKind::Immediate8 => {
                let lanes = byte_lanes(four_lanes(imm8(i)));
                b.packed1(i, |b, x| b.shuffle(x, x, lanes));
            }
            _ => b.packed2(i, |b, x, y| {
                let three = b.v128(splat32(3));
                let index = b.bin(BinOp::V128And, y, three);
                let index = byte_index(b, index);
                b.bin(BinOp::I8x16Swizzle, x, index)
            }),
        },
        M::Vpermilpd => |b, i| match i.op_kind(2) {
            OpKind::Immediate8 => {
                let imm = imm8(i);
                let source = b.vector_place(i, 1);
                let mut results = [None; 2];
                for part in 0..parts(i) {
                    let x = b.read_part(source, part);
                    let imm = imm >> (2 * part);
                    results[part as usize] = Some(b.shuffle(x, x, byte_lanes([imm & 1, imm >> 1 & 1])));
                }
                b.write_results(i, results);
            }
            // Bit 1 of each control lane chooses.
            _ => b.packed2(i, |b, x, y| {
                let sign = b.i32(62);
                let control = b.bin(BinOp::I64x2Shl, y, sign);
                let mask = b.sign_mask(Width::B64, control);
                let low = b.shuffle(x, x, byte_lanes([0, 0]));
                let high = b.shuffle(x, x, byte_lanes([1, 1]));
                b.bitselect(mask, high, low)
            }),
        },
        _ => return None,
    })
}

/// Byte indices for a swizzle from the numbers of 32-bit lanes.
fn byte_index(b: &mut Builder<'_>, lanes: Value) -> Value {
    let spread = b.v128(splat32(0x0404_0404));
    let first = b.bin(BinOp::I32x4Mul, lanes, spread);
    let bytes = b.v128(splat32(0x0302_0100));
    b.bin(BinOp::V128Or, first, bytes)
}

fn masks(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Vmaskmovps | M::Vpmaskmovd => |b, i| masked_move(b, i, Width::B32),
        M::Vmaskmovpd | M::Vpmaskmovq => |b, i| masked_move(b, i, Width::B64),
        M::Vgatherdps | M::Vpgatherdd => |b, i| gather(b, i, Shape::I32x4, Shape::I32x4),
        M::Vgatherqps | M::Vpgatherqd => |b, i| gather(b, i, Shape::I64x2, Shape::I32x4),
        M::Vgatherdpd | M::Vpgatherdq => |b, i| gather(b, i, Shape::I32x4, Shape::I64x2),
        M::Vgatherqpd | M::Vpgatherqq => |b, i| gather(b, i, Shape::I64x2, Shape::I64x2),
        _ => return None,
    })
}

/// Loads or stores the lanes whose mask (operand 1) is negative; a load clears the others. Bytes that are not chosen are not accessed.
fn masked_move(b: &mut Builder<'_>, i: &Instruction, width: Width) {
    let mask = b.vector_place(i, 1);
    let (from, to) = (b.vector_place(i, 2), b.vector_place(i, 0));
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let lanes = b.read_part(mask, part);
        let lanes = b.sign_mask(width, lanes);
        let bits = b.un(UnOp::I8x16Bitmask, lanes);
        match (to, from) {
            (Place::Memory { addr, disp, .. }, _) => {
                let value = b.read_part(from, part);
                let addr = displaced(b, addr, disp, part);
                b.helper(Helper::StoreMasked, &[addr, value, bits]);
            }
            (_, Place::Memory { addr, disp, .. }) => {
                let addr = displaced(b, addr, disp, part);
                results[part as usize] = Some(b.helper(Helper::LoadMasked, &[addr, bits]));
            }
            _ => {}
        }
    }
    b.write_results(i, results);
}

fn displaced(b: &mut Builder<'_>, addr: Value, disp: i32, part: u32) -> Value {
    let disp = b.i32(disp.wrapping_add(16 * part as i32));
    b.bin(BinOp::I32Add, addr, disp)
}

/// VGATHER: lane k from base + index[k] × scale + displacement where the mask (operand 2) is negative; the mask ends as zero.
fn gather(b: &mut Builder<'_>, i: &Instruction, index: Shape, lane: Shape) {
    let (old, mask) = (b.vector_place(i, 0), b.vector_place(i, 2));
    let indices = Place::Vector(i.memory_index().number() as u8);
    let base = gather_base(b, i);
    // As many as the destination and the index vector both have.
    let index_parts = if i.memory_index().is_ymm() { 2 } else { 1 };
    let count = (parts_of(i.op_register(0)) * lane.count()).min(index_parts * index.count());
    let zero = b.v128(0);
    let mut results = [Some(zero), Some(zero)];
    for k in 0..count {
        let number = lane_of(b, indices, index, k);
        let number = if index == Shape::I64x2 { b.wrap(number) } else { number };
        let scale = b.i32(i.memory_index_scale().trailing_zeros() as i32);
        let offset = b.bin(BinOp::I32Shl, number, scale);
        let addr = b.bin(BinOp::I32Add, base, offset);
        let taken = lane_of(b, mask, lane, k);
        let before = lane_of(b, old, lane, k);
        let (taken, before) = match lane {
            Shape::I64x2 => {
                let none = b.i64(0);
                (b.bin(BinOp::I64LtS, taken, none), before)
            }
            _ => {
                let none = b.i32(0);
                (b.bin(BinOp::I32LtS, taken, none), b.zero_extend_64(before))
            }
        };
        let bytes = b.i32(16 / lane.count() as i32);
        let mut value = b.helper(Helper::Gather, &[addr, taken, before, bytes]);
        if lane != Shape::I64x2 {
            value = b.wrap(value);
        }
        let part = (k / lane.count()) as usize;
        let vector = results[part].unwrap_or(zero);
        results[part] = Some(b.replace(lane, (k % lane.count()) as u8, vector, value));
    }
    b.write_results(i, results);
    b.write_vector(i, 2, zero, None);
}

fn parts_of(register: Register) -> u32 {
    if register.is_ymm() { 2 } else { 1 }
}

fn lane_of(b: &mut Builder<'_>, place: Place, shape: Shape, k: u32) -> Value {
    let vector = b.read_part(place, k / shape.count());
    b.extract(shape, (k % shape.count()) as u8, vector)
}

/// Base register, segment base and displacement of a VSIB operand.
fn gather_base(b: &mut Builder<'_>, i: &Instruction) -> Value {
    let mut plain = *i;
    plain.set_memory_index(Register::None);
    let (addr, disp) = b.address(&plain);
    displaced(b, addr, disp, 0)
}

fn shifts(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Vpsllvd => |b, i| shift_lanes(b, i, 0),
        M::Vpsllvq => |b, i| shift_lanes(b, i, 1),
        M::Vpsrlvd => |b, i| shift_lanes(b, i, 2),
        M::Vpsrlvq => |b, i| shift_lanes(b, i, 3),
        M::Vpsravd => |b, i| shift_lanes(b, i, 4),
        _ => return None,
    })
}

/// `control` as [`crate::helpers::vector::shift_lanes`] takes it.
fn shift_lanes(b: &mut Builder<'_>, i: &Instruction, control: i32) {
    each_part(b, i, |b, _, x, y| {
        let control = b.i32(control);
        b.helper(Helper::ShiftLanes, &[x, y, control])
    });
}
