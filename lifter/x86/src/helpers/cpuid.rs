//! CPUID (SDM vol. 2): the words of [`crate::processor`], caches and names. By default x86-64-v2 and nothing beyond, so that libraries choose
//! the 128-bit code paths (DESIGN §5).

use crate::helper::Memory;
use crate::processor::{self, Level, Word};
use crate::state::CpuState;

/// EAX, EBX, ECX, EDX of one leaf.
type Leaf = [u32; 4];

/// The highest leaf: that of XSAVE, or that of extended features.
const fn max_basic(level: Level) -> u32 {
    match level {
        Level::V2 => 7,
        Level::V3 => 0xd,
    }
}

const MAX_EXTENDED: u32 = 0x8000_0008;

/// Vendor "GenuineIntel" in the order EBX, EDX, ECX.
const VENDOR: [u32; 3] = [ascii(b"Genu"), ascii(b"ineI"), ascii(b"ntel")];

const fn ascii(bytes: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*bytes)
}

/// A cache as leaf 4 describes it: kind 1 data, 2 instructions, 3 both; 64-byte lines, one processor.
const fn cache(kind: u32, level: u32, ways: u32, sets: u32) -> Leaf {
    const SELF_INITIALISING: u32 = 1 << 8;
    [kind | level << 5 | SELF_INITIALISING, (ways - 1) << 22 | 63, sets - 1, 0]
}

/// 32 KiB each for L1, 1 MiB L2, 8 MiB L3: what glibc sizes its copy loops by.
const CACHES: [Leaf; 4] = [cache(1, 1, 8, 64), cache(2, 1, 8, 64), cache(3, 2, 16, 1024), cache(3, 3, 16, 8192)];

/// Four words of the brand string, which has 48 bytes, padded with zeros.
fn brand(part: u32) -> Leaf {
    let text = processor::model_name(processor::level()).as_bytes();
    let byte = |i: u32| text.get(i as usize).copied().unwrap_or(0);
    let word = |i: u32| u32::from_le_bytes([0, 1, 2, 3].map(|n| byte(part * 16 + i * 4 + n)));
    [word(0), word(1), word(2), word(3)]
}

/// XSAVE (leaf DH; SDM vol. 1, §13.2): components, the size of an image with all that are enabled, of one with all there are; then where AVX's lies.
fn extended_state(subleaf: u32) -> Leaf {
    const LEGACY_AND_HEADER: u32 = 576;
    const AVX: u32 = 256;
    match subleaf {
        0 => [processor::XCR0, LEGACY_AND_HEADER + AVX, LEGACY_AND_HEADER + AVX, 0],
        1 => [processor::word(Word::LeafDEax, processor::level()), LEGACY_AND_HEADER + AVX, 0, 0],
        2 => [AVX, LEGACY_AND_HEADER, 0, 0],
        _ => [0; 4],
    }
}

fn leaf(leaf: u32, subleaf: u32) -> Leaf {
    let level = processor::level();
    let word = |word| processor::word(word, level);
    match leaf {
        0 => [max_basic(level), VENDOR[0], VENDOR[2], VENDOR[1]],
        // CLFLUSH line of 8 × 8 bytes, one logical processor, APIC id 0.
        1 => [processor::signature(level), 1 << 16 | 8 << 8, word(Word::Leaf1Ecx), word(Word::Leaf1Edx)],
        // TLBs as Westmere has them; descriptor FFH: the caches are in leaf 4.
        2 => [0x7603_6301, 0x00f0_b5ff, 0, 0x00c3_0000],
        4 => CACHES.get(subleaf as usize).copied().unwrap_or_default(),
        7 if subleaf == 0 => [0, word(Word::Leaf7Ebx), 0, 0],
        0xd if level >= Level::V3 => extended_state(subleaf),
        0x8000_0000 => [MAX_EXTENDED, 0, 0, 0],
        0x8000_0001 => [0, 0, word(Word::ExtendedEcx), word(Word::ExtendedEdx)],
        0x8000_0002..=0x8000_0004 => brand(leaf - 0x8000_0002),
        // L2: 1 MiB, 16 ways, 64-byte lines.
        0x8000_0006 => [0, 0, 1024 << 16 | 8 << 12 | 64, 0],
        // 48 bits of virtual, 40 of physical address.
        0x8000_0008 => [48 << 8 | 40, 0, 0, 0],
        _ => [0; 4],
    }
}

pub fn cpuid_eax(number: u32, subleaf: u32) -> u32 {
    leaf(number, subleaf)[0]
}

pub fn cpuid_ebx(number: u32, subleaf: u32) -> u32 {
    leaf(number, subleaf)[1]
}

pub fn cpuid_ecx(number: u32, subleaf: u32) -> u32 {
    leaf(number, subleaf)[2]
}

pub fn cpuid_edx(number: u32, subleaf: u32) -> u32 {
    leaf(number, subleaf)[3]
}

/// [`CpuState::idle_flags`], for PUSHF.
pub fn idle_flags(cpu: &mut CpuState, _memory: &mut impl Memory) -> u32 {
    cpu.idle_flags
}

/// POPF of the bits of RFLAGS in `which`, as far as they are [`CpuState::IDLE_FLAGS`].
pub fn set_idle_flags(cpu: &mut CpuState, _memory: &mut impl Memory, rflags: u32, which: u32) {
    cpu.idle_flags = (rflags & which | cpu.idle_flags & !which) & CpuState::IDLE_FLAGS;
}

/// RDTSC: grows by a fixed step with each reading, so that runs are the same everywhere.
pub fn rdtsc(cpu: &mut CpuState, _memory: &mut impl Memory) -> u64 {
    const STEP: u64 = 1000;
    cpu.tsc = cpu.tsc.wrapping_add(STEP);
    cpu.tsc
}
