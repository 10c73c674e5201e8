//! Shuffles, interleaves, packs, blends and extensions: bits change their place, not their value (packs saturate).

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::{Builder, Width};
use crate::ir::{BinOp, UnOp, Value};
use crate::vector::{Place, byte_lanes, four_lanes, imm8, is_mmx, is_vex, parts, splat32};

pub fn row(mnemonic: M) -> Option<Row> {
    interleaves(mnemonic).or_else(|| permutes(mnemonic)).or_else(|| blends(mnemonic)).or_else(|| extensions(mnemonic))
}

fn interleaves(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Punpcklbw | M::Vpunpcklbw => |b, i| unpack(b, i, LOW_8),
        M::Punpckhbw | M::Vpunpckhbw => |b, i| unpack(b, i, HIGH_8),
        M::Punpcklwd | M::Vpunpcklwd => |b, i| unpack(b, i, LOW_16),
        M::Punpckhwd | M::Vpunpckhwd => |b, i| unpack(b, i, HIGH_16),
        M::Punpckldq | M::Vpunpckldq | M::Unpcklps | M::Vunpcklps => |b, i| unpack(b, i, LOW_32),
        M::Punpckhdq | M::Vpunpckhdq | M::Unpckhps | M::Vunpckhps => |b, i| unpack(b, i, HIGH_32),
        M::Punpcklqdq | M::Vpunpcklqdq | M::Unpcklpd | M::Vunpcklpd => |b, i| unpack(b, i, byte_lanes([0, 2])),
        M::Punpckhqdq | M::Vpunpckhqdq | M::Unpckhpd | M::Vunpckhpd => |b, i| unpack(b, i, byte_lanes([1, 3])),
        M::Packsswb | M::Vpacksswb => |b, i| pack(b, i, BinOp::I8x16NarrowI16x8S),
        M::Packuswb | M::Vpackuswb => |b, i| pack(b, i, BinOp::I8x16NarrowI16x8U),
        M::Packssdw | M::Vpackssdw => |b, i| pack(b, i, BinOp::I16x8NarrowI32x4S),
        M::Packusdw | M::Vpackusdw => |b, i| pack(b, i, BinOp::I16x8NarrowI32x4U),
        _ => return None,
    })
}

const LOW_8: [u8; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
const HIGH_8: [u8; 16] = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31];
const LOW_16: [u8; 16] = byte_lanes([0, 8, 1, 9, 2, 10, 3, 11]);
const HIGH_16: [u8; 16] = byte_lanes([4, 12, 5, 13, 6, 14, 7, 15]);
const LOW_32: [u8; 16] = byte_lanes([0, 4, 1, 5]);
const HIGH_32: [u8; 16] = byte_lanes([2, 6, 3, 7]);

fn unpack(b: &mut Builder<'_>, i: &Instruction, lanes: [u8; 16]) {
    if !is_mmx(i) {
        return b.packed2(i, |b, x, y| b.shuffle(x, y, lanes));
    }
    // The lanes of 64-bit registers: the low interleave of the low halves holds both results.
    let high = lanes[0] != 0;
    let low_of = match lanes {
        LOW_8 | HIGH_8 => LOW_8,
        LOW_16 | HIGH_16 => LOW_16,
        _ => LOW_32,
    };
    b.packed2(i, |b, x, y| {
        let all = b.shuffle(x, y, low_of);
        if high { b.shuffle(all, all, byte_lanes([1, 1])) } else { all }
    });
}

fn pack(b: &mut Builder<'_>, i: &Instruction, op: BinOp) {
    let mmx = is_mmx(i);
    b.packed2(i, |b, x, y| {
        if !mmx {
            return b.bin(op, x, y);
        }
        let both = b.shuffle(x, y, byte_lanes([0, 2]));
        b.bin(op, both, both)
    });
}

fn permutes(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Pshufd | M::Vpshufd => |b, i| permute(b, i, byte_lanes(four_lanes(imm8(i)))),
        M::Pshuflw | M::Vpshuflw => |b, i| {
            let [p, q, r, s] = four_lanes(imm8(i));
            permute(b, i, byte_lanes([p, q, r, s, 4, 5, 6, 7]));
        },
        M::Pshufw => |b, i| {
            let [p, q, r, s] = four_lanes(imm8(i));
            permute(b, i, byte_lanes([p, q, r, s, 4, 5, 6, 7]));
        },
        M::Pshufhw | M::Vpshufhw => |b, i| {
            let [p, q, r, s] = four_lanes(imm8(i)).map(|lane| lane + 4);
            permute(b, i, byte_lanes([0, 1, 2, 3, p, q, r, s]));
        },
        M::Shufps | M::Vshufps => |b, i| {
            let [p, q, r, s] = four_lanes(imm8(i));
            b.packed2(i, |b, x, y| b.shuffle(x, y, byte_lanes([p, q, r + 4, s + 4])));
        },
        M::Shufpd | M::Vshufpd => |b, i| {
            let imm = imm8(i);
            each_part(b, i, |b, part, x, y| {
                let imm = imm >> (2 * part);
                b.shuffle(x, y, byte_lanes([imm & 1, 2 + (imm >> 1 & 1)]))
            });
        },
        M::Pshufb | M::Vpshufb => |b, i| {
            // Wasm clears a byte whose index is 16 or more, Intel one whose index is negative.
            let mask = b.v128(if is_mmx(i) { splat32(0x8787_8787) } else { splat32(0x8f8f_8f8f) });
            b.packed2(i, |b, x, y| {
                let index = b.bin(BinOp::V128And, y, mask);
                b.bin(BinOp::I8x16Swizzle, x, index)
            });
        },
        M::Palignr | M::Vpalignr => align,
        _ => return None,
    })
}

fn permute(b: &mut Builder<'_>, i: &Instruction, lanes: [u8; 16]) {
    b.packed1(i, |b, x| b.shuffle(x, x, lanes));
}

/// As [`Builder::packed2`], with the part's number.
pub fn each_part(b: &mut Builder<'_>, i: &Instruction, f: impl Fn(&mut Builder<'_>, u32, Value, Value) -> Value) {
    let (first, second) = crate::vector::sources(i);
    let (first, second) = (b.vector_place(i, first), b.vector_place(i, second));
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let x = b.read_part(first, part);
        let y = b.read_part(second, part);
        results[part as usize] = Some(f(b, part, x, y));
    }
    b.write_results(i, results);
}

/// PALIGNR: bytes `imm…` of first source above second, zeros above both.
fn align(b: &mut Builder<'_>, i: &Instruction) {
    let count = imm8(i);
    let mmx = is_mmx(i);
    b.packed2(i, |b, x, y| {
        let zero = b.v128(0);
        let (high, low, count) = match (mmx, count) {
            (true, 0..16) => (zero, b.shuffle(y, x, byte_lanes([0, 2])), count),
            (false, 0..16) => (x, y, count),
            (false, 16..32) => (zero, x, count - 16),
            _ => return zero,
        };
        b.shuffle(low, high, core::array::from_fn(|n| count + n as u8))
    });
}

fn blends(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Pblendw | M::Vpblendw => |b, i| {
            let imm = imm8(i);
            let lanes = byte_lanes(core::array::from_fn::<u8, 8, _>(|n| n as u8 + 8 * (imm >> n & 1)));
            b.packed2(i, |b, x, y| b.shuffle(x, y, lanes));
        },
        M::Blendps | M::Vblendps | M::Vpblendd => |b, i| {
            let imm = imm8(i);
            each_part(b, i, |b, part, x, y| {
                let imm = imm >> (4 * part);
                b.shuffle(x, y, byte_lanes(core::array::from_fn::<u8, 4, _>(|n| n as u8 + 4 * (imm >> n & 1))))
            });
        },
        M::Blendpd | M::Vblendpd => |b, i| {
            let imm = imm8(i);
            each_part(b, i, |b, part, x, y| {
                let imm = imm >> (2 * part);
                b.shuffle(x, y, byte_lanes(core::array::from_fn::<u8, 2, _>(|n| n as u8 + 2 * (imm >> n & 1))))
            });
        },
        M::Pblendvb | M::Vpblendvb => |b, i| blend_by_sign(b, i, Width::B8),
        M::Blendvps | M::Vblendvps => |b, i| blend_by_sign(b, i, Width::B32),
        M::Blendvpd | M::Vblendvpd => |b, i| blend_by_sign(b, i, Width::B64),
        _ => return None,
    })
}

/// Lanes of the second source where the mask's lane is negative. The mask is XMM0, or VEX's fourth operand.
fn blend_by_sign(b: &mut Builder<'_>, i: &Instruction, width: Width) {
    let mask = if is_vex(i) { b.vector_place(i, 3) } else { Place::Vector(0) };
    each_part(b, i, |b, part, x, y| {
        let mask = b.read_part(mask, part);
        let mask = b.sign_mask(width, mask);
        b.bitselect(mask, y, x)
    });
}

fn extensions(mnemonic: M) -> Option<Row> {
    use UnOp::*;
    Some(match mnemonic {
        M::Pmovzxbw | M::Vpmovzxbw => |b, i| extend(b, i, 2, &[I16x8ExtendLowI8x16U]),
        M::Pmovzxbd | M::Vpmovzxbd => |b, i| extend(b, i, 4, &[I16x8ExtendLowI8x16U, I32x4ExtendLowI16x8U]),
        M::Pmovzxbq | M::Vpmovzxbq => |b, i| extend(b, i, 8, &[I16x8ExtendLowI8x16U, I32x4ExtendLowI16x8U, I64x2ExtendLowI32x4U]),
        M::Pmovzxwd | M::Vpmovzxwd => |b, i| extend(b, i, 2, &[I32x4ExtendLowI16x8U]),
        M::Pmovzxwq | M::Vpmovzxwq => |b, i| extend(b, i, 4, &[I32x4ExtendLowI16x8U, I64x2ExtendLowI32x4U]),
        M::Pmovzxdq | M::Vpmovzxdq => |b, i| extend(b, i, 2, &[I64x2ExtendLowI32x4U]),
        M::Pmovsxbw | M::Vpmovsxbw => |b, i| extend(b, i, 2, &[I16x8ExtendLowI8x16S]),
        M::Pmovsxbd | M::Vpmovsxbd => |b, i| extend(b, i, 4, &[I16x8ExtendLowI8x16S, I32x4ExtendLowI16x8S]),
        M::Pmovsxbq | M::Vpmovsxbq => |b, i| extend(b, i, 8, &[I16x8ExtendLowI8x16S, I32x4ExtendLowI16x8S, I64x2ExtendLowI32x4S]),
        M::Pmovsxwd | M::Vpmovsxwd => |b, i| extend(b, i, 2, &[I32x4ExtendLowI16x8S]),
        M::Pmovsxwq | M::Vpmovsxwq => |b, i| extend(b, i, 4, &[I32x4ExtendLowI16x8S, I64x2ExtendLowI32x4S]),
        M::Pmovsxdq | M::Vpmovsxdq => |b, i| extend(b, i, 2, &[I64x2ExtendLowI32x4S]),
        _ => return None,
    })
}

/// PMOVSX, PMOVZX: doubles the lanes' width by each of `ops`. A 256-bit destination takes its second part from the source
/// bytes that follow; `factor` is by how much a lane grows.
fn extend(b: &mut Builder<'_>, i: &Instruction, factor: usize, ops: &[UnOp]) {
    let source = b.read_vector(i, 1);
    let mut results = [None; 2];
    for part in 0..parts(i) as usize {
        let start = (16 / factor * part) as u8;
        let mut value = source;
        if part == 1 {
            value = b.shuffle(source, source, core::array::from_fn(|n| (start + n as u8) & 15));
        }
        for &op in ops {
            value = b.un(op, value);
        }
        results[part] = Some(value);
    }
    b.write_results(i, results);
}
