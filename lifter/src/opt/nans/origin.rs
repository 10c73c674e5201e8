//! Which NaN an operation gives on an x86 processor (SDM vol. 1, table 4-7): its first operand made quiet if that is a NaN, else the second, else
//! the default NaN. It is written with integer operations, in line: a call would cost the code around it its registers.

use hoist_x86::ir::{BinOp, BlockId, Inst, UnOp, Value};

use super::Nans;
use super::classes::{may_be_nan, only_passes_nans};

/// How floats lie in a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Single,
    Double,
    Singles,
    Doubles,
}

/// Bits of the default NaN, and the one that makes a NaN quiet.
const DEFAULT_SINGLE: u32 = 0xffc0_0000;
const DEFAULT_DOUBLE: u64 = 0xfff8_0000_0000_0000;
const QUIET_SINGLE: u32 = 0x0040_0000;
const QUIET_DOUBLE: u64 = 0x0008_0000_0000_0000;

const fn singles(bits: u32) -> u128 {
    doubles((bits as u64) << 32 | bits as u64)
}

const fn doubles(bits: u64) -> u128 {
    (bits as u128) << 64 | bits as u128
}

impl Shape {
    /// Of the result of an operation that makes NaNs.
    pub fn of(inst: &Inst) -> Shape {
        use hoist_x86::ir::Type;
        let result = match inst {
            Inst::Un(op, _) => op.result(),
            Inst::Bin(op, ..) => op.result(),
            _ => unreachable!("{inst:?} makes no NaNs"),
        };
        match result {
            Type::F32 => Shape::Single,
            Type::F64 => Shape::Double,
            _ if has_singles(inst) => Shape::Singles,
            _ => Shape::Doubles,
        }
    }

    pub fn is_vector(self) -> bool {
        matches!(self, Shape::Singles | Shape::Doubles)
    }

    /// The comparison by which a NaN shows.
    pub fn ne(self) -> BinOp {
        match self {
            Shape::Single => BinOp::F32Ne,
            Shape::Double => BinOp::F64Ne,
            Shape::Singles => BinOp::F32x4Ne,
            Shape::Doubles => BinOp::F64x2Ne,
        }
    }

    /// The comparison that tells that a scalar is not a NaN.
    pub fn ge(self) -> BinOp {
        match self {
            Shape::Single => BinOp::F32Ge,
            Shape::Double => BinOp::F64Ge,
            Shape::Singles | Shape::Doubles => unreachable!("vectors are compared with \"≠\""),
        }
    }

    fn default_nan(self) -> Inst {
        match self {
            Shape::Single => Inst::F32(DEFAULT_SINGLE),
            Shape::Double => Inst::F64(DEFAULT_DOUBLE),
            Shape::Singles => Inst::V128(singles(DEFAULT_SINGLE)),
            Shape::Doubles => Inst::V128(doubles(DEFAULT_DOUBLE)),
        }
    }
}

/// Is a vector result made of singles?
fn has_singles(inst: &Inst) -> bool {
    use BinOp::*;
    use UnOp::*;
    matches!(
        inst,
        Inst::Bin(F32x4Add | F32x4Sub | F32x4Mul | F32x4Div, ..)
            | Inst::Un(F32x4Sqrt | F32x4Ceil | F32x4Floor | F32x4Trunc | F32x4Nearest | F32x4DemoteF64x2Zero, _)
    )
}

impl Nans<'_> {
    /// Where an operation's result (or a lane of it) is a NaN, the NaN that made it so; it may be a signalling one yet.
    pub fn origin(&mut self, value: Value, block: BlockId, out: &mut Vec<Value>) -> Value {
        let nan = self.first_nan(value, block, out);
        match *self.func.inst(value) {
            Inst::Un(UnOp::F64PromoteF32, _) => self.promote(nan, out),
            Inst::Un(UnOp::F64x2PromoteLowF32x4, _) => self.promote_lanes(nan, out),
            // What is used twice would be computed on the usual way, too. So it is written twice.
            Inst::Un(UnOp::F32DemoteF64, _) => {
                let same = self.first_nan(value, block, out);
                self.demote(nan, same, out)
            }
            Inst::Un(UnOp::F32x4DemoteF64x2Zero, _) => {
                let same = self.first_nan(value, block, out);
                self.demote_lanes(nan, same, out)
            }
            _ => nan,
        }
    }

    /// The same in the operands' size.
    fn first_nan(&mut self, value: Value, block: BlockId, out: &mut Vec<Value>) -> Value {
        let inst = *self.func.inst(value);
        let shape = Shape::of(&inst);
        let mut nan = (!only_passes_nans(&inst)).then(|| self.add(shape.default_nan(), out));
        let mut operands = Vec::new();
        inst.for_each_use(|operand| operands.push(operand));
        for &operand in operands.iter().rev() {
            if !may_be_nan(self.func.inst(operand)) {
                continue;
            }
            let inside = self.is_inside(operand, block);
            let own = if inside { self.origin(operand, block, out) } else { self.checked[operand.0 as usize] };
            nan = Some(match nan {
                None => own,
                Some(other) => self.first(shape, if inside { operand } else { own }, own, other, out),
            });
        }
        nan.unwrap_or(operands[0])
    }

    /// `own` where `test` is a NaN, else `other`.
    fn first(&mut self, shape: Shape, test: Value, own: Value, other: Value, out: &mut Vec<Value>) -> Value {
        let differs = self.add(Inst::Bin(shape.ne(), test, test), out);
        self.add(
            match shape.is_vector() {
                true => Inst::Bitselect { a: own, b: other, mask: differs },
                false => Inst::Select { cond: differs, yes: own, no: other },
            },
            out,
        )
    }

    /// A NaN made quiet.
    pub fn quiet(&mut self, shape: Shape, nan: Value, out: &mut Vec<Value>) -> Value {
        match shape {
            Shape::Single => {
                let bits = self.un(UnOp::I32ReinterpretF32, nan, out);
                let bits = self.with_i32(BinOp::I32Or, bits, QUIET_SINGLE as i32, out);
                self.un(UnOp::F32ReinterpretI32, bits, out)
            }
            Shape::Double => {
                let bits = self.un(UnOp::I64ReinterpretF64, nan, out);
                let bits = self.with_i64(BinOp::I64Or, bits, QUIET_DOUBLE as i64, out);
                self.un(UnOp::F64ReinterpretI64, bits, out)
            }
            Shape::Singles => self.with_v128(BinOp::V128Or, nan, singles(QUIET_SINGLE), out),
            Shape::Doubles => self.with_v128(BinOp::V128Or, nan, doubles(QUIET_DOUBLE), out),
        }
    }

    /// A single NaN as a double: sign, exponent and payload move to their new places, from the top.
    fn promote(&mut self, nan: Value, out: &mut Vec<Value>) -> Value {
        let bits = self.un(UnOp::I32ReinterpretF32, nan, out);
        let bits = self.un(UnOp::I64ExtendI32S, bits, out);
        let bits = self.with_i64(BinOp::I64Shl, bits, 29, out);
        let bits = self.with_i64(BinOp::I64Or, bits, 0x7ff8_0000_0000_0000, out);
        self.un(UnOp::F64ReinterpretI64, bits, out)
    }

    /// A double NaN as a single: the payload's low bits are lost.
    fn demote(&mut self, nan: Value, same: Value, out: &mut Vec<Value>) -> Value {
        let payload = self.un(UnOp::I64ReinterpretF64, nan, out);
        let payload = self.with_i64(BinOp::I64ShrU, payload, 29, out);
        let payload = self.un(UnOp::I32WrapI64, payload, out);
        let high = self.un(UnOp::I64ReinterpretF64, same, out);
        let high = self.with_i64(BinOp::I64ShrU, high, 32, out);
        let high = self.un(UnOp::I32WrapI64, high, out);
        let sign = self.with_i32(BinOp::I32Or, high, i32::MAX, out);
        let payload = self.with_i32(BinOp::I32Or, payload, DEFAULT_SINGLE as i32, out);
        let bits = self.add(Inst::Bin(BinOp::I32And, payload, sign), out);
        self.un(UnOp::F32ReinterpretI32, bits, out)
    }

    fn promote_lanes(&mut self, nan: Value, out: &mut Vec<Value>) -> Value {
        let bits = self.un(UnOp::I64x2ExtendLowI32x4S, nan, out);
        let bits = self.with_i32(BinOp::I64x2Shl, bits, 29, out);
        self.with_v128(BinOp::V128Or, bits, doubles(0x7ff8_0000_0000_0000), out)
    }

    fn demote_lanes(&mut self, nan: Value, same: Value, out: &mut Vec<Value>) -> Value {
        let payload = self.with_i32(BinOp::I64x2ShrU, nan, 29, out);
        let payload = self.with_v128(BinOp::V128Or, payload, singles(DEFAULT_SINGLE), out);
        let high = self.with_i32(BinOp::I64x2ShrU, same, 32, out);
        let sign = self.with_v128(BinOp::V128Or, high, singles(i32::MAX as u32), out);
        let bits = self.add(Inst::Bin(BinOp::V128And, payload, sign), out);
        // The low half of each lane; the result's upper two lanes are no NaNs, so what is here does not matter.
        self.add(Inst::Shuffle { a: bits, b: bits, lanes: [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11] }, out)
    }

    fn un(&mut self, op: UnOp, operand: Value, out: &mut Vec<Value>) -> Value {
        self.add(Inst::Un(op, operand), out)
    }

    fn with_i32(&mut self, op: BinOp, left: Value, right: i32, out: &mut Vec<Value>) -> Value {
        let right = self.add(Inst::I32(right), out);
        self.add(Inst::Bin(op, left, right), out)
    }

    fn with_i64(&mut self, op: BinOp, left: Value, right: i64, out: &mut Vec<Value>) -> Value {
        let right = self.add(Inst::I64(right), out);
        self.add(Inst::Bin(op, left, right), out)
    }

    fn with_v128(&mut self, op: BinOp, left: Value, right: u128, out: &mut Vec<Value>) -> Value {
        let right = self.add(Inst::V128(right), out);
        self.add(Inst::Bin(op, left, right), out)
    }
}
