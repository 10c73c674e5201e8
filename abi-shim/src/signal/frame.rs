//! The frame of a signal handler on the guest's stack: `struct rt_sigframe` of Linux on x86-64 (arch/x86/kernel/signal_64.c,
//! uapi/asm/sigcontext.h).

use hoist_x86::state::CpuState;

use super::{Action, AltStack, Info, Interrupted, SignalSet};
use crate::cpu;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::Restart;
use crate::user::{self, Pod};

/// `stack_t`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StackT {
    pub start: u64,
    pub flags: u32,
    pub padding: u32,
    pub size: u64,
}
unsafe impl Pod for StackT {}

/// `struct ucontext`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Context {
    flags: u64,
    link: u64,
    stack: StackT,
    /// r8…r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp: the order of [`ORDER`].
    registers: [u64; 16],
    rip: u64,
    rflags: u64,
    /// cs, gs, fs, ss.
    segments: [u16; 4],
    error: u64,
    trap: u64,
    old_mask: u64,
    cr2: u64,
    fpstate: u64,
    /// Of no use to Linux; the last says that registers or rip are not those of the interrupted code.
    reserved: [u64; 8],
    mask: SignalSet,
}
unsafe impl Pod for Context {}

/// The frame: return address, context, siginfo.
const CONTEXT: u64 = 8;
const INFO: u64 = CONTEXT + size_of::<Context>() as u64;
const FRAME: u64 = INFO + Info::SIZE as u64;

/// Numbers of the general-purpose registers in the order of `struct sigcontext`.
const ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];
/// Bytes below rsp that leaf functions use (System V ABI AMD64, §3.2.2).
const RED_ZONE: u64 = 128;
/// UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS.
const CONTEXT_FLAGS: u64 = 7;
/// Bits of RFLAGS that sigreturn sets: all that a program can set but ID and NT (FIX_EFLAGS, arch/x86/kernel/signal_64.c).
const RESTORED_FLAGS: u64 = 0x5_0dd5;
const USER_CS: u16 = 0x33;
const USER_SS: u16 = 0x2b;
/// Bytes of the syscall instruction.
const SYSCALL: u32 = 2;

/// Pushes the frame and sets the registers; the handler's address.
pub(super) fn push(
    k: &mut Kernel,
    pc: u32,
    info: Info,
    action: Action,
    mask: SignalSet,
    interrupted: Interrupted,
) -> Result<u32, Errno> {
    let alt = k.task.alt_stack;
    let restart = match interrupted {
        Interrupted::Call { number, restarts: Restart::Always } => Some(number),
        Interrupted::Call { number, restarts: Restart::IfAsked } if action.flags & Action::RESTART != 0 => Some(number),
        _ => None,
    };
    let handler = cpu::with_registers(|cpu| {
        let rsp = cpu.int[4];
        let top = match action.flags & Action::ONSTACK != 0 && alt.flags & AltStack::DISABLE == 0 && !alt.contains(rsp) {
            true => alt.start + alt.size,
            false => rsp.wrapping_sub(RED_ZONE),
        };
        let fpstate = top.wrapping_sub(XSAVE as u64) & !63;
        let frame = (fpstate.wrapping_sub(FRAME) & !15).wrapping_sub(8);
        user::copy_to_user(fpstate, &save_vectors(cpu))?;

        let flags = if alt.contains(rsp) { AltStack::ONSTACK } else { alt.flags };
        let mut context = Context {
            flags: CONTEXT_FLAGS,
            link: 0,
            stack: StackT { start: alt.start, flags, padding: 0, size: alt.size },
            registers: ORDER.map(|register| cpu.int[register]),
            rip: pc.into(),
            rflags: cpu.rflags(),
            segments: [USER_CS, 0, 0, USER_SS],
            error: 0,
            trap: 0,
            old_mask: 0,
            cr2: 0,
            fpstate,
            reserved: [0, 0, 0, 0, 0, 0, 0, u64::from(info.signal == super::number::SIGSEGV && k.task.unknown != 0)],
            mask,
        };
        if let Some(number) = restart {
            context.rip = pc.wrapping_sub(SYSCALL).into();
            context.registers[13] = number;
        }
        user::write(frame, &action.restorer)?;
        user::write(frame + CONTEXT, &context)?;
        user::copy_to_user(frame + INFO, &info.to_bytes())?;

        cpu.int[0] = 0;
        cpu.int[7] = info.signal.into();
        cpu.int[6] = frame + INFO;
        cpu.int[2] = frame + CONTEXT;
        cpu.int[4] = frame;
        cpu.flags[6] = 0; // DF, as the ABI wants it at a function's entry
        // As fpu__clear_user_states() of Linux: the handler's floating point is as at a process's start.
        let CpuState { mxcsr, x87, .. } = CpuState::default();
        (cpu.mxcsr, cpu.x87) = (mxcsr, x87);
        cpu.update_exact();
        Ok(action.handler as u32)
    })?;
    if alt.flags & AltStack::AUTODISARM != 0 {
        k.task.alt_stack = AltStack::default();
    }
    Ok(handler)
}

/// rt_sigreturn(2): takes everything back from the frame; gives the pc and rax of the interrupted code.
///
/// # Errors
/// EFAULT if the frame is not there, or is not exact: the process gets SIGSEGV.
pub fn sigreturn(k: &mut Kernel) -> Result<(u32, u64), Errno> {
    // The handler's return took the return address.
    let frame = cpu::get_register(cpu::RSP).wrapping_sub(8);
    let context: Context = user::read(frame + CONTEXT)?;
    if context.reserved[7] != 0 {
        return Err(Errno::EFAULT);
    }
    cpu::with_registers(|cpu| {
        if context.fpstate != 0 {
            let mut image = [0; XSAVE];
            user::copy_from_user(context.fpstate, &mut image)?;
            restore_vectors(cpu, &image);
        }
        for (register, value) in ORDER.into_iter().zip(context.registers) {
            cpu.int[register] = value;
        }
        cpu.set_rflags(context.rflags & RESTORED_FLAGS | cpu.rflags() & !RESTORED_FLAGS);
        Ok::<_, Errno>(())
    })?;
    k.task.blocked = context.mask.blockable();
    let StackT { start, flags, size, .. } = context.stack;
    k.task.alt_stack = AltStack { start, size, flags: flags & !AltStack::ONSTACK };
    if k.is_signal_due(&k.task) {
        // Delivered before the task goes on.
        k.task.saved_blocked = None;
    }
    Ok((context.rip as u32, cpu::get_register(cpu::RAX)))
}

// ---- The image of XSAVE (SDM vol. 1, §10.5.1 and §13.4): FXSAVE's 512 bytes, a header, the upper halves of the ymm registers

const FXSAVE: usize = 512;
const XSAVE_HEADER: usize = FXSAVE;
const YMM_HIGH: usize = FXSAVE + 64;
const XSAVE: usize = YMM_HIGH + 256 + 4;
/// x87, SSE, AVX.
const FEATURES: u64 = 7;
/// FP_XSTATE_MAGIC1 and 2: they tell programs that more than FXSAVE is there.
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;

fn save_vectors(cpu: &CpuState) -> [u8; XSAVE] {
    let mut image = [0; XSAVE];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    let x87 = &cpu.x87;
    put(0, &x87.control.to_le_bytes());
    put(2, &(x87.status & !(7 << 11) | u16::from(x87.top) << 11).to_le_bytes());
    put(4, &[x87.in_use]);
    put(24, &cpu.mxcsr.to_le_bytes());
    put(28, &0xffffu32.to_le_bytes());
    for st in 0..8 {
        let physical = (usize::from(x87.top) + st) & 7;
        put(32 + 16 * st, &x87.significand[physical].to_le_bytes());
        put(40 + 16 * st, &x87.sign_exponent[physical].to_le_bytes());
    }
    for number in 0..16 {
        put(160 + 16 * number, &cpu.vector[number].to_le_bytes());
        put(YMM_HIGH + 16 * number, &cpu.vector[16 + number].to_le_bytes());
    }
    put(464, &MAGIC1.to_le_bytes());
    put(468, &(XSAVE as u32).to_le_bytes());
    put(472, &FEATURES.to_le_bytes());
    put(480, &(XSAVE as u32 - 4).to_le_bytes());
    put(XSAVE_HEADER, &FEATURES.to_le_bytes());
    put(XSAVE - 4, &MAGIC2.to_le_bytes());
    image
}

fn restore_vectors(cpu: &mut CpuState, image: &[u8; XSAVE]) {
    fn get<const N: usize>(image: &[u8; XSAVE], at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&image[at..at + N]);
        bytes
    }
    let x87 = &mut cpu.x87;
    x87.control = u16::from_le_bytes(get(image, 0));
    let status = u16::from_le_bytes(get(image, 2));
    x87.top = (status >> 11 & 7) as u8;
    x87.status = status & !(7 << 11);
    x87.in_use = image[4];
    cpu.mxcsr = u32::from_le_bytes(get(image, 24)) & 0xffff;
    cpu.update_exact();
    let x87 = &mut cpu.x87;
    for st in 0..8 {
        let physical = (usize::from(x87.top) + st) & 7;
        x87.significand[physical] = u64::from_le_bytes(get(image, 32 + 16 * st));
        x87.sign_exponent[physical] = u16::from_le_bytes(get(image, 40 + 16 * st));
    }
    let has_upper = u32::from_le_bytes(get(image, 464)) == MAGIC1 && u32::from_le_bytes(get(image, XSAVE - 4)) == MAGIC2;
    for number in 0..16 {
        cpu.vector[number] = u128::from_le_bytes(get(image, 160 + 16 * number));
        if has_upper {
            cpu.vector[16 + number] = u128::from_le_bytes(get(image, YMM_HIGH + 16 * number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_abi_s() {
        assert_eq!(size_of::<Context>(), 304);
        assert_eq!(FRAME, 440);
    }

    #[test]
    fn vectors_survive() {
        let mut cpu = CpuState { mxcsr: 0x9fc0, ..CpuState::default() };
        cpu.x87.top = 5;
        cpu.x87.in_use = 0x81;
        cpu.x87.status = 0x4100;
        for number in 0..8 {
            cpu.x87.significand[number] = number as u64 * 0x1111;
            cpu.x87.sign_exponent[number] = 0x3fff + number as u16;
        }
        for number in 0..32 {
            cpu.vector[number] = number as u128 * 0x0102_0304_0506;
        }
        cpu.update_exact();
        let mut back = CpuState::default();
        restore_vectors(&mut back, &save_vectors(&cpu));
        assert_eq!(back, cpu);
    }
}
