//! Vector instructions where Intel and Wasm differ, in the interpreter, against values from the SDM's wording.

mod common;

use common::Bytes;
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

/// Where code and data lie in the test's memory.
const CODE: u32 = 0x100;
const DATA: u32 = 0x800;

struct Machine {
    cpu: CpuState,
    memory: Bytes,
}

impl Machine {
    /// All vector bits set, so that what is cleared shows; rsi and rdi point to data.
    fn new() -> Machine {
        let mut cpu = CpuState::default();
        cpu.vector = [u128::MAX; 32];
        cpu.set(Reg::RSI, DATA.into());
        cpu.set(Reg::RDI, DATA.into());
        Machine { cpu, memory: Bytes(vec![0; 0x1000]) }
    }

    fn xmm(mut self, n: u8, bits: u128) -> Machine {
        self.cpu.set(Reg::xmm(n), bits);
        self
    }

    fn f64(self, n: u8, x: f64) -> Machine {
        self.xmm(n, x.to_bits().into())
    }

    fn f32(self, n: u8, x: f32) -> Machine {
        self.xmm(n, x.to_bits().into())
    }

    fn data(mut self, bytes: &[u8]) -> Machine {
        self.memory.0[DATA as usize..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    fn run(mut self, code: &[u8]) -> Machine {
        let end = CODE + code.len() as u32 + 2;
        self.memory.0[CODE as usize..][..code.len()].copy_from_slice(code);
        // A jump to the next instruction ends the block.
        self.memory.0[CODE as usize + code.len()..][..2].copy_from_slice(&[0xeb, 0]);
        let stop = Interpreter::new().run(&mut self.cpu, &mut self.memory, CODE, |pc| pc == end);
        assert_eq!(stop, Stop::At(end));
        self
    }

    fn get(&self, reg: Reg) -> u128 {
        self.cpu.get(reg)
    }

    fn low(&self) -> f64 {
        f64::from_bits(self.get(Reg::xmm(0)) as u64)
    }
}

const NAN: f64 = f64::NAN;

/// SETcc al for every condition after UCOMISD: the SDM's table of ZF, PF, CF = 000, 001, 100, 111 with OF = SF = 0.
#[test]
fn conditions_after_ucomisd() {
    for (a, b, [zf, pf, cf]) in
        [(2.0, 1.0, [0, 0, 0]), (1.0, 2.0, [0, 0, 1]), (1.0, 1.0, [1, 0, 0]), (NAN, 1.0, [1, 1, 1]), (1.0, NAN, [1, 1, 1])]
    {
        let wanted = [0, 1, cf, 1 - cf, zf, 1 - zf, cf | zf, 1 - (cf | zf), 0, 1, pf, 1 - pf, 0, 1, zf, 1 - zf];
        for (code, wanted) in (0u8..).zip(wanted) {
            let machine = Machine::new().f64(0, a).f64(1, b).run(&[0x66, 0x0f, 0x2e, 0xc1, 0x0f, 0x90 + code, 0xc0]);
            assert_eq!(machine.get(Reg::RAX) as u8, wanted, "condition {code:x} of {a} and {b}");
        }
    }
    // The same register twice: unordered is "is it NaN".
    let machine = Machine::new().f32(0, f32::NAN).run(&[0x0f, 0x2f, 0xc0]);
    assert_eq!([Reg::CF, Reg::PF, Reg::AF, Reg::ZF, Reg::SF, Reg::OF].map(|flag| machine.get(flag)), [1, 1, 0, 1, 0, 0]);
}

#[test]
fn integer_indefinite() {
    let to_i32 = |x: f64| Machine::new().f64(0, x).run(&[0xf2, 0x0f, 0x2c, 0xc0]).get(Reg::RAX) as u64;
    let to_i64 = |x: f64| Machine::new().f64(0, x).run(&[0xf2, 0x48, 0x0f, 0x2c, 0xc0]).get(Reg::RAX) as i64;
    let single = |x: f32| Machine::new().f32(0, x).run(&[0xf3, 0x0f, 0x2c, 0xc0]).get(Reg::RAX) as u64;
    for bad in [NAN, f64::INFINITY, f64::NEG_INFINITY, 2147483648.0, -2147483649.0, 1e300] {
        assert_eq!(to_i32(bad), 0x8000_0000, "{bad}");
    }
    assert_eq!([2147483647.9, -2147483648.9, -1.9, -0.5].map(to_i32), [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0]);
    assert_eq!([NAN, 9223372036854775808.0, -9223372036854775808.0, -1e19].map(to_i64), [i64::MIN; 4]);
    assert_eq!([9223372036854774784.0, -3.7].map(to_i64), [9223372036854774784, -3]);
    assert_eq!([2147483648.0, f32::NAN, -5.5].map(single), [0x8000_0000, 0x8000_0000, 0xffff_fffb]);
    // CVTTPD2DQ clears the upper half.
    let pair = u128::from(NAN.to_bits()) << 64 | u128::from((-7.9f64).to_bits());
    assert_eq!(Machine::new().xmm(0, pair).run(&[0x66, 0x0f, 0xe6, 0xc0]).get(Reg::xmm(0)), 0x8000_0000_ffff_fff9);
}

/// MINSD and MAXSS return the second operand if either is NaN or both are zero.
#[test]
fn minimum_and_maximum() {
    let min = |a: f64, b: f64| Machine::new().f64(0, a).f64(1, b).run(&[0xf2, 0x0f, 0x5d, 0xc1]).low();
    assert_eq!(min(0.0, -0.0).to_bits(), (-0.0f64).to_bits());
    assert_eq!(min(-0.0, 0.0).to_bits(), 0.0f64.to_bits());
    assert_eq!(min(NAN, 1.0), 1.0);
    assert!(min(1.0, NAN).is_nan());
    assert_eq!(min(-3.0, 1.0), -3.0);
    let max = Machine::new().f32(0, f32::NAN).f32(1, 4.0).run(&[0xf3, 0x0f, 0x5f, 0xc1]);
    assert_eq!(max.get(Reg::xmm(0)), 4.0f32.to_bits().into());
}

/// Legacy encodings keep bits 255…128, VEX.128 clears them; the upper lanes of a scalar come from the first source.
#[test]
fn upper_parts() {
    let legacy = Machine::new().f64(1, 1.0).run(&[0xf2, 0x0f, 0x58, 0xc1]);
    assert_eq!(legacy.get(Reg::ymm_high(0)), u128::MAX);
    assert_eq!(legacy.get(Reg::xmm(0)) >> 64, u64::MAX.into());
    let ones = u128::from(1.5f32.to_bits());
    let vex = Machine::new().xmm(1, 7 << 32 | ones).xmm(2, 9 << 32 | ones).run(&[0xc5, 0xf2, 0x58, 0xc2]);
    assert_eq!(vex.get(Reg::xmm(0)), 7 << 32 | u128::from(3.0f32.to_bits()));
    assert_eq!(vex.get(Reg::ymm_high(0)), 0);
    let cleared = Machine::new().run(&[0xc5, 0xf8, 0x77]);
    assert!((0..16).all(|n| cleared.get(Reg::ymm_high(n)) == 0 && cleared.get(Reg::xmm(n)) == u128::MAX));
}

/// MOVSS clears from memory and keeps between registers.
#[test]
fn scalar_moves() {
    let loaded = Machine::new().data(&[1, 2, 3, 4, 5]).run(&[0xf3, 0x0f, 0x10, 0x06]);
    assert_eq!(loaded.get(Reg::xmm(0)), 0x0403_0201);
    let moved = Machine::new().xmm(1, 5).run(&[0xf3, 0x0f, 0x10, 0xc1]);
    assert_eq!(moved.get(Reg::xmm(0)), u128::MAX << 32 | 5);
    let stored = Machine::new().xmm(0, 0x0102_0304_0506_0708_090a).run(&[0xf2, 0x0f, 0x11, 0x06]);
    assert_eq!(stored.memory.0[DATA as usize..][..9], [10, 9, 8, 7, 6, 5, 4, 3, 0]);
}

#[test]
fn shuffles() {
    // A negative index clears, other high bits of it do not count.
    let index = 0x80 << 16 | 0x13 << 8 | 0x0f;
    let bytes = u128::from_le_bytes(core::array::from_fn(|n| 0x40 + n as u8));
    let shuffled = Machine::new().xmm(0, bytes).xmm(1, index).run(&[0x66, 0x0f, 0x38, 0x00, 0xc1]).get(Reg::xmm(0));
    assert_eq!(shuffled & 0xffff_ffff, 0x4000_434f);
    // PALIGNR by 20: four bytes into the first operand, zeros above.
    let aligned = Machine::new().xmm(0, bytes).run(&[0x66, 0x0f, 0x3a, 0x0f, 0xc1, 20]).get(Reg::xmm(0));
    assert_eq!(aligned, bytes >> 32);
    // INSERTPS 0x9c: lane 2 to lane 1, then lanes 2 and 3 cleared.
    let inserted = Machine::new().xmm(0, bytes).xmm(1, 0xaaaa_bbbb << 64).run(&[0x66, 0x0f, 0x3a, 0x21, 0xc1, 0x9c]);
    assert_eq!(inserted.get(Reg::xmm(0)), 0xaaaa_bbbb_4342_4140);
    // VPERM2I128 0x21: high part of ymm1, then low part of ymm2.
    let parts = Machine::new().xmm(2, 77).run(&[0xc4, 0xe3, 0x75, 0x46, 0xc2, 0x21]);
    assert_eq!([Reg::xmm(0), Reg::ymm_high(0)].map(|reg| parts.get(reg)), [u128::MAX, 77]);
}

/// A count that reaches the width clears, or fills with the sign.
#[test]
fn shift_counts() {
    let left = |count| Machine::new().xmm(1, count).run(&[0x66, 0x0f, 0xf1, 0xc1]).get(Reg::xmm(0));
    assert_eq!(left(15), 0x8000_8000_8000_8000_8000_8000_8000_8000);
    assert_eq!([16, 1 << 32, u128::MAX].map(left), [0; 3]);
    // Only the low 64 bits are the count.
    assert_eq!(left(1 << 64), u128::MAX);
    let signs = Machine::new().xmm(0, 0x8000_7fff).run(&[0x66, 0x0f, 0x71, 0xe0, 200]).get(Reg::xmm(0));
    assert_eq!(signs, 0xffff_0000);
    assert_eq!(Machine::new().run(&[0x66, 0x0f, 0x73, 0xd0, 64]).get(Reg::xmm(0)), 0);
}

#[test]
fn products_and_comparisons() {
    // PMULHRSW: −1 × −1 overflows to −1; 0.5 × 0.5 is 0.25.
    let product = Machine::new().xmm(0, 0x4000_8000).xmm(1, 0x4000_8000).run(&[0x66, 0x0f, 0x38, 0x0b, 0xc1]);
    assert_eq!(product.get(Reg::xmm(0)), 0x2000_8000);
    // CMPNEQSD is true for NaNs and keeps the upper half.
    let differs = Machine::new().xmm(0, 5 << 64).f64(1, NAN).run(&[0xf2, 0x0f, 0xc2, 0xc1, 4]);
    assert_eq!(differs.get(Reg::xmm(0)), 5 << 64 | u128::from(u64::MAX));
    let test = |a, b| {
        let machine = Machine::new().xmm(0, a).xmm(1, b).run(&[0x66, 0x0f, 0x38, 0x17, 0xc1]);
        [machine.get(Reg::ZF), machine.get(Reg::CF)]
    };
    assert_eq!([test(1, 2), test(3, 2), test(3, 6), test(0, 0)], [[1, 0], [0, 1], [0, 0], [1, 1]]);
}

#[test]
fn partial_memory() {
    // VPGATHERDD: lanes 0 and 2 of the mask; the mask ends as zero.
    let data: Vec<u8> = (0..64).collect();
    let mask = 1 << 31 | 1 << 95;
    let gathered =
        Machine::new().data(&data).xmm(0, 0).xmm(1, 3 | 5 << 64).xmm(2, mask).run(&[0xc4, 0xe2, 0x69, 0x90, 0x04, 0x8e]);
    assert_eq!(gathered.get(Reg::xmm(0)), 0x0f0e_0d0c | 0x1716_1514 << 64);
    assert_eq!(gathered.get(Reg::xmm(2)), 0);
    // MASKMOVDQU writes bytes whose mask is negative.
    let written = Machine::new().xmm(0, 0x4142_4344).xmm(1, 0x807f_80ff).run(&[0x66, 0x0f, 0xf7, 0xc1]);
    assert_eq!(written.memory.0[DATA as usize..][..4], [0x44, 0x43, 0, 0x41]);
    // PMOVZXBQ reads two bytes: here the last two of the memory.
    let mut edge = Machine::new();
    edge.cpu.set(Reg::RSI, 0xffe);
    edge.memory.0[0xffe..].copy_from_slice(&[3, 200]);
    assert_eq!(edge.run(&[0x66, 0x0f, 0x38, 0x32, 0x06]).get(Reg::xmm(0)), 3 | 200 << 64);
}

/// PCMPISTRI as strstr(3) uses it: "lo" in "hello".
#[test]
fn substring_search() {
    let machine =
        Machine::new().xmm(0, u128::from(u16::from_le_bytes(*b"lo"))).xmm(1, u64::from_le_bytes(*b"hello\0\0\0").into());
    let machine = machine.run(&[0x66, 0x0f, 0x3a, 0x63, 0xc1, 0x0c]);
    assert_eq!(machine.get(Reg::RCX), 3);
    assert_eq!([Reg::CF, Reg::ZF, Reg::SF, Reg::OF].map(|flag| machine.get(flag)), [1, 1, 1, 0]);
}

/// MMX registers are the x87 significands.
#[test]
fn mmx_registers() {
    let mut machine = Machine::new();
    machine.cpu.set(Reg::RAX, 0x00ff_7f01);
    machine.cpu.x87.significand[1] = 0x0101_0101_0101_0101;
    machine.cpu.x87.top = 5;
    // movd mm0, eax; paddb mm0, mm1; movq rax, mm0
    let machine = machine.run(&[0x0f, 0x6e, 0xc0, 0x0f, 0xfc, 0xc1, 0x48, 0x0f, 0x7e, 0xc0]);
    assert_eq!(machine.get(Reg::RAX), 0x0101_0101_0100_8002);
    assert_eq!((machine.cpu.x87.top, machine.cpu.x87.in_use, machine.cpu.x87.sign_exponent[0]), (0, 0xff, 0xffff));
}

/// ROUNDSD with imm8[2] and CVTSD2SI ask MXCSR, which LDMXCSR sets.
#[test]
fn rounding_by_mxcsr() {
    let machine = Machine::new().data(&0x5f80u32.to_le_bytes()).f64(1, 2.25);
    // ldmxcsr [rsi]; roundsd xmm0, xmm1, 12
    let machine = machine.run(&[0x0f, 0xae, 0x16, 0x66, 0x0f, 0x3a, 0x0b, 0xc1, 12]);
    assert_eq!(machine.low(), 3.0);
    assert_eq!(machine.cpu.mxcsr, 0x5f80);
}
