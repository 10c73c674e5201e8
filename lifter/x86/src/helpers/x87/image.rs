//! Images of the whole unit in memory: FNSTENV, FNSAVE (SDM vol. 1, §8.1.10) and FXSAVE (§10.5.1).
//!
//! Pointers to the last instruction and operand are stored as zero and not loaded.

use super::context::status;
use super::memory::{load_extended, store_extended};
use super::number::F80;
use crate::helper::Memory;
use crate::state::{CpuState, X87};

/// Bytes of the environment in the 32-bit format and in the 16-bit format (operand-size prefix).
const ENVIRONMENT_32: u32 = 28;
const ENVIRONMENT_16: u32 = 14;

fn environment_size(wide: u32) -> u32 {
    if wide != 0 { ENVIRONMENT_32 } else { ENVIRONMENT_16 }
}

fn store_environment(fpu: &X87, memory: &mut impl Memory, addr: u32, wide: u32) {
    let words = [fpu.control, fpu.status_word(), fpu.tag_word()];
    for (n, word) in (0..).zip(words.into_iter().chain([0; 4])) {
        match wide {
            0 => memory.store(addr.wrapping_add(2 * n), word.to_le_bytes()),
            _ => {
                // The unused halves beside the three words and the operand's selector are ones.
                let unused = if n < 3 || n == 6 { 0xffff_0000 } else { 0 };
                memory.store(addr.wrapping_add(4 * n), (unused | u32::from(word)).to_le_bytes());
            }
        }
    }
}

fn load_environment(fpu: &mut X87, memory: &mut impl Memory, addr: u32, wide: u32) {
    let step = environment_size(wide) / 7;
    let [control, status, tags] = [0, 1, 2].map(|n| u16::from_le_bytes(memory.load(addr.wrapping_add(step * n))));
    fpu.set_control(control);
    fpu.set_status_word(status);
    fpu.set_tag_word(tags);
}

/// FNSTENV; masks all exceptions. `wide`: the 32-bit format.
pub fn save_environment(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wide: u32) -> u32 {
    store_environment(&cpu.x87, memory, addr, wide);
    cpu.x87.set_control(cpu.x87.control | status::EXCEPTIONS);
    cpu.wants_exact()
}

/// FLDENV.
pub fn restore_environment(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wide: u32) -> u32 {
    load_environment(&mut cpu.x87, memory, addr, wide);
    cpu.wants_exact()
}

/// FNSAVE: environment and registers, then as FNINIT.
pub fn save(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wide: u32) -> u32 {
    store_environment(&cpu.x87, memory, addr, wide);
    let registers = addr.wrapping_add(environment_size(wide));
    for i in 0..8 {
        store_extended(memory, registers.wrapping_add(10 * i), cpu.x87.peek(i));
    }
    cpu.x87.initialize();
    cpu.wants_exact()
}

/// FRSTOR.
pub fn restore(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wide: u32) -> u32 {
    load_environment(&mut cpu.x87, memory, addr, wide);
    let registers = addr.wrapping_add(environment_size(wide));
    load_registers(&mut cpu.x87, memory, registers, 10);
    cpu.wants_exact()
}

/// The eight registers from an image, used or not; which are in use stays.
fn load_registers(fpu: &mut X87, memory: &mut impl Memory, addr: u32, step: u32) {
    let in_use = fpu.in_use;
    for i in 0..8 {
        let value: F80 = load_extended(memory, addr.wrapping_add(step * i));
        fpu.set_st(i, value);
    }
    fpu.in_use = in_use;
}

/// Where FXSAVE's image has MXCSR and the x87 registers.
pub(super) const MXCSR: u32 = 24;
const REGISTERS: u32 = 32;
/// Bits of MXCSR that are not reserved.
pub(super) const MXCSR_MASK: u32 = 0xffff;

/// FXSAVE but for the XMM registers.
pub fn fast_save(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32) {
    let fpu = &cpu.x87;
    let words = [fpu.control, fpu.status_word(), u16::from(fpu.in_use), 0];
    for (n, word) in (0..).zip(words) {
        memory.store(addr.wrapping_add(2 * n), word.to_le_bytes());
    }
    memory.store(addr.wrapping_add(8), [0; 16]);
    memory.store(addr.wrapping_add(MXCSR), cpu.mxcsr.to_le_bytes());
    memory.store(addr.wrapping_add(MXCSR + 4), MXCSR_MASK.to_le_bytes());
    for i in 0..8 {
        let to = addr.wrapping_add(REGISTERS + 16 * i);
        memory.store(to, [0; 16]);
        store_extended(memory, to, fpu.peek(i));
    }
}

/// FXRSTOR but for the XMM registers. Reserved bits of MXCSR are zero: the row tests them.
/// The new value of [`crate::reg::Reg::EXACT`].
pub fn fast_restore(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32) -> u32 {
    let fpu = &mut cpu.x87;
    let [control, status, tags] = [0, 2, 4].map(|at| u16::from_le_bytes(memory.load(addr.wrapping_add(at))));
    fpu.set_control(control);
    fpu.set_status_word(status);
    fpu.in_use = tags as u8;
    load_registers(fpu, memory, addr.wrapping_add(REGISTERS), 16);
    cpu.mxcsr = u32::from_le_bytes(memory.load(addr.wrapping_add(MXCSR))) & MXCSR_MASK;
    cpu.wants_exact()
}
