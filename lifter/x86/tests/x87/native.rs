//! One instruction on the real processor.

use std::arch::asm;

/// The image of FXSAVE; its last 48 bytes are left to software.
#[repr(C, align(16))]
#[derive(Clone)]
pub struct Image(pub [u8; 512]);

/// Executable memory that holds one instruction between a restore and a save of the x87 state.
pub struct Native(*mut u8);

const PAGE: usize = 4096;
/// Where the stub leaves rax.
pub const RAX: usize = 464;

impl Native {
    pub fn new(code: &[u8]) -> Native {
        const MMAP: usize = 9;
        const READ_WRITE_EXECUTE: usize = 7;
        const PRIVATE_ANONYMOUS: usize = 0x22;
        let page: *mut u8;
        // SAFETY: mmap of fresh anonymous memory touches nothing of ours.
        unsafe {
            asm!("syscall", inlateout("rax") MMAP => page, in("rdi") 0, in("rsi") PAGE, in("rdx") READ_WRITE_EXECUTE,
                in("r10") PRIVATE_ANONYMOUS, in("r8") -1isize, in("r9") 0, lateout("rcx") _, lateout("r11") _);
        }
        let mut stub = Vec::new();
        // fxrstor64 [rdi]; xor eax, eax; push rdx; popfq
        stub.extend([0x48, 0x0f, 0xae, 0x0f, 0x31, 0xc0, 0x52, 0x9d]);
        stub.extend(code);
        // mov [rdi + 464], rax; pushfq; pop rax; fxsave64 [rdi]; fninit
        stub.extend([0x48, 0x89, 0x87, 0xd0, 0x01, 0x00, 0x00, 0x9c, 0x58, 0x48, 0x0f, 0xae, 0x07, 0xdb, 0xe3]);
        // push 0x1f80; ldmxcsr [rsp]; pop rcx; ret
        stub.extend([0x68, 0x80, 0x1f, 0x00, 0x00, 0x0f, 0xae, 0x14, 0x24, 0x59, 0xc3]);
        // SAFETY: the page is ours and larger than the stub.
        unsafe { page.copy_from_nonoverlapping(stub.as_ptr(), stub.len()) };
        Native(page)
    }

    /// Runs with the state in `image`, rsi pointing to `data`; returns RFLAGS.
    pub fn run(&self, image: &mut Image, data: &mut Image, rflags: u64) -> u64 {
        // SAFETY: the stub obeys the C calling convention: it changes rax, rcx, flags,
        // vector registers and x87 state, which it leaves empty.
        unsafe {
            let stub: extern "C" fn(*mut u8, *mut u8, u64) -> u64 = std::mem::transmute(self.0);
            stub(image.0.as_mut_ptr(), data.0.as_mut_ptr(), rflags)
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        const MUNMAP: usize = 11;
        // SAFETY: the page is ours and no longer used.
        unsafe {
            asm!("syscall", inlateout("rax") MUNMAP => _, in("rdi") self.0, in("rsi") PAGE, lateout("rcx") _, lateout("r11") _);
        }
    }
}
