//! Random operands: all classes of numbers, those close to each other and to the formats' limits.

/// xorshift64*: deterministic from its seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(code: &[u8]) -> Rng {
        Rng(code.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// Rounding, DAZ, FTZ and flags at random; most often all exceptions are masked.
    pub fn mxcsr(&mut self) -> u32 {
        let bits = self.next() as u32 & 0xe07f;
        let flags = if self.below(2) == 0 { 0 } else { bits & 0x3f };
        let masks = if self.below(4) == 0 { self.next() as u32 & 0x1f80 } else { 0x1f80 };
        // To nearest and with PE set is a case of its own: the host computes then.
        if self.below(4) == 0 { 0x1fa0 } else { bits & !0x3f | flags | masks }
    }

    pub fn integer(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next(),
            1 => self.next() as i32 as u64,
            2 => (self.next() as i64 >> self.below(64)) as u64,
            _ => [0, 1, u64::MAX, 1 << 31, 1 << 63, i64::MAX as u64, 0x100_0001, (1 << 53) + 1][self.below(8) as usize],
        }
    }

    /// A number of a format with so many bits of fraction and exponent.
    fn number(&mut self, fraction: u32, exponent: u32) -> u64 {
        let largest = (1u64 << exponent) - 1;
        let bias = largest >> 1;
        let biased = match self.below(8) {
            0 => 0,
            1 => largest,
            2 => 1 + self.below(2),
            3 => largest - 1 - self.below(2),
            4 => self.below(largest),
            5 => bias + self.below(u64::from(fraction) + 2),
            // Integers of 32 and 64 bits end here.
            6 => (bias + 30 + self.below(3) + 32 * self.below(2)).min(largest),
            _ => bias - self.below(3),
        };
        let mask = (1u64 << fraction) - 1;
        let significand = match self.below(6) {
            0 => 0,
            1 => mask,
            2 => 1,
            3 => 1 << self.below(fraction.into()),
            4 => mask << self.below(fraction.into()) & mask,
            _ => self.next() & mask,
        };
        (self.next() & 1) << (fraction + exponent) | biased << fraction | significand
    }

    /// Two doubles, four singles, eight halves or anything.
    pub fn vector(&mut self) -> u128 {
        let (count, fraction, exponent) = match self.below(8) {
            0..4 => (2, 52, 11),
            4..7 => (4, 23, 8),
            _ => (8, 10, 5),
        };
        (0..count).fold(0, |v, _| v << (128 / count) | u128::from(self.number(fraction, exponent)))
    }
}
