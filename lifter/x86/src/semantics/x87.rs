//! The x87 floating-point unit (SDM vol. 1, chapter 8): rows decode the operands, helpers do the work.

use iced_x86::{ConditionCode, Instruction, MemorySize, Mnemonic as M, OpKind};

use super::Row;
use super::sse_move::go_on_exactly;
use crate::boundary::Vector;
use crate::builder::{Builder, Width};
use crate::helper::Helper;
use crate::helpers::x87::{Action, Format, POP, QUIET, TO_FLAGS, TRUNCATE};
use crate::ir::{BinOp, LoadOp, StoreOp, Value};
use crate::reg::Reg;
use crate::vector::is_mmx;

pub fn row(mnemonic: M) -> Option<Row> {
    moves(mnemonic)
        .or_else(|| arithmetic(mnemonic))
        .or_else(|| comparisons(mnemonic))
        .or_else(|| control(mnemonic))
        .or_else(|| images(mnemonic))
}

fn moves(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Fld => |b, i| match i.op0_kind() {
            OpKind::Memory => load(b, i),
            _ => {
                let source = b.i32(last_register(i));
                b.helper(Helper::X87PushRegister, &[source]);
            }
        },
        M::Fild | M::Fbld => load,
        M::Fst => |b, i| store(b, i, 0),
        M::Fstp => |b, i| store(b, i, POP),
        M::Fstpnce => |b, i| store(b, i, POP | QUIET),
        M::Fist => |b, i| store(b, i, 0),
        M::Fistp | M::Fbstp => |b, i| store(b, i, POP),
        M::Fisttp => |b, i| store(b, i, POP | TRUNCATE),
        M::Fld1 => |b, _| constant(b, 0),
        M::Fldl2t => |b, _| constant(b, 1),
        M::Fldl2e => |b, _| constant(b, 2),
        M::Fldpi => |b, _| constant(b, 3),
        M::Fldlg2 => |b, _| constant(b, 4),
        M::Fldln2 => |b, _| constant(b, 5),
        M::Fldz => |b, _| constant(b, 6),
        M::Fxch => |b, i| {
            let other = b.i32(last_register(i));
            b.helper(Helper::X87Exchange, &[other]);
        },
        M::Fcmovb => |b, i| move_if(b, i, ConditionCode::b),
        M::Fcmove => |b, i| move_if(b, i, ConditionCode::e),
        M::Fcmovbe => |b, i| move_if(b, i, ConditionCode::be),
        M::Fcmovu => |b, i| move_if(b, i, ConditionCode::p),
        M::Fcmovnb => |b, i| move_if(b, i, ConditionCode::ae),
        M::Fcmovne => |b, i| move_if(b, i, ConditionCode::ne),
        M::Fcmovnbe => |b, i| move_if(b, i, ConditionCode::a),
        M::Fcmovnu => |b, i| move_if(b, i, ConditionCode::np),
        M::Ffree => |b, i| free(b, i, 0),
        M::Ffreep => |b, i| free(b, i, POP),
        _ => return None,
    })
}

/// The number of ST(i), the last operand.
fn last_register(i: &Instruction) -> i32 {
    match i.op_count() {
        0 => 1,
        count => register(i, count - 1),
    }
}

fn register(i: &Instruction, operand: u32) -> i32 {
    i.op_register(operand).number() as i32
}

/// The memory operand's format.
fn format(i: &Instruction) -> Format {
    match i.memory_size() {
        MemorySize::Float32 => Format::Single,
        MemorySize::Float64 => Format::Double,
        MemorySize::Int16 => Format::Int16,
        MemorySize::Int32 => Format::Int32,
        MemorySize::Int64 => Format::Int64,
        MemorySize::Bcd => Format::Decimal,
        _ => Format::Extended,
    }
}

/// The memory operand's address, as helpers take it.
fn address(b: &mut Builder<'_>, i: &Instruction) -> Value {
    let (addr, disp) = b.address(i);
    let disp = b.i32(disp);
    b.bin(BinOp::I32Add, addr, disp)
}

fn load(b: &mut Builder<'_>, i: &Instruction) {
    let addr = address(b, i);
    let format = b.i32(format(i) as i32);
    b.helper(Helper::X87Load, &[addr, format]);
}

fn store(b: &mut Builder<'_>, i: &Instruction, how: u32) {
    let flags = b.i32(how as i32);
    if i.op0_kind() == OpKind::Register {
        let to = b.i32(register(i, 0));
        b.helper(Helper::X87CopyTo, &[to, flags]);
    } else {
        let addr = address(b, i);
        let format = b.i32(format(i) as i32);
        b.helper(Helper::X87Store, &[addr, format, flags]);
    }
}

fn constant(b: &mut Builder<'_>, number: i32) {
    let number = b.i32(number);
    b.helper(Helper::X87PushConstant, &[number]);
}

fn move_if(b: &mut Builder<'_>, i: &Instruction, code: ConditionCode) {
    let cond = b.condition(code);
    let source = b.i32(last_register(i));
    b.helper(Helper::X87MoveIf, &[source, cond]);
}

fn free(b: &mut Builder<'_>, i: &Instruction, pop: u32) {
    let (which, pop) = (b.i32(last_register(i)), b.i32(pop as i32));
    b.helper(Helper::X87Free, &[which, pop]);
}

fn arithmetic(mnemonic: M) -> Option<Row> {
    // Operations by their number in ModRM.reg of opcode D8H.
    Some(match mnemonic {
        M::Fadd | M::Fiadd => |b, i| arith(b, i, 0, 0),
        M::Fmul | M::Fimul => |b, i| arith(b, i, 1, 0),
        M::Fsub | M::Fisub => |b, i| arith(b, i, 4, 0),
        M::Fsubr | M::Fisubr => |b, i| arith(b, i, 5, 0),
        M::Fdiv | M::Fidiv => |b, i| arith(b, i, 6, 0),
        M::Fdivr | M::Fidivr => |b, i| arith(b, i, 7, 0),
        M::Faddp => |b, i| arith(b, i, 0, POP),
        M::Fmulp => |b, i| arith(b, i, 1, POP),
        M::Fsubp => |b, i| arith(b, i, 4, POP),
        M::Fsubrp => |b, i| arith(b, i, 5, POP),
        M::Fdivp => |b, i| arith(b, i, 6, POP),
        M::Fdivrp => |b, i| arith(b, i, 7, POP),
        M::Fchs => |b, _| execute(b, Action::ChangeSign),
        M::Fabs => |b, _| execute(b, Action::Absolute),
        M::Fsqrt => |b, _| execute(b, Action::SquareRoot),
        M::Fprem => |b, _| execute(b, Action::Remainder),
        M::Fprem1 => |b, _| execute(b, Action::RemainderNearest),
        M::Fscale => |b, _| execute(b, Action::Scale),
        M::Fxtract => |b, _| execute(b, Action::Extract),
        M::Fsin => |b, _| execute(b, Action::Sine),
        M::Fcos => |b, _| execute(b, Action::Cosine),
        M::Fsincos => |b, _| execute(b, Action::SineAndCosine),
        M::Fptan => |b, _| execute(b, Action::Tangent),
        M::Fpatan => |b, _| execute(b, Action::ArcTangent),
        M::Fyl2x => |b, _| execute(b, Action::YLog2),
        M::Fyl2xp1 => |b, _| execute(b, Action::YLog2Plus1),
        M::F2xm1 => |b, _| execute(b, Action::PowerOf2Minus1),
        M::Frndint => |b, _| execute(b, Action::RoundToInteger),
        _ => return None,
    })
}

fn arith(b: &mut Builder<'_>, i: &Instruction, operation: i32, pop: u32) {
    let operation = b.i32(operation);
    if i.op0_kind() == OpKind::Memory {
        let addr = address(b, i);
        let format = b.i32(format(i) as i32);
        b.helper(Helper::X87ArithMemory, &[operation, addr, format]);
    } else {
        let (dest, source, pop) = (b.i32(register(i, 0)), b.i32(register(i, 1)), b.i32(pop as i32));
        b.helper(Helper::X87Arith, &[operation, dest, source, pop]);
    }
}

fn execute(b: &mut Builder<'_>, action: Action) {
    let action = b.i32(action as i32);
    b.helper(Helper::X87Execute, &[action]);
}

fn comparisons(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Fcom | M::Ficom => |b, i| compare(b, i, 0),
        M::Fcomp | M::Ficomp => |b, i| compare(b, i, POP),
        M::Fcompp => |b, i| compare(b, i, 2 * POP),
        M::Fucom => |b, i| compare(b, i, QUIET),
        M::Fucomp => |b, i| compare(b, i, QUIET | POP),
        M::Fucompp => |b, i| compare(b, i, QUIET | (2 * POP)),
        M::Fcomi => |b, i| compare(b, i, TO_FLAGS),
        M::Fcomip => |b, i| compare(b, i, TO_FLAGS | POP),
        M::Fucomi => |b, i| compare(b, i, TO_FLAGS | QUIET),
        M::Fucomip => |b, i| compare(b, i, TO_FLAGS | QUIET | POP),
        M::Ftst => |b, _| execute(b, Action::Test),
        M::Fxam => |b, _| execute(b, Action::Examine),
        _ => return None,
    })
}

fn compare(b: &mut Builder<'_>, i: &Instruction, how: u32) {
    let flags = b.i32(how as i32);
    if i.op_count() > 0 && i.op0_kind() == OpKind::Memory {
        let addr = address(b, i);
        let format = b.i32(format(i) as i32);
        b.helper(Helper::X87CompareMemory, &[addr, format, flags]);
        return;
    }
    let other = b.i32(last_register(i));
    let result = b.helper(Helper::X87Compare, &[other, flags]);
    if how & TO_FLAGS != 0 {
        for (flag, bit) in [(Reg::CF, 0), (Reg::PF, 2), (Reg::ZF, 6)] {
            let (bit, one) = (b.i32(bit), b.i32(1));
            let value = b.bin(BinOp::I32ShrU, result, bit);
            let value = b.bin(BinOp::I32And, value, one);
            b.set_flag(flag, value);
        }
        let zero = b.i32(0);
        for flag in [Reg::OF, Reg::SF, Reg::AF] {
            b.set_flag(flag, zero);
        }
    }
}

/// ES in the status word: an unmasked exception is pending.
const PENDING: i32 = 1 << 7;

/// #MF, if an exception that is not masked is pending.
pub(super) fn raise_pending(b: &mut Builder<'_>) {
    let status = b.helper(Helper::X87StatusRead, &[]);
    let summary = b.i32(PENDING);
    let pending = b.bin(BinOp::I32And, status, summary);
    b.exception_if(pending, Vector::FloatingPoint);
}

/// Does an instruction of the x87 first wait for what earlier ones raised (SDM vol. 1, §8.6)? MMX instructions do, too.
pub(super) fn waits(instr: &Instruction) -> bool {
    use M::*;
    match instr.mnemonic() {
        Fninit | Fnclex | Fnstcw | Fnstsw | Fnstenv | Fnsave | Fneni | Fndisi | Fnsetpm => false,
        Emms => true,
        mnemonic => {
            is_mmx(instr)
                || moves(mnemonic).or_else(|| arithmetic(mnemonic)).or_else(|| comparisons(mnemonic)).is_some()
                || matches!(mnemonic, Fldenv | Frstor)
                || control(mnemonic).is_some()
        }
    }
}

fn control(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Fldcw => |b, i| {
            let control = b.read_operand(i, 0, Width::B16);
            let exact = b.helper(Helper::X87ControlWrite, &[control]);
            go_on_exactly(b, exact);
        },
        M::Fnstcw | M::Fstcw => |b, i| {
            let control = b.helper(Helper::X87ControlRead, &[]);
            b.write_operand(i, 0, Width::B16, control);
        },
        M::Fnstsw | M::Fstsw => |b, i| {
            let status = b.helper(Helper::X87StatusRead, &[]);
            b.write_operand(i, 0, Width::B16, status);
        },
        M::Fninit | M::Finit => |b, _| {
            execute(b, Action::Initialize);
            let exact = b.helper(Helper::WantsExact, &[]);
            go_on_exactly(b, exact);
        },
        M::Fnclex | M::Fclex => |b, _| execute(b, Action::ClearExceptions),
        M::Fdecstp => |b, _| execute(b, Action::DecrementTop),
        M::Fincstp => |b, _| execute(b, Action::IncrementTop),
        M::Wait => |b, _| raise_pending(b),
        M::Fnop | M::Feni | M::Fneni | M::Fdisi | M::Fndisi | M::Fsetpm | M::Fnsetpm | M::Frstpm => |_, _| {},
        _ => return None,
    })
}

/// The state of the unit as a whole.
fn images(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Fnstenv => |b, i| image(b, i, Helper::X87SaveEnvironment),
        M::Fldenv => |b, i| image(b, i, Helper::X87RestoreEnvironment),
        M::Fnsave => |b, i| image(b, i, Helper::X87Save),
        M::Frstor => |b, i| image(b, i, Helper::X87Restore),
        M::Fxsave | M::Fxsave64 => fast_save,
        M::Fxrstor | M::Fxrstor64 => fast_restore,
        _ => return None,
    })
}

/// FNSTENV and the like: the operand-size prefix chooses the 16-bit format.
fn image(b: &mut Builder<'_>, i: &Instruction, helper: Helper) {
    let narrow = matches!(i.memory_size(), MemorySize::FpuEnv14 | MemorySize::FpuState94);
    let addr = address(b, i);
    let wide = b.i32(i32::from(!narrow));
    let exact = b.helper(helper, &[addr, wide]);
    go_on_exactly(b, exact);
}

/// Where FXSAVE's image has MXCSR and the XMM registers.
const MXCSR_IMAGE: i32 = 24;
const XMM_IMAGE: i32 = 160;

fn fast_save(b: &mut Builder<'_>, i: &Instruction) {
    let addr = address(b, i);
    b.helper(Helper::X87FastSave, &[addr]);
    for n in 0..16 {
        let value = b.get(Reg::xmm(n));
        b.store_op(StoreOp::V128Store, addr, XMM_IMAGE + 16 * i32::from(n), value);
    }
}

fn fast_restore(b: &mut Builder<'_>, i: &Instruction) {
    let addr = address(b, i);
    let mxcsr = b.load_op(LoadOp::I32Load, addr, MXCSR_IMAGE);
    let reserved = b.i32(!0xffff);
    let reserved = b.bin(BinOp::I32And, mxcsr, reserved);
    b.exception_if(reserved, Vector::GeneralProtection);
    let exact = b.helper(Helper::X87FastRestore, &[addr]);
    for n in 0..16 {
        let value = b.load_op(LoadOp::V128Load, addr, XMM_IMAGE + 16 * i32::from(n));
        b.set(Reg::xmm(n), value);
    }
    go_on_exactly(b, exact);
}
