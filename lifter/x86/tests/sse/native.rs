//! The real processor: one instruction between FXRSTOR and FXSAVE, in a page of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What goes in and comes out. Offsets are in the code below.
#[repr(C, align(64))]
#[derive(Clone)]
pub struct Frame {
    /// FXRSTOR's image, of which MXCSR counts; then FXSAVE's.
    before: [u8; 512],
    after: [u8; 512],
    pub rax: u64,
    pub rflags: u64,
    mxcsr: u32,
    host_mxcsr: u32,
    /// ymm0, ymm1, ymm2.
    pub ymm: [[u128; 2]; 3],
}

const AFTER: u8 = 0x02;
const RAX: u32 = 1024;
const RFLAGS: u32 = 1032;
const MXCSR: u32 = 1040;
const HOST_MXCSR: u32 = 1044;
const YMM: u32 = 1056;

impl Frame {
    pub fn new() -> Frame {
        let mut frame =
            Frame { before: [0; 512], after: [0; 512], rax: 0, rflags: 0x202, mxcsr: 0, host_mxcsr: 0x1f80, ymm: [[0; 2]; 3] };
        frame.before[..2].copy_from_slice(&0x37fu16.to_le_bytes());
        frame
    }

    pub fn set_mxcsr(&mut self, mxcsr: u32) {
        self.before[24..28].copy_from_slice(&mxcsr.to_le_bytes());
    }

    pub fn mxcsr(&self) -> u32 {
        u32::from_le_bytes(self.after[24..28].try_into().expect("four bytes"))
    }
}

static FAULTED: AtomicBool = AtomicBool::new(false);
/// Where the code goes on after a fault.
static GO_ON: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_fault(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    FAULTED.store(true, Ordering::Relaxed);
    // SAFETY: the kernel gives a ucontext_t to SA_SIGINFO handlers.
    unsafe {
        let context = &mut *context.cast::<libc::ucontext_t>();
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = GO_ON.load(Ordering::Relaxed) as i64;
    }
}

/// Runs instructions. One per process, as it catches signals.
pub struct Native {
    page: *mut u8,
}

impl Native {
    pub fn new() -> Native {
        // SAFETY: plain system calls.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let page = libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            assert_eq!(libc::sigaction(libc::SIGFPE, &action, std::ptr::null_mut()), 0);
            Native { page: page.cast() }
        }
    }

    /// Prepares an instruction on rax and ymm0 to ymm2.
    pub fn load(&mut self, instruction: &[u8]) {
        let ymm = |n: u32| YMM + 32 * n;
        let mut code = Vec::new();
        let mut emit = |bytes: &[u8], offset: Option<u32>| {
            code.extend(bytes);
            code.extend(offset.into_iter().flat_map(u32::to_le_bytes));
            code.len()
        };
        // vmovups ymm0…2, [rdi + …]; ldmxcsr; mov rax, [rdi + …]; push, popfq
        emit(&[0xc5, 0xfc, 0x10, 0x87], Some(ymm(0)));
        emit(&[0xc5, 0xfc, 0x10, 0x8f], Some(ymm(1)));
        emit(&[0xc5, 0xfc, 0x10, 0x97], Some(ymm(2)));
        emit(&[0x0f, 0xae, 0x97], Some(24));
        emit(&[0x48, 0x8b, 0x87], Some(RAX));
        emit(&[0xff, 0xb7], Some(RFLAGS));
        emit(&[0x9d], None);
        emit(instruction, None);
        // mov [rdi + …], rax; pushfq, pop; stmxcsr; ldmxcsr; fxsave64; vmovups
        let go_on = emit(&[], None);
        emit(&[0x48, 0x89, 0x87], Some(RAX));
        emit(&[0x9c], None);
        emit(&[0x8f, 0x87], Some(RFLAGS));
        emit(&[0x48, 0x0f, 0xae, 0x87, 0, AFTER, 0, 0], None);
        emit(&[0x0f, 0xae, 0x97], Some(HOST_MXCSR));
        emit(&[0x0f, 0xae, 0x9f], Some(MXCSR));
        emit(&[0xc5, 0xfc, 0x11, 0x87], Some(ymm(0)));
        emit(&[0xc5, 0xfc, 0x11, 0x8f], Some(ymm(1)));
        emit(&[0xc5, 0xfc, 0x11, 0x97], Some(ymm(2)));
        // vzeroupper; ret
        emit(&[0xc5, 0xf8, 0x77, 0xc3], None);
        // SAFETY: the page has room for so few bytes.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.page, code.len()) };
        GO_ON.store(self.page as u64 + go_on as u64, Ordering::Relaxed);
    }

    /// Runs it; false if it raises an exception.
    pub fn run(&mut self, frame: &mut Frame) -> bool {
        FAULTED.store(false, Ordering::Relaxed);
        // SAFETY: the code changes what the frame holds, rax, the flags, and ymm0…2, which a call may.
        unsafe {
            let code: unsafe extern "C" fn(*mut Frame) = std::mem::transmute(self.page);
            code(frame);
        }
        !FAULTED.load(Ordering::Relaxed)
    }
}
