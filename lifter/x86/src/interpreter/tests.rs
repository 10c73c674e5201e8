//! Small pieces of code with known results.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::ir::BlockId;
use crate::reg::Reg;
use crate::verify::verify;

/// User memory of one mebibyte from address 0.
struct Ram(Vec<u8>);

impl Memory for Ram {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        core::array::from_fn(|i| self.0[addr as usize + i])
    }
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        self.0[addr as usize..][..N].copy_from_slice(&bytes);
    }
    fn copy(&mut self, to: u32, from: u32, len: u32) {
        self.0.copy_within(from as usize..(from + len) as usize, to as usize);
    }
    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        self.0[to as usize..][..len as usize].fill(byte);
    }
}

const CODE: u32 = 0x2000;
const STACK: u64 = 0x8000;
const DATA: u32 = 0x1_0000;

struct Machine {
    cpu: CpuState,
    ram: Ram,
    interpreter: Interpreter,
}

impl Machine {
    fn new(code: &[u8]) -> Machine {
        let mut machine = Machine { cpu: CpuState::default(), ram: Ram(vec![0; 1 << 20]), interpreter: Interpreter::new() };
        machine.ram.0[CODE as usize..][..code.len()].copy_from_slice(code);
        machine.set(Reg::RSP, STACK);
        machine
    }

    fn set(&mut self, reg: Reg, value: u64) -> &mut Machine {
        self.cpu.set(reg, u128::from(value));
        self
    }

    fn get(&self, reg: Reg) -> u64 {
        self.cpu.get(reg) as u64
    }

    /// Runs from the first instruction to an event, or for 10,000 blocks.
    fn run(&mut self) -> Stop {
        let mut budget = 10_000;
        self.interpreter.run(&mut self.cpu, &mut self.ram, CODE, |_| {
            budget -= 1;
            budget == 0
        })
    }

    fn flags(&self) -> u64 {
        self.cpu.rflags() & 0x8d5
    }
}

const CF: u64 = 1;
const PF: u64 = 4;
const AF: u64 = 0x10;
const ZF: u64 = 0x40;
const SF: u64 = 0x80;
const OF: u64 = 0x800;

/// Runs code and a UD2 after it; checks every translation's invariants on the way.
fn execute(code: &[u8], setup: &[(Reg, u64)]) -> Machine {
    let mut all = code.to_vec();
    all.extend([0x0f, 0x0b]);
    for instr in straight(&all, CODE).flatten() {
        if let Some(func) = translate_one(&instr) {
            verify(&func, &[BlockId(0)]).unwrap_or_else(|broken| panic!("{:?}: {broken}", instr.code()));
        }
    }
    let mut machine = Machine::new(&all);
    for &(reg, value) in setup {
        machine.set(reg, value);
    }
    let stop = machine.run();
    let end = CODE + code.len() as u32;
    assert_eq!(stop, Stop::Exception { vector: Vector::InvalidOpcode, at: end }, "stopped elsewhere");
    machine
}

#[test]
fn moves_and_widths() {
    // mov eax, 1; mov ah, 2; mov ax, 0x1234 (after mov rbx, -1; mov bl, 0x11; mov ebx, ebx)
    let m = execute(
        &[0xb8, 1, 0, 0, 0, 0xb4, 2, 0x48, 0xc7, 0xc3, 0xff, 0xff, 0xff, 0xff, 0xb3, 0x11, 0x89, 0xdb],
        &[(Reg::RAX, u64::MAX)],
    );
    assert_eq!(m.get(Reg::RAX), 0x201);
    assert_eq!(m.get(Reg::RBX), 0xffff_ff11);
    // movsx rax, ah; movzx ecx, al
    let m = execute(&[0x0f, 0xbe, 0xcc, 0x48, 0x0f, 0xbe, 0xd0], &[(Reg::RAX, 0x80ff)]);
    assert_eq!(m.get(Reg::RCX), 0xffff_ff80);
    assert_eq!(m.get(Reg::RDX), u64::MAX);
}

#[test]
fn flags_of_addition() {
    // add al, bl
    for (a, b, result, flags) in
        [(0x7f, 1, 0x80, OF | SF | AF), (0xff, 1, 0, CF | ZF | PF | AF), (0x80, 0x80, 0, CF | ZF | PF | OF), (1, 2, 3, PF)]
    {
        let m = execute(&[0x00, 0xd8], &[(Reg::RAX, a), (Reg::RBX, b)]);
        assert_eq!(m.get(Reg::RAX), result);
        assert_eq!(m.flags(), flags, "{a:#x} + {b:#x}");
    }
}

#[test]
fn carries_chain() {
    // add rax, rbx; adc rcx, rdx; sbb rsi, rsi
    let m = execute(
        &[0x48, 0x01, 0xd8, 0x48, 0x11, 0xd1, 0x48, 0x19, 0xf6],
        &[(Reg::RAX, u64::MAX), (Reg::RBX, 1), (Reg::RCX, u64::MAX), (Reg::RDX, 0), (Reg::RSI, 77)],
    );
    assert_eq!([m.get(Reg::RAX), m.get(Reg::RCX), m.get(Reg::RSI)], [0, 0, u64::MAX]);
    assert_eq!(m.flags(), CF | PF | AF | SF);
}

#[test]
fn shifts_by_zero_keep_flags() {
    // stc; shl eax, cl
    let m = execute(&[0xf9, 0xd3, 0xe0], &[(Reg::RAX, u64::MAX), (Reg::RCX, 32)]);
    assert_eq!(m.get(Reg::RAX), 0xffff_ffff, "a 32-bit write clears the upper half");
    assert_eq!(m.flags(), CF);
    let m = execute(&[0xf9, 0xd3, 0xe0], &[(Reg::RAX, 0xc000_0000), (Reg::RCX, 1)]);
    assert_eq!(m.get(Reg::RAX), 0x8000_0000);
    assert_eq!(m.flags(), CF | SF | PF);
}

#[test]
fn rotates_through_carry() {
    // stc; rcl al, 9 leaves the operand; rcr al, 1
    let m = execute(&[0xf9, 0xc0, 0xd0, 9], &[(Reg::RAX, 0x5a)]);
    assert_eq!((m.get(Reg::RAX), m.flags() & CF), (0x5a, CF));
    let m = execute(&[0xf9, 0x48, 0xc1, 0xd8, 4], &[(Reg::RAX, 0xf)]);
    assert_eq!((m.get(Reg::RAX), m.flags() & CF), (0xf000_0000_0000_0000, CF));
    let m = execute(&[0xf9, 0x48, 0xd3, 0xd0], &[(Reg::RAX, 1 << 63), (Reg::RCX, 1)]);
    assert_eq!((m.get(Reg::RAX), m.flags() & CF), (1, CF));
}

#[test]
fn divisions() {
    // xor edx, edx; div ecx
    let m = execute(&[0x31, 0xd2, 0xf7, 0xf1], &[(Reg::RAX, 100), (Reg::RCX, 7), (Reg::RDX, 9)]);
    assert_eq!((m.get(Reg::RAX), m.get(Reg::RDX)), (14, 2));
    // cqo; idiv rcx
    let m = execute(&[0x48, 0x99, 0x48, 0xf7, 0xf9], &[(Reg::RAX, -100i64 as u64), (Reg::RCX, 7)]);
    assert_eq!((m.get(Reg::RAX), m.get(Reg::RDX)), (-14i64 as u64, -2i64 as u64));
    // div rcx, 128 bits
    let m = execute(&[0x48, 0xf7, 0xf1], &[(Reg::RDX, 6), (Reg::RAX, 5), (Reg::RCX, 7)]);
    let dividend = 6u128 << 64 | 5;
    assert_eq!((m.get(Reg::RAX), m.get(Reg::RDX)), ((dividend / 7) as u64, (dividend % 7) as u64));
    // idiv cl: -128 / 1 in AX
    let m = execute(&[0xf6, 0xf9], &[(Reg::RAX, 0xff80), (Reg::RCX, 1)]);
    assert_eq!(m.get(Reg::RAX), 0x0080);
}

#[test]
fn division_errors() {
    let cases: [(&[u8], &[(Reg, u64)]); 6] = [
        (&[0x31, 0xd2, 0xf7, 0xf1], &[(Reg::RAX, 1)]),
        (&[0xf7, 0xf1], &[(Reg::RDX, 7), (Reg::RCX, 7)]),
        (&[0x99, 0xf7, 0xf9], &[(Reg::RAX, 0x8000_0000), (Reg::RCX, 0xffff_ffff)]),
        (&[0x48, 0x99, 0x48, 0xf7, 0xf9], &[(Reg::RAX, 1 << 63), (Reg::RCX, u64::MAX)]),
        (&[0x48, 0xf7, 0xf9], &[(Reg::RDX, 5), (Reg::RCX, 1)]),
        (&[0xf6, 0xf9], &[(Reg::RAX, 0x80), (Reg::RCX, 1)]),
    ];
    for (code, setup) in cases {
        let mut m = Machine::new(code);
        setup.iter().for_each(|&(reg, value)| {
            m.set(reg, value);
        });
        let before = m.get(Reg::RAX);
        let Stop::Exception { vector: Vector::DivideError, at } = m.run() else { panic!("{code:x?} did not fault") };
        assert_eq!(m.get(Reg::RAX), before);
        let last = straight(code, CODE).last().unwrap().unwrap();
        assert_eq!(at, last.ip() as u32);
    }
}

#[test]
fn strings() {
    let data = u64::from(DATA);
    // rep movsb, disjoint, then with the destination one byte into the source: the first byte spreads
    let mut m = Machine::new(&[0xf3, 0xa4, 0x0f, 0x0b]);
    m.ram.0[DATA as usize..][..4].copy_from_slice(b"abcd");
    m.set(Reg::RSI, data).set(Reg::RDI, data + 1).set(Reg::RCX, 5).run();
    assert_eq!(&m.ram.0[DATA as usize..][..6], b"aaaaaa");
    assert_eq!([m.get(Reg::RSI), m.get(Reg::RDI), m.get(Reg::RCX)], [data + 5, data + 6, 0]);
    // std; rep stosd
    let mut m = Machine::new(&[0xfd, 0xf3, 0xab, 0x0f, 0x0b]);
    m.set(Reg::RAX, 0x0403_0201).set(Reg::RDI, data + 8).set(Reg::RCX, 2).run();
    assert_eq!(&m.ram.0[DATA as usize + 4..][..8], &[1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(m.get(Reg::RDI), data);
    // repne scasb finds the end of a string
    let mut m = Machine::new(&[0xf2, 0xae, 0x0f, 0x0b]);
    m.ram.0[DATA as usize..][..5].copy_from_slice(b"text\0");
    m.set(Reg::RDI, data).set(Reg::RCX, u64::MAX).run();
    assert_eq!(m.get(Reg::RCX), u64::MAX - 5);
    assert_eq!(m.flags() & ZF, ZF);
    // repe cmpsb with rcx = 0 leaves the flags; stc before
    let m = execute(&[0xf9, 0xf3, 0xa6], &[(Reg::RSI, data), (Reg::RDI, data)]);
    assert_eq!(m.flags(), CF);
}

#[test]
fn calls_and_loops() {
    // call +2; ud2; pop rax
    let mut m = Machine::new(&[0xe8, 2, 0, 0, 0, 0x0f, 0x0b, 0x58, 0xc3]);
    m.ram.store(STACK as u32, u64::from(CODE + 100).to_le_bytes());
    m.ram.store(CODE + 100, [0xccu8]);
    assert_eq!(m.run(), Stop::Exception { vector: Vector::Breakpoint, at: CODE + 101 });
    assert_eq!(m.get(Reg::RAX), u64::from(CODE + 5));
    assert_eq!(m.get(Reg::RSP), STACK + 8);
    // sum 1..=10: add eax, ecx; dec ecx; jnz
    let m = execute(&[0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa], &[(Reg::RCX, 10)]);
    assert_eq!(m.get(Reg::RAX), 55);
    assert_eq!(m.flags(), ZF | PF);
    // loop with rcx
    let m = execute(&[0xff, 0xc0, 0xe2, 0xfc], &[(Reg::RCX, 10)]);
    assert_eq!(m.get(Reg::RAX), 10);
}

#[test]
fn flags_cross_blocks() {
    // cmp eax, ebx; jmp +0; setl cl; setb dl
    let m = execute(&[0x39, 0xd8, 0xeb, 0x00, 0x0f, 0x9c, 0xc1, 0x0f, 0x92, 0xc2], &[(Reg::RAX, 0xffff_ffff), (Reg::RBX, 1)]);
    assert_eq!((m.get(Reg::RCX), m.get(Reg::RDX)), (1, 0));
    // mov [mem], then compare memory, change it, jump: the flags are of the old value
    // cmp dword [rbx], 5; mov dword [rbx], 6; jmp +0; sete al
    let mut m = Machine::new(&[0x83, 0x3b, 5, 0xc7, 0x03, 6, 0, 0, 0, 0xeb, 0, 0x0f, 0x94, 0xc0, 0x0f, 0x0b]);
    m.ram.store(DATA, 5u32.to_le_bytes());
    m.set(Reg::RBX, u64::from(DATA)).run();
    assert_eq!(m.get(Reg::RAX), 1);
}

#[test]
fn flags_as_a_whole() {
    // popfq takes status flags, DF, NT, AC and ID, nothing else; pushfq shows bit 1 and IF
    let m = execute(&[0x50, 0x9d, 0x9c, 0x5b], &[(Reg::RAX, u64::MAX)]);
    assert_eq!(m.get(Reg::RBX), 0x24_4ed7 & !0x100);
    // popfw leaves AC and ID
    let m = execute(&[0x50, 0x9d, 0x66, 0x6a, 0, 0x66, 0x9d, 0x9c, 0x5b], &[(Reg::RAX, u64::MAX)]);
    assert_eq!(m.get(Reg::RBX), 0x24_0202);
    // sahf, lahf: all but OF
    let m = execute(&[0x9e, 0xb4, 0, 0x9f], &[(Reg::RAX, 0xffff)]);
    assert_eq!(m.get(Reg::RAX), 0xd7ff);
    assert_eq!(m.flags(), CF | PF | AF | ZF | SF);
}

#[test]
fn frames() {
    // enter 16, 0; leave
    let m = execute(&[0xc8, 16, 0, 0, 0x48, 0x89, 0xe0, 0xc9], &[(Reg::RBP, 0x1234)]);
    assert_eq!((m.get(Reg::RAX), m.get(Reg::RSP), m.get(Reg::RBP)), (STACK - 24, STACK, 0x1234));
    // enter 0, 2 copies one pointer of the display and adds its own
    let mut m = Machine::new(&[0xc8, 0, 0, 2, 0x0f, 0x0b]);
    m.ram.store(DATA - 8, 0x5555u64.to_le_bytes());
    m.set(Reg::RBP, u64::from(DATA)).run();
    let stack = [8, 16, 24].map(|down| u64::from_le_bytes(m.ram.load(STACK as u32 - down)));
    assert_eq!(stack, [u64::from(DATA), 0x5555, STACK - 8]);
    assert_eq!((m.get(Reg::RBP), m.get(Reg::RSP)), (STACK - 8, STACK - 24));
}

#[test]
fn operands_are_read_before_the_stack_moves() {
    // push [rsp]; pop [rsp + 8] addresses with the rsp after it; push rsp; pop rsp
    let mut m = Machine::new(&[0xff, 0x34, 0x24, 0x8f, 0x44, 0x24, 0x08, 0x54, 0x5c, 0x0f, 0x0b]);
    m.ram.store(STACK as u32, 7u64.to_le_bytes());
    m.run();
    assert_eq!(u64::from_le_bytes(m.ram.load(STACK as u32 + 8)), 7);
    assert_eq!(m.get(Reg::RSP), STACK);
    // call [rsp - 8] reads the target before the return address overwrites it
    let mut m = Machine::new(&[0xff, 0x54, 0x24, 0xf8]);
    m.ram.store(STACK as u32 - 8, u64::from(CODE + 64).to_le_bytes());
    m.ram.store(CODE + 64, [0xccu8]);
    assert_eq!(m.run(), Stop::Exception { vector: Vector::Breakpoint, at: CODE + 65 });
}

#[test]
fn segments() {
    // mov rax, fs:[8]; lea rcx, fs:[rdx + 8] ignores the base; xlat; mov ebx, cs
    let mut m = Machine::new(&[0x64, 0x48, 0x8b, 0x04, 0x25, 8, 0, 0, 0, 0x64, 0x48, 0x8d, 0x4a, 8, 0x8c, 0xcb, 0x0f, 0x0b]);
    m.ram.store(DATA + 8, 42u64.to_le_bytes());
    m.set(Reg::FS_BASE, u64::from(DATA)).set(Reg::RDX, 100).run();
    assert_eq!([m.get(Reg::RAX), m.get(Reg::RCX), m.get(Reg::RBX)], [42, 108, 0x33]);
    let mut m = Machine::new(&[0xd7, 0x0f, 0x0b]);
    m.ram.store(DATA + 0xff, [9u8]);
    m.set(Reg::RBX, u64::from(DATA)).set(Reg::RAX, 0x1_00ff).run();
    assert_eq!(m.get(Reg::RAX), 0x1_0009);
}

#[test]
fn what_a_process_may_not_do() {
    for (code, vector) in [
        (&[0xf4][..], Vector::GeneralProtection),
        (&[0x0f, 0x30], Vector::GeneralProtection),
        (&[0xcd, 0x80], Vector::GeneralProtection),
        (&[0x0f, 0x20, 0xc0], Vector::GeneralProtection),
        (&[0x0f, 0x34], Vector::InvalidOpcode),
        (&[0x0f, 0x01, 0xd5], Vector::InvalidOpcode),
        (&[0x0f, 0xc7, 0xf0], Vector::InvalidOpcode),
    ] {
        assert_eq!(Machine::new(code).run(), Stop::Exception { vector, at: CODE }, "{code:x?}");
    }
    // cmpxchg16b [rbx] wants an aligned operand
    let stop = Machine::new(&[0x48, 0x0f, 0xc7, 0x0b]).set(Reg::RBX, u64::from(DATA) + 8).run();
    assert_eq!(stop, Stop::Exception { vector: Vector::GeneralProtection, at: CODE });
}

#[test]
fn syscall_saves_rip_and_rflags() {
    // stc; syscall
    let mut m = Machine::new(&[0xf9, 0x0f, 0x05]);
    assert_eq!(m.run(), Stop::Syscall { next: CODE + 3 });
    assert_eq!((m.get(Reg::RCX), m.get(Reg::R11)), (u64::from(CODE) + 3, 0x203));
}

#[test]
fn rewritten_code_is_noticed() {
    // mov byte [CODE + 9], 7; jmp +0; mov al, 1
    let mut m = Machine::new(&[0xc6, 0x03, 7, 0xeb, 0x00, 0xb0, 1, 0x0f, 0x0b]);
    m.set(Reg::RBX, u64::from(DATA)).run();
    assert_eq!(m.get(Reg::RAX), 1);
    m.set(Reg::RBX, u64::from(CODE) + 6).run();
    assert_eq!(m.get(Reg::RAX), 7);
    let translated = m.interpreter.stats.translated;
    m.run();
    assert_eq!(m.interpreter.stats.translated, translated);
}

#[test]
fn instructions_may_cross_pages() {
    let at = CODE + PAGE - 2;
    let mut m = Machine::new(&[]);
    // mov eax, 0x11223344; ud2
    m.ram.0[at as usize..][..7].copy_from_slice(&[0xb8, 0x44, 0x33, 0x22, 0x11, 0x0f, 0x0b]);
    let stop = m.interpreter.run(&mut m.cpu, &mut m.ram, at, |_| false);
    assert_eq!(stop, Stop::Exception { vector: Vector::InvalidOpcode, at: at + 5 });
    assert_eq!(m.get(Reg::RAX), 0x1122_3344);
}

#[test]
fn unknown_instructions_are_reported() {
    let mut m = Machine::new(&[0x90, 0x06]);
    let Stop::Unknown { at, bytes } = m.run() else { panic!("06H is no instruction in 64-bit mode") };
    assert_eq!((at, bytes[0]), (CODE + 1, 0x06));
}

#[test]
fn cpuid_announces_v2() {
    // mov eax, 1; cpuid
    let m = execute(&[0xb8, 1, 0, 0, 0, 0x0f, 0xa2], &[]);
    let ecx = m.get(Reg::RCX);
    for bit in [0, 9, 13, 19, 20, 23] {
        assert_eq!(ecx >> bit & 1, 1, "bit {bit}");
    }
    for (bit, name) in [(27, "OSXSAVE"), (28, "AVX"), (30, "RDRAND"), (12, "FMA")] {
        assert_eq!(ecx >> bit & 1, 0, "{name}");
    }
}

macro_rules! all_operations {
    ($($name:ident: $a:ident -> $r:ident,)*) => { [$(crate::ops::UnOp::$name,)*] };
    ($($name:ident: ($a:ident, $b:ident) -> $r:ident,)*) => { [$(crate::ops::BinOp::$name,)*] };
}

/// Each operation has a meaning, and one that fits its type.
#[test]
fn every_operation_runs() {
    let fits = |ty: crate::ir::Type, bits: u128| match ty {
        crate::ir::Type::I32 | crate::ir::Type::F32 => bits >> 32 == 0,
        crate::ir::Type::I64 | crate::ir::Type::F64 => bits >> 64 == 0,
        crate::ir::Type::V128 => true,
    };
    let (a, b) = (0x8123_4567_89ab_cdef_fedc_ba98_7654_3210, 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    for op in crate::unary_ops!(all_operations) {
        assert!(fits(op.result(), scalar::unary(op, a)), "{op:?}");
    }
    for op in crate::binary_ops!(all_operations) {
        assert!(fits(op.result(), scalar::binary(op, a, b)), "{op:?}");
    }
}

#[test]
fn nans_are_those_of_sse() {
    use float::{demote, double, promote, single};
    let (signalling, quiet) = (0x7f80_0001, 0x7fc0_1234);
    assert_eq!(single::add(signalling, quiet), 0x7fc0_0001);
    assert_eq!(single::add(0x3f80_0000, signalling), 0x7fc0_0001);
    assert_eq!(single::sub(0x7f80_0000, 0x7f80_0000), 0xffc0_0000);
    assert_eq!(double::sqrt((-1.0f64).to_bits()), 0xfff8_0000_0000_0000);
    assert_eq!(promote(signalling), 0x7ff8_0000_2000_0000);
    assert_eq!(demote(0xfff0_0000_2000_0000), 0xffc0_0001);
}

/// Memory that ends where [`Ram`] does.
struct Checked<'a>(&'a mut Ram, Option<u32>);

impl Checked<'_> {
    fn is_good(&mut self, addr: u32, len: usize) -> bool {
        let good = addr as usize + len <= self.0.0.len();
        if !good {
            self.1 = Some(addr);
        }
        good
    }
}

impl Memory for Checked<'_> {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        if self.is_good(addr, N) { self.0.load(addr) } else { [0; N] }
    }
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        if self.is_good(addr, N) {
            self.0.store(addr, bytes);
        }
    }
    fn copy(&mut self, to: u32, from: u32, len: u32) {
        self.0.copy(to, from, len);
    }
    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        self.0.fill(to, byte, len);
    }
    fn take_fault(&mut self) -> Option<u32> {
        self.1.take()
    }
}

#[test]
fn a_bad_access_leaves_the_registers_as_they_were() {
    const BAD: u64 = 0x7fff_0000;
    let run = |code: &[u8]| {
        let mut machine = Machine::new(code);
        machine.set(Reg::RCX, BAD).set(Reg::RAX, 1).set(Reg::RSP, STACK);
        let Machine { cpu, ram, interpreter } = &mut machine;
        let stop = interpreter.run(cpu, &mut Checked(ram, None), CODE, |_| false);
        (stop, machine)
    };
    // mov eax, 7; mov edx, [rsp]; mov ebx, [rcx+4]; mov eax, 9; mov ebx, 5; mov edx, 6; hlt
    let mut code = vec![0xb8, 7, 0, 0, 0, 0x8b, 0x14, 0x24, 0x8b, 0x59, 4];
    code.extend([0xb8, 9, 0, 0, 0, 0xbb, 5, 0, 0, 0, 0xba, 6, 0, 0, 0, 0xf4]);
    let (stop, machine) = run(&code);
    assert_eq!(stop, Stop::Fault { at: CODE + 8, address: BAD as u32 + 4 });
    assert_eq!([Reg::RAX, Reg::RBX, Reg::RDX].map(|reg| machine.get(reg)), [7, 0, 0]);
    // What the result of is used for nothing: mov eax, [rcx]; mov eax, 2; hlt
    let (stop, machine) = run(&[0x8b, 0x01, 0xb8, 2, 0, 0, 0, 0xf4]);
    assert_eq!((stop, machine.get(Reg::RAX)), (Stop::Fault { at: CODE, address: BAD as u32 }, 1));
    // Each by itself: push, pop, call, inc [rcx], xchg, movs, fld, movaps, leave, pushf, enter, cmpxchg
    let alone: [(&[u8], Reg); 12] = [
        (&[0x50], Reg::RSP),
        (&[0x58], Reg::RSP),
        (&[0xe8, 0, 0, 0, 0], Reg::RSP),
        (&[0xff, 0x01], Reg::RCX),
        (&[0x48, 0x87, 0x01], Reg::RCX),
        (&[0xa4], Reg::RSI),
        (&[0xdd, 0x01], Reg::RCX),
        (&[0x0f, 0x28, 0x01], Reg::RCX),
        (&[0xc9], Reg::RBP),
        (&[0x9c], Reg::RSP),
        (&[0xc8, 16, 0, 0], Reg::RSP),
        (&[0x0f, 0xb1, 0x11], Reg::RCX),
    ];
    for (code, bad) in alone {
        let mut machine = Machine::new(code);
        machine
            .set(Reg::RCX, u64::from(DATA))
            .set(Reg::RDI, u64::from(DATA))
            .set(Reg::RSI, u64::from(DATA))
            .set(bad, BAD + 0x100);
        let before = machine.cpu.int;
        let Machine { cpu, ram, interpreter } = &mut machine;
        let stop = interpreter.run(cpu, &mut Checked(ram, None), CODE, |_| false);
        assert!(matches!(stop, Stop::Fault { at: CODE, .. }), "{code:x?}: {stop:x?}");
        assert_eq!(machine.cpu.int, before, "{code:x?}");
    }
}
