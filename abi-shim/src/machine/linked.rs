//! The functions that the linker gives bodies.

use hoist_x86::state::CpuState;

mod import {
    #[link(wasm_import_module = "hoist")]
    unsafe extern "C" {
        pub safe fn load8(addr: u32) -> u32;
        pub safe fn load16(addr: u32) -> u32;
        pub safe fn load32(addr: u32) -> u32;
        pub safe fn load64(addr: u32) -> u64;
        pub safe fn store8(addr: u32, value: u32);
        pub safe fn store16(addr: u32, value: u32);
        pub safe fn store32(addr: u32, value: u32);
        pub safe fn store64(addr: u32, value: u64);
        pub fn copy_from_user(to: *mut u8, addr: u32, len: usize);
        pub fn copy_to_user(addr: u32, from: *const u8, len: usize);
        pub safe fn user_copy(to: u32, from: u32, len: u32);
        pub safe fn user_fill(addr: u32, byte: u32, len: u32);
        pub fn user_same(addr: u32, bytes: *const u8, len: usize) -> u32;
        pub safe fn user_pages() -> u32;
        pub safe fn user_grow(pages: u32) -> i32;
        pub safe fn rom_len() -> u32;
        pub safe fn rom_to_user(addr: u32, offset: u32, len: u32);
        pub fn rom_to_kernel(to: *mut u8, offset: u32, len: usize);
        pub safe fn lifted_len() -> u32;
        pub fn lifted_read(to: *mut u8, offset: u32, len: usize);
        pub fn cpu_save(to: *mut hoist_x86::state::CpuState);
        pub fn cpu_load(from: *const hoist_x86::state::CpuState);
        pub safe fn enter(pc: u32) -> u32;
    }
}
pub use import::{
    enter, lifted_len, load8, load16, load32, load64, rom_len, rom_to_user, store8, store16, store32, store64, user_copy,
    user_fill, user_grow, user_pages,
};

/// Accessors of single register globals, `(get, set)`, by the number of [`hoist_x86::reg::Reg`].
macro_rules! registers {
    ($($number:literal $get:ident $set:ident;)*) => {
        mod register {
            #[link(wasm_import_module = "hoist")]
            unsafe extern "C" {
                $(pub safe fn $get() -> u64; pub safe fn $set(value: u64);)*
            }
        }
        /// A general-purpose register, with 16 and 17 the base of fs and gs, with 26 [`hoist_x86::reg::Reg::ROUNDS`].
        #[inline]
        pub fn get_register(number: u8) -> u64 {
            match number { $($number => register::$get(),)* _ => 0 }
        }
        #[inline]
        pub fn set_register(number: u8, value: u64) {
            match number { $($number => register::$set(value),)* _ => {} }
        }
    };
}
registers! {
    0 get_rax set_rax; 1 get_rcx set_rcx; 2 get_rdx set_rdx; 3 get_rbx set_rbx;
    4 get_rsp set_rsp; 5 get_rbp set_rbp; 6 get_rsi set_rsi; 7 get_rdi set_rdi;
    8 get_r8 set_r8; 9 get_r9 set_r9; 10 get_r10 set_r10; 11 get_r11 set_r11;
    12 get_r12 set_r12; 13 get_r13 set_r13; 14 get_r14 set_r14; 15 get_r15 set_r15;
    16 get_fs_base set_fs_base; 17 get_gs_base set_gs_base; 26 get_rounds set_rounds;
}

// Safety of what follows: a slice or a reference names memory that is ours for the call, and the linker's bodies write or
// read exactly `len` bytes, or the fields of `CpuState` up to its control words.

pub fn copy_from_user(to: &mut [u8], addr: u32) {
    unsafe { import::copy_from_user(to.as_mut_ptr(), addr, to.len()) }
}

pub fn copy_to_user(addr: u32, from: &[u8]) {
    unsafe { import::copy_to_user(addr, from.as_ptr(), from.len()) }
}

pub fn user_same(addr: u32, bytes: &[u8]) -> bool {
    unsafe { import::user_same(addr, bytes.as_ptr(), bytes.len()) != 0 }
}

pub fn rom_to_kernel(to: &mut [u8], offset: u32) {
    unsafe { import::rom_to_kernel(to.as_mut_ptr(), offset, to.len()) }
}

pub fn lifted_read(to: &mut [u8], offset: u32) {
    unsafe { import::lifted_read(to.as_mut_ptr(), offset, to.len()) }
}

/// The register globals → `cpu`; what lives only in kernel memory stays.
pub fn cpu_save(cpu: &mut CpuState) {
    unsafe { import::cpu_save(cpu) }
}

/// `cpu` → the register globals.
pub fn cpu_load(cpu: &CpuState) {
    unsafe { import::cpu_load(cpu) }
}
