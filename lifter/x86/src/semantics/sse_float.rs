//! Floating-point arithmetic and comparison, packed and scalar (SDM vol. 1, §10.4.1 and §11.4.1).
//!
//! These rows round to nearest even, with denormals, and raise nothing, as is right while MXCSR is as at a process's start; else
//! [`super::sse_exact`] has others.

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::{Builder, Width};
use crate::flags::{Arith, Kind};
use crate::helper::Helper;
use crate::ir::{BinOp, Shape, UnOp, Value};
use crate::vector::{byte_lanes, imm8, is_vex};

pub fn row(mnemonic: M) -> Option<Row> {
    arithmetic(mnemonic).or_else(|| roots(mnemonic)).or_else(|| comparisons(mnemonic)).or_else(|| across(mnemonic))
}

fn arithmetic(mnemonic: M) -> Option<Row> {
    use BinOp::*;
    use Shape::{F32x4, F64x2};
    Some(match mnemonic {
        M::Addps | M::Vaddps => |b, i| b.lanes(i, F32x4Add),
        M::Subps | M::Vsubps => |b, i| b.lanes(i, F32x4Sub),
        M::Mulps | M::Vmulps => |b, i| b.lanes(i, F32x4Mul),
        M::Divps | M::Vdivps => |b, i| b.lanes(i, F32x4Div),
        M::Addpd | M::Vaddpd => |b, i| b.lanes(i, F64x2Add),
        M::Subpd | M::Vsubpd => |b, i| b.lanes(i, F64x2Sub),
        M::Mulpd | M::Vmulpd => |b, i| b.lanes(i, F64x2Mul),
        M::Divpd | M::Vdivpd => |b, i| b.lanes(i, F64x2Div),
        M::Addss | M::Vaddss => |b, i| b.scalar2(i, F32x4, |b, x, y| b.bin(F32Add, x, y)),
        M::Subss | M::Vsubss => |b, i| b.scalar2(i, F32x4, |b, x, y| b.bin(F32Sub, x, y)),
        M::Mulss | M::Vmulss => |b, i| b.scalar2(i, F32x4, |b, x, y| b.bin(F32Mul, x, y)),
        M::Divss | M::Vdivss => |b, i| b.scalar2(i, F32x4, |b, x, y| b.bin(F32Div, x, y)),
        M::Addsd | M::Vaddsd => |b, i| b.scalar2(i, F64x2, |b, x, y| b.bin(F64Add, x, y)),
        M::Subsd | M::Vsubsd => |b, i| b.scalar2(i, F64x2, |b, x, y| b.bin(F64Sub, x, y)),
        M::Mulsd | M::Vmulsd => |b, i| b.scalar2(i, F64x2, |b, x, y| b.bin(F64Mul, x, y)),
        M::Divsd | M::Vdivsd => |b, i| b.scalar2(i, F64x2, |b, x, y| b.bin(F64Div, x, y)),
        // Intel's minimum is `a < b ? a : b`: b if either is NaN or both are zero. Wasm's pmin(b, a) is the same.
        M::Minps | M::Vminps => |b, i| b.packed2(i, |b, x, y| b.bin(F32x4PMin, y, x)),
        M::Maxps | M::Vmaxps => |b, i| b.packed2(i, |b, x, y| b.bin(F32x4PMax, y, x)),
        M::Minpd | M::Vminpd => |b, i| b.packed2(i, |b, x, y| b.bin(F64x2PMin, y, x)),
        M::Maxpd | M::Vmaxpd => |b, i| b.packed2(i, |b, x, y| b.bin(F64x2PMax, y, x)),
        M::Minss | M::Vminss => |b, i| b.scalar2(i, F32x4, |b, x, y| minimum(b, F32Lt, x, y)),
        M::Maxss | M::Vmaxss => |b, i| b.scalar2(i, F32x4, |b, x, y| maximum(b, F32Lt, x, y)),
        M::Minsd | M::Vminsd => |b, i| b.scalar2(i, F64x2, |b, x, y| minimum(b, F64Lt, x, y)),
        M::Maxsd | M::Vmaxsd => |b, i| b.scalar2(i, F64x2, |b, x, y| maximum(b, F64Lt, x, y)),
        _ => return None,
    })
}

// Both in the form that Cranelift turns into the one SSE instruction again.
fn minimum(b: &mut Builder<'_>, less: BinOp, x: Value, y: Value) -> Value {
    let first = b.bin(less, x, y);
    b.select(first, x, y)
}

fn maximum(b: &mut Builder<'_>, less: BinOp, x: Value, y: Value) -> Value {
    let first = b.bin(less, y, x);
    b.select(first, x, y)
}

fn roots(mnemonic: M) -> Option<Row> {
    use Shape::{F32x4, F64x2};
    Some(match mnemonic {
        M::Sqrtps | M::Vsqrtps => |b, i| b.lanes1(i, UnOp::F32x4Sqrt),
        M::Sqrtpd | M::Vsqrtpd => |b, i| b.lanes1(i, UnOp::F64x2Sqrt),
        M::Sqrtss | M::Vsqrtss => |b, i| b.scalar1(i, F32x4, |b, x| b.un(UnOp::F32Sqrt, x)),
        M::Sqrtsd | M::Vsqrtsd => |b, i| b.scalar1(i, F64x2, |b, x| b.un(UnOp::F64Sqrt, x)),
        // Intel's tables are not published; the SDM allows a relative error of 1.5 × 2⁻¹². The exact quotient is within it.
        M::Rcpps | M::Vrcpps => |b, i| b.packed1(i, |b, x| b.helper(Helper::Reciprocal, &[x])),
        M::Rcpss | M::Vrcpss => |b, i| b.low_lane(i, F32x4, |b, _, y| b.helper(Helper::Reciprocal, &[y])),
        M::Rsqrtps | M::Vrsqrtps => |b, i| b.packed1(i, |b, x| b.helper(Helper::ReciprocalRoot, &[x])),
        M::Rsqrtss | M::Vrsqrtss => |b, i| b.low_lane(i, F32x4, |b, _, y| b.helper(Helper::ReciprocalRoot, &[y])),
        M::Roundps | M::Vroundps => |b, i| round_packed(b, i, ROUND_F32X4, Helper::RoundF32x4),
        M::Roundpd | M::Vroundpd => |b, i| round_packed(b, i, ROUND_F64X2, Helper::RoundF64x2),
        M::Roundss | M::Vroundss => |b, i| round_scalar(b, i, F32x4),
        M::Roundsd | M::Vroundsd => |b, i| round_scalar(b, i, F64x2),
        _ => return None,
    })
}

/// Rounding operations in the order of imm8[1:0] and MXCSR.RC: to nearest even, down, up, towards zero.
const ROUND_F32X4: [UnOp; 4] = [UnOp::F32x4Nearest, UnOp::F32x4Floor, UnOp::F32x4Ceil, UnOp::F32x4Trunc];
const ROUND_F64X2: [UnOp; 4] = [UnOp::F64x2Nearest, UnOp::F64x2Floor, UnOp::F64x2Ceil, UnOp::F64x2Trunc];
const ROUND_F32: [UnOp; 4] = [UnOp::F32Nearest, UnOp::F32Floor, UnOp::F32Ceil, UnOp::F32Trunc];
const ROUND_F64: [UnOp; 4] = [UnOp::F64Nearest, UnOp::F64Floor, UnOp::F64Ceil, UnOp::F64Trunc];

/// imm8[2]: round as MXCSR says.
const ROUND_BY_MXCSR: u8 = 4;

fn round_packed(b: &mut Builder<'_>, i: &Instruction, ops: [UnOp; 4], by_mxcsr: Helper) {
    let imm = imm8(i);
    b.packed1(i, |b, x| match imm & ROUND_BY_MXCSR {
        0 => b.un(ops[usize::from(imm & 3)], x),
        _ => b.helper(by_mxcsr, &[x]),
    });
}

fn round_scalar(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let imm = imm8(i);
    if imm & ROUND_BY_MXCSR != 0 {
        let helper = if shape == Shape::F32x4 { Helper::RoundF32x4 } else { Helper::RoundF64x2 };
        return b.low_lane(i, shape, |b, _, y| b.helper(helper, &[y]));
    }
    let ops = if shape == Shape::F32x4 { ROUND_F32 } else { ROUND_F64 };
    b.scalar1(i, shape, |b, x| b.un(ops[usize::from(imm & 3)], x));
}

fn comparisons(mnemonic: M) -> Option<Row> {
    use Shape::{F32x4, F64x2};
    Some(match mnemonic {
        // UCOMI and COMI differ in the exceptions of quiet NaNs only.
        M::Ucomiss | M::Vucomiss | M::Comiss | M::Vcomiss => |b, i| compare_flags(b, i, F32x4),
        M::Ucomisd | M::Vucomisd | M::Comisd | M::Vcomisd => |b, i| compare_flags(b, i, F64x2),
        M::Cmpps | M::Vcmpps => |b, i| b.packed2(i, |b, x, y| compare(b, F32x4, predicate(i), x, y)),
        M::Cmppd | M::Vcmppd => |b, i| b.packed2(i, |b, x, y| compare(b, F64x2, predicate(i), x, y)),
        M::Cmpss | M::Vcmpss => |b, i| b.low_lane(i, F32x4, |b, x, y| compare(b, F32x4, predicate(i), x, y)),
        M::Cmpsd | M::Vcmpsd => |b, i| b.low_lane(i, F64x2, |b, x, y| compare(b, F64x2, predicate(i), x, y)),
        _ => return None,
    })
}

fn compare_flags(b: &mut Builder<'_>, i: &Instruction, shape: Shape) {
    let x = b.read_scalar(i, 0, shape);
    let y = b.read_scalar(i, 1, shape);
    let width = if shape == Shape::F32x4 { Width::B32 } else { Width::B64 };
    b.set_arith(Arith { kind: Kind::Float, width, a: x, b: y, res: x });
}

/// Which of the predicates: imm8[2:0], with VEX imm8[4:0].
fn predicate(i: &Instruction) -> u8 {
    imm8(i) & if is_vex(i) { 31 } else { 7 }
}

/// The 32 predicates of VCMPPS (SDM vol. 2, table 3-1 of CMPPD); SSE has the first eight. Bit 4 changes only which NaNs raise an exception.
fn compare(b: &mut Builder<'_>, shape: Shape, predicate: u8, x: Value, y: Value) -> Value {
    use BinOp::*;
    let [eq, ne, lt, le, gt, ge] = match shape {
        Shape::F32x4 => [F32x4Eq, F32x4Ne, F32x4Lt, F32x4Le, F32x4Gt, F32x4Ge],
        _ => [F64x2Eq, F64x2Ne, F64x2Lt, F64x2Le, F64x2Gt, F64x2Ge],
    };
    let op = match predicate & 15 {
        0 => eq,
        1 => lt,
        2 => le,
        3 | 7 => return unordered(b, eq, predicate & 15 == 3, x, y),
        4 => ne,
        5 => return negated(b, lt, x, y),
        6 => return negated(b, le, x, y),
        // Equal or unordered; its opposite.
        8 | 12 => return equal_or_unordered(b, [lt, gt], predicate & 15 == 8, x, y),
        9 => return negated(b, ge, x, y),
        10 => return negated(b, gt, x, y),
        11 => return b.v128(0),
        13 => ge,
        14 => gt,
        _ => return b.v128(u128::MAX),
    };
    b.bin(op, x, y)
}

fn negated(b: &mut Builder<'_>, op: BinOp, x: Value, y: Value) -> Value {
    let result = b.bin(op, x, y);
    b.un(UnOp::V128Not, result)
}

fn unordered(b: &mut Builder<'_>, eq: BinOp, unordered: bool, x: Value, y: Value) -> Value {
    let x_ordered = b.bin(eq, x, x);
    let y_ordered = b.bin(eq, y, y);
    let both = b.bin(BinOp::V128And, x_ordered, y_ordered);
    if unordered { b.un(UnOp::V128Not, both) } else { both }
}

fn equal_or_unordered(b: &mut Builder<'_>, [lt, gt]: [BinOp; 2], wanted: bool, x: Value, y: Value) -> Value {
    let less = b.bin(lt, x, y);
    let greater = b.bin(gt, x, y);
    let differs = b.bin(BinOp::V128Or, less, greater);
    if wanted { b.un(UnOp::V128Not, differs) } else { differs }
}

fn across(mnemonic: M) -> Option<Row> {
    use BinOp::*;
    Some(match mnemonic {
        M::Haddps | M::Vhaddps => |b, i| pairs32(b, i, F32x4Add),
        M::Hsubps | M::Vhsubps => |b, i| pairs32(b, i, F32x4Sub),
        M::Haddpd | M::Vhaddpd => |b, i| pairs64(b, i, F64x2Add),
        M::Hsubpd | M::Vhsubpd => |b, i| pairs64(b, i, F64x2Sub),
        M::Addsubps | M::Vaddsubps => |b, i| alternate(b, i, F32x4Sub, F32x4Add, byte_lanes([0, 5, 2, 7])),
        M::Addsubpd | M::Vaddsubpd => |b, i| alternate(b, i, F64x2Sub, F64x2Add, byte_lanes([0, 3])),
        M::Dpps | M::Vdpps => dpps,
        M::Dppd | M::Vdppd => dppd,
        _ => return None,
    })
}

fn pairs32(b: &mut Builder<'_>, i: &Instruction, op: BinOp) {
    b.packed2(i, |b, x, y| {
        let even = b.shuffle(x, y, byte_lanes([0, 2, 4, 6]));
        let odd = b.shuffle(x, y, byte_lanes([1, 3, 5, 7]));
        b.bin(op, even, odd)
    });
}

fn pairs64(b: &mut Builder<'_>, i: &Instruction, op: BinOp) {
    b.packed2(i, |b, x, y| {
        let even = b.shuffle(x, y, byte_lanes([0, 2]));
        let odd = b.shuffle(x, y, byte_lanes([1, 3]));
        b.bin(op, even, odd)
    });
}

/// ADDSUB: even lanes of one operation, odd lanes of the other.
fn alternate(b: &mut Builder<'_>, i: &Instruction, even: BinOp, odd: BinOp, lanes: [u8; 16]) {
    b.packed2(i, |b, x, y| {
        let even = b.bin(even, x, y);
        let odd = b.bin(odd, x, y);
        b.shuffle(even, odd, lanes)
    });
}

/// DPPS: products where imm8[7:4], summed as (0 + 1) + (2 + 3), stored where imm8[3:0].
fn dpps(b: &mut Builder<'_>, i: &Instruction) {
    let imm = imm8(i);
    let lanes = |bits: u8| (0..4).filter(|n| bits >> n & 1 == 1).map(|n| 0xffff_ffffu128 << (32 * n)).sum::<u128>();
    let (taken, stored) = (lanes(imm >> 4), lanes(imm & 15));
    b.packed2(i, |b, x, y| {
        let products = b.bin(BinOp::F32x4Mul, x, y);
        let products = keep(b, products, taken);
        let swapped = b.shuffle(products, products, byte_lanes([1, 0, 3, 2]));
        // The order decides which of two NaNs comes out.
        let pairs = b.bin(BinOp::F32x4Add, swapped, products);
        let swapped = b.shuffle(pairs, pairs, byte_lanes([2, 3, 0, 1]));
        let sums = b.bin(BinOp::F32x4Add, pairs, swapped);
        keep(b, sums, stored)
    });
}

/// DPPD: as DPPS, with imm8[5:4] and imm8[1:0].
fn dppd(b: &mut Builder<'_>, i: &Instruction) {
    let imm = imm8(i);
    let lanes = |bits: u8| (0..2).filter(|n| bits >> n & 1 == 1).map(|n| u128::from(u64::MAX) << (64 * n)).sum::<u128>();
    let (taken, stored) = (lanes(imm >> 4), lanes(imm & 3));
    b.packed2(i, |b, x, y| {
        let products = b.bin(BinOp::F64x2Mul, x, y);
        let products = keep(b, products, taken);
        let swapped = b.shuffle(products, products, byte_lanes([1, 0]));
        let sums = b.bin(BinOp::F64x2Add, products, swapped);
        keep(b, sums, stored)
    });
}

fn keep(b: &mut Builder<'_>, value: Value, bits: u128) -> Value {
    let bits = b.v128(bits);
    b.bin(BinOp::V128And, value, bits)
}
