//! Vector operands: the words that the SSE and AVX rows of [`crate::semantics`] are written in.
//!
//! A vector instruction is written for 128 bits, Wasm's width. What is the same for all of them happens here: a legacy encoding has
//! its destination as first source and keeps bits 255…128; a VEX encoding has one operand more, clears them when it works on
//! 128 bits, and with 256 bits does the same work on a second part (SDM vol. 1, §14.1). MMX registers are 128-bit values of which the low half counts.
//!
//! Not modelled: #GP for a misaligned operand of an aligned access (the access just happens).

use iced_x86::{EncodingKind, Instruction, OpKind, Register};

use crate::builder::{Builder, Width, gpr_parts};
use crate::helper::Helper;
use crate::ir::*;
use crate::reg::Reg;

/// Where a vector operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// XMM or YMM register, by its number.
    Vector(u8),
    /// MMX register, by its number.
    Mmx(u8),
    /// General-purpose register.
    Gpr(Register),
    /// `bytes` at a guest address.
    Memory { addr: Value, disp: i32, bytes: u32 },
}

/// Is it a VEX encoding?
pub fn is_vex(instr: &Instruction) -> bool {
    instr.encoding() == EncodingKind::VEX
}

/// Does the instruction work on MMX registers?
pub fn is_mmx(instr: &Instruction) -> bool {
    (0..instr.op_count().min(2)).any(|n| instr.op_kind(n) == OpKind::Register && instr.op_register(n).is_mm())
}

/// How many 128-bit parts the instruction works on: 2 if one of its operands is a YMM register.
pub fn parts(instr: &Instruction) -> u32 {
    let wide = (0..instr.op_count()).any(|n| instr.op_kind(n) == OpKind::Register && instr.op_register(n).is_ymm());
    if wide { 2 } else { 1 }
}

/// Operand numbers of the two sources of `dest = f(a, b)`: VEX has a destination of its own.
pub fn sources(instr: &Instruction) -> (u32, u32) {
    if is_vex(instr) { (1, 2) } else { (0, 1) }
}

/// The immediate byte, which is always the last operand.
pub fn imm8(instr: &Instruction) -> u8 {
    instr.immediate(instr.op_count() - 1) as u8
}

/// Byte indices of a shuffle from indices of lanes of `16 / N` bytes.
pub const fn byte_lanes<const N: usize>(lanes: [u8; N]) -> [u8; 16] {
    let size = 16 / N;
    let mut bytes = [0; 16];
    let mut i = 0;
    while i < 16 {
        bytes[i] = lanes[i / size] * size as u8 + (i % size) as u8;
        i += 1;
    }
    bytes
}

/// Four two-bit lane numbers, as in PSHUFD's immediate.
pub const fn four_lanes(imm: u8) -> [u8; 4] {
    [imm & 3, imm >> 2 & 3, imm >> 4 & 3, imm >> 6]
}

/// A constant with the same 32 bits in each lane.
pub const fn splat32(bits: u32) -> u128 {
    bits as u128 * 0x0000_0001_0000_0001_0000_0001_0000_0001
}

/// A constant with the same 64 bits in each lane.
pub const fn splat64(bits: u64) -> u128 {
    bits as u128 * 0x0000_0000_0000_0001_0000_0000_0000_0001
}

impl Builder<'_> {
    pub fn vector_place(&mut self, instr: &Instruction, operand: u32) -> Place {
        match instr.op_kind(operand) {
            OpKind::Register => {
                let register = instr.op_register(operand);
                if register.is_mm() {
                    Place::Mmx(register.number() as u8)
                } else if register.is_gpr() {
                    Place::Gpr(register)
                } else {
                    Place::Vector(register.number() as u8)
                }
            }
            _ => {
                let (addr, disp) = self.address(instr);
                Place::Memory { addr, disp, bytes: instr.memory_size().size() as u32 }
            }
        }
    }

    /// 128 bits of an operand: part 0 the low ones, part 1 bits 255…128. Memory of fewer bytes is zero-extended.
    pub fn read_part(&mut self, place: Place, part: u32) -> Value {
        match place {
            Place::Vector(n) if part == 0 => self.get(Reg::xmm(n)),
            Place::Vector(n) => self.get(Reg::ymm_high(n)),
            Place::Mmx(n) => {
                let n = self.i32(i32::from(n));
                let bits = self.helper(Helper::MmxRead, &[n]);
                self.from_i64(bits)
            }
            Place::Gpr(register) => {
                let value = self.read_gpr(register);
                if register.size() == 8 { self.from_i64(value) } else { self.from_i32(value) }
            }
            Place::Memory { addr, disp, bytes } => {
                let disp = disp.wrapping_add(16 * part as i32);
                let narrow = match bytes {
                    1 => LoadOp::I32Load8U,
                    2 => LoadOp::I32Load16U,
                    4 => return self.load_op(LoadOp::V128Load32Zero, addr, disp),
                    8 => return self.load_op(LoadOp::V128Load64Zero, addr, disp),
                    _ => return self.load_op(LoadOp::V128Load, addr, disp),
                };
                let value = self.load_op(narrow, addr, disp);
                self.from_i32(value)
            }
        }
    }

    /// The low 128 bits of an operand.
    pub fn read_vector(&mut self, instr: &Instruction, operand: u32) -> Value {
        let place = self.vector_place(instr, operand);
        self.read_part(place, 0)
    }

    /// A vector with an i32 in lane 0, else zero.
    pub fn from_i32(&mut self, value: Value) -> Value {
        let zero = self.v128(0);
        self.replace(Shape::I32x4, 0, zero, value)
    }

    /// A vector with an i64 in lane 0, else zero.
    pub fn from_i64(&mut self, value: Value) -> Value {
        let zero = self.v128(0);
        self.replace(Shape::I64x2, 0, zero, value)
    }

    /// Writes a vector operand. `high` are bits 255…128; without them VEX encodings clear these bits and others keep them.
    pub fn write_vector(&mut self, instr: &Instruction, operand: u32, low: Value, high: Option<Value>) {
        match self.vector_place(instr, operand) {
            Place::Vector(n) => {
                self.set(Reg::xmm(n), low);
                if is_vex(instr) {
                    let high = high.unwrap_or_else(|| self.v128(0));
                    self.set(Reg::ymm_high(n), high);
                }
            }
            Place::Mmx(n) => {
                let n = self.i32(i32::from(n));
                let bits = self.extract(Shape::I64x2, 0, low);
                self.helper(Helper::MmxWrite, &[n, bits]);
            }
            Place::Gpr(register) => {
                let wide = register.size() == 8;
                let value = self.extract(if wide { Shape::I64x2 } else { Shape::I32x4 }, 0, low);
                self.write_gpr(register, value);
            }
            Place::Memory { addr, disp, bytes } => self.store_vector(low, high, addr, disp, bytes),
        }
    }

    fn store_vector(&mut self, low: Value, high: Option<Value>, addr: Value, disp: i32, bytes: u32) {
        match bytes {
            4 => {
                let value = self.extract(Shape::F32x4, 0, low);
                self.store_op(StoreOp::F32Store, addr, disp, value);
            }
            8 => {
                let value = self.extract(Shape::F64x2, 0, low);
                self.store_op(StoreOp::F64Store, addr, disp, value);
            }
            _ => self.store_op(StoreOp::V128Store, addr, disp, low),
        }
        if let Some(high) = high {
            self.store_op(StoreOp::V128Store, addr, disp.wrapping_add(16), high);
        }
    }

    /// Writes a general-purpose register operand with an i32, zero-extended to 64 bits whatever its width.
    pub fn write_zero_extended(&mut self, instr: &Instruction, operand: u32, value: Value) {
        let (reg, _, _) = gpr_parts(instr.op_register(operand));
        let value = self.zero_extend_64(value);
        self.set(reg, value);
    }

    /// `dest = f(source)` in each part; the source is operand 1.
    pub fn packed1(&mut self, instr: &Instruction, f: impl Fn(&mut Self, Value) -> Value) {
        let source = self.vector_place(instr, 1);
        let mut results = [None; 2];
        for part in 0..parts(instr) {
            let value = self.read_part(source, part);
            results[part as usize] = Some(f(self, value));
        }
        self.write_results(instr, results);
    }

    /// `dest = f(a, b)` in each part.
    pub fn packed2(&mut self, instr: &Instruction, f: impl Fn(&mut Self, Value, Value) -> Value) {
        let (first, second) = sources(instr);
        let (first, second) = (self.vector_place(instr, first), self.vector_place(instr, second));
        let mut results = [None; 2];
        for part in 0..parts(instr) {
            let a = self.read_part(first, part);
            // One value for both, so that `x ^ x` is seen to be zero.
            let b = if first == second { a } else { self.read_part(second, part) };
            results[part as usize] = Some(f(self, a, b));
        }
        self.write_results(instr, results);
    }

    /// Writes operand 0 with the parts of a result; the first is there.
    pub fn write_results(&mut self, instr: &Instruction, results: [Option<Value>; 2]) {
        if let [Some(low), high] = results {
            self.write_vector(instr, 0, low, high);
        }
    }

    /// `dest = op(a, b)` in each part.
    pub fn lanes(&mut self, instr: &Instruction, op: BinOp) {
        self.packed2(instr, |b, x, y| b.bin(op, x, y));
    }

    /// `dest = op(source)` in each part.
    pub fn lanes1(&mut self, instr: &Instruction, op: UnOp) {
        self.packed1(instr, |b, x| b.un(op, x));
    }

    /// The first lane of a scalar operand: a float of `shape`'s lane type from a register or memory.
    pub fn read_scalar(&mut self, instr: &Instruction, operand: u32, shape: Shape) -> Value {
        match self.vector_place(instr, operand) {
            Place::Memory { addr, disp, .. } => {
                let op = if shape == Shape::F32x4 { LoadOp::F32Load } else { LoadOp::F64Load };
                self.load_op(op, addr, disp)
            }
            place => {
                let vector = self.read_part(place, 0);
                self.extract(shape, 0, vector)
            }
        }
    }

    /// Writes lane 0 of the destination; the rest comes from the first source.
    pub fn write_scalar(&mut self, instr: &Instruction, shape: Shape, value: Value) {
        let (first, _) = sources(instr);
        let rest = self.read_vector(instr, first);
        let result = self.replace(shape, 0, rest, value);
        self.write_vector(instr, 0, result, None);
    }

    /// `dest[0] = f(a[0], b[0])`, the other lanes from `a`.
    pub fn scalar2(&mut self, instr: &Instruction, shape: Shape, f: impl Fn(&mut Self, Value, Value) -> Value) {
        let (first, second) = sources(instr);
        let x = self.read_scalar(instr, first, shape);
        let y = self.read_scalar(instr, second, shape);
        let result = f(self, x, y);
        self.write_scalar(instr, shape, result);
    }

    /// `dest[0] = f(b[0])`, the other lanes from `a`.
    pub fn scalar1(&mut self, instr: &Instruction, shape: Shape, f: impl Fn(&mut Self, Value) -> Value) {
        let (_, second) = sources(instr);
        let x = self.read_scalar(instr, second, shape);
        let result = f(self, x);
        self.write_scalar(instr, shape, result);
    }

    /// `dest = f(a, b)` of vectors of which only lane 0 of the result counts; the other lanes from `a`. `b` from memory is zero-extended.
    pub fn low_lane(&mut self, instr: &Instruction, shape: Shape, f: impl Fn(&mut Self, Value, Value) -> Value) {
        let (first, second) = sources(instr);
        let (x, y) = (self.read_vector(instr, first), self.read_vector(instr, second));
        let result = f(self, x, y);
        let lanes = if shape == Shape::F32x4 { byte_lanes([0, 5, 6, 7]) } else { byte_lanes([0, 3]) };
        let merged = self.shuffle(result, x, lanes);
        self.write_vector(instr, 0, merged, None);
    }

    /// Each bit set where `a` has lanes of `width` that are negative: all bits of the lane.
    pub fn sign_mask(&mut self, width: Width, a: Value) -> Value {
        let op = match width {
            Width::B8 => BinOp::I8x16ShrS,
            Width::B16 => BinOp::I16x8ShrS,
            Width::B32 => BinOp::I32x4ShrS,
            Width::B64 => BinOp::I64x2ShrS,
        };
        let count = self.i32(width.bits() as i32 - 1);
        self.bin(op, a, count)
    }

    pub fn bitselect(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.inst(Inst::Bitselect { a, b, mask })
    }
}
