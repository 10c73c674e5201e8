//! XSAVE and XRSTOR (SDM vol. 1, §13.7 to §13.10) but for the vector registers, which translated code stores and loads itself.

use super::image::{MXCSR, MXCSR_MASK, fast_restore, fast_save};
use crate::helper::Memory;
use crate::processor::XCR0;
use crate::state::{CpuState, X87};

/// Components.
const X87_STATE: u32 = 1;
const SSE: u32 = 2;
const AVX: u32 = 4;
/// The header behind the legacy part: XSTATE_BV, XCOMP_BV, and zeros.
const XSTATE_BV: u32 = 512;
const XCOMP_BV: u32 = 520;
const COMPACTED: u64 = 1 << 63;
const INITIAL_MXCSR: u32 = 0x1f80;

/// Stores x87 and MXCSR as `wanted` says, and the header. All components are taken to be in use.
pub fn extended_save(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wanted: u32, compacted: u32) {
    let at = |offset| addr.wrapping_add(offset);
    if wanted & X87_STATE != 0 {
        // FXSAVE's image has MXCSR as well.
        let mxcsr: [u8; 8] = memory.load(at(MXCSR));
        fast_save(cpu, memory, addr);
        memory.store(at(MXCSR), mxcsr);
    }
    if wanted & (SSE | AVX) != 0 {
        memory.store(at(MXCSR), cpu.mxcsr.to_le_bytes());
        memory.store(at(MXCSR + 4), MXCSR_MASK.to_le_bytes());
    }
    if compacted != 0 {
        memory.store(at(XSTATE_BV), u64::from(wanted).to_le_bytes());
        memory.store(at(XCOMP_BV), (COMPACTED | u64::from(wanted)).to_le_bytes());
    } else {
        let others = u64::from_le_bytes(memory.load(at(XSTATE_BV))) & !u64::from(wanted);
        memory.store(at(XSTATE_BV), (others | u64::from(wanted)).to_le_bytes());
    }
}

/// Loads x87 and MXCSR as `wanted` says, or gives them their initial values if the image has none; the components that the image has.
pub fn extended_restore(cpu: &mut CpuState, memory: &mut impl Memory, addr: u32, wanted: u32) -> u32 {
    let at = |offset| addr.wrapping_add(offset);
    let present = u64::from_le_bytes(memory.load(at(XSTATE_BV))) as u32 & XCR0;
    let compacted = u64::from_le_bytes(memory.load(at(XCOMP_BV))) & COMPACTED != 0;
    let mxcsr = cpu.mxcsr;
    if wanted & X87_STATE != 0 {
        match present & X87_STATE {
            0 => cpu.x87 = X87 { significand: [0; 8], sign_exponent: [0; 8], control: 0x37f, status: 0, in_use: 0, top: 0 },
            _ => {
                fast_restore(cpu, memory, addr);
            }
        }
    }
    let image = u32::from_le_bytes(memory.load(at(MXCSR))) & MXCSR_MASK;
    cpu.mxcsr = match (wanted & SSE != 0, wanted & AVX != 0) {
        (true, _) if compacted && present & SSE == 0 => INITIAL_MXCSR,
        (true, _) => image,
        (false, true) if !compacted => image,
        _ => mxcsr,
    };
    present
}
