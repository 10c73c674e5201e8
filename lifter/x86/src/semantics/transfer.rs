//! Moving integers: MOV and its extending forms, LEA, the stack, exchanges, conditional moves.

use iced_x86::{Code, Instruction, Mnemonic, OpKind, Register};

use crate::boundary::Vector;
use crate::builder::{Builder, Width, gpr_parts};
use crate::flags::{Arith, Kind};
use crate::ir::{BinOp, LoadOp, Shape, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;
use crate::semantics::words::Place;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Mov => mov,
        Movnti => mov_integer,
        Movzx => movzx,
        Movsx | Movsxd => movsx,
        Movbe => movbe,
        Lea => lea,
        Push => push,
        Pop => pop,
        Xchg => xchg,
        Xadd => xadd,
        Cmpxchg => cmpxchg,
        Cmpxchg8b => cmpxchg8b,
        Cmpxchg16b => cmpxchg16b,
        Bswap => bswap,
        Cbw => |b, _| extend_accumulator(b, Register::AL, Width::B8, Register::AX),
        Cwde => |b, _| extend_accumulator(b, Register::AX, Width::B16, Register::EAX),
        Cdqe => |b, _| extend_accumulator(b, Register::EAX, Width::B32, Register::RAX),
        Cwd => |b, _| spread_sign(b, Register::AX, Register::DX),
        Cdq => |b, _| spread_sign(b, Register::EAX, Register::EDX),
        Cqo => |b, _| spread_sign(b, Register::RAX, Register::RDX),
        Leave => leave,
        Enter => enter,
        Xlatb => xlat,
        Cmova | Cmovae | Cmovb | Cmovbe | Cmove | Cmovg | Cmovge | Cmovl | Cmovle | Cmovne | Cmovno | Cmovnp | Cmovns | Cmovo
        | Cmovp | Cmovs => cmov,
        Seta | Setae | Setb | Setbe | Sete | Setg | Setge | Setl | Setle | Setne | Setno | Setnp | Setns | Seto | Setp | Sets => {
            setcc
        }
        _ => return None,
    })
}

/// MOV of integers; the forms with control, debug and segment registers are the system's.
fn mov(b: &mut Builder<'_>, instr: &Instruction) {
    let special = |operand| {
        let register = instr.op_register(operand);
        instr.op_kind(operand) == OpKind::Register && !register.is_gpr()
    };
    if special(0) || special(1) { mov_special(b, instr) } else { mov_integer(b, instr) }
}

fn mov_integer(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let value = b.read_operand(instr, 1, width);
    b.write_operand(instr, 0, width, value);
}

/// Segment selectors as Linux sets them for a 64-bit process: CS 33H, SS 2BH, all others null.
fn mov_special(b: &mut Builder<'_>, instr: &Instruction) {
    if instr.op_register(1).is_segment_register() {
        let selector = match instr.op_register(1) {
            Register::CS => 0x33,
            Register::SS => 0x2b,
            _ => 0,
        };
        // A register destination of 32 or 64 bits is zero-extended; memory always has 16 bits.
        let width = if instr.op_kind(0) == OpKind::Register { b.operand_width(instr, 0) } else { Width::B16 };
        let value = b.int(width, selector);
        b.write_operand(instr, 0, width, value);
    } else if instr.op_register(0).is_segment_register() {
        // Null and the flat user data segment change nothing; anything else has no descriptor.
        let value = if instr.op_kind(1) == OpKind::Register {
            b.read_gpr(instr.op_register(1).full_register32())
        } else {
            b.read_operand(instr, 1, Width::B16)
        };
        let mask = b.i32(0xfffc);
        let index = b.bin(BinOp::I32And, value, mask);
        let flat = b.i32(0x28);
        let not_flat = b.bin(BinOp::I32Ne, index, flat);
        let zero = b.i32(0);
        let not_null = b.bin(BinOp::I32Ne, index, zero);
        let neither = b.bin(BinOp::I32And, not_flat, not_null);
        b.exception_if(neither, Vector::GeneralProtection);
    } else {
        b.exception(Vector::GeneralProtection);
    }
}

fn movzx(b: &mut Builder<'_>, instr: &Instruction) {
    let from = b.operand_width(instr, 1);
    let to = b.operand_width(instr, 0);
    let value = b.read_operand(instr, 1, from);
    let value = b.resize(from, to, false, value);
    b.write_operand(instr, 0, to, value);
}

fn movsx(b: &mut Builder<'_>, instr: &Instruction) {
    let from = b.operand_width(instr, 1);
    let to = b.operand_width(instr, 0);
    let value = match (instr.op_kind(1), from, to) {
        (OpKind::Memory, ..) => load_signed(b, instr, from, to),
        (_, _, Width::B64) if !gpr_parts(instr.op_register(1)).2 => {
            let full = b.get(gpr_parts(instr.op_register(1)).0);
            let op = match from {
                Width::B8 => UnOp::I64Extend8S,
                Width::B16 => UnOp::I64Extend16S,
                _ => UnOp::I64Extend32S,
            };
            b.un(op, full)
        }
        _ => {
            let value = b.read_operand(instr, 1, from);
            b.resize(from, to, true, value)
        }
    };
    b.write_operand(instr, 0, to, value);
}

/// A sign-extending load, valid for the width `to`.
fn load_signed(b: &mut Builder<'_>, instr: &Instruction, from: Width, to: Width) -> Value {
    let (addr, disp) = b.address(instr);
    let op = match (from, to) {
        (Width::B8, Width::B64) => LoadOp::I64Load8S,
        (Width::B16, Width::B64) => LoadOp::I64Load16S,
        (Width::B32, Width::B64) => LoadOp::I64Load32S,
        (Width::B8, _) => LoadOp::I32Load8S,
        (Width::B16, Width::B32) => LoadOp::I32Load16S,
        // MOVSXD and MOVSX without a change of width.
        _ => return b.load(to, addr, disp),
    };
    let value = b.load_op(op, addr, disp);
    b.truncate(to, value)
}

fn movbe(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let value = b.read_operand(instr, 1, width);
    let value = swap_bytes(b, width, value);
    b.write_operand(instr, 0, width, value);
}

/// BSWAP; with 16 bits undefined, where hardware gives zero.
fn bswap(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let value = b.read_operand(instr, 0, width);
    let value = if width == Width::B16 { b.i32(0) } else { swap_bytes(b, width, value) };
    b.write_operand(instr, 0, width, value);
}

fn swap_bytes(b: &mut Builder<'_>, width: Width, value: Value) -> Value {
    use BinOp::*;
    match width {
        Width::B8 => value,
        Width::B16 => {
            let eight = b.i32(8);
            let up = b.bin(I32Shl, value, eight);
            let down = b.bin(I32ShrU, value, eight);
            let both = b.bin(I32Or, up, down);
            b.truncate(width, both)
        }
        Width::B32 => {
            let eight = b.i32(8);
            let left = b.bin(I32Rotl, value, eight);
            let right = b.bin(I32Rotr, value, eight);
            let (odd, even) = (b.i32(0x00ff_00ff), b.i32(0xff00_ff00_u32 as i32));
            let left = b.bin(I32And, left, odd);
            let right = b.bin(I32And, right, even);
            b.bin(I32Or, left, right)
        }
        Width::B64 => {
            let vector = b.un(UnOp::I64x2Splat, value);
            let reversed = b.shuffle(vector, vector, core::array::from_fn(|i| 7 - (i as u8 & 7)));
            b.extract(Shape::I64x2, 0, reversed)
        }
    }
}

fn lea(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let value = match width {
        Width::B64 => b.effective_address(instr),
        // Modulo 2³² the address that a load uses is the sum already, but for the segment, which LEA ignores.
        _ if matches!(instr.memory_segment(), Register::FS | Register::GS) => {
            let full = b.effective_address(instr);
            b.resize(Width::B64, width, false, full)
        }
        _ => {
            let (addr, disp) = b.address(instr);
            let disp = b.i32(disp);
            let sum = b.bin(BinOp::I32Add, addr, disp);
            b.truncate(width, sum)
        }
    };
    b.write_operand(instr, 0, width, value);
}

/// PUSH of a register, memory, an immediate or FS/GS (null selectors). 16 bits with 66H, else 64.
fn push(b: &mut Builder<'_>, instr: &Instruction) {
    let width = if instr.stack_pointer_increment() == -2 { Width::B16 } else { Width::B64 };
    let value = match instr.op_kind(0) {
        OpKind::Register if instr.op_register(0).is_segment_register() => b.int(width, 0),
        OpKind::Register | OpKind::Memory => b.read_operand(instr, 0, width),
        _ => b.int(width, instr.immediate(0) as i64),
    };
    b.push(width, value);
}

/// POP; a memory destination is addressed with the incremented rsp (SDM, POP).
fn pop(b: &mut Builder<'_>, instr: &Instruction) {
    let width = if instr.stack_pointer_increment() == 2 { Width::B16 } else { Width::B64 };
    let value = b.pop(width);
    if instr.op_kind(0) == OpKind::Register && instr.op_register(0).is_segment_register() {
        return;
    }
    b.write_operand(instr, 0, width, value);
}

fn leave(b: &mut Builder<'_>, instr: &Instruction) {
    let width = if instr.code() == Code::Leavew { Width::B16 } else { Width::B64 };
    // The registers change only if the load is good.
    let rbp = b.get(Reg::RBP);
    let addr = b.wrap(rbp);
    let value = b.load(width, addr, 0);
    let size = b.i64(i64::from(width.bytes()));
    let rsp = b.bin(BinOp::I64Add, rbp, size);
    b.set(Reg::RSP, rsp);
    b.write_gpr(if width == Width::B64 { Register::RBP } else { Register::BP }, value);
}

/// ENTER size, level (SDM, ENTER); the level is a constant, so the display is copied by straight code.
fn enter(b: &mut Builder<'_>, instr: &Instruction) {
    let size = i64::from(instr.immediate16());
    let level = i32::from(instr.immediate8_2nd() & 31);
    // With 66H everything that is pushed, and what RBP is given, has 16 bits.
    let (width, register) = match instr.code() {
        Code::Enterw_imm16_imm8 => (Width::B16, Register::BP),
        _ => (Width::B64, Register::RBP),
    };
    let display = b.get(Reg::RBP);
    let display = b.wrap(display);
    let rbp = b.read_gpr(register);
    b.push(width, rbp);
    let frame = b.read_gpr(if width == Width::B16 { Register::SP } else { Register::RSP });
    if level > 0 {
        for i in 1..level {
            let pointer = b.load(width, display, -(width.bytes() as i32) * i);
            b.push(width, pointer);
        }
        b.push(width, frame);
    }
    b.write_gpr(register, frame);
    let rsp = b.get(Reg::RSP);
    let room = b.i64(-size);
    let rsp = b.bin(BinOp::I64Add, rsp, room);
    b.set(Reg::RSP, rsp);
}

/// XLAT: AL = byte at [rbx + AL].
fn xlat(b: &mut Builder<'_>, instr: &Instruction) {
    let table = b.get(Reg::RBX);
    let table = b.wrap(table);
    let index = b.read_gpr(Register::AL);
    let addr = b.bin(BinOp::I32Add, table, index);
    let addr = b.plus_segment(addr, instr);
    let value = b.load(Width::B8, addr, 0);
    b.write_gpr(Register::AL, value);
}

fn extend_accumulator(b: &mut Builder<'_>, from: Register, width: Width, to: Register) {
    let to_width = gpr_parts(to).1;
    let value = if to_width == Width::B64 {
        let full = b.get(Reg::RAX);
        b.un(UnOp::I64Extend32S, full)
    } else {
        let value = b.read_gpr(from);
        b.resize(width, to_width, true, value)
    };
    b.write_gpr(to, value);
}

/// CWD, CDQ, CQO: every bit of `to` becomes the sign of `from`.
fn spread_sign(b: &mut Builder<'_>, from: Register, to: Register) {
    let width = gpr_parts(from).1;
    let value = b.read_gpr(from);
    let value = b.sign_extend(width, value);
    let count = b.int(if width == Width::B64 { width } else { Width::B32 }, if width == Width::B64 { 63 } else { 31 });
    let sign = b.bin_w(width, BinOp::I32ShrS, BinOp::I64ShrS, value, count);
    let sign = b.truncate(width, sign);
    b.write_gpr(to, sign);
}

fn xchg(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let (left, right) = (b.place(instr, 0), b.place(instr, 1));
    let a = b.read_place(left, width);
    let c = b.read_place(right, width);
    b.write_place(left, width, c);
    b.write_place(right, width, a);
}

fn xadd(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let a = b.read_place(place, width);
    let added = b.read_operand(instr, 1, width);
    let sum = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, a, added);
    let res = b.truncate(width, sum);
    b.set_arith(Arith { kind: Kind::Add, width, a, b: added, res });
    // The source first: XADD of a register with itself leaves the sum.
    b.write_operand(instr, 1, width, a);
    b.write_place(place, width, res);
}

/// CMPXCHG: memory is written in both cases; of the registers only one, the destination when they are equal, else the accumulator,
/// so that the upper half of the other survives with 32 bits.
fn cmpxchg(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let old = b.read_place(place, width);
    let source = b.read_operand(instr, 1, width);
    let rax = b.get(Reg::RAX);
    let accumulator = b.resize(Width::B64, width, false, rax);
    let difference = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, accumulator, old);
    let difference = b.truncate(width, difference);
    b.set_arith(Arith { kind: Kind::Cmp, width, a: accumulator, b: old, res: difference });
    let equal = b.flag(Reg::ZF);
    b.write_gpr(
        match width {
            Width::B8 => Register::AL,
            Width::B16 => Register::AX,
            Width::B32 => Register::EAX,
            Width::B64 => Register::RAX,
        },
        old,
    );
    let written = b.get(Reg::RAX);
    let rax = b.select(equal, rax, written);
    b.set(Reg::RAX, rax);
    match place {
        Place::Gpr(register) if width == Width::B32 => {
            let (reg, ..) = gpr_parts(register);
            let new = b.zero_extend_64(source);
            let kept = b.get(reg);
            let chosen = b.select(equal, new, kept);
            b.set(reg, chosen);
        }
        _ => {
            let new = b.select(equal, source, old);
            b.write_place(place, width, new);
        }
    }
}

/// CMPXCHG8B: EDX:EAX with ECX:EBX; only ZF changes.
fn cmpxchg8b(b: &mut Builder<'_>, instr: &Instruction) {
    let (addr, disp) = b.address(instr);
    let old = b.load(Width::B64, addr, disp);
    let expected = b.join_halves(Register::EDX, Register::EAX);
    let new = b.join_halves(Register::ECX, Register::EBX);
    let equal = b.bin(BinOp::I64Eq, old, expected);
    let stored = b.select(equal, new, old);
    b.store(Width::B64, addr, disp, stored);
    let mask = b.i64(0xffff_ffff);
    let low = b.bin(BinOp::I64And, old, mask);
    let count = b.i64(32);
    let high = b.bin(BinOp::I64ShrU, old, count);
    set_unless(b, equal, Reg::RAX, low);
    set_unless(b, equal, Reg::RDX, high);
    b.set_flag(Reg::ZF, equal);
}

/// CMPXCHG16B: RDX:RAX with RCX:RBX; #GP unless the address is a multiple of 16; only ZF changes.
fn cmpxchg16b(b: &mut Builder<'_>, instr: &Instruction) {
    let (addr, disp) = b.address(instr);
    let disp = b.i32(disp);
    let addr = b.bin(BinOp::I32Add, addr, disp);
    let fifteen = b.i32(15);
    let misaligned = b.bin(BinOp::I32And, addr, fifteen);
    b.exception_if(misaligned, Vector::GeneralProtection);
    let (low, high) = (b.load(Width::B64, addr, 0), b.load(Width::B64, addr, 8));
    let (rax, rdx) = (b.get(Reg::RAX), b.get(Reg::RDX));
    let low_equal = b.bin(BinOp::I64Eq, low, rax);
    let high_equal = b.bin(BinOp::I64Eq, high, rdx);
    let equal = b.bin(BinOp::I32And, low_equal, high_equal);
    let (rbx, rcx) = (b.get(Reg::RBX), b.get(Reg::RCX));
    let new_low = b.select(equal, rbx, low);
    let new_high = b.select(equal, rcx, high);
    b.store(Width::B64, addr, 0, new_low);
    b.store(Width::B64, addr, 8, new_high);
    // Where they are equal the registers hold these values already.
    b.set(Reg::RAX, low);
    b.set(Reg::RDX, high);
    b.set_flag(Reg::ZF, equal);
}

fn set_unless(b: &mut Builder<'_>, cond: Value, reg: Reg, value: Value) {
    let old = b.get(reg);
    let value = b.select(cond, old, value);
    b.set(reg, value);
}

/// CMOVcc reads memory, and clears the upper half of a 32-bit destination, whether the condition holds or not.
fn cmov(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let source = b.read_operand(instr, 1, width);
    let old = b.read_operand(instr, 0, width);
    let cond = b.condition(instr.condition_code());
    let value = b.select(cond, source, old);
    b.write_operand(instr, 0, width, value);
}

fn setcc(b: &mut Builder<'_>, instr: &Instruction) {
    let cond = b.condition(instr.condition_code());
    b.write_operand(instr, 0, Width::B8, cond);
}
