//! Integer arithmetic and comparison in lanes (SDM vol. 1, §11.4.2.1; SSSE3: §12.6; SSE4.1: §12.10).

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use super::sse_shuffle::each_part;
use crate::builder::{Builder, Width};
use crate::helper::Helper;
use crate::ir::{BinOp, UnOp, Value};
use crate::vector::{byte_lanes, imm8, is_mmx, splat32, splat64};

pub fn row(mnemonic: M) -> Option<Row> {
    sums(mnemonic).or_else(|| comparisons(mnemonic)).or_else(|| products(mnemonic)).or_else(|| across(mnemonic))
}

fn sums(mnemonic: M) -> Option<Row> {
    use BinOp::*;
    Some(match mnemonic {
        M::Paddb | M::Vpaddb => |b, i| b.lanes(i, I8x16Add),
        M::Paddw | M::Vpaddw => |b, i| b.lanes(i, I16x8Add),
        M::Paddd | M::Vpaddd => |b, i| b.lanes(i, I32x4Add),
        M::Paddq | M::Vpaddq => |b, i| b.lanes(i, I64x2Add),
        M::Psubb | M::Vpsubb => |b, i| b.lanes(i, I8x16Sub),
        M::Psubw | M::Vpsubw => |b, i| b.lanes(i, I16x8Sub),
        M::Psubd | M::Vpsubd => |b, i| b.lanes(i, I32x4Sub),
        M::Psubq | M::Vpsubq => |b, i| b.lanes(i, I64x2Sub),
        M::Paddsb | M::Vpaddsb => |b, i| b.lanes(i, I8x16AddSatS),
        M::Paddsw | M::Vpaddsw => |b, i| b.lanes(i, I16x8AddSatS),
        M::Paddusb | M::Vpaddusb => |b, i| b.lanes(i, I8x16AddSatU),
        M::Paddusw | M::Vpaddusw => |b, i| b.lanes(i, I16x8AddSatU),
        M::Psubsb | M::Vpsubsb => |b, i| b.lanes(i, I8x16SubSatS),
        M::Psubsw | M::Vpsubsw => |b, i| b.lanes(i, I16x8SubSatS),
        M::Psubusb | M::Vpsubusb => |b, i| b.lanes(i, I8x16SubSatU),
        M::Psubusw | M::Vpsubusw => |b, i| b.lanes(i, I16x8SubSatU),
        M::Pavgb | M::Vpavgb => |b, i| b.lanes(i, I8x16AvgrU),
        M::Pavgw | M::Vpavgw => |b, i| b.lanes(i, I16x8AvgrU),
        M::Pabsb | M::Vpabsb => |b, i| b.lanes1(i, UnOp::I8x16Abs),
        M::Pabsw | M::Vpabsw => |b, i| b.lanes1(i, UnOp::I16x8Abs),
        M::Pabsd | M::Vpabsd => |b, i| b.lanes1(i, UnOp::I32x4Abs),
        M::Psignb | M::Vpsignb => |b, i| sign(b, i, Width::B8, I8x16Sub, I8x16Eq),
        M::Psignw | M::Vpsignw => |b, i| sign(b, i, Width::B16, I16x8Sub, I16x8Eq),
        M::Psignd | M::Vpsignd => |b, i| sign(b, i, Width::B32, I32x4Sub, I32x4Eq),
        M::Phaddw | M::Vphaddw => |b, i| pairs(b, i, Width::B16, I16x8Add),
        M::Phaddd | M::Vphaddd => |b, i| pairs(b, i, Width::B32, I32x4Add),
        M::Phaddsw | M::Vphaddsw => |b, i| pairs(b, i, Width::B16, I16x8AddSatS),
        M::Phsubw | M::Vphsubw => |b, i| pairs(b, i, Width::B16, I16x8Sub),
        M::Phsubd | M::Vphsubd => |b, i| pairs(b, i, Width::B32, I32x4Sub),
        M::Phsubsw | M::Vphsubsw => |b, i| pairs(b, i, Width::B16, I16x8SubSatS),
        _ => return None,
    })
}

/// PSIGN: negates `x` where `y` is negative, clears it where `y` is zero.
fn sign(b: &mut Builder<'_>, i: &Instruction, width: Width, sub: BinOp, eq: BinOp) {
    b.packed2(i, |b, x, y| {
        let negative = match width {
            Width::B8 => {
                let zero = b.v128(0);
                b.bin(BinOp::I8x16LtS, y, zero)
            }
            _ => b.sign_mask(width, y),
        };
        let flipped = b.bin(BinOp::V128Xor, x, negative);
        let signed = b.bin(sub, flipped, negative);
        let zero = b.v128(0);
        let cleared = b.bin(eq, y, zero);
        b.bin(BinOp::V128AndNot, signed, cleared)
    });
}

/// PHADD, PHSUB: `op` of even and odd lanes; the first source gives the low half.
fn pairs(b: &mut Builder<'_>, i: &Instruction, width: Width, op: BinOp) {
    let mmx = is_mmx(i);
    b.packed2(i, |b, mut x, mut y| {
        if mmx {
            x = b.shuffle(x, y, byte_lanes([0, 2]));
            y = x;
        }
        let (even, odd) = if width == Width::B16 {
            (byte_lanes([0, 2, 4, 6, 8, 10, 12, 14]), byte_lanes([1, 3, 5, 7, 9, 11, 13, 15]))
        } else {
            (byte_lanes([0, 2, 4, 6]), byte_lanes([1, 3, 5, 7]))
        };
        let even = b.shuffle(x, y, even);
        let odd = b.shuffle(x, y, odd);
        b.bin(op, even, odd)
    });
}

fn comparisons(mnemonic: M) -> Option<Row> {
    use BinOp::*;
    Some(match mnemonic {
        M::Pcmpeqb | M::Vpcmpeqb => |b, i| b.lanes(i, I8x16Eq),
        M::Pcmpeqw | M::Vpcmpeqw => |b, i| b.lanes(i, I16x8Eq),
        M::Pcmpeqd | M::Vpcmpeqd => |b, i| b.lanes(i, I32x4Eq),
        M::Pcmpeqq | M::Vpcmpeqq => |b, i| b.lanes(i, I64x2Eq),
        M::Pcmpgtb | M::Vpcmpgtb => |b, i| b.lanes(i, I8x16GtS),
        M::Pcmpgtw | M::Vpcmpgtw => |b, i| b.lanes(i, I16x8GtS),
        M::Pcmpgtd | M::Vpcmpgtd => |b, i| b.lanes(i, I32x4GtS),
        M::Pcmpgtq | M::Vpcmpgtq => |b, i| b.lanes(i, I64x2GtS),
        M::Pminub | M::Vpminub => |b, i| b.lanes(i, I8x16MinU),
        M::Pminuw | M::Vpminuw => |b, i| b.lanes(i, I16x8MinU),
        M::Pminud | M::Vpminud => |b, i| b.lanes(i, I32x4MinU),
        M::Pminsb | M::Vpminsb => |b, i| b.lanes(i, I8x16MinS),
        M::Pminsw | M::Vpminsw => |b, i| b.lanes(i, I16x8MinS),
        M::Pminsd | M::Vpminsd => |b, i| b.lanes(i, I32x4MinS),
        M::Pmaxub | M::Vpmaxub => |b, i| b.lanes(i, I8x16MaxU),
        M::Pmaxuw | M::Vpmaxuw => |b, i| b.lanes(i, I16x8MaxU),
        M::Pmaxud | M::Vpmaxud => |b, i| b.lanes(i, I32x4MaxU),
        M::Pmaxsb | M::Vpmaxsb => |b, i| b.lanes(i, I8x16MaxS),
        M::Pmaxsw | M::Vpmaxsw => |b, i| b.lanes(i, I16x8MaxS),
        M::Pmaxsd | M::Vpmaxsd => |b, i| b.lanes(i, I32x4MaxS),
        _ => return None,
    })
}

fn products(mnemonic: M) -> Option<Row> {
    use BinOp::*;
    Some(match mnemonic {
        M::Pmullw | M::Vpmullw => |b, i| b.lanes(i, I16x8Mul),
        M::Pmulld | M::Vpmulld => |b, i| b.lanes(i, I32x4Mul),
        M::Pmaddwd | M::Vpmaddwd => |b, i| b.lanes(i, I32x4DotI16x8S),
        M::Pmulhw | M::Vpmulhw => {
            |b, i| b.packed2(i, |b, x, y| high_products(b, x, y, I32x4ExtMulLowI16x8S, I32x4ExtMulHighI16x8S))
        }
        M::Pmulhuw | M::Vpmulhuw => {
            |b, i| b.packed2(i, |b, x, y| high_products(b, x, y, I32x4ExtMulLowI16x8U, I32x4ExtMulHighI16x8U))
        }
        M::Pmuludq | M::Vpmuludq => |b, i| b.packed2(i, |b, x, y| even_products(b, x, y, I64x2ExtMulLowI32x4U)),
        M::Pmuldq | M::Vpmuldq => |b, i| b.packed2(i, |b, x, y| even_products(b, x, y, I64x2ExtMulLowI32x4S)),
        M::Pmulhrsw | M::Vpmulhrsw => |b, i| b.packed2(i, rounded_products),
        M::Pmaddubsw | M::Vpmaddubsw => |b, i| b.packed2(i, byte_products),
        _ => return None,
    })
}

/// Bits 31…16 of the products of 16-bit lanes.
fn high_products(b: &mut Builder<'_>, x: Value, y: Value, low: BinOp, high: BinOp) -> Value {
    let low = b.bin(low, x, y);
    let high = b.bin(high, x, y);
    b.shuffle(low, high, byte_lanes([1, 3, 5, 7, 9, 11, 13, 15]))
}

/// 64-bit products of the even 32-bit lanes.
fn even_products(b: &mut Builder<'_>, x: Value, y: Value, op: BinOp) -> Value {
    let same = x == y;
    let x = b.shuffle(x, x, byte_lanes([0, 2, 0, 2]));
    let y = if same { x } else { b.shuffle(y, y, byte_lanes([0, 2, 0, 2])) };
    b.bin(op, x, y)
}

/// PMULHRSW is Wasm's q15mulr, but −1 × −1 stays −1 where Wasm saturates.
fn rounded_products(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    let product = b.bin(BinOp::I16x8Q15MulrSatS, x, y);
    let least = b.v128(splat32(0x8000_8000));
    let x = b.bin(BinOp::I16x8Eq, x, least);
    let y = b.bin(BinOp::I16x8Eq, y, least);
    let both = b.bin(BinOp::V128And, x, y);
    b.bin(BinOp::V128Xor, product, both)
}

/// PMADDUBSW: unsigned bytes of `x` times signed bytes of `y`, neighbours added with signed saturation.
fn byte_products(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    use BinOp::*;
    let low_bytes = b.v128(splat32(0x00ff_00ff));
    let eight = b.i32(8);
    let even_x = b.bin(V128And, x, low_bytes);
    let odd_x = b.bin(I16x8ShrU, x, eight);
    let even_y = b.bin(I16x8Shl, y, eight);
    let even_y = b.bin(I16x8ShrS, even_y, eight);
    let odd_y = b.bin(I16x8ShrS, y, eight);
    let even = b.bin(I16x8Mul, even_x, even_y);
    let odd = b.bin(I16x8Mul, odd_x, odd_y);
    b.bin(I16x8AddSatS, even, odd)
}

fn across(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Psadbw | M::Vpsadbw => |b, i| b.packed2(i, absolute_differences),
        M::Mpsadbw | M::Vmpsadbw => |b, i| {
            let imm = imm8(i);
            each_part(b, i, |b, part, x, y| {
                let control = b.i32(i32::from(imm >> (3 * part) & 7));
                b.helper(Helper::SumDifferences, &[x, y, control])
            });
        },
        M::Phminposuw | M::Vphminposuw => |b, i| b.packed1(i, |b, x| b.helper(Helper::MinimumPosition, &[x])),
        _ => return None,
    })
}

/// PSADBW: the sum of eight absolute differences of bytes in each 64-bit lane.
fn absolute_differences(b: &mut Builder<'_>, x: Value, y: Value) -> Value {
    use BinOp::*;
    let up = b.bin(I8x16SubSatU, x, y);
    let down = b.bin(I8x16SubSatU, y, x);
    let differences = b.bin(V128Or, up, down);
    let pairs = b.un(UnOp::I16x8ExtAddPairwiseI8x16U, differences);
    let fours = b.un(UnOp::I32x4ExtAddPairwiseI16x8U, pairs);
    let half = b.i32(32);
    let upper = b.bin(I64x2ShrU, fours, half);
    let sum = b.bin(I32x4Add, fours, upper);
    let low = b.v128(splat64(0xffff_ffff));
    b.bin(V128And, sum, low)
}
