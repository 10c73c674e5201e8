//! Jumps, calls, returns and loops (SDM vol. 1, §7.3.8).

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::boundary::Vector;
use crate::builder::{Builder, Width};
use crate::ir::{BinOp, Exit, Target, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Jmp => jmp,
        Call => call,
        Retf => |b, _| b.exception(Vector::GeneralProtection),
        Ret => ret,
        Ja | Jae | Jb | Jbe | Je | Jg | Jge | Jl | Jle | Jne | Jno | Jnp | Jns | Jo | Jp | Js => jcc,
        Jrcxz => |b, i| jump_if_zero(b, i, Register::RCX),
        Jecxz => |b, i| jump_if_zero(b, i, Register::ECX),
        Loop | Loope | Loopne => loop_,
        _ => return None,
    })
}

/// The target of a near jump or call: a constant, or an operand read now, before anything is pushed.
fn target(b: &mut Builder<'_>, instr: &Instruction) -> Target {
    match instr.op_kind(0) {
        OpKind::Register | OpKind::Memory => {
            let value = b.read_operand(instr, 0, Width::B64);
            Target::Value(b.wrap(value))
        }
        _ => Target::Pc(instr.near_branch_target() as u32),
    }
}

/// Far transfers need descriptors that a process does not have.
fn is_far(instr: &Instruction) -> bool {
    instr.is_jmp_far() || instr.is_jmp_far_indirect() || instr.is_call_far() || instr.is_call_far_indirect()
}

fn jmp(b: &mut Builder<'_>, instr: &Instruction) {
    if is_far(instr) {
        return b.exception(Vector::GeneralProtection);
    }
    match target(b, instr) {
        Target::Pc(pc) => b.goto(pc),
        to => b.exit(Exit::Jump(to)),
    }
}

fn call(b: &mut Builder<'_>, instr: &Instruction) {
    if is_far(instr) {
        return b.exception(Vector::GeneralProtection);
    }
    let to = target(b, instr);
    let next = b.next_pc;
    let return_address = b.i64(i64::from(next));
    b.push64(return_address);
    b.exit(Exit::Call { to, next });
}

/// RET, and RET imm16, which removes that many bytes of arguments too.
fn ret(b: &mut Builder<'_>, instr: &Instruction) {
    let to = b.pop64();
    if instr.op_count() == 1 {
        let rsp = b.get(Reg::RSP);
        let bytes = b.i64(i64::from(instr.immediate16()));
        let rsp = b.bin(BinOp::I64Add, rsp, bytes);
        b.set(Reg::RSP, rsp);
    }
    let to = b.wrap(to);
    b.exit(Exit::Return(to));
}

fn jcc(b: &mut Builder<'_>, instr: &Instruction) {
    let cond = b.condition(instr.condition_code());
    b.goto_if(cond, instr.near_branch_target() as u32, b.next_pc);
}

fn is_zero(b: &mut Builder<'_>, register: Register) -> Value {
    let value = b.read_gpr(register);
    b.un(if register == Register::RCX { UnOp::I64Eqz } else { UnOp::I32Eqz }, value)
}

fn jump_if_zero(b: &mut Builder<'_>, instr: &Instruction, register: Register) {
    let zero = is_zero(b, register);
    b.goto_if(zero, instr.near_branch_target() as u32, b.next_pc);
}

/// LOOP, LOOPE, LOOPNE: count rcx (67H: ecx) down without touching a flag; jump while it is not zero (and ZF is 1 or 0).
fn loop_(b: &mut Builder<'_>, instr: &Instruction) {
    use iced_x86::Code::*;
    let narrow = matches!(instr.code(), Loop_rel8_64_ECX | Loope_rel8_64_ECX | Loopne_rel8_64_ECX);
    let (register, width) = if narrow { (Register::ECX, Width::B32) } else { (Register::RCX, Width::B64) };
    let count = b.read_gpr(register);
    let minus_one = b.int(width, -1);
    let count = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, count, minus_one);
    b.write_gpr(register, count);
    let zero = b.int(width, 0);
    let mut cond = b.bin_w(width, BinOp::I32Ne, BinOp::I64Ne, count, zero);
    if instr.mnemonic() != Mnemonic::Loop {
        let mut equal = b.flag(Reg::ZF);
        if instr.mnemonic() == Mnemonic::Loopne {
            equal = b.un(UnOp::I32Eqz, equal);
        }
        cond = b.bin(BinOp::I32And, cond, equal);
    }
    b.goto_if(cond, instr.near_branch_target() as u32, b.next_pc);
}
