//! The processor that guests are told of: its level, and one table of features from which CPUID's words and `/proc/cpuinfo`
//! are made.

use core::sync::atomic::{AtomicU8, Ordering};

/// A microarchitecture level of the System V ABI (AMD64, table 3.1). What it announces is what libraries choose their code by; all instructions
/// of both are translated in any case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[repr(u8)]
pub enum Level {
    /// SSE4.2, POPCNT, CMPXCHG16B: 128-bit vectors, which are Wasm's.
    #[default]
    V2,
    /// AVX2, FMA, BMI, LZCNT, MOVBE, F16C: each 256-bit operation is two of Wasm's.
    V3,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Level::V2 => "v2",
            Level::V3 => "v3",
        }
    }

    pub fn from_name(name: &str) -> Option<Level> {
        [Level::V2, Level::V3].into_iter().find(|level| level.name() == name)
    }
}

/// The level of this machine: it does not change while guests run.
static LEVEL: AtomicU8 = AtomicU8::new(Level::V2 as u8);

/// Tells the machine its level, before the first guest starts.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

pub fn level() -> Level {
    if LEVEL.load(Ordering::Relaxed) == Level::V3 as u8 { Level::V3 } else { Level::V2 }
}

/// A word of CPUID that holds features.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Leaf 1.
    Leaf1Edx,
    Leaf1Ecx,
    /// Leaf 7, subleaf 0.
    Leaf7Ebx,
    /// Leaf DH, subleaf 1.
    LeafDEax,
    /// Leaf 80000001H.
    ExtendedEdx,
    ExtendedEcx,
}

/// A feature, as Linux calls it (arch/x86/include/asm/cpufeatures.h), and its bit of CPUID (SDM vol. 2, CPUID).
pub struct Feature {
    pub name: &'static str,
    pub word: Word,
    pub bit: u32,
    /// The least level that has it.
    pub level: Level,
}

const fn feature(name: &'static str, word: Word, bit: u32, level: Level) -> Feature {
    Feature { name, word, bit, level }
}

use Level::{V2, V3};
use Word::{ExtendedEcx, ExtendedEdx, Leaf1Ecx, Leaf1Edx, Leaf7Ebx, LeafDEax};

/// In Linux's order. SYSCALL and what follows it repeat in the extended leaf what leaf 1 has on Intel's processors only in part.
pub const FEATURES: &[Feature] = &[
    feature("fpu", Leaf1Edx, 0, V2),
    feature("vme", Leaf1Edx, 1, V2),
    feature("de", Leaf1Edx, 2, V2),
    feature("pse", Leaf1Edx, 3, V2),
    feature("tsc", Leaf1Edx, 4, V2),
    feature("msr", Leaf1Edx, 5, V2),
    feature("pae", Leaf1Edx, 6, V2),
    feature("mce", Leaf1Edx, 7, V2),
    feature("cx8", Leaf1Edx, 8, V2),
    feature("apic", Leaf1Edx, 9, V2),
    feature("sep", Leaf1Edx, 11, V2),
    feature("mtrr", Leaf1Edx, 12, V2),
    feature("pge", Leaf1Edx, 13, V2),
    feature("mca", Leaf1Edx, 14, V2),
    feature("cmov", Leaf1Edx, 15, V2),
    feature("pat", Leaf1Edx, 16, V2),
    feature("pse36", Leaf1Edx, 17, V2),
    feature("clflush", Leaf1Edx, 19, V2),
    feature("mmx", Leaf1Edx, 23, V2),
    feature("fxsr", Leaf1Edx, 24, V2),
    feature("sse", Leaf1Edx, 25, V2),
    feature("sse2", Leaf1Edx, 26, V2),
    feature("syscall", ExtendedEdx, 11, V2),
    feature("nx", ExtendedEdx, 20, V2),
    feature("rdtscp", ExtendedEdx, 27, V2),
    feature("lm", ExtendedEdx, 29, V2),
    feature("pni", Leaf1Ecx, 0, V2),
    feature("ssse3", Leaf1Ecx, 9, V2),
    feature("fma", Leaf1Ecx, 12, V3),
    feature("cx16", Leaf1Ecx, 13, V2),
    feature("sse4_1", Leaf1Ecx, 19, V2),
    feature("sse4_2", Leaf1Ecx, 20, V2),
    feature("movbe", Leaf1Ecx, 22, V3),
    feature("popcnt", Leaf1Ecx, 23, V2),
    feature("xsave", Leaf1Ecx, 26, V3),
    // The system has enabled XSAVE; Linux does not list it.
    feature("", Leaf1Ecx, 27, V3),
    feature("avx", Leaf1Ecx, 28, V3),
    feature("f16c", Leaf1Ecx, 29, V3),
    feature("lahf_lm", ExtendedEcx, 0, V2),
    feature("abm", ExtendedEcx, 5, V3),
    feature("bmi1", Leaf7Ebx, 3, V3),
    feature("avx2", Leaf7Ebx, 5, V3),
    feature("bmi2", Leaf7Ebx, 8, V3),
    feature("xsaveopt", LeafDEax, 0, V3),
    feature("xsavec", LeafDEax, 1, V3),
    feature("xgetbv1", LeafDEax, 2, V3),
];

/// The features of a level in one word.
pub fn word(word: Word, level: Level) -> u32 {
    announced(level).filter(|feature| feature.word == word).map(|feature| 1 << feature.bit).sum()
}

/// The features that a processor of this level has.
pub fn announced(level: Level) -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().filter(move |feature| feature.level <= level)
}

/// Family, model and stepping, as CPUID encodes them (leaf 1, EAX): of the first processors with just these features, Westmere and Haswell.
pub fn signature(level: Level) -> u32 {
    match level {
        Level::V2 => 0x0002_06c2,
        Level::V3 => 0x0003_06c3,
    }
}

pub fn model_name(level: Level) -> &'static str {
    match level {
        Level::V2 => "hoist virtual x86-64-v2",
        Level::V3 => "hoist virtual x86-64-v3",
    }
}

/// XCR0: the state components that XSAVE manages: x87, SSE, AVX (SDM vol. 1, §13.3).
pub const XCR0: u32 = 7;
