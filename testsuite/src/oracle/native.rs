//! The real processor: the instruction runs in this process, at the address and with the memory that the guest would have.

use std::arch::global_asm;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

use hoist_x86::boundary::Vector;
use hoist_x86::state::{CpuState, X87};

use super::{BASE, CODE, DATA, End, MEMORY_SIZE, SIZE, State, TAKEN};

/// Registers on the way in and out, at a fixed address so that no register is needed to find them.
#[repr(C, align(64))]
struct Registers {
    int: [u64; 16],
    rflags: u64,
    /// The test's own stack pointer.
    host_rsp: u64,
    fs_base: u64,
    gs_base: u64,
    host_fs_base: u64,
    host_gs_base: u64,
    /// Did the code under test jump to [`TAKEN`]?
    taken: u64,
    _unused: u64,
    fxsave: [u8; 512],
    ymm_high: [u128; 16],
}

const REGISTERS: u32 = BASE + 0xe000;
/// Where the code under test jumps at its end: through this address in memory. Behind it the addresses of the code, and of the exit
/// for jumps that are taken.
const EXIT: u32 = BASE + 0xf000;

global_asm!(
    ".globl hoist_oracle_enter",
    "hoist_oracle_enter:",
    "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
    "mov ds:[{r} + 136], rsp",
    "rdfsbase rax", "mov ds:[{r} + 160], rax", "rdgsbase rax", "mov ds:[{r} + 168], rax",
    "mov rax, ds:[{r} + 144]", "wrfsbase rax", "mov rax, ds:[{r} + 152]", "wrgsbase rax",
    "fxrstor64 ds:[{r} + 192]",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vinsertf128 ymm\\n, ymm\\n, ds:[{r} + 704 + 16 * \\n], 1",
    ".endr",
    "push qword ptr ds:[{r} + 128]", "popfq",
    "mov rax, ds:[{r} + 0]", "mov rcx, ds:[{r} + 8]", "mov rdx, ds:[{r} + 16]", "mov rbx, ds:[{r} + 24]",
    "mov rsp, ds:[{r} + 32]", "mov rbp, ds:[{r} + 40]", "mov rsi, ds:[{r} + 48]", "mov rdi, ds:[{r} + 56]",
    "mov r8, ds:[{r} + 64]", "mov r9, ds:[{r} + 72]", "mov r10, ds:[{r} + 80]", "mov r11, ds:[{r} + 88]",
    "mov r12, ds:[{r} + 96]", "mov r13, ds:[{r} + 104]", "mov r14, ds:[{r} + 112]", "mov r15, ds:[{r} + 120]",
    "jmp qword ptr ds:[{exit} + 8]",
    ".globl hoist_oracle_taken",
    "hoist_oracle_taken:",
    "mov dword ptr ds:[{r} + 176], 1",
    ".globl hoist_oracle_exit",
    "hoist_oracle_exit:",
    "mov ds:[{r} + 0], rax", "mov ds:[{r} + 8], rcx", "mov ds:[{r} + 16], rdx", "mov ds:[{r} + 24], rbx",
    "mov ds:[{r} + 32], rsp", "mov ds:[{r} + 40], rbp", "mov ds:[{r} + 48], rsi", "mov ds:[{r} + 56], rdi",
    "mov ds:[{r} + 64], r8", "mov ds:[{r} + 72], r9", "mov ds:[{r} + 80], r10", "mov ds:[{r} + 88], r11",
    "mov ds:[{r} + 96], r12", "mov ds:[{r} + 104], r13", "mov ds:[{r} + 112], r14", "mov ds:[{r} + 120], r15",
    "mov rsp, ds:[{r} + 136]",
    "pushfq", "pop qword ptr ds:[{r} + 128]",
    // Alignment checks and single steps are not for the test itself.
    "push 2", "popfq",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vextractf128 ds:[{r} + 704 + 16 * \\n], ymm\\n, 1",
    ".endr",
    "fxsave64 ds:[{r} + 192]",
    "vzeroupper", "fninit", "push 0x1f80", "ldmxcsr [rsp]", "add rsp, 8",
    "rdfsbase rax", "mov ds:[{r} + 144], rax", "rdgsbase rax", "mov ds:[{r} + 152], rax",
    "mov rax, ds:[{r} + 160]", "wrfsbase rax", "mov rax, ds:[{r} + 168]", "wrgsbase rax",
    "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
    "ret",
    r = const REGISTERS,
    exit = const EXIT,
);

unsafe extern "C" {
    fn hoist_oracle_enter();
    fn hoist_oracle_exit();
    fn hoist_oracle_taken();
}

/// The signal that the code under test raised, or 0, and where.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static SIGNAL_PC: AtomicU64 = AtomicU64::new(0);

/// The handlers that were there before, wasmtime's, for faults elsewhere.
static OTHERS: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Goes on at the exit of the code under test. Runs with the test's segment bases, so it must not touch thread-local storage.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a ucontext_t to SA_SIGINFO handlers; another handler is called as the kernel would.
    unsafe {
        let rip = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize];
        if (*rip as u64).wrapping_sub(BASE.into()) < u64::from(SIZE) {
            SIGNAL.store(signal, Ordering::Relaxed);
            SIGNAL_PC.store(*rip as u64, Ordering::Relaxed);
            *rip = hoist_oracle_exit as *const () as i64;
            return;
        }
        match OTHERS[signal as usize].load(Ordering::Relaxed) {
            libc::SIG_DFL | libc::SIG_IGN => libc::abort(),
            other => {
                let other: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = std::mem::transmute(other);
                other(signal, info, context);
            }
        }
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
        for signal in [libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP] {
            let mut old: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, &action, &mut old) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            OTHERS[signal as usize].store(old.sa_sigaction, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// The signal that Linux sends for a processor exception (arch/x86/kernel/traps.c).
pub fn signal_of(vector: Vector) -> i32 {
    match vector {
        Vector::DivideError | Vector::FloatingPoint | Vector::SimdFloatingPoint => libc::SIGFPE,
        Vector::Debug | Vector::Breakpoint => libc::SIGTRAP,
        Vector::InvalidOpcode => libc::SIGILL,
        Vector::Overflow | Vector::GeneralProtection => libc::SIGSEGV,
    }
}

/// The mapping at [`BASE`]. There is one per process: its address is fixed.
pub struct Native(());

impl Native {
    /// Its handlers of signals must be the last that are set: with the test's segment bases no other may run.
    ///
    /// # Errors
    /// If the mapping fails, or the processor has no AVX2 or lets no process set its segment bases.
    pub fn new() -> anyhow::Result<Native> {
        /// AT_HWCAP2: RDFSBASE and its kin may be used (arch/x86/include/uapi/asm/hwcap2.h).
        const HWCAP2_FSGSBASE: u64 = 2;
        // SAFETY: reads the auxiliary vector.
        let has_bases = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_FSGSBASE != 0;
        anyhow::ensure!(
            has_bases && std::is_x86_feature_detected!("avx2"),
            "the oracle needs a processor with AVX2 and FSGSBASE"
        );
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
        // SAFETY: all words lie in the mapping.
        unsafe {
            (EXIT as *mut u64).write(hoist_oracle_exit as *const () as u64);
            ((EXIT + 8) as *mut u64).write(u64::from(CODE));
            ((EXIT + 16) as *mut u64).write(hoist_oracle_taken as *const () as u64);
            write_jump(TAKEN, EXIT + 16);
        }
        catch_faults()?;
        Ok(Native(()))
    }

    /// Puts the code under test into place. It falls through its end or goes to [`TAKEN`], and touches no memory but the test's.
    pub fn load(&mut self, code: &[u8]) {
        // SAFETY: code and jump lie in the mapping, below TAKEN.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), CODE as *mut u8, code.len());
            write_jump(CODE + code.len() as u32, EXIT);
        }
    }

    /// Runs the code that was loaded, of `len` bytes; `result` is the state afterwards, if no exception was raised.
    pub fn run(&mut self, len: u32, state: &State, result: &mut State) -> End {
        // SAFETY: all addresses lie in the mapping; the code under test was chosen to stay in it, and the jumps behind
        // it, through memory, lead back without changing a register.
        let registers = unsafe {
            std::ptr::copy_nonoverlapping(state.memory.as_ptr(), DATA as *mut u8, MEMORY_SIZE);
            let registers = &mut *(REGISTERS as *mut Registers);
            registers.fill(&state.cpu);
            SIGNAL.store(0, Ordering::Relaxed);
            hoist_oracle_enter();
            std::ptr::copy_nonoverlapping(DATA as *const u8, result.memory.as_mut_ptr(), MEMORY_SIZE);
            &*(REGISTERS as *const Registers)
        };
        registers.read(&mut result.cpu);
        result.cpu.tsc = state.cpu.tsc;
        (result.cpu.observes_flags, result.cpu.foreign_nans) = (state.cpu.observes_flags, state.cpu.foreign_nans);
        result.cpu.update_exact();
        match SIGNAL.load(Ordering::Relaxed) {
            0 if registers.taken != 0 => End::At(TAKEN),
            0 => End::At(CODE + len),
            signal => End::Signal { signal, at: SIGNAL_PC.load(Ordering::Relaxed) as u32 },
        }
    }
}

/// jmp qword ptr [target], absolute: FF 24 25 disp32.
///
/// # Safety
/// Seven bytes at `at` must be writable.
unsafe fn write_jump(at: u32, target: u32) {
    let mut jump = [0xff, 0x24, 0x25, 0, 0, 0, 0];
    jump[3..].copy_from_slice(&target.to_le_bytes());
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(jump.as_ptr(), at as *mut u8, jump.len()) };
}

impl Registers {
    fn fill(&mut self, cpu: &CpuState) {
        self.int.copy_from_slice(&cpu.int[..16]);
        [self.fs_base, self.gs_base] = [cpu.int[16], cpu.int[17]];
        self.rflags = cpu.rflags();
        self.taken = 0;
        self.ymm_high.copy_from_slice(&cpu.vector[16..]);
        self.fxsave[24..28].copy_from_slice(&cpu.mxcsr.to_le_bytes());
        for (place, xmm) in self.fxsave[160..].as_chunks_mut::<16>().0.iter_mut().zip(&cpu.vector[..16]) {
            *place = xmm.to_le_bytes();
        }
        let x87 = &cpu.x87;
        self.fxsave[..2].copy_from_slice(&x87.control.to_le_bytes());
        self.fxsave[2..4].copy_from_slice(&x87.status_word().to_le_bytes());
        self.fxsave[4] = x87.in_use;
        // The pointers to the last instruction, code and operands.
        self.fxsave[6..24].fill(0);
        for i in 0..8 {
            let n = (usize::from(x87.top) + i) & 7;
            self.fxsave[32 + 16 * i..][..8].copy_from_slice(&x87.significand[n].to_le_bytes());
            self.fxsave[40 + 16 * i..][..2].copy_from_slice(&x87.sign_exponent[n].to_le_bytes());
        }
    }

    fn read(&self, cpu: &mut CpuState) {
        cpu.int[..16].copy_from_slice(&self.int);
        cpu.int[16..].copy_from_slice(&[self.fs_base, self.gs_base]);
        cpu.set_rflags(self.rflags);
        cpu.vector[16..].copy_from_slice(&self.ymm_high);
        let image = &self.fxsave;
        let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        cpu.mxcsr = u32::from(word(24)) | u32::from(word(26)) << 16;
        for (xmm, bytes) in cpu.vector.iter_mut().zip(image[160..].as_chunks::<16>().0).take(16) {
            *xmm = u128::from_le_bytes(*bytes);
        }
        const TOP: u16 = 0x3800;
        let mut x87 = X87 {
            significand: [0; 8],
            sign_exponent: [0; 8],
            control: word(0),
            status: word(2) & !TOP,
            in_use: image[4],
            top: (word(2) >> 11 & 7) as u8,
        };
        for i in 0..8 {
            let n = (usize::from(x87.top) + i) & 7;
            let significand = image[32 + 16 * i..].first_chunk().copied().unwrap_or_default();
            x87.significand[n] = u64::from_le_bytes(significand);
            x87.sign_exponent[n] = word(40 + 16 * i);
        }
        cpu.x87 = x87;
    }
}
