//! Operands: as many corners as random numbers reach in reasonable time.

use hoist_x86::state::X87;

use crate::oracle::{Case, DATA_LEN};

/// xorshift64*: the same cases in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        ((self.next() >> 32) * n) >> 32
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// 64 bits: random, few ones, few zeros, runs.
    pub fn bits(&mut self) -> u64 {
        let a = self.next();
        match self.below(6) {
            0 => 1 << (a & 63),
            1 => !(1 << (a & 63)),
            2 => u64::MAX << (a & 63),
            3 => u64::MAX >> (a & 63),
            4 => a & u64::MAX << (a & 63),
            _ => a,
        }
    }

    /// Sign and exponent, significand.
    pub fn extended(&mut self) -> (u16, u64) {
        let sign = (self.next() as u16) & 0x8000;
        let bits = self.bits();
        let normal = bits | 1 << 63;
        let (exponent, significand) = match self.below(25) {
            0 => (0, 0),
            1 => (0x7fff, 1 << 63),
            2 => (0x7fff, normal | 1 << 62),
            3 => (0x7fff, normal & !(1 << 62)),
            4 => (0, bits & !(1 << 63)),
            5 => (0, normal),
            6 => (self.next() as u16 & 0x7fff, bits & !(1 << 63)),
            7 => (0x7fff, self.pick(&[0xc000_0000_0000_0000, 0xc000_0000_0000_0001, 0x8000_0000_0000_0001])),
            8 => (self.below(70) as u16, normal),
            9 => (0x7ffe - self.below(70) as u16, normal),
            10 => (0x3fff, 1 << 63),
            11 | 12 => (0x3fff + self.below(66) as u16, normal),
            13 => (0x3fff - 128 + self.below(256) as u16, normal),
            14 => (0x3fff - 1100 + self.below(2200) as u16, normal),
            15 => (self.next() as u16 & 0x7fff, normal),
            // Near a multiple of π/2.
            16 => {
                let product = u128::from(1 + self.below(1 << 20)) * 0x3_243f_6a88_85a3_08d3;
                let shift = 64 - product.leading_zeros();
                let nearest = (product >> shift) as u64;
                (0x3fff + shift as u16 - 2, nearest.saturating_add(self.below(3)).saturating_sub(1) | 1 << 63)
            }
            _ => (0x3fff - 8 + self.below(16) as u16, normal),
        };
        (sign | exponent, significand)
    }

    /// Bytes of an operand in memory of any of the formats.
    fn data(&mut self) -> [u8; DATA_LEN] {
        let mut data = [0; DATA_LEN];
        for byte in &mut data[..16] {
            *byte = self.next() as u8;
        }
        match self.below(6) {
            0 => {
                let (sign_exponent, significand) = self.extended();
                data[..8].copy_from_slice(&significand.to_le_bytes());
                data[8..10].copy_from_slice(&sign_exponent.to_le_bytes());
            }
            1 => {
                let exponent = self.pick(&[0, 0, 1, 0x7f, 0x80, 0x90, 0xfe, 0xff, 0xff]);
                let fraction = if self.below(4) == 0 { 0 } else { self.bits() as u32 >> 9 };
                let sign = self.next() as u32 & 1 << 31;
                data[..4].copy_from_slice(&(sign | exponent << 23 | fraction).to_le_bytes());
            }
            2 => {
                let exponent = self.pick(&[0, 0, 1, 0x3ff, 0x400, 0x410, 0x7fe, 0x7ff, 0x7ff]);
                let fraction = if self.below(4) == 0 { 0 } else { self.bits() >> 12 };
                let sign = self.next() & 1 << 63;
                data[..8].copy_from_slice(&(sign | exponent << 52 | fraction).to_le_bytes());
            }
            3 => {
                for byte in &mut data[..9] {
                    let digits = self.below(100) as u8;
                    *byte = ((digits / 10) << 4) | (digits % 10);
                }
            }
            4 => {
                let (n, bytes) = (self.bits() as i64 >> self.below(64), 8);
                data[..bytes].copy_from_slice(&n.to_le_bytes());
            }
            _ => {}
        }
        data
    }

    pub fn case(&mut self) -> Case {
        let mut x87 = X87 { significand: [0; 8], sign_exponent: [0; 8], control: 0, status: 0, in_use: 0xff, top: 0 };
        for n in 0..8 {
            (x87.sign_exponent[n], x87.significand[n]) = self.extended();
        }
        if self.below(6) == 0 {
            // Operands that are near each other.
            x87.significand[1] = x87.significand[0].wrapping_add(self.below(5)).wrapping_sub(2);
            x87.sign_exponent[1] = x87.sign_exponent[0] ^ (self.next() as u16 & 0x8000);
        }
        x87.top = self.below(8) as u8;
        match self.below(3) {
            // Room for a push.
            0 => x87.in_use = !(1 << ((x87.top + 7) & 7)),
            1 if self.below(3) == 0 => x87.in_use = self.next() as u8,
            _ => {}
        }
        let masks = if self.below(4) == 0 { self.next() as u16 & 0x3f } else { 0x3f };
        let precision = self.pick(&[0u16, 1, 2, 3, 3, 3, 3, 3]);
        x87.control = 0x40 | precision << 8 | (self.below(4) as u16) << 10 | masks;
        // Conditions and exceptions that stuck, none of them pending.
        x87.status = self.next() as u16 & (0x4740 | masks);
        let rflags = self.next() & 0x8d5 | 2;
        Case { x87, rflags, rax: 0, mxcsr: 0x1f80, xmm: [0; 16], data: self.data() }
    }

    /// A case whose registers are random throughout: what MMX instructions work on.
    pub fn mmx_case(&mut self) -> Case {
        let mut case = self.image_case();
        for n in 0..8 {
            case.x87.significand[n] = match self.below(4) {
                // Small shift counts; lanes that saturate.
                0 => self.below(70),
                1 => self.bits() & 0xff7f_ff7f_ff7f_ff7f | 0x0080_0000_8000_0000,
                _ => self.bits(),
            };
        }
        case.x87.control |= 0x3f;
        case
    }

    /// A case whose memory and vector registers are random throughout; bytes 24…27 are a valid MXCSR.
    pub fn image_case(&mut self) -> Case {
        let mut case = self.case();
        case.data.iter_mut().for_each(|byte| *byte = self.next() as u8);
        case.data[26..28].fill(0);
        case.xmm.iter_mut().for_each(|xmm| *xmm = u128::from(self.next()) << 64 | u128::from(self.next()));
        case
    }
}
