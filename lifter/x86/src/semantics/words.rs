//! Words that several families of integer instructions share.

use iced_x86::{Instruction, OpKind, Register};

use crate::boundary::Vector;
use crate::builder::{Builder, Width};
use crate::flags::{Arith, Kind};
use crate::ir::{BinOp, Exit, Value};
use crate::reg::Reg;

/// Where an operand that is read and written stands; the address is computed once.
#[derive(Clone, Copy)]
pub enum Place {
    Gpr(Register),
    Memory(Value, i32),
}

/// The flags and their bits in RFLAGS (SDM vol. 1, figure 3-8).
const RFLAGS: [(Reg, i32); 7] =
    [(Reg::CF, 0), (Reg::PF, 2), (Reg::AF, 4), (Reg::ZF, 6), (Reg::SF, 7), (Reg::DF, 10), (Reg::OF, 11)];

impl Builder<'_> {
    /// The place of a register or memory operand.
    pub fn place(&mut self, instr: &Instruction, operand: u32) -> Place {
        match instr.op_kind(operand) {
            OpKind::Register => Place::Gpr(instr.op_register(operand)),
            _ => {
                let (addr, disp) = self.address(instr);
                Place::Memory(addr, disp)
            }
        }
    }

    pub fn read_place(&mut self, place: Place, width: Width) -> Value {
        match place {
            Place::Gpr(register) => self.read_gpr(register),
            Place::Memory(addr, disp) => self.load(width, addr, disp),
        }
    }

    pub fn write_place(&mut self, place: Place, width: Width, value: Value) {
        match place {
            Place::Gpr(register) => self.write_gpr(register, value),
            Place::Memory(addr, disp) => self.store(width, addr, disp, value),
        }
    }

    /// Pushes a value of 64 bits, or 16 with the prefix 66H.
    pub fn push(&mut self, width: Width, value: Value) {
        if width == Width::B64 {
            return self.push64(value);
        }
        let rsp = self.move_rsp(-i64::from(width.bytes()));
        let addr = self.wrap(rsp);
        self.store(width, addr, 0, value);
    }

    /// Pops a value of 64 or 16 bits.
    pub fn pop(&mut self, width: Width) -> Value {
        if width == Width::B64 {
            return self.pop64();
        }
        let rsp = self.get(Reg::RSP);
        let addr = self.wrap(rsp);
        let value = self.load(width, addr, 0);
        self.move_rsp(i64::from(width.bytes()));
        value
    }

    /// Adds to rsp; the new value.
    fn move_rsp(&mut self, bytes: i64) -> Value {
        let rsp = self.get(Reg::RSP);
        let bytes = self.i64(bytes);
        let rsp = self.bin(BinOp::I64Add, rsp, bytes);
        self.set(Reg::RSP, rsp);
        rsp
    }

    /// Raises an exception at the current instruction.
    pub fn exception(&mut self, vector: Vector) {
        self.exit(Exit::Exception { vector, at: self.pc });
    }

    /// Adds the base of an FS or GS prefix to an address.
    pub fn plus_segment(&mut self, addr: Value, instr: &Instruction) -> Value {
        let base = match instr.memory_segment() {
            Register::FS => Reg::FS_BASE,
            Register::GS => Reg::GS_BASE,
            _ => return addr,
        };
        let base = self.get(base);
        let base = self.wrap(base);
        self.bin(BinOp::I32Add, addr, base)
    }

    /// `high:low` of two 32-bit registers as an i64.
    pub fn join_halves(&mut self, high: Register, low: Register) -> Value {
        let high = self.read_gpr(high.full_register());
        let count = self.i64(32);
        let high = self.bin(BinOp::I64Shl, high, count);
        let low = self.read_gpr(low);
        let low = self.zero_extend_64(low);
        self.bin(BinOp::I64Or, high, low)
    }

    /// RFLAGS as PUSHF stores them: bit 1 and IF (bit 9) are always set.
    pub fn rflags(&mut self) -> Value {
        let mut sum = self.i32(1 << 9 | 1 << 1);
        for (flag, bit) in RFLAGS {
            let value = if flag == Reg::DF { self.get(flag) } else { self.flag(flag) };
            let count = self.i32(bit);
            let value = self.bin(BinOp::I32Shl, value, count);
            sum = self.bin(BinOp::I32Or, sum, value);
        }
        self.zero_extend_64(sum)
    }

    /// Sets flags from the low bits of RFLAGS in an i32.
    pub fn set_rflags(&mut self, rflags: Value, which: impl Fn(Reg) -> bool) {
        for (flag, bit) in RFLAGS.into_iter().filter(|&(flag, _)| which(flag)) {
            let value = self.bit(Width::B32, rflags, bit as u32);
            if flag == Reg::DF { self.set(flag, value) } else { self.set_flag(flag, value) }
        }
    }

    /// ZF, SF and PF from a result; CF = OF = AF = 0.
    pub fn set_logic(&mut self, width: Width, res: Value) {
        self.set_arith(Arith { kind: Kind::Logic, width, a: res, b: res, res });
    }

    /// `value != 0` as 0 or 1.
    pub fn is_nonzero(&mut self, width: Width, value: Value) -> Value {
        let zero = self.int(width, 0);
        self.bin_w(width, BinOp::I32Ne, BinOp::I64Ne, value, zero)
    }

    /// Bit `bit` of an i32 or i64 of this width, as 0 or 1.
    pub fn bit(&mut self, width: Width, value: Value, bit: u32) -> Value {
        let count = self.count(width, bit);
        let shifted = self.bin_w(width, BinOp::I32ShrU, BinOp::I64ShrU, value, count);
        self.low_bit(width, shifted)
    }

    /// The lowest bit as an i32.
    pub fn low_bit(&mut self, width: Width, value: Value) -> Value {
        let value = if width == Width::B64 { self.wrap(value) } else { value };
        let one = self.i32(1);
        self.bin(BinOp::I32And, value, one)
    }

    /// A constant shift count in the type of the width.
    pub fn count(&mut self, width: Width, count: u32) -> Value {
        if width == Width::B64 { self.i64(i64::from(count)) } else { self.i32(count as i32) }
    }

    /// The bit pattern of a constant value, if it is one.
    pub fn constant(&self, value: Value) -> Option<i64> {
        use crate::ir::Inst;
        match self.func.inst(value) {
            Inst::I32(c) => Some(i64::from(*c)),
            Inst::I64(c) => Some(*c),
            _ => None,
        }
    }
}
