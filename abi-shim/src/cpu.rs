//! The task's processor state. While guest code runs, the registers that [`hoist_x86::reg::Reg`] names are in Wasm globals; x87 and the
//! control words are always here.

use std::cell::RefCell;

use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use crate::machine;

pub use machine::{get_register, set_register};

thread_local! {
    static CPU: RefCell<CpuState> = RefCell::default();
}

/// Numbers of registers for [`get_register`].
pub const RAX: u8 = 0;
pub const RSP: u8 = 4;
pub const FS_BASE: u8 = 16;
pub const GS_BASE: u8 = 17;
pub const ROUNDS: u8 = Reg::ROUNDS.0;

/// The state as helpers use it: x87 and control words are good, the rest is old.
pub fn with<R>(f: impl FnOnce(&mut CpuState) -> R) -> R {
    CPU.with_borrow_mut(f)
}

/// Whether nobody works on the state.
pub fn is_free() -> bool {
    CPU.with(|cpu| cpu.try_borrow_mut().is_ok())
}

/// The whole state, registers fetched from the globals before and written back after.
pub fn with_registers<R>(f: impl FnOnce(&mut CpuState) -> R) -> R {
    CPU.with_borrow_mut(|cpu| {
        machine::cpu_save(cpu);
        let result = f(cpu);
        machine::cpu_load(cpu);
        result
    })
}

/// A new state: execve(2).
pub fn replace(state: CpuState) {
    CPU.with_borrow_mut(|cpu| {
        *cpu = state;
        machine::cpu_load(cpu);
    });
}

/// A system call's arguments: rdi, rsi, rdx, r10, r8, r9.
pub fn arguments() -> [u64; 6] {
    [7, 6, 2, 10, 8, 9].map(get_register)
}
