//! What NaNs the host's arithmetic makes.
//!
//! Wasm leaves their sign and payload open. SSE's rules (SDM vol. 1, §4.8.3.5): the first operand that is a NaN, made quiet; and if neither is
//! one, the default NaN, whose sign is set. ARM64 prefers signalling NaNs and its default NaN is positive; RISC-V has no other than that.

use core::hint::black_box;

/// Are the NaNs of the host's floating-point arithmetic others than those of an x86 processor? Then lifted code has to look at what it
/// computes ([`hoist_x86::builder::Floats::Portable`]).
pub fn are_foreign() -> bool {
    are_foreign_doubles() || are_foreign_singles()
}

fn are_foreign_doubles() -> bool {
    const ONE: u64 = 0x3ff << 52;
    const INFINITY: u64 = 0x7ff << 52;
    const DEFAULT: u64 = 0xfff8 << 48;
    const FIRST: u64 = 0x7ff8 << 48 | 1;
    const SECOND: u64 = 0xfff8 << 48 | 2;
    const SIGNALLING: u64 = 0x7ff4 << 48 | 3;
    const QUIETED: u64 = SIGNALLING | 1 << 51;
    // Not before the program runs: the compiler's NaNs are its own.
    let float = |bits: u64| f64::from_bits(black_box(bits));
    let sums = [
        (FIRST, ONE, FIRST),
        (ONE, SECOND, SECOND),
        (FIRST, SECOND, FIRST),
        (SECOND, FIRST, SECOND),
        (SIGNALLING, ONE, QUIETED),
        (SECOND, SIGNALLING, SECOND),
        (INFINITY, INFINITY | 1 << 63, DEFAULT),
    ];
    sums.iter().any(|&(a, b, sum)| (float(a) + float(b)).to_bits() != sum)
        || (float(0) / float(0)).to_bits() != DEFAULT
        || (float(0) * float(INFINITY)).to_bits() != DEFAULT
        || float(ONE | 1 << 63).sqrt().to_bits() != DEFAULT
}

fn are_foreign_singles() -> bool {
    const ONE: u32 = 0x7f << 23;
    const DEFAULT: u32 = 0xffc0 << 16;
    const FIRST: u32 = 0x7fc0 << 16 | 1;
    const SECOND: u32 = 0xffc0 << 16 | 2;
    let float = |bits: u32| f32::from_bits(black_box(bits));
    [(FIRST, ONE, FIRST), (ONE, SECOND, SECOND), (FIRST, SECOND, FIRST), (SECOND, FIRST, SECOND)]
        .iter()
        .any(|&(a, b, sum)| (float(a) + float(b)).to_bits() != sum)
        || (float(0) / float(0)).to_bits() != DEFAULT
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    #[test]
    fn an_x86_processor_is_at_home() {
        assert!(!super::are_foreign());
    }
}
