//! The processor that guests see (SDM vol. 2, CPUID): x86-64-v2 and nothing beyond, so that libraries choose the
//! 128-bit code paths (DESIGN §5). Family and model are those of Westmere, the first processor with exactly these features.

use crate::helper::Memory;
use crate::state::CpuState;

/// EAX, EBX, ECX, EDX of one leaf.
type Leaf = [u32; 4];

const MAX_BASIC: u32 = 7;
const MAX_EXTENDED: u32 = 0x8000_0008;

/// Vendor "GenuineIntel" in the order EBX, EDX, ECX.
const VENDOR: [u32; 3] = [ascii(b"Genu"), ascii(b"ineI"), ascii(b"ntel")];

/// Brand string, leaves 80000002H to 80000004H, padded with zeros.
const BRAND: &[u8; 48] = b"hoist virtual x86-64-v2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Family 6, model 2CH, stepping 2.
const SIGNATURE: u32 = 0x0002_06c2;

mod feature {
    /// Leaf 1, ECX: SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT.
    pub const ECX: u32 = 1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23;
    /// Leaf 1, EDX: FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR,
    /// SSE, SSE2.
    pub const EDX: u32 = 0x078b_fbff;
    /// Leaf 80000001H, ECX: LAHF and SAHF in 64-bit mode.
    pub const EXTENDED_ECX: u32 = 1;
    /// Leaf 80000001H, EDX: SYSCALL, NX, RDTSCP, long mode.
    pub const EXTENDED_EDX: u32 = 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29;
}

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

fn brand(part: u32) -> Leaf {
    let word = |i: u32| {
        let at = (part * 16 + i * 4) as usize;
        BRAND.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    [word(0), word(1), word(2), word(3)]
}

fn leaf(leaf: u32, subleaf: u32) -> Leaf {
    match leaf {
        0 => [MAX_BASIC, VENDOR[0], VENDOR[2], VENDOR[1]],
        // CLFLUSH line of 8 × 8 bytes, one logical processor, APIC id 0.
        1 => [SIGNATURE, 1 << 16 | 8 << 8, feature::ECX, feature::EDX],
        // TLBs as Westmere has them; descriptor FFH: the caches are in leaf 4.
        2 => [0x7603_6301, 0x00f0_b5ff, 0, 0x00c3_0000],
        4 => CACHES.get(subleaf as usize).copied().unwrap_or_default(),
        0x8000_0000 => [MAX_EXTENDED, 0, 0, 0],
        0x8000_0001 => [0, 0, feature::EXTENDED_ECX, feature::EXTENDED_EDX],
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

/// RDTSC: grows by a fixed step with each reading, so that runs are the same everywhere.
pub fn rdtsc(cpu: &mut CpuState, _memory: &mut impl Memory) -> u64 {
    const STEP: u64 = 1000;
    cpu.tsc = cpu.tsc.wrapping_add(STEP);
    cpu.tsc
}
