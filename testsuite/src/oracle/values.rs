//! The numbers that states are made of: boundary integers, all classes of floating-point numbers, and random ones.

/// xorshift64*: deterministic from its seed.
pub struct Rng(u64);

impl Rng {
    /// A seed of zero would give zeros only.
    pub fn new(seed: u64) -> Rng {
        Rng(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }
}

/// How many numbers each list of edge cases has.
pub const EDGES: usize = 32;

const INTEGERS: [u64; EDGES] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    0x7f,
    0x80,
    0x81,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_ffff_fffe,
    0x8080_8080_8080_8080,
    0x7f7f_7fff_7fff_7f80,
    0x0123_4567_89ab_cdef,
];

/// Zeros, infinities, quiet and signalling NaNs, denormals, the largest and least, halves, limits of the integers.
const DOUBLES: [u64; EDGES] = [
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff8_1234_5678_9abc,
    0xffff_ffff_ffff_ffff,
    0x7ff0_0000_0000_0001,
    0xfff4_dcba_9876_5432,
    0x0000_0000_0000_0001,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x800f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x8010_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x3fe0_0000_0000_0000,
    0xbff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0x41df_ffff_ffe0_0000,
    0xc1e0_0000_0010_0000,
    0x41e0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x433f_ffff_ffff_ffff,
    0x3fd5_5555_5555_5555,
    0x36a0_0000_0000_0001,
];

/// The same classes in single precision.
const SINGLES: [u32; EDGES] = [
    0x0000_0000,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fd2_3456,
    0xffff_ffff,
    0x7f80_0001,
    0xffa5_4321,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x807f_ffff,
    0x0080_0000,
    0x8080_0001,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x3f00_0000,
    0xbfc0_0000,
    0x4020_0000,
    0x3f7f_ffff,
    0x4eff_ffff,
    0xcf00_0001,
    0x4f00_0000,
    0x5f00_0000,
    0xdf00_0000,
    0x4b7f_ffff,
    0x3eaa_aaab,
    0x3380_0001,
];

/// How operands are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Integer,
    Single,
    Double,
}

impl Kind {
    /// 64 bits of an operand: edge case `number`, of singles two of them.
    pub fn edge(self, number: usize) -> u64 {
        match self {
            Kind::Integer => INTEGERS[number % EDGES],
            Kind::Double => DOUBLES[number % EDGES],
            Kind::Single => {
                let single = |n: usize| u64::from(SINGLES[n % EDGES]);
                single(number + 7) << 32 | single(number)
            }
        }
    }

    /// 64 bits, often of the sort that shows bugs.
    pub fn random(self, rng: &mut Rng) -> u64 {
        let number = rng.below(EDGES as u64) as usize;
        match (self, rng.below(6)) {
            (_, 0) => self.edge(number),
            (Kind::Integer, 1) => INTEGERS[number].wrapping_neg(),
            (Kind::Integer, 2) => rng.below(70),
            (Kind::Integer, 3) => u64::from(rng.next() as u32),
            (Kind::Double, 1) => (f64::from(rng.next() as i32) / 64.0).to_bits(),
            // Magnitudes near each other, so that sums cancel.
            (Kind::Double, 2 | 3) => 0x3fe0_0000_0000_0000 + (rng.next() >> 10 & 0x803f_ffff_ffff_ffff),
            (Kind::Single, 1 | 2) => {
                let mut single = || u64::from((rng.next() as i16 as f32 / 8.0).to_bits());
                single() << 32 | single()
            }
            (Kind::Single, 3) => 0x3f00_0000_3f00_0000 + (rng.next() >> 8 & 0x00ff_ffff_00ff_ffff),
            _ => rng.next(),
        }
    }
}
