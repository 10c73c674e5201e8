//! Flags as a whole, system calls, CPUID, the clock, hints, and what only an operating system may do.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::boundary::Vector;
use crate::builder::{Builder, Width};
use crate::helper::Helper;
use crate::ir::{BinOp, Exit, Value};
use crate::processor::XCR0;
use crate::reg::Reg;
use crate::semantics::Row;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Syscall => syscall,
        Clc => |b, _| set_carry(b, 0),
        Stc => |b, _| set_carry(b, 1),
        Cmc => complement_carry,
        Cld => |b, _| set_direction(b, 0),
        Std => |b, _| set_direction(b, 1),
        Lahf => lahf,
        Sahf => sahf,
        Pushf | Pushfq => pushf,
        Popf | Popfq => popf,
        Cpuid => cpuid,
        Xgetbv => xgetbv,
        Rdtsc => rdtsc,
        Rdtscp => rdtscp,
        Rdfsbase => |b, i| read_base(b, i, Reg::FS_BASE),
        Rdgsbase => |b, i| read_base(b, i, Reg::GS_BASE),
        Wrfsbase => |b, i| write_base(b, i, Reg::FS_BASE),
        Wrgsbase => |b, i| write_base(b, i, Reg::GS_BASE),
        // Hints, and fences between processors of which there is one. RDSSP changes nothing while shadow stacks are off.
        Nop | Reservednop | Endbr64 | Endbr32 | Pause | Rdsspd | Rdsspq | Lfence | Mfence | Sfence | Prefetchnta | Prefetcht0
        | Prefetcht1 | Prefetcht2 | Prefetchw | Prefetch | Prefetchwt1 | Clflush | Clflushopt | Clwb | Cldemote | Serialize => {
            |_, _| {}
        }
        // Traps: the guest's handler sees the address after the instruction.
        Int3 => |b, _| trap(b, Vector::Breakpoint),
        Int1 => |b, _| trap(b, Vector::Debug),
        // Of the gates of Linux a process may use those of INT3 and INTO (which itself is invalid in 64-bit mode), and 80H for 32-bit
        // system calls, which are not there.
        Int => |b, i| match i.immediate8() {
            3 => trap(b, Vector::Breakpoint),
            4 => trap(b, Vector::Overflow),
            _ => b.exception(Vector::GeneralProtection),
        },
        // What CPUID does not announce raises #UD as on such a processor.
        Ud0 | Ud1 | Ud2 | Sysenter | Sysexit | Rdrand | Rdseed | Rdpid | Xsetbv | Vmcall | Monitor | Mwait | Monitorx
        | Mwaitx | Umonitor | Umwait | Tpause | Xbegin | Xend | Xabort | Xtest => |b, _| b.exception(Vector::InvalidOpcode),
        // Privileged, or without a descriptor, port or gate that a process may use.
        Hlt | Cli | Sti | In | Out | Insb | Insw | Insd | Outsb | Outsw | Outsd | Iret | Iretd | Iretq | Lgdt | Lidt | Lldt
        | Ltr | Lmsw | Clts | Invd | Wbinvd | Wbnoinvd | Invlpg | Invpcid | Rdmsr | Wrmsr | Rdpmc | Swapgs | Sysret | Sysretq
        | Sgdt | Sidt | Sldt | Str | Smsw | Lss | Lfs | Lgs => |b, _| b.exception(Vector::GeneralProtection),
        _ => return None,
    })
}

fn trap(b: &mut Builder<'_>, vector: Vector) {
    b.exit(Exit::Exception { vector, at: b.next_pc });
}

/// SYSCALL: rcx = next address, r11 = RFLAGS (SDM vol. 2, SYSCALL).
fn syscall(b: &mut Builder<'_>, _: &Instruction) {
    let next = b.next_pc;
    let rip = b.i64(i64::from(next));
    b.set(Reg::RCX, rip);
    let rflags = b.rflags();
    b.set(Reg::R11, rflags);
    b.exit(Exit::Syscall { next });
}

fn set_carry(b: &mut Builder<'_>, value: i32) {
    let value = b.i32(value);
    b.set_flag(Reg::CF, value);
}

fn complement_carry(b: &mut Builder<'_>, _: &Instruction) {
    let old = b.flag(Reg::CF);
    let one = b.i32(1);
    let new = b.bin(BinOp::I32Xor, old, one);
    b.set_flag(Reg::CF, new);
}

fn set_direction(b: &mut Builder<'_>, value: i32) {
    let value = b.i32(value);
    b.set(Reg::DF, value);
}

/// LAHF: SF, ZF, AF, PF, CF as in RFLAGS' low byte.
fn lahf(b: &mut Builder<'_>, _: &Instruction) {
    let rflags = b.rflags();
    let low = b.resize(Width::B64, Width::B8, false, rflags);
    b.write_gpr(Register::AH, low);
}

fn sahf(b: &mut Builder<'_>, _: &Instruction) {
    let value = b.read_gpr(Register::AH);
    b.set_rflags(value, |flag| flag != Reg::OF && flag != Reg::DF);
}

/// Operand width of PUSHF and POPF.
fn stack_width(instr: &Instruction) -> Width {
    if instr.stack_pointer_increment().abs() == 2 { Width::B16 } else { Width::B64 }
}

fn pushf(b: &mut Builder<'_>, instr: &Instruction) {
    let width = stack_width(instr);
    let rflags = b.rflags();
    let idle = b.helper(Helper::IdleFlags, &[]);
    let idle = b.zero_extend_64(idle);
    let rflags = b.bin(BinOp::I64Or, rflags, idle);
    let value = b.resize(Width::B64, width, false, rflags);
    b.push(width, value);
}

/// POPF; of the flags that a process may change all but TF, with 16 bits those that are among them.
fn popf(b: &mut Builder<'_>, instr: &Instruction) {
    let width = stack_width(instr);
    let value = b.pop(width);
    let value = b.resize(width, Width::B32, false, value);
    b.set_rflags(value, |_| true);
    let written = b.i32(if width == Width::B16 { 0xffff } else { -1 });
    b.helper(Helper::SetIdleFlags, &[value, written]);
}

fn cpuid(b: &mut Builder<'_>, _: &Instruction) {
    let leaf = b.read_gpr(Register::EAX);
    let subleaf = b.read_gpr(Register::ECX);
    let results = [
        (Register::EAX, Helper::CpuidEax),
        (Register::EBX, Helper::CpuidEbx),
        (Register::ECX, Helper::CpuidEcx),
        (Register::EDX, Helper::CpuidEdx),
    ];
    for (register, helper) in results {
        let value = b.helper(helper, &[leaf, subleaf]);
        b.write_gpr(register, value);
    }
}

/// XGETBV of XCR0, and of those of its components that are in use: all of them.
fn xgetbv(b: &mut Builder<'_>, _: &Instruction) {
    let number = b.read_gpr(Register::ECX);
    let last = b.i32(1);
    let unknown = b.bin(BinOp::I32GtU, number, last);
    b.exception_if(unknown, Vector::GeneralProtection);
    let value = b.i64(XCR0.into());
    b.set(Reg::RAX, value);
    let high = b.i64(0);
    b.set(Reg::RDX, high);
}

fn rdtsc(b: &mut Builder<'_>, _: &Instruction) {
    let time = b.helper(Helper::Rdtsc, &[]);
    let low = b.wrap(time);
    b.write_gpr(Register::EAX, low);
    let half = b.i64(32);
    let high = b.bin(BinOp::I64ShrU, time, half);
    b.set(Reg::RDX, high);
}

/// RDTSCP also says which processor: number 0 on node 0.
fn rdtscp(b: &mut Builder<'_>, instr: &Instruction) {
    rdtsc(b, instr);
    let processor = b.i64(0);
    b.set(Reg::RCX, processor);
}

fn read_base(b: &mut Builder<'_>, instr: &Instruction, base: Reg) {
    let width = b.operand_width(instr, 0);
    let value = b.get(base);
    let value = b.resize(Width::B64, width, false, value);
    b.write_operand(instr, 0, width, value);
}

fn write_base(b: &mut Builder<'_>, instr: &Instruction, base: Reg) {
    debug_assert_eq!(instr.op_kind(0), OpKind::Register);
    let width = b.operand_width(instr, 0);
    let value: Value = b.read_operand(instr, 0, width);
    let value = b.resize(width, Width::B64, false, value);
    b.set(base, value);
}
