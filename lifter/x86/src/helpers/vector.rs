//! Vector instructions that Wasm SIMD has no short sequence for, and the registers that live in [`CpuState`] only.

use crate::helper::Memory;
use crate::state::CpuState;

/// The lanes of a vector, lowest first.
pub(crate) fn words(v: u128) -> [u16; 8] {
    core::array::from_fn(|n| (v >> (16 * n)) as u16)
}

pub(crate) fn dwords(v: u128) -> [u32; 4] {
    core::array::from_fn(|n| (v >> (32 * n)) as u32)
}

pub(crate) fn qwords(v: u128) -> [u64; 2] {
    [v as u64, (v >> 64) as u64]
}

pub(crate) fn from_words(lanes: [u16; 8]) -> u128 {
    lanes.iter().rev().fold(0, |v, &lane| v << 16 | u128::from(lane))
}

pub(crate) fn from_dwords(lanes: [u32; 4]) -> u128 {
    lanes.iter().rev().fold(0, |v, &lane| v << 32 | u128::from(lane))
}

pub(crate) fn from_qwords([low, high]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// Reads MMX register `n`. Every MMX instruction marks all x87 registers as used and TOP as 0 (SDM vol. 1, §9.5.1).
pub fn mmx_read(cpu: &mut CpuState, _: &mut impl Memory, n: u32) -> u64 {
    cpu.x87.in_use = 0xff;
    cpu.x87.top = 0;
    cpu.x87.significand[n as usize & 7]
}

/// Writes MMX register `n`, and ones to the sign and exponent above it (SDM vol. 1, §9.5.1).
pub fn mmx_write(cpu: &mut CpuState, _: &mut impl Memory, n: u32, value: u64) {
    cpu.x87.in_use = 0xff;
    cpu.x87.top = 0;
    cpu.x87.significand[n as usize & 7] = value;
    cpu.x87.sign_exponent[n as usize & 7] = 0xffff;
}

/// EMMS: marks all x87 registers as free.
pub fn mmx_empty(cpu: &mut CpuState, _: &mut impl Memory) {
    cpu.x87.in_use = 0;
    cpu.x87.top = 0;
}

pub fn mxcsr_read(cpu: &mut CpuState, _: &mut impl Memory) -> u32 {
    cpu.mxcsr
}

/// Reserved bits are dropped; the processor raises #GP for them. The new value of [`crate::reg::Reg::EXACT`].
pub fn mxcsr_write(cpu: &mut CpuState, _: &mut impl Memory, value: u32) -> u32 {
    cpu.mxcsr = value & 0xffff;
    cpu.wants_exact()
}

/// MASKMOVDQU: byte `n` of `bytes` to `addr + n` where bit `n` of `mask` is set.
pub fn store_masked(_: &mut CpuState, memory: &mut impl Memory, addr: u32, bytes: u128, mask: u32) {
    for (n, byte) in bytes.to_le_bytes().into_iter().enumerate() {
        if mask >> n & 1 == 1 {
            memory.store(addr.wrapping_add(n as u32), [byte]);
        }
    }
}

/// MPSADBW: eight sums of four absolute differences; control bit 2 chooses the first byte of `a` (0 or 4), bits 1…0 the four bytes of `b`.
pub fn sum_differences(a: u128, b: u128, control: u32) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    let from_a = (control >> 2 & 1) as usize * 4;
    let from_b = (control & 3) as usize * 4;
    let sum = |n: usize| (0..4).map(|k| u16::from(a[from_a + n + k].abs_diff(b[from_b + k]))).sum();
    from_words(core::array::from_fn(sum))
}

/// PHMINPOSUW: the least word in bits 15…0, its first position in bits 18…16.
pub fn minimum_position(a: u128) -> u128 {
    let least = words(a).into_iter().zip(0u128..).min().unwrap_or_default();
    u128::from(least.0) | least.1 << 16
}

/// VMASKMOV, VPMASKMOV loads: byte `n` from `addr + n` where bit `n` of `mask` is set, else zero; other bytes are not touched.
pub fn load_masked(_: &mut CpuState, memory: &mut impl Memory, addr: u32, mask: u32) -> u128 {
    let mut bytes = [0; 16];
    for (n, byte) in bytes.iter_mut().enumerate().filter(|(n, _)| mask >> n & 1 == 1) {
        [*byte] = memory.load(addr.wrapping_add(n as u32));
    }
    u128::from_le_bytes(bytes)
}

/// One element of a gather: `bytes` (4 or 8) from `addr` if `taken`, else `old`.
pub fn gather(_: &mut CpuState, memory: &mut impl Memory, addr: u32, taken: u32, old: u64, bytes: u32) -> u64 {
    match (taken, bytes) {
        (0, _) => old,
        (_, 4) => u64::from(u32::from_le_bytes(memory.load(addr))),
        _ => u64::from_le_bytes(memory.load(addr)),
    }
}

/// VPSLLV, VPSRLV, VPSRAV: each lane by its own count. `control`: bit 0 = 64-bit lanes, bits 2…1 = left, right, arithmetic right.
pub fn shift_lanes(v: u128, counts: u128, control: u32) -> u128 {
    if control & 1 == 0 {
        let (v, counts) = (dwords(v), dwords(counts));
        from_dwords(core::array::from_fn(|n| match control >> 1 {
            0 => v[n].checked_shl(counts[n]).unwrap_or(0),
            1 => v[n].checked_shr(counts[n]).unwrap_or(0),
            _ => (v[n] as i32 >> counts[n].min(31)) as u32,
        }))
    } else {
        let (v, counts) = (qwords(v), qwords(counts));
        let count = |n: usize| u32::try_from(counts[n]).unwrap_or(u32::MAX);
        from_qwords(core::array::from_fn(|n| match control >> 1 {
            0 => v[n].checked_shl(count(n)).unwrap_or(0),
            _ => v[n].checked_shr(count(n)).unwrap_or(0),
        }))
    }
}

/// See [`CpuState::wants_exact`].
pub fn wants_exact(cpu: &mut CpuState, _: &mut impl Memory) -> u32 {
    cpu.wants_exact()
}
