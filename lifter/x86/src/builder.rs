//! Writing IR: the words that [`crate::semantics`] is written in.
//!
//! The builder folds constants and the extensions that x86's narrow registers cause where it is free to do so; everything
//! deeper is the optimiser's. Status flags are lazy: see [`crate::flags`].

use alloc::collections::BTreeMap;

use iced_x86::{Instruction, OpKind, Register};

use crate::boundary::Vector;
use crate::flags::Flags;
use crate::helper::Helper;
use crate::ir::*;
use crate::reg::Reg;

/// Operand width of an integer instruction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Width {
    B8,
    B16,
    B32,
    B64,
}

impl Width {
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    pub fn from_bytes(bytes: usize) -> Option<Width> {
        Some(match bytes {
            1 => Width::B8,
            2 => Width::B16,
            4 => Width::B32,
            8 => Width::B64,
            _ => return None,
        })
    }

    /// The type that values of this width have in the IR: i32 up to 32 bits, zero-extended.
    pub const fn ty(self) -> Type {
        match self {
            Width::B64 => Type::I64,
            _ => Type::I32,
        }
    }
}

/// How the floating point of SSE and AVX is translated; each is right while [`crate::reg::Reg::EXACT`] is not larger than its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Floats {
    /// As plain Wasm operations: MXCSR is as at the start, nobody reads its flags, and the NaNs of the host's arithmetic are those of SSE.
    #[default]
    Plain,
    /// As plain Wasm operations whose NaNs are made SSE's: those of the host are others. The IR is that of `Plain`.
    Portable,
    /// As MXCSR says, all exceptions masked (`semantics::sse_exact`).
    Masked,
    /// As MXCSR says.
    Exact,
}

/// Writes instructions to the end of a current block of a function.
pub struct Builder<'f> {
    pub func: &'f mut Func,
    block: BlockId,
    /// Blocks by the guest address they begin at: where a jump stays inside the function.
    labels: &'f BTreeMap<u32, BlockId>,
    pub(crate) flags: Flags,
    /// Address of the instruction being translated.
    pub pc: u32,
    /// Address of the instruction after it.
    pub next_pc: u32,
    pub floats: Floats,
}

impl<'f> Builder<'f> {
    /// Starts at the end of `block`. `labels` are the blocks that jumps to known addresses go to.
    pub fn new(func: &'f mut Func, block: BlockId, labels: &'f BTreeMap<u32, BlockId>) -> Builder<'f> {
        let pc = func.block(block).pc;
        Builder { func, block, labels, flags: Flags::default(), pc, next_pc: pc, floats: Floats::Plain }
    }

    pub fn current_block(&self) -> BlockId {
        self.block
    }

    /// A new, empty block within the meaning of the current instruction.
    pub fn new_block(&mut self) -> BlockId {
        self.func.add_block(self.pc)
    }

    /// Goes on writing at the end of another block. The flags must have been settled with a terminator.
    pub fn switch_to(&mut self, block: BlockId) {
        debug_assert!(self.func.block(self.block).term.is_some());
        self.block = block;
        self.flags = Flags::default();
    }

    /// Has the current block been ended?
    pub fn is_terminated(&self) -> bool {
        self.func.block(self.block).term.is_some()
    }

    pub fn inst(&mut self, inst: Inst) -> Value {
        let value = self.func.add_inst(inst);
        self.func.block_mut(self.block).insts.push(value);
        value
    }

    // Constants.

    pub fn i32(&mut self, value: i32) -> Value {
        self.inst(Inst::I32(value))
    }

    pub fn i64(&mut self, value: i64) -> Value {
        self.inst(Inst::I64(value))
    }

    pub fn v128(&mut self, bits: u128) -> Value {
        self.inst(Inst::V128(bits))
    }

    /// A constant of the type of integers of this width, zero-extended from the width.
    pub fn int(&mut self, width: Width, value: i64) -> Value {
        match width {
            Width::B64 => self.i64(value),
            Width::B32 => self.i32(value as i32),
            Width::B16 => self.i32(i32::from(value as u16)),
            Width::B8 => self.i32(i32::from(value as u8)),
        }
    }

    fn const_i32(&self, value: Value) -> Option<i32> {
        match self.func.inst(value) {
            Inst::I32(c) => Some(*c),
            _ => None,
        }
    }

    // Operations.

    pub fn un(&mut self, op: UnOp, a: Value) -> Value {
        match (op, *self.func.inst(a)) {
            (UnOp::I32WrapI64, Inst::Un(UnOp::I64ExtendI32U | UnOp::I64ExtendI32S, x)) => return x,
            (UnOp::I32WrapI64, Inst::I64(c)) => return self.i32(c as i32),
            (UnOp::I64ExtendI32U, Inst::I32(c)) => return self.i64(i64::from(c as u32)),
            (UnOp::I64ExtendI32S, Inst::I32(c)) => return self.i64(i64::from(c)),
            _ => {}
        }
        self.inst(Inst::Un(op, a))
    }

    pub fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        use BinOp::*;
        match (op, self.const_i32(a), self.const_i32(b)) {
            (I32Add | I32Or | I32Xor | I32Shl | I32ShrU | I32ShrS, _, Some(0)) => return a,
            (I32Add | I32Or | I32Xor, Some(0), _) => return b,
            (I32And, _, Some(-1)) => return a,
            (I32Add, Some(x), Some(y)) => return self.i32(x.wrapping_add(y)),
            (I32And, Some(x), Some(y)) => return self.i32(x & y),
            (I32Shl, Some(x), Some(y)) => return self.i32(x.wrapping_shl(y as u32)),
            // How compilers write zero and all ones.
            (V128Xor | I8x16Sub | I16x8Sub | I32x4Sub | I64x2Sub, ..) if a == b => return self.v128(0),
            (I8x16Eq | I16x8Eq | I32x4Eq | I64x2Eq, ..) if a == b => return self.v128(u128::MAX),
            _ => {}
        }
        self.inst(Inst::Bin(op, a, b))
    }

    /// `op` in the type of the width: give the i32 and the i64 form.
    pub fn bin_w(&mut self, width: Width, op32: BinOp, op64: BinOp, a: Value, b: Value) -> Value {
        self.bin(if width == Width::B64 { op64 } else { op32 }, a, b)
    }

    pub fn select(&mut self, cond: Value, yes: Value, no: Value) -> Value {
        self.inst(Inst::Select { cond, yes, no })
    }

    pub fn extract(&mut self, shape: Shape, lane: u8, vector: Value) -> Value {
        match *self.func.inst(vector) {
            Inst::Replace { shape: s, lane: l, value, .. }
                if s == shape && l == lane && !matches!(s, Shape::I8x16 | Shape::I16x8) =>
            {
                value
            }
            // Another lane of the same shape was replaced: look beneath.
            Inst::Replace { shape: s, lane: l, vector, .. } if s == shape && l != lane => self.extract(shape, lane, vector),
            _ => self.inst(Inst::Extract { shape, lane, vector }),
        }
    }

    pub fn replace(&mut self, shape: Shape, lane: u8, mut vector: Value, value: Value) -> Value {
        // What an earlier replacement put into this lane is lost.
        while let Inst::Replace { shape: s, lane: l, vector: beneath, .. } = *self.func.inst(vector) {
            if s != shape || l != lane {
                break;
            }
            vector = beneath;
        }
        self.inst(Inst::Replace { shape, lane, vector, value })
    }

    pub fn shuffle(&mut self, a: Value, b: Value, lanes: [u8; 16]) -> Value {
        self.inst(Inst::Shuffle { a, b, lanes })
    }

    /// Calls a helper; the result is only a value if its signature has one.
    pub fn helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        debug_assert_eq!(args.len(), helper.signature().params.len());
        let first = args.first().copied().unwrap_or(Value(0));
        let mut all = [first; 4];
        all[..args.len()].copy_from_slice(args);
        self.inst(Inst::Helper { helper, args: all })
    }

    pub fn wrap(&mut self, a: Value) -> Value {
        self.un(UnOp::I32WrapI64, a)
    }

    pub fn zero_extend_64(&mut self, a: Value) -> Value {
        self.un(UnOp::I64ExtendI32U, a)
    }

    /// Makes a value of `width` valid again after arithmetic: clears what stands above 8 or 16 bits.
    pub fn truncate(&mut self, width: Width, a: Value) -> Value {
        match width {
            Width::B8 | Width::B16 => {
                let mask = self.i32(((1u32 << width.bits()) - 1) as i32);
                self.bin(BinOp::I32And, a, mask)
            }
            _ => a,
        }
    }

    /// Sign-extends a value of `width` within its IR type (i32 for 8, 16 and 32 bits).
    pub fn sign_extend(&mut self, width: Width, a: Value) -> Value {
        match width {
            Width::B8 => self.un(UnOp::I32Extend8S, a),
            Width::B16 => self.un(UnOp::I32Extend16S, a),
            _ => a,
        }
    }

    /// Converts between widths, zero- or sign-extending.
    pub fn resize(&mut self, from: Width, to: Width, signed: bool, a: Value) -> Value {
        let a = if signed && from < to { self.sign_extend(from, a) } else { a };
        match (from, to) {
            (Width::B64, Width::B64) => a,
            (Width::B64, _) => {
                let low = self.wrap(a);
                self.truncate(to, low)
            }
            (_, Width::B64) if signed => self.un(UnOp::I64ExtendI32S, a),
            (_, Width::B64) => self.zero_extend_64(a),
            _ => self.truncate(to, a),
        }
    }

    // Registers.

    pub fn get(&mut self, reg: Reg) -> Value {
        debug_assert!(!reg.is_status_flag(), "status flags are read with flag()");
        self.inst(Inst::GetReg(reg))
    }

    pub fn set(&mut self, reg: Reg, value: Value) {
        debug_assert!(!reg.is_status_flag(), "status flags are written with set_flag()");
        self.inst(Inst::SetReg(reg, value));
    }

    /// Reads a general-purpose register of any width as a value of its width (AH, BH, CH, DH too).
    pub fn read_gpr(&mut self, register: Register) -> Value {
        let (reg, width, high) = gpr_parts(register);
        let full = self.get(reg);
        match width {
            Width::B64 => full,
            Width::B32 => self.wrap(full),
            Width::B16 => {
                let low = self.wrap(full);
                self.truncate(Width::B16, low)
            }
            Width::B8 => {
                let mut low = self.wrap(full);
                if high {
                    let eight = self.i32(8);
                    low = self.bin(BinOp::I32ShrU, low, eight);
                }
                self.truncate(Width::B8, low)
            }
        }
    }

    /// Writes a general-purpose register of any width: 32 bits clear the upper half, 8 and 16 keep the rest
    /// (SDM vol. 1, §3.4.1.1). `value` has the width's type and nothing above the width.
    pub fn write_gpr(&mut self, register: Register, value: Value) {
        let (reg, width, high) = gpr_parts(register);
        let full = match width {
            Width::B64 => value,
            Width::B32 => self.zero_extend_64(value),
            Width::B16 | Width::B8 => {
                let shift = if high { 8 } else { 0 };
                let mask = ((1u64 << width.bits()) - 1) << shift;
                let old = self.get(reg);
                let keep = self.i64(!mask as i64);
                let kept = self.bin(BinOp::I64And, old, keep);
                let mut new = self.zero_extend_64(value);
                if high {
                    let eight = self.i64(8);
                    new = self.bin(BinOp::I64Shl, new, eight);
                }
                self.bin(BinOp::I64Or, kept, new)
            }
        };
        self.set(reg, full);
    }

    // Memory.

    /// The address that a memory operand names (SDM vol. 1, §3.7.5) as an i32 and a displacement: base + index × scale +
    /// segment base, all modulo 2³².
    pub fn address(&mut self, instr: &Instruction) -> (Value, i32) {
        let mut sum = None;
        let mut disp = instr.memory_displacement64() as i32;
        match instr.memory_base() {
            // iced gives the sum as the displacement.
            Register::None | Register::RIP | Register::EIP => {}
            base => sum = Some(self.address_register(base)),
        }
        if instr.memory_index() != Register::None {
            let mut index = self.address_register(instr.memory_index());
            let shift = instr.memory_index_scale().trailing_zeros();
            if shift != 0 {
                let shift = self.i32(shift as i32);
                index = self.bin(BinOp::I32Shl, index, shift);
            }
            sum = Some(self.plus(sum, index));
        }
        let segment = match instr.memory_segment() {
            Register::FS => Some(Reg::FS_BASE),
            Register::GS => Some(Reg::GS_BASE),
            _ => None,
        };
        if let Some(reg) = segment {
            let base = self.get(reg);
            let base = self.wrap(base);
            sum = Some(self.plus(sum, base));
        }
        match sum {
            Some(sum) => (sum, disp),
            None => {
                let at = self.i32(disp);
                disp = 0;
                (at, disp)
            }
        }
    }

    fn plus(&mut self, a: Option<Value>, b: Value) -> Value {
        match a {
            Some(a) => self.bin(BinOp::I32Add, a, b),
            None => b,
        }
    }

    /// Base or index register for an address: 32-bit registers (67H) have the same low half.
    fn address_register(&mut self, register: Register) -> Value {
        let full = self.get(gpr_parts(register.full_register()).0);
        self.wrap(full)
    }

    /// The full 64-bit effective address, without segment, as LEA computes it (67H truncates to 32 bits).
    pub fn effective_address(&mut self, instr: &Instruction) -> Value {
        let narrow =
            matches!(instr.memory_base().size().max(instr.memory_index().size()), 4) || instr.memory_base() == Register::EIP;
        let mut sum = None;
        match instr.memory_base() {
            Register::None | Register::RIP | Register::EIP => {}
            base => sum = Some(self.get(gpr_parts(base.full_register()).0)),
        }
        if instr.memory_index() != Register::None {
            let mut index = self.get(gpr_parts(instr.memory_index().full_register()).0);
            let shift = instr.memory_index_scale().trailing_zeros();
            if shift != 0 {
                let shift = self.i64(i64::from(shift));
                index = self.bin(BinOp::I64Shl, index, shift);
            }
            sum = Some(match sum {
                Some(base) => self.bin(BinOp::I64Add, base, index),
                None => index,
            });
        }
        let disp = instr.memory_displacement64() as i64;
        let mut result = match sum {
            None => self.i64(disp),
            Some(sum) if disp == 0 => sum,
            Some(sum) => {
                let disp = self.i64(disp);
                self.bin(BinOp::I64Add, sum, disp)
            }
        };
        if narrow {
            let low = self.wrap(result);
            result = self.zero_extend_64(low);
        }
        result
    }

    pub fn load_op(&mut self, op: LoadOp, addr: Value, disp: i32) -> Value {
        self.inst(Inst::Load { op, addr, disp })
    }

    pub fn store_op(&mut self, op: StoreOp, addr: Value, disp: i32, value: Value) {
        debug_assert_eq!(self.func.ty(value), Some(op.operand()));
        self.inst(Inst::Store { op, addr, disp, value });
    }

    /// Loads an integer of `width`, zero-extended to its IR type.
    pub fn load(&mut self, width: Width, addr: Value, disp: i32) -> Value {
        let op = match width {
            Width::B8 => LoadOp::I32Load8U,
            Width::B16 => LoadOp::I32Load16U,
            Width::B32 => LoadOp::I32Load,
            Width::B64 => LoadOp::I64Load,
        };
        self.load_op(op, addr, disp)
    }

    pub fn store(&mut self, width: Width, addr: Value, disp: i32, value: Value) {
        let op = match width {
            Width::B8 => StoreOp::I32Store8,
            Width::B16 => StoreOp::I32Store16,
            Width::B32 => StoreOp::I32Store,
            Width::B64 => StoreOp::I64Store,
        };
        self.store_op(op, addr, disp, value);
    }

    /// Pushes a 64-bit value.
    pub fn push64(&mut self, value: Value) {
        let rsp = self.get(Reg::RSP);
        let eight = self.i64(-8);
        let rsp = self.bin(BinOp::I64Add, rsp, eight);
        let addr = self.wrap(rsp);
        self.store(Width::B64, addr, 0, value);
        self.set(Reg::RSP, rsp);
    }

    /// Pops a 64-bit value.
    pub fn pop64(&mut self) -> Value {
        let rsp = self.get(Reg::RSP);
        let addr = self.wrap(rsp);
        let value = self.load(Width::B64, addr, 0);
        let eight = self.i64(8);
        let rsp = self.bin(BinOp::I64Add, rsp, eight);
        self.set(Reg::RSP, rsp);
        value
    }

    // Integer operands, by their number in the instruction.

    /// Width of an integer operand (register, memory or immediate).
    pub fn operand_width(&self, instr: &Instruction, operand: u32) -> Width {
        let bytes = match instr.op_kind(operand) {
            OpKind::Register => instr.op_register(operand).size(),
            OpKind::Memory => instr.memory_size().size(),
            // An immediate has the width of the destination; PUSH imm has 64 bits.
            _ if operand > 0 => return self.operand_width(instr, 0),
            _ => 8,
        };
        Width::from_bytes(bytes).unwrap_or(Width::B64)
    }

    /// Value of a register, memory or immediate operand of `width`.
    pub fn read_operand(&mut self, instr: &Instruction, operand: u32, width: Width) -> Value {
        match instr.op_kind(operand) {
            OpKind::Register => self.read_gpr(instr.op_register(operand)),
            OpKind::Memory => {
                let (addr, disp) = self.address(instr);
                self.load(width, addr, disp)
            }
            // iced sign-extends as the instruction does.
            _ => self.int(width, instr.immediate(operand) as i64),
        }
    }

    pub fn write_operand(&mut self, instr: &Instruction, operand: u32, width: Width, value: Value) {
        match instr.op_kind(operand) {
            OpKind::Register => self.write_gpr(instr.op_register(operand), value),
            _ => {
                let (addr, disp) = self.address(instr);
                self.store(width, addr, disp, value);
            }
        }
    }

    // Control.

    /// Ends the block; pending flags are written to their registers first.
    pub fn end(&mut self, term: Term) {
        self.settle_flags();
        debug_assert!(!self.is_terminated());
        self.func.block_mut(self.block).term = Some(term);
    }

    pub fn exit(&mut self, exit: Exit) {
        self.end(Term::Exit(exit));
    }

    pub fn jump(&mut self, block: BlockId) {
        self.end(Term::Jump(block.into()));
    }

    pub fn branch(&mut self, cond: Value, yes: BlockId, no: BlockId) {
        self.end(Term::Branch { cond, yes: yes.into(), no: no.into() });
    }

    /// Ends the block with a jump to a guest address: to its block if there is one, else out of the function.
    pub fn goto(&mut self, pc: u32) {
        match self.labels.get(&pc) {
            Some(&block) => self.jump(block),
            None => self.exit(Exit::Jump(Target::Pc(pc))),
        }
    }

    /// The block that goes to a guest address: its own, or a new one that leaves the function.
    pub fn block_to(&mut self, pc: u32) -> BlockId {
        if let Some(&block) = self.labels.get(&pc) {
            return block;
        }
        let block = self.new_block();
        self.func.block_mut(block).term = Some(Term::Exit(Exit::Jump(Target::Pc(pc))));
        block
    }

    /// Ends the block with a conditional jump between guest addresses.
    pub fn goto_if(&mut self, cond: Value, taken: u32, next: u32) {
        let yes = self.block_to(taken);
        let no = self.block_to(next);
        self.branch(cond, yes, no);
    }

    /// Raises an exception at the current instruction if `cond` holds; goes on in a new block.
    pub fn exception_if(&mut self, cond: Value, vector: Vector) {
        let yes = self.new_block();
        let no = self.new_block();
        self.func.block_mut(yes).term = Some(Term::Exit(Exit::Exception { vector, at: self.pc }));
        self.branch(cond, yes, no);
        self.switch_to(no);
    }
}

/// Which register, which part of it: `(register, width, is it bits 15…8)`.
pub fn gpr_parts(register: Register) -> (Reg, Width, bool) {
    let number = register.number() as u8;
    match register.size() {
        1 if matches!(register, Register::AH | Register::CH | Register::DH | Register::BH) => {
            (Reg::gpr(number & 3), Width::B8, true)
        }
        1 => (Reg::gpr(gpr8_number(register)), Width::B8, false),
        2 => (Reg::gpr(number), Width::B16, false),
        4 => (Reg::gpr(number), Width::B32, false),
        _ => (Reg::gpr(number), Width::B64, false),
    }
}

/// Encoding number of an 8-bit low register: AL, CL, DL, BL, SPL, BPL, SIL, DIL, R8L…R15L.
fn gpr8_number(register: Register) -> u8 {
    register.full_register().number() as u8
}
