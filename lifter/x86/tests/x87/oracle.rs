//! One instruction twice: on the processor and in the interpreter.

use std::collections::BTreeSet;

use hoist_x86::iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind, Register};
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::{CpuState, X87};

use crate::common::Bytes;
use crate::native::{Image, Native, RAX};

pub const DATA_LEN: usize = 512;
const CODE: u32 = 0x100;
const DATA: u32 = 0x800;
/// CF, PF, AF, ZF, SF, OF.
const STATUS_FLAGS: u64 = 0x8d5;

/// What an instruction reads and writes.
#[derive(Clone, PartialEq)]
pub struct Case {
    pub x87: X87,
    pub rflags: u64,
    pub rax: u64,
    pub mxcsr: u32,
    pub xmm: [u128; 16],
    pub data: [u8; DATA_LEN],
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let X87 { control, status, in_use, top, .. } = &self.x87;
        write!(f, "cw {control:04x} sw {status:04x} top {top} use {in_use:08b}")?;
        for i in 0..3 {
            let n = usize::from(top + i) & 7;
            write!(f, " st{i} {:04x}:{:016x}", self.x87.sign_exponent[n], self.x87.significand[n])?;
        }
        write!(f, " rflags {:x} ax {:x} data {:02x?}", self.rflags & STATUS_FLAGS, self.rax as u16, &self.data[..10])
    }
}

/// Every encoding of opcodes D8H to DFH that there is; memory operands are [rsi].
pub fn encodings() -> impl Iterator<Item = ([u8; 2], Mnemonic)> {
    let mod_rm = (0..8).map(|reg| reg << 3 | 6).chain(0xc0..=0xff);
    (0xd8..=0xdf).flat_map(move |opcode| mod_rm.clone().map(move |second| [opcode, second])).filter_map(|code| {
        let instr = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).decode();
        (!instr.is_invalid()).then(|| (code, instr.mnemonic()))
    })
}

/// Every encoding with an MMX register: some registers, [rsi]; some immediates. MASKMOVQ is not among them: its address is in rdi.
pub fn mmx_encodings() -> impl Iterator<Item = Vec<u8>> {
    let opcodes = (0..=0xff).map(|opcode| vec![0x0f, opcode]);
    let opcodes = opcodes.chain((0..=0xff).map(|opcode| vec![0x0f, 0x38, opcode]));
    let opcodes = opcodes.chain((0..=0xff).map(|opcode| vec![0x0f, 0x3a, opcode]));
    // Without prefix, 66H, F2H, F3H, REX.W.
    let prefixes: [&[u8]; 5] = [&[], &[0x66], &[0xf2], &[0xf3], &[0x48]];
    let all = opcodes.flat_map(move |opcode| prefixes.map(|prefix| [prefix, &opcode].concat()));
    let second = [0xd0, 0x16, 0xd5, 0xe5, 0xf5, 0xc0];
    let all = all.flat_map(move |code| second.map(|mod_rm| [&code[..], &[mod_rm]].concat()));
    let all = all.flat_map(|code| [0, 1, 7, 0x1b, 0x93].map(|immediate| [&code[..], &[immediate]].concat()));
    let mut seen = BTreeSet::new();
    all.filter_map(move |code| {
        let instr = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).decode();
        let mmx = (0..instr.op_count()).any(|n| instr.op_kind(n) == OpKind::Register && instr.op_register(n).is_mm());
        // The stub uses the other registers.
        let gprs_are_free = (0..instr.op_count()).filter(|&n| instr.op_kind(n) == OpKind::Register).all(|n| {
            let register = instr.op_register(n);
            !register.is_gpr() || register.full_register() == Register::RAX
        });
        let wanted = !instr.is_invalid() && mmx && instr.mnemonic() != Mnemonic::Maskmovq && gprs_are_free;
        let code = code[..instr.len().min(code.len())].to_vec();
        (wanted && seen.insert(code.clone())).then_some(code)
    })
}

/// An instruction, ready to run in both ways.
pub struct Comparison {
    native: Native,
    interpreter: Interpreter,
    memory: Bytes,
    end: u32,
}

impl Comparison {
    pub fn new(code: &[u8]) -> Comparison {
        let mut memory = Bytes(vec![0; 0x1000]);
        memory.0[CODE as usize..][..code.len()].copy_from_slice(code);
        // A jump to the next instruction ends the block.
        memory.0[CODE as usize + code.len()..][..2].copy_from_slice(&[0xeb, 0]);
        let end = CODE + code.len() as u32 + 2;
        Comparison { native: Native::new(code), interpreter: Interpreter::new(), memory, end }
    }

    /// What the processor and what the interpreter make of a case.
    pub fn run(&mut self, before: &Case) -> (Case, Case) {
        (self.run_native(before), self.interpret(before))
    }

    fn run_native(&self, before: &Case) -> Case {
        let mut image = to_image(before);
        let mut data = Image(before.data);
        let rflags = self.native.run(&mut image, &mut data, before.rflags);
        let rax = u64::from_le_bytes(image.0[RAX..][..8].try_into().unwrap());
        Case { rflags: rflags & STATUS_FLAGS, rax, data: data.0, ..from_image(&image) }
    }

    fn interpret(&mut self, before: &Case) -> Case {
        let mut cpu = CpuState { x87: before.x87.clone(), mxcsr: before.mxcsr, ..CpuState::default() };
        cpu.vector[..16].copy_from_slice(&before.xmm);
        cpu.set_rflags(before.rflags);
        cpu.set(Reg::RSI, DATA.into());
        cpu.set(Reg::RDI, DATA.into());
        self.memory.0[DATA as usize..][..DATA_LEN].copy_from_slice(&before.data);
        let end = self.end;
        let stop = self.interpreter.run(&mut cpu, &mut self.memory, CODE, |pc| pc == end);
        assert_eq!(stop, Stop::At(end));
        let mut data = [0; DATA_LEN];
        data.copy_from_slice(&self.memory.0[DATA as usize..][..DATA_LEN]);
        let mut xmm = [0; 16];
        xmm.copy_from_slice(&cpu.vector[..16]);
        Case { rflags: cpu.rflags() & STATUS_FLAGS, rax: cpu.int[0], mxcsr: cpu.mxcsr & !0x3f, xmm, data, x87: cpu.x87 }
    }
}

fn to_image(case: &Case) -> Image {
    let x87 = &case.x87;
    let mut image = Image([0; 512]);
    image.0[..2].copy_from_slice(&x87.control.to_le_bytes());
    image.0[2..4].copy_from_slice(&x87.status_word().to_le_bytes());
    image.0[4] = x87.in_use;
    image.0[24..28].copy_from_slice(&case.mxcsr.to_le_bytes());
    for i in 0..8 {
        let n = (usize::from(x87.top) + i) & 7;
        image.0[32 + 16 * i..][..8].copy_from_slice(&x87.significand[n].to_le_bytes());
        image.0[40 + 16 * i..][..2].copy_from_slice(&x87.sign_exponent[n].to_le_bytes());
    }
    for (n, xmm) in case.xmm.iter().enumerate() {
        image.0[160 + 16 * n..][..16].copy_from_slice(&xmm.to_le_bytes());
    }
    image
}

/// What FXSAVE knows of.
fn from_image(image: &Image) -> Case {
    let word = |at: usize| u16::from_le_bytes([image.0[at], image.0[at + 1]]);
    let mut x87 = X87 {
        significand: [0; 8],
        sign_exponent: [0; 8],
        control: word(0),
        status: word(2) & !0x3800,
        in_use: image.0[4],
        top: (word(2) >> 11 & 7) as u8,
    };
    for i in 0..8 {
        let n = (usize::from(x87.top) + i) & 7;
        x87.significand[n] = u64::from_le_bytes(image.0[32 + 16 * i..][..8].try_into().unwrap());
        x87.sign_exponent[n] = word(40 + 16 * i);
    }
    let xmm = std::array::from_fn(|n| u128::from_le_bytes(image.0[160 + 16 * n..][..16].try_into().unwrap()));
    // SSE's exception flags are not modelled.
    let mxcsr = u32::from(word(24)) & !0x3f;
    Case { x87, rflags: 0, rax: 0, mxcsr, xmm, data: [0; DATA_LEN] }
}
