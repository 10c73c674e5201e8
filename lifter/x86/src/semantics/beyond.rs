//! Instructions of processors that CPUID never announces to the guest: as on a processor without them, they raise #UD.

use iced_x86::{CpuidFeature as F, EncodingKind, Instruction};

/// Does the instruction belong to a feature that no guest is told of: AVX-512 and what came with or after it, AMD's and others' own, virtual
/// machines and enclaves? Programs have such code behind tests of CPUID.
pub fn is_beyond(instr: &Instruction) -> bool {
    instr.encoding() == EncodingKind::EVEX || !instr.cpuid_features().iter().all(|feature| is_modelled(*feature))
}

/// The features whose instructions have rows, whether CPUID announces them or not.
fn is_modelled(feature: F) -> bool {
    matches!(
        feature,
        F::INTEL8086
            | F::INTEL186
            | F::INTEL286
            | F::INTEL386
            | F::INTEL486
            | F::X64
            | F::FPU
            | F::FPU287
            | F::FPU387
            | F::CPUID
            | F::TSC
            | F::MSR
            | F::CX8
            | F::CMOV
            | F::MMX
            | F::FXSR
            | F::SEP
            | F::SYSCALL
            | F::SSE
            | F::SSE2
            | F::SSE3
            | F::SSSE3
            | F::SSE4_1
            | F::SSE4_2
            | F::CMPXCHG16B
            | F::POPCNT
            | F::AES
            | F::PCLMULQDQ
            | F::SHA
            | F::AVX
            | F::AVX2
            | F::FMA
            | F::F16C
            | F::BMI1
            | F::BMI2
            | F::LZCNT
            | F::MOVBE
            | F::ADX
            | F::FSGSBASE
            | F::XSAVE
            | F::XSAVEC
            | F::XSAVEOPT
            | F::XSAVES
            | F::RDTSCP
            | F::MULTIBYTENOP
            | F::PAUSE
            | F::PREFETCHW
            | F::PREFETCHWT1
            | F::CLFSH
            | F::CLFLUSHOPT
            | F::CLWB
            | F::CET_IBT
    )
}
