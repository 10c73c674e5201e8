//! The *exact* meaning of floating-point instructions: rounding mode, DAZ and FTZ of MXCSR obeyed, exception flags set, exceptions that are
//! not masked raised.
//!
//! It is used by the exact twins of lifted functions while [`crate::reg::Reg::EXACT`] is set, without the last, and by the interpreter. The rows of
//! [`super::sse_float`], [`super::sse_convert`] and [`super::fma`] are the same where MXCSR is as at the start and nobody reads its flags,
//! and are plain Wasm operations.

use alloc::vec::Vec;

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use super::fma;
use crate::boundary::Vector;
use crate::builder::{Builder, Floats, Width, gpr_parts};
use crate::helper::Helper;
use crate::helpers::sse::{Binary, DOUBLE, IMMEDIATE, SCALAR, SIGNALING, TRUNCATE, Unary, WIDE};
use crate::ir::{BinOp, Value};
use crate::reg::Reg;
use crate::vector::{Place, byte_lanes, imm8, is_vex, parts, sources};

pub fn row(mnemonic: M) -> Option<Row> {
    arithmetic(mnemonic)
        .or_else(|| one_operand(mnemonic))
        .or_else(|| comparisons(mnemonic))
        .or_else(|| across(mnemonic))
        .or_else(|| to_integers(mnemonic))
        .or_else(|| from_integers(mnemonic))
        .or_else(|| formats(mnemonic))
        .or_else(|| fma::exact_row(mnemonic))
}

const SINGLE: u32 = 0;

fn arithmetic(mnemonic: M) -> Option<Row> {
    use Binary::*;
    Some(match mnemonic {
        M::Addps | M::Vaddps => |b, i| two(b, i, Add, SINGLE),
        M::Subps | M::Vsubps => |b, i| two(b, i, Subtract, SINGLE),
        M::Mulps | M::Vmulps => |b, i| two(b, i, Multiply, SINGLE),
        M::Divps | M::Vdivps => |b, i| two(b, i, Divide, SINGLE),
        M::Minps | M::Vminps => |b, i| two(b, i, Minimum, SINGLE),
        M::Maxps | M::Vmaxps => |b, i| two(b, i, Maximum, SINGLE),
        M::Addpd | M::Vaddpd => |b, i| two(b, i, Add, DOUBLE),
        M::Subpd | M::Vsubpd => |b, i| two(b, i, Subtract, DOUBLE),
        M::Mulpd | M::Vmulpd => |b, i| two(b, i, Multiply, DOUBLE),
        M::Divpd | M::Vdivpd => |b, i| two(b, i, Divide, DOUBLE),
        M::Minpd | M::Vminpd => |b, i| two(b, i, Minimum, DOUBLE),
        M::Maxpd | M::Vmaxpd => |b, i| two(b, i, Maximum, DOUBLE),
        M::Addss | M::Vaddss => |b, i| two(b, i, Add, SINGLE | SCALAR),
        M::Subss | M::Vsubss => |b, i| two(b, i, Subtract, SINGLE | SCALAR),
        M::Mulss | M::Vmulss => |b, i| two(b, i, Multiply, SINGLE | SCALAR),
        M::Divss | M::Vdivss => |b, i| two(b, i, Divide, SINGLE | SCALAR),
        M::Minss | M::Vminss => |b, i| two(b, i, Minimum, SINGLE | SCALAR),
        M::Maxss | M::Vmaxss => |b, i| two(b, i, Maximum, SINGLE | SCALAR),
        M::Addsd | M::Vaddsd => |b, i| two(b, i, Add, DOUBLE | SCALAR),
        M::Subsd | M::Vsubsd => |b, i| two(b, i, Subtract, DOUBLE | SCALAR),
        M::Mulsd | M::Vmulsd => |b, i| two(b, i, Multiply, DOUBLE | SCALAR),
        M::Divsd | M::Vdivsd => |b, i| two(b, i, Divide, DOUBLE | SCALAR),
        M::Minsd | M::Vminsd => |b, i| two(b, i, Minimum, DOUBLE | SCALAR),
        M::Maxsd | M::Vmaxsd => |b, i| two(b, i, Maximum, DOUBLE | SCALAR),
        M::Addsubps | M::Vaddsubps => |b, i| two(b, i, AddSubtract, SINGLE),
        M::Addsubpd | M::Vaddsubpd => |b, i| two(b, i, AddSubtract, DOUBLE),
        _ => return None,
    })
}

/// Ends the computing part of an instruction: raises #XM if one of its exceptions is not masked. Nothing may have been written yet.
pub(super) fn finish(b: &mut Builder<'_>) {
    if b.floats == Floats::Exact {
        let unmasked = b.helper(Helper::SseFinish, &[]);
        b.exception_if(unmasked, Vector::SimdFloatingPoint);
    }
}

/// `dest = f(a, b)` in each part.
fn both(b: &mut Builder<'_>, i: &Instruction, f: impl Fn(&mut Builder<'_>, Value, Value) -> Value) {
    let (first, second) = sources(i);
    let (first, second) = (b.vector_place(i, first), b.vector_place(i, second));
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let (x, y) = (b.read_part(first, part), b.read_part(second, part));
        results[part as usize] = Some(f(b, x, y));
    }
    finish(b);
    b.write_results(i, results);
}

fn binary(b: &mut Builder<'_>, op: Binary, control: u32, x: Value, y: Value) -> Value {
    let control = b.i32((op as u32 | control) as i32);
    b.helper(Helper::SseBinary, &[x, y, control])
}

fn two(b: &mut Builder<'_>, i: &Instruction, op: Binary, control: u32) {
    both(b, i, |b, x, y| binary(b, op, control, x, y));
}

fn unary(b: &mut Builder<'_>, op: Unary, control: u32, rest: Value, x: Value) -> Value {
    let control = b.i32((op as u32 | control) as i32);
    b.helper(Helper::SseUnary, &[rest, x, control])
}

/// `dest = op(source)` in each part; the source is the last vector operand, the rest of a scalar comes from the one before it.
fn one(b: &mut Builder<'_>, i: &Instruction, op: Unary, control: u32) {
    if control & SCALAR != 0 {
        return both(b, i, |b, x, y| unary(b, op, control, x, y));
    }
    let source = b.vector_place(i, 1);
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let x = b.read_part(source, part);
        results[part as usize] = Some(unary(b, op, control, x, x));
    }
    finish(b);
    b.write_results(i, results);
}

fn immediate(i: &Instruction) -> u32 {
    u32::from(imm8(i)) << IMMEDIATE
}

fn one_operand(mnemonic: M) -> Option<Row> {
    use Unary::{Round, SquareRoot};
    Some(match mnemonic {
        M::Sqrtps | M::Vsqrtps => |b, i| one(b, i, SquareRoot, SINGLE),
        M::Sqrtpd | M::Vsqrtpd => |b, i| one(b, i, SquareRoot, DOUBLE),
        M::Sqrtss | M::Vsqrtss => |b, i| one(b, i, SquareRoot, SINGLE | SCALAR),
        M::Sqrtsd | M::Vsqrtsd => |b, i| one(b, i, SquareRoot, DOUBLE | SCALAR),
        M::Roundps | M::Vroundps => |b, i| one(b, i, Round, SINGLE | immediate(i)),
        M::Roundpd | M::Vroundpd => |b, i| one(b, i, Round, DOUBLE | immediate(i)),
        M::Roundss | M::Vroundss => |b, i| one(b, i, Round, SINGLE | SCALAR | immediate(i)),
        M::Roundsd | M::Vroundsd => |b, i| one(b, i, Round, DOUBLE | SCALAR | immediate(i)),
        _ => return None,
    })
}

fn comparisons(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Cmpps | M::Vcmpps => |b, i| compare(b, i, SINGLE),
        M::Cmppd | M::Vcmppd => |b, i| compare(b, i, DOUBLE),
        M::Cmpss | M::Vcmpss => |b, i| compare(b, i, SINGLE | SCALAR),
        M::Cmpsd | M::Vcmpsd => |b, i| compare(b, i, DOUBLE | SCALAR),
        M::Ucomiss | M::Vucomiss => |b, i| compare_flags(b, i, SINGLE),
        M::Ucomisd | M::Vucomisd => |b, i| compare_flags(b, i, DOUBLE),
        M::Comiss | M::Vcomiss => |b, i| compare_flags(b, i, SINGLE | SIGNALING),
        M::Comisd | M::Vcomisd => |b, i| compare_flags(b, i, DOUBLE | SIGNALING),
        _ => return None,
    })
}

fn compare(b: &mut Builder<'_>, i: &Instruction, control: u32) {
    let predicate = u32::from(imm8(i) & if is_vex(i) { 31 } else { 7 });
    two(b, i, Binary::Compare, control | predicate << IMMEDIATE);
}

fn compare_flags(b: &mut Builder<'_>, i: &Instruction, control: u32) {
    let (x, y) = (b.read_vector(i, 0), b.read_vector(i, 1));
    let control = b.i32(control as i32);
    let flags = b.helper(Helper::SseCompareFlags, &[x, y, control]);
    finish(b);
    let one = b.i32(1);
    for (flag, bit) in [(Reg::CF, 0), (Reg::PF, 2), (Reg::ZF, 6)] {
        let bit = b.i32(bit);
        let value = b.bin(BinOp::I32ShrU, flags, bit);
        let value = b.bin(BinOp::I32And, value, one);
        b.set_flag(flag, value);
    }
    let zero = b.i32(0);
    for flag in [Reg::AF, Reg::SF, Reg::OF] {
        b.set_flag(flag, zero);
    }
}

fn across(mnemonic: M) -> Option<Row> {
    use Binary::{Add, Subtract};
    Some(match mnemonic {
        M::Haddps | M::Vhaddps => |b, i| pairs(b, i, Add, SINGLE),
        M::Hsubps | M::Vhsubps => |b, i| pairs(b, i, Subtract, SINGLE),
        M::Haddpd | M::Vhaddpd => |b, i| pairs(b, i, Add, DOUBLE),
        M::Hsubpd | M::Vhsubpd => |b, i| pairs(b, i, Subtract, DOUBLE),
        M::Dpps | M::Vdpps => |b, i| dot_product(b, i, SINGLE),
        M::Dppd | M::Vdppd => |b, i| dot_product(b, i, DOUBLE),
        _ => return None,
    })
}

fn pairs(b: &mut Builder<'_>, i: &Instruction, op: Binary, control: u32) {
    let (even, odd) = if control & DOUBLE != 0 {
        (byte_lanes([0, 2]), byte_lanes([1, 3]))
    } else {
        (byte_lanes([0, 2, 4, 6]), byte_lanes([1, 3, 5, 7]))
    };
    both(b, i, |b, x, y| {
        let (even, odd) = (b.shuffle(x, y, even), b.shuffle(x, y, odd));
        binary(b, op, control, even, odd)
    });
}

/// DPPS, DPPD: products where imm8[7:4] says so, sums stored where imm8[3:0] does. Lanes that are left out are +0 × +0, which raises nothing.
fn dot_product(b: &mut Builder<'_>, i: &Instruction, control: u32) {
    let (count, width) = if control & DOUBLE != 0 { (2, 64) } else { (4, 32) };
    let lanes = |bits: u8| (0..count).filter(|n| bits >> n & 1 == 1).map(|n| ((1u128 << width) - 1) << (width * n)).sum::<u128>();
    let (taken, stored) = (lanes(imm8(i) >> 4), lanes(imm8(i) & 15));
    let swap: &[[u8; 16]] =
        if count == 2 { &[byte_lanes([1, 0])] } else { &[byte_lanes([1, 0, 3, 2]), byte_lanes([2, 3, 0, 1])] };
    let (first, second) = sources(i);
    let (first, second) = (b.vector_place(i, first), b.vector_place(i, second));
    let mask = b.v128(taken);
    let mut sums: Vec<Value> = (0..parts(i))
        .map(|part| {
            let [x, y] = [first, second].map(|place| b.read_part(place, part));
            let (x, y) = (b.bin(BinOp::V128And, x, mask), b.bin(BinOp::V128And, y, mask));
            binary(b, Binary::Multiply, control, x, y)
        })
        .collect();
    for (step, lanes) in swap.iter().enumerate() {
        // Each step raises what it has to raise, and the next one does not come about.
        finish(b);
        for sum in &mut sums {
            let swapped = b.shuffle(*sum, *sum, *lanes);
            // The order decides which of two NaNs comes out.
            let (x, y) = if count == 4 && step == 0 { (swapped, *sum) } else { (*sum, swapped) };
            *sum = binary(b, Binary::Add, control, x, y);
        }
    }
    finish(b);
    let mask = b.v128(stored);
    let mut results = [None; 2];
    for (result, sum) in results.iter_mut().zip(sums) {
        *result = Some(b.bin(BinOp::V128And, sum, mask));
    }
    b.write_results(i, results);
}

fn to_integers(mnemonic: M) -> Option<Row> {
    use Unary::ToIntegers;
    Some(match mnemonic {
        M::Cvtss2si | M::Vcvtss2si => |b, i| to_gpr(b, i, SINGLE),
        M::Cvtsd2si | M::Vcvtsd2si => |b, i| to_gpr(b, i, DOUBLE),
        M::Cvttss2si | M::Vcvttss2si => |b, i| to_gpr(b, i, SINGLE | TRUNCATE),
        M::Cvttsd2si | M::Vcvttsd2si => |b, i| to_gpr(b, i, DOUBLE | TRUNCATE),
        M::Cvtps2dq | M::Vcvtps2dq => |b, i| one(b, i, ToIntegers, SINGLE),
        M::Cvttps2dq | M::Vcvttps2dq => |b, i| one(b, i, ToIntegers, SINGLE | TRUNCATE),
        M::Cvtps2pi => |b, i| narrow(b, i, ToIntegers, SINGLE),
        M::Cvttps2pi => |b, i| narrow(b, i, ToIntegers, SINGLE | TRUNCATE),
        M::Cvtpd2dq | M::Vcvtpd2dq | M::Cvtpd2pi => |b, i| narrow(b, i, ToIntegers, DOUBLE),
        M::Cvttpd2dq | M::Vcvttpd2dq | M::Cvttpd2pi => |b, i| narrow(b, i, ToIntegers, DOUBLE | TRUNCATE),
        _ => return None,
    })
}

fn to_gpr(b: &mut Builder<'_>, i: &Instruction, control: u32) {
    let source = b.read_vector(i, 1);
    let (_, width, _) = gpr_parts(i.op_register(0));
    let wide = width == Width::B64;
    let control = b.i32((control | if wide { WIDE } else { 0 }) as i32);
    let mut result = b.helper(Helper::SseToInteger, &[source, control]);
    finish(b);
    if !wide {
        result = b.wrap(result);
    }
    b.write_gpr(i.op_register(0), result);
}

/// The low half of the result from 128 bits of the source; of 256 bits, the high half too. The rest is zero.
fn narrow(b: &mut Builder<'_>, i: &Instruction, op: Unary, control: u32) {
    let source = b.vector_place(i, 1);
    let zero = b.v128(0);
    if let Place::Mmx(n) = b.vector_place(i, 0) {
        // The x87 gives way to MMX even if an exception is raised then.
        let n = b.i32(i32::from(n));
        b.helper(Helper::MmxRead, &[n]);
    }
    let mut low = b.read_part(source, 0);
    if matches!(op, Unary::ToIntegers) && control & DOUBLE == 0 {
        // Of a single's source only two lanes are read: the others raise nothing.
        low = b.shuffle(low, zero, byte_lanes([0, 2]));
    }
    let mut result = unary(b, op, control, zero, low);
    if parts(i) == 2 || i.memory_size().size() == 32 {
        let high = b.read_part(source, 1);
        let high = unary(b, op, control, zero, high);
        result = b.shuffle(result, high, byte_lanes([0, 2]));
    }
    finish(b);
    b.write_vector(i, 0, result, None);
}

fn from_integers(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        // Doubles hold every 32-bit integer: the plain row serves CVTDQ2PD and CVTPI2PD.
        M::Cvtsi2ss | M::Vcvtsi2ss => |b, i| from_gpr(b, i, SINGLE),
        M::Cvtsi2sd | M::Vcvtsi2sd => |b, i| from_gpr(b, i, DOUBLE),
        M::Cvtdq2ps | M::Vcvtdq2ps => |b, i| one(b, i, Unary::FromIntegers, SINGLE),
        M::Cvtpi2ps => |b, i| {
            let (rest, source) = (b.read_vector(i, 0), b.read_vector(i, 1));
            let zero = b.v128(0);
            let source = b.shuffle(source, zero, byte_lanes([0, 2]));
            let singles = unary(b, Unary::FromIntegers, SINGLE, zero, source);
            finish(b);
            let result = b.shuffle(singles, rest, byte_lanes([0, 3]));
            b.write_vector(i, 0, result, None);
        },
        _ => return None,
    })
}

fn from_gpr(b: &mut Builder<'_>, i: &Instruction, control: u32) {
    let (first, second) = sources(i);
    let width = b.operand_width(i, second);
    let value = b.read_operand(i, second, width);
    let value = b.resize(width, Width::B64, true, value);
    let rest = b.read_vector(i, first);
    let control = b.i32(control as i32);
    let result = b.helper(Helper::SseFromInteger, &[rest, value, control]);
    finish(b);
    b.write_vector(i, 0, result, None);
}

fn formats(mnemonic: M) -> Option<Row> {
    use Unary::{FromHalves, Narrow, ToHalves, Widen};
    Some(match mnemonic {
        M::Cvtss2sd | M::Vcvtss2sd => |b, i| one(b, i, Widen, SCALAR),
        M::Cvtsd2ss | M::Vcvtsd2ss => |b, i| one(b, i, Narrow, SCALAR),
        M::Cvtps2pd | M::Vcvtps2pd => |b, i| widen(b, i, Widen),
        M::Cvtpd2ps | M::Vcvtpd2ps => |b, i| narrow(b, i, Narrow, DOUBLE),
        M::Vcvtph2ps => |b, i| widen(b, i, FromHalves),
        M::Vcvtps2ph => |b, i| narrow(b, i, ToHalves, immediate(i)),
        _ => return None,
    })
}

/// The result from the low half of the source, and for 256 bits from its high half.
fn widen(b: &mut Builder<'_>, i: &Instruction, op: Unary) {
    let source = b.read_vector(i, 1);
    let zero = b.v128(0);
    let low = unary(b, op, 0, zero, source);
    let high = (parts(i) == 2).then(|| {
        let upper = b.shuffle(source, source, byte_lanes([1, 1]));
        unary(b, op, 0, zero, upper)
    });
    finish(b);
    b.write_vector(i, 0, low, high);
}
