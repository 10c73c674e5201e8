//! The x87 floating-point unit (SDM vol. 1, chapter 8).
//!
//! Arithmetic is in the 80-bit format with precision and rounding control; flags and NaNs are the processor's, so are the
//! responses to unmasked exceptions. Of these #MF comes before the next instruction that waits, in the interpreter, which does the work while
//! an exception is not masked ([`crate::reg::Reg::EXACT`]). Not modelled: the pointers to the last instruction and operand (stored as zero).

use core::cmp::Ordering;

use crate::helper::Memory;
use crate::state::{CpuState, X87};

mod arithmetic;
mod context;
mod convert;
mod extended;
mod image;
mod memory;
mod number;
mod remainder;
mod stack;
mod transcendental;
mod wide;

pub use extended::{extended_restore, extended_save};
pub use image::{fast_restore, fast_save, restore, restore_environment, save, save_environment};
pub use memory::Format;

use arithmetic::Operation;
use context::{Context, status};
use number::{Class, F80};
use remainder::Quotient;

use super::float::Rounding;

/// FLD m, FILD, FBLD: pushes what stands at `addr` in a [`Format`]. FLD m80 converts nothing, so it lets signaling NaNs be.
pub fn load(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, format: u32) {
    let format = Format::from_number(format);
    cpu.x87.push(|cx| {
        let value = format.load(cx, memory, addr);
        match format {
            Format::Single | Format::Double if value.is_nan() => cx.check1(value).unwrap_or(value),
            _ => value,
        }
    });
}

/// Bits of [`store`]'s `how`, and of other helpers' `pop`.
pub const POP: u32 = 1;
pub const TRUNCATE: u32 = 2;

/// FST m, FIST, FBSTP, FISTTP: stores ST(0) in a [`Format`], then pops if `how` says so.
pub fn store(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, format: u32, how: u32) {
    let fpu = &mut cpu.x87;
    let format = Format::from_number(format);
    let mut cx = fpu.context();
    let value = fpu.st(0).unwrap_or_else(|| cx.stack_underflow());
    let rounding = if how & TRUNCATE != 0 { Rounding::TowardZero } else { cx.rounding() };
    let (raised, c1) = (cx.raised, cx.c1);
    let bits = format.bytes_of(&mut cx, value, rounding);
    if raised != 0 {
        // A stack fault is all that an empty register raises.
        (cx.raised, cx.c1) = (raised, c1);
    }
    if cx.raised & !cx.control & (status::OVERFLOW | status::UNDERFLOW) != 0 {
        // Nothing is stored, so nothing is rounded.
        cx.raised &= !status::PRECISION;
        cx.c1 = false;
    } else if !cx.is_aborted() {
        format.store(memory, addr, bits);
        if how & POP != 0 {
            fpu.pop();
        }
    }
    fpu.report(&cx);
}

/// FLD ST(i).
pub fn push_register(cpu: &mut CpuState, _: &mut impl Memory, i: u32) {
    match cpu.x87.st(i) {
        Some(value) => cpu.x87.push(|_| value),
        // That comes before the overflow.
        None => cpu.x87.push_nothing(),
    }
}

/// FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ by number.
pub fn push_constant(cpu: &mut CpuState, _: &mut impl Memory, number: u32) {
    cpu.x87.push(|cx| convert::constant(cx.rounding(), number));
}

/// FST ST(i), FSTP ST(i); with [`QUIET`] an empty register is no fault and changes nothing (FSTPNCE).
pub fn copy_to(cpu: &mut CpuState, _: &mut impl Memory, i: u32, how: u32) {
    let fpu = &mut cpu.x87;
    let mut cx = fpu.context();
    match fpu.st(0) {
        Some(value) => finish(fpu, &cx, &[(i, value)], how & POPS),
        None if how & QUIET != 0 => finish(fpu, &cx, &[], how & POPS),
        None => {
            let value = cx.stack_underflow();
            finish(fpu, &cx, &[(i, value)], how & POPS);
        }
    }
}

/// FXCH ST(i).
pub fn exchange(cpu: &mut CpuState, _: &mut impl Memory, i: u32) {
    let fpu = &mut cpu.x87;
    let mut cx = fpu.context();
    let [top, other] = [0, i].map(|n| fpu.st(n).unwrap_or_else(|| cx.stack_underflow()));
    finish(fpu, &cx, &[(0, other), (i, top)], 0);
}

/// FCMOVcc: ST(i) to ST(0) if `cond`.
pub fn move_if(cpu: &mut CpuState, _: &mut impl Memory, i: u32, cond: u32) {
    let fpu = &mut cpu.x87;
    let mut cx = fpu.context();
    let value = match (fpu.st(0), fpu.st(i)) {
        (Some(_), Some(source)) if cond != 0 => source,
        (Some(kept), Some(_)) => kept,
        _ => cx.stack_underflow(),
    };
    fpu.keep_c1(&mut cx);
    finish(fpu, &cx, &[(0, value)], 0);
}

/// Ends an operation: writes registers and pops, unless an unmasked exception came first; then the status word.
fn finish(fpu: &mut X87, cx: &Context, writes: &[(u32, F80)], pops: u32) {
    if !cx.is_aborted() {
        for &(i, value) in writes {
            fpu.set_st(i, value);
        }
        for _ in 0..pops {
            fpu.pop();
        }
    }
    fpu.report(cx);
}

/// FADD to FDIVR between registers: `ST(dest) = ST(dest) op ST(source)`; `operation` as in [`Operation`].
pub fn arith(cpu: &mut CpuState, _: &mut impl Memory, operation: u32, dest: u32, source: u32, pop: u32) {
    let fpu = &mut cpu.x87;
    let mut cx = fpu.context();
    let result = match (fpu.st(dest), fpu.st(source)) {
        (Some(x), Some(y)) => Operation::from_number(operation).apply(&mut cx, x, y),
        _ => cx.stack_underflow(),
    };
    finish(fpu, &cx, &[(dest, result)], pop);
}

/// `ST(0) = ST(0) op memory`.
pub fn arith_memory(cpu: &mut CpuState, memory: &mut impl Memory, operation: u32, addr: u32, format: u32) {
    let fpu = &mut cpu.x87;
    let mut cx = fpu.context();
    let result = match fpu.st(0) {
        Some(x) => {
            let y = operand(&mut cx, memory, addr, format, x);
            Operation::from_number(operation).apply(&mut cx, x, y)
        }
        None => cx.stack_underflow(),
    };
    finish(fpu, &cx, &[(0, result)], 0);
}

/// The operand that stands in memory, for an operation with `x`. That it is denormal there counts unless `x` is a NaN.
fn operand(cx: &mut Context, memory: &mut impl Memory, addr: u32, format: u32, x: F80) -> F80 {
    let raised = cx.raised;
    let value = Format::from_number(format).load(cx, memory, addr);
    if matches!(x.class(), Class::QuietNan | Class::SignalingNan | Class::Unsupported) {
        cx.raised = raised;
    }
    value
}

/// Bits of [`compare`]'s `how`: the pops, then these.
const POPS: u32 = 3;
/// FUCOM: quiet NaNs are not invalid.
pub const QUIET: u32 = 4;
/// FCOMI: the result goes to RFLAGS, not to C3, C2, C0.
pub const TO_FLAGS: u32 = 8;

/// What a comparison returns, as in RFLAGS' low byte: ZF, PF, CF in place of C3, C2, C0.
fn comparison(fpu: &mut X87, mut cx: Context, how: u32, compare: impl FnOnce(&mut Context) -> Option<Option<Ordering>>) -> u32 {
    let order = compare(&mut cx).unwrap_or_else(|| {
        cx.stack_underflow();
        None
    });
    let (flags, conditions) = match order {
        Some(Ordering::Greater) => (0, 0),
        Some(Ordering::Less) => (1, status::C0),
        Some(Ordering::Equal) => (0x40, status::C3),
        None => (0x45, status::C3 | status::C2 | status::C0),
    };
    if how & TO_FLAGS == 0 {
        fpu.set_conditions(status::C3 | status::C2 | status::C0, conditions);
    } else {
        fpu.keep_c1(&mut cx);
    }
    finish(fpu, &cx, &[], how & POPS);
    flags
}

/// FCOM, FUCOM, FCOMI and so on: ST(0) against ST(i).
pub fn compare(cpu: &mut CpuState, _: &mut impl Memory, i: u32, how: u32) -> u32 {
    let fpu = &mut cpu.x87;
    let operands = fpu.st(0).zip(fpu.st(i));
    comparison(fpu, fpu.context(), how, |cx| operands.map(|(x, y)| arithmetic::compare(cx, x, y, how & QUIET != 0)))
}

/// FCOM m, FICOM: ST(0) against memory.
pub fn compare_memory(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, format: u32, how: u32) {
    let fpu = &mut cpu.x87;
    let top = fpu.st(0);
    comparison(fpu, fpu.context(), how, |cx| {
        top.map(|x| {
            let y = operand(cx, memory, addr, format, x);
            arithmetic::compare(cx, x, y, false)
        })
    });
}

macro_rules! actions {
    ($($name:ident,)*) => {
        /// What instructions without operands do, as rows number it.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Action { $($name,)* }

        impl Action {
            const ALL: &'static [Action] = &[$(Action::$name,)*];
        }
    };
}
actions! {
    ChangeSign,
    Absolute,
    Test,
    Examine,
    SquareRoot,
    RoundToInteger,
    Remainder,
    RemainderNearest,
    Scale,
    Extract,
    Sine,
    Cosine,
    SineAndCosine,
    Tangent,
    ArcTangent,
    YLog2,
    YLog2Plus1,
    PowerOf2Minus1,
    DecrementTop,
    IncrementTop,
    Initialize,
    ClearExceptions,
}

/// An instruction without operands.
pub fn execute(cpu: &mut CpuState, _: &mut impl Memory, action: u32) {
    let fpu = &mut cpu.x87;
    match Action::ALL[action as usize % Action::ALL.len()] {
        Action::ChangeSign => map_top(fpu, |_, x| x.negated()),
        Action::Absolute => map_top(fpu, |_, x| x.with_sign(false)),
        Action::SquareRoot => map_top(fpu, arithmetic::square_root),
        Action::RoundToInteger => map_top(fpu, arithmetic::round_to_integer),
        Action::Scale => {
            let mut cx = fpu.context();
            let result = match (fpu.st(0), fpu.st(1)) {
                (Some(x), Some(y)) => remainder::scale(&mut cx, x, y),
                _ => cx.stack_underflow(),
            };
            finish(fpu, &cx, &[(0, result)], 0);
        }
        Action::Remainder => take_remainder(fpu, false),
        Action::RemainderNearest => take_remainder(fpu, true),
        Action::Extract => {
            let mut cx = fpu.context();
            replace_and_push(fpu, &mut cx, |cx, x| Some(remainder::extract(cx, x)));
        }
        Action::Sine => in_range(fpu, transcendental::sine),
        Action::Cosine => in_range(fpu, transcendental::cosine),
        Action::SineAndCosine => in_range_2(fpu, transcendental::both),
        Action::Tangent => in_range_2(fpu, transcendental::tangent),
        Action::ArcTangent => into_second(fpu, transcendental::arc_tangent_of),
        Action::YLog2 => into_second(fpu, transcendental::y_log2),
        Action::YLog2Plus1 => into_second(fpu, transcendental::y_log2_plus_1),
        Action::PowerOf2Minus1 => map_top(fpu, transcendental::power_of_2_minus_1),
        Action::Test => {
            let top = fpu.st(0);
            comparison(fpu, fpu.context(), 0, |cx| top.map(|x| arithmetic::compare(cx, x, F80::ZERO, false)));
        }
        Action::Examine => {
            let conditions = arithmetic::examine(fpu.peek(0), fpu.is_in_use(0));
            fpu.set_conditions(status::C3 | status::C2 | status::C1 | status::C0, conditions);
        }
        Action::DecrementTop => fpu.step(7),
        Action::IncrementTop => fpu.step(1),
        Action::Initialize => fpu.initialize(),
        Action::ClearExceptions => {
            fpu.status &= !(status::EXCEPTIONS | status::STACK_FAULT);
            fpu.summarize();
        }
    }
}

/// `ST(0) = f(ST(0))`.
fn map_top(fpu: &mut X87, f: impl FnOnce(&mut Context, F80) -> F80) {
    let mut cx = fpu.context();
    let result = match fpu.st(0) {
        Some(x) => f(&mut cx, x),
        None => cx.stack_underflow(),
    };
    finish(fpu, &cx, &[(0, result)], 0);
}

/// FPREM, FPREM1.
fn take_remainder(fpu: &mut X87, nearest: bool) {
    let mut cx = fpu.context();
    let (result, quotient) = match (fpu.st(0), fpu.st(1)) {
        (Some(x), Some(y)) => remainder::remainder(&mut cx, x, y, nearest),
        _ => (cx.stack_underflow(), Quotient::Unknown),
    };
    finish(fpu, &cx, &[(0, result)], 0);
    let (which, bits) = if cx.is_aborted() { Quotient::Unknown } else { quotient }.conditions();
    fpu.set_conditions(which, bits);
}

/// `ST(1) = f(ST(1), ST(0))`, then pops.
fn into_second(fpu: &mut X87, f: impl FnOnce(&mut Context, F80, F80) -> F80) {
    let mut cx = fpu.context();
    let result = match (fpu.st(1), fpu.st(0)) {
        (Some(y), Some(x)) => f(&mut cx, y, x),
        _ => cx.stack_underflow(),
    };
    finish(fpu, &cx, &[(1, result)], 1);
}

/// `ST(0) = f(ST(0))`, or C2 if the operand is out of the function's range.
fn in_range(fpu: &mut X87, f: impl FnOnce(&mut Context, F80) -> Option<F80>) {
    let mut cx = fpu.context();
    let result = match fpu.st(0) {
        Some(x) => f(&mut cx, x),
        None => Some(cx.stack_underflow()),
    };
    fpu.set_conditions(status::C2, if result.is_some() { 0 } else { status::C2 });
    match result {
        Some(result) => finish(fpu, &cx, &[(0, result)], 0),
        None => fpu.report(&cx),
    }
}

/// Two results: the first in ST(0), the second pushed; or C2.
fn in_range_2(fpu: &mut X87, f: impl FnOnce(&mut Context, F80) -> Option<(F80, F80)>) {
    let mut cx = fpu.context();
    let results = replace_and_push(fpu, &mut cx, f);
    fpu.set_conditions(status::C2, if results { 0 } else { status::C2 });
}

/// The first result in ST(0), the second pushed. `false` if `f` has none.
fn replace_and_push(fpu: &mut X87, cx: &mut Context, f: impl FnOnce(&mut Context, F80) -> Option<(F80, F80)>) -> bool {
    let results = match fpu.st(0) {
        None => Some((cx.stack_underflow(), F80::DEFAULT_NAN)),
        Some(_) if fpu.is_in_use(7) => Some((cx.stack_overflow(), F80::DEFAULT_NAN)),
        Some(x) => f(cx, x),
    };
    if let Some((first, second)) = results
        && !cx.is_aborted()
    {
        fpu.set_st(0, first);
        fpu.rotate(7);
        fpu.set_st(0, second);
    }
    fpu.report(cx);
    results.is_some()
}

/// FFREE ST(i); FFREEP pops, too.
pub fn free(cpu: &mut CpuState, _: &mut impl Memory, i: u32, pop: u32) {
    cpu.x87.free(i);
    cpu.x87.set_conditions(status::C1, 0);
    if pop != 0 {
        cpu.x87.pop();
    }
}

/// FNSTCW.
pub fn control_read(cpu: &mut CpuState, _: &mut impl Memory) -> u32 {
    u32::from(cpu.x87.control)
}

/// FLDCW.
pub fn control_write(cpu: &mut CpuState, _: &mut impl Memory, control: u32) -> u32 {
    cpu.x87.set_control(control as u16);
    cpu.wants_exact()
}

/// FNSTSW.
pub fn status_read(cpu: &mut CpuState, _: &mut impl Memory) -> u32 {
    u32::from(cpu.x87.status_word())
}
