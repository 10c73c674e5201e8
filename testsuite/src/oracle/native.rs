//! The real processor: the instruction runs in this process, at the address and with the memory that the guest would have.

use std::arch::global_asm;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{BASE, CODE, DATA, MEMORY_SIZE, SIZE, State};

/// Registers on the way in and out, at a fixed address so that no register is needed to find them.
#[repr(C, align(16))]
struct Registers {
    int: [u64; 16],
    rflags: u64,
    /// The test's own stack pointer.
    host_rsp: u64,
    xmm: [u128; 16],
}

const REGISTERS: u32 = BASE + 0xe000;
/// Where the code under test jumps at its end: through this address in memory.
const EXIT: u32 = BASE + 0xf000;

global_asm!(
    ".globl hoist_oracle_enter",
    "hoist_oracle_enter:",
    "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
    "mov ds:[{r} + 136], rsp",
    "fninit", "push 0x1f80", "ldmxcsr [rsp]", "add rsp, 8",
    "movups xmm0, ds:[{r} + 144]", "movups xmm1, ds:[{r} + 160]", "movups xmm2, ds:[{r} + 176]", "movups xmm3, ds:[{r} + 192]",
    "movups xmm4, ds:[{r} + 208]", "movups xmm5, ds:[{r} + 224]", "movups xmm6, ds:[{r} + 240]", "movups xmm7, ds:[{r} + 256]",
    "movups xmm8, ds:[{r} + 272]", "movups xmm9, ds:[{r} + 288]", "movups xmm10, ds:[{r} + 304]", "movups xmm11, ds:[{r} + 320]",
    "movups xmm12, ds:[{r} + 336]", "movups xmm13, ds:[{r} + 352]", "movups xmm14, ds:[{r} + 368]", "movups xmm15, ds:[{r} + 384]",
    "push qword ptr ds:[{r} + 128]", "popfq",
    "mov rax, ds:[{r} + 0]", "mov rcx, ds:[{r} + 8]", "mov rdx, ds:[{r} + 16]", "mov rbx, ds:[{r} + 24]",
    "mov rsp, ds:[{r} + 32]", "mov rbp, ds:[{r} + 40]", "mov rsi, ds:[{r} + 48]", "mov rdi, ds:[{r} + 56]",
    "mov r8, ds:[{r} + 64]", "mov r9, ds:[{r} + 72]", "mov r10, ds:[{r} + 80]", "mov r11, ds:[{r} + 88]",
    "mov r12, ds:[{r} + 96]", "mov r13, ds:[{r} + 104]", "mov r14, ds:[{r} + 112]", "mov r15, ds:[{r} + 120]",
    "jmp qword ptr ds:[{exit} + 8]",
    ".globl hoist_oracle_exit",
    "hoist_oracle_exit:",
    "mov ds:[{r} + 0], rax", "mov ds:[{r} + 8], rcx", "mov ds:[{r} + 16], rdx", "mov ds:[{r} + 24], rbx",
    "mov ds:[{r} + 32], rsp", "mov ds:[{r} + 40], rbp", "mov ds:[{r} + 48], rsi", "mov ds:[{r} + 56], rdi",
    "mov ds:[{r} + 64], r8", "mov ds:[{r} + 72], r9", "mov ds:[{r} + 80], r10", "mov ds:[{r} + 88], r11",
    "mov ds:[{r} + 96], r12", "mov ds:[{r} + 104], r13", "mov ds:[{r} + 112], r14", "mov ds:[{r} + 120], r15",
    "mov rsp, ds:[{r} + 136]",
    "pushfq", "pop qword ptr ds:[{r} + 128]", "cld",
    "movups ds:[{r} + 144], xmm0", "movups ds:[{r} + 160], xmm1", "movups ds:[{r} + 176], xmm2", "movups ds:[{r} + 192], xmm3",
    "movups ds:[{r} + 208], xmm4", "movups ds:[{r} + 224], xmm5", "movups ds:[{r} + 240], xmm6", "movups ds:[{r} + 256], xmm7",
    "movups ds:[{r} + 272], xmm8", "movups ds:[{r} + 288], xmm9", "movups ds:[{r} + 304], xmm10", "movups ds:[{r} + 320], xmm11",
    "movups ds:[{r} + 336], xmm12", "movups ds:[{r} + 352], xmm13", "movups ds:[{r} + 368], xmm14", "movups ds:[{r} + 384], xmm15",
    "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
    "ret",
    r = const REGISTERS,
    exit = const EXIT,
);

unsafe extern "C" {
    fn hoist_oracle_enter();
    fn hoist_oracle_exit();
}

/// Did the code under test raise an exception?
static FAULTED: AtomicBool = AtomicBool::new(false);

/// Goes on at the exit of the code under test.
extern "C" fn on_fault(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    FAULTED.store(true, Ordering::Relaxed);
    // SAFETY: the kernel gives a ucontext_t to SA_SIGINFO handlers.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = hoist_oracle_exit as *const () as i64;
    }
}

/// Signals of processor exceptions go to [`on_fault`], on a stack of their own: the test's is too small for a frame.
fn catch_faults() -> std::io::Result<()> {
    const STACK: usize = 1 << 16;
    // SAFETY: plain system calls; the stack is leaked, so it stays.
    unsafe {
        let stack = Vec::<u8>::leak(vec![0; STACK]);
        let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
        if libc::sigaltstack(&stack, std::ptr::null_mut()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for signal in [libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGBUS] {
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// The mapping at [`BASE`]. There is one per process: its address is fixed.
pub struct Native(());

impl Native {
    pub fn new() -> anyhow::Result<Native> {
        // SAFETY: a fresh mapping; MAP_FIXED_NOREPLACE fails rather than replace another.
        let mapped = unsafe {
            libc::mmap(
                BASE as *mut _,
                SIZE as usize,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        anyhow::ensure!(mapped as usize == BASE as usize, "cannot map {BASE:#x}: {}", std::io::Error::last_os_error());
        // SAFETY: both words lie in the mapping.
        unsafe {
            (EXIT as *mut u64).write(hoist_oracle_exit as *const () as u64);
            ((EXIT + 8) as *mut u64).write(u64::from(CODE));
        }
        catch_faults()?;
        Ok(Native(()))
    }

    /// Runs code that falls through its end and touches no memory but the test's; `None` if it raises an exception.
    pub fn run(&mut self, code: &[u8], state: &State) -> Option<State> {
        let mut result = state.clone();
        // SAFETY: all addresses lie in the mapping; the code under test was chosen to stay in it, and the jump behind
        // it, through memory, leads back without changing a register.
        unsafe {
            let mut at = CODE as *mut u8;
            std::ptr::copy_nonoverlapping(code.as_ptr(), at, code.len());
            at = at.add(code.len());
            // jmp qword ptr [EXIT], absolute: FF 24 25 disp32.
            std::ptr::copy_nonoverlapping([0xff, 0x24, 0x25].as_ptr(), at, 3);
            at.add(3).cast::<u32>().write_unaligned(EXIT);
            std::ptr::copy_nonoverlapping(state.memory.as_ptr(), DATA as *mut u8, MEMORY_SIZE);
            let registers = &mut *(REGISTERS as *mut Registers);
            registers.int.copy_from_slice(&state.cpu.int[..16]);
            registers.rflags = state.cpu.rflags();
            registers.xmm.copy_from_slice(&state.cpu.vector[..16]);
            FAULTED.store(false, Ordering::Relaxed);
            hoist_oracle_enter();
            result.cpu.int[..16].copy_from_slice(&registers.int);
            result.cpu.set_rflags(registers.rflags);
            result.cpu.vector[..16].copy_from_slice(&registers.xmm);
            std::ptr::copy_nonoverlapping(DATA as *const u8, result.memory.as_mut_ptr(), MEMORY_SIZE);
        }
        (!FAULTED.load(Ordering::Relaxed)).then_some(result)
    }
}
