//! Status flags (SDM vol. 1, §3.4.3.1), computed only when somebody reads them.
//!
//! After an arithmetic instruction the builder remembers *what* would set the flags. A condition that follows in the
//! same block becomes one comparison of the operands. At the end of a block the flags are written to their registers in such a form
//! that the optimiser finds the comparison again across blocks: OF is `SF ^ (a <ₛ b)`, so that `SF ^ OF` is `a <ₛ b`.

use iced_x86::ConditionCode;

use crate::builder::{Builder, Width};
use crate::ir::{BinOp, UnOp, Value};
use crate::reg::Reg;

/// What an arithmetic instruction does, as far as its flags go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// res = a + b.
    Add,
    /// res = a + b + CF.
    Adc,
    /// res = a − b, the result is used (SUB, NEG with a = 0).
    Sub,
    /// As `Sub`, but only the flags are wanted (CMP, SCAS, CMPS).
    Cmp,
    /// res = a − b − CF.
    Sbb,
    /// res is a logical result: CF = OF = 0, AF undefined (hardware clears it).
    Logic,
    /// res = a + 1, CF kept; `b` is the constant 1.
    Inc,
    /// res = a − 1, CF kept; `b` is the constant 1.
    Dec,
    /// UCOMISS, UCOMISD, FCOMI: ZF, PF, CF = 000 if a > b, 001 if a < b, 100 if equal, 111 if unordered; OF, AF, SF = 0.
    /// `a` and `b` are f32 (width 32) or f64; `res` is `a`.
    Float,
}

/// One arithmetic operation; operands and result have the width's type and are zero-extended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arith {
    pub kind: Kind,
    pub width: Width,
    pub a: Value,
    pub b: Value,
    pub res: Value,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Source {
    /// In its register.
    Register,
    /// This i32, 0 or 1; not yet in its register.
    Value(Value),
    /// To be computed from this operation.
    Arith(Arith),
}

/// Where each status flag stands at the current point of a block; see [`Builder::flag`].
pub struct Flags([Source; 6]);

impl Default for Flags {
    fn default() -> Flags {
        Flags([Source::Register; 6])
    }
}

const fn slot(flag: Reg) -> usize {
    assert!(flag.is_status_flag());
    flag.index() - Reg::CF.index()
}

const STATUS_FLAGS: [Reg; 6] = [Reg::CF, Reg::PF, Reg::AF, Reg::ZF, Reg::SF, Reg::OF];

impl Builder<'_> {
    /// Sets the flags from an operation: all six, or all but CF for INC and DEC.
    pub fn set_arith(&mut self, arith: Arith) {
        for flag in STATUS_FLAGS {
            if flag != Reg::CF || !matches!(arith.kind, Kind::Inc | Kind::Dec) {
                self.flags.0[slot(flag)] = Source::Arith(arith);
            }
        }
    }

    /// Sets one status flag to an i32 that is 0 or 1.
    pub fn set_flag(&mut self, flag: Reg, value: Value) {
        self.flags.0[slot(flag)] = Source::Value(value);
    }

    /// The value of one status flag, an i32 that is 0 or 1.
    pub fn flag(&mut self, flag: Reg) -> Value {
        let value = match self.flags.0[slot(flag)] {
            Source::Register => return self.inst(crate::ir::Inst::GetReg(flag)),
            Source::Value(value) => return value,
            Source::Arith(arith) => self.compute(flag, arith),
        };
        self.flags.0[slot(flag)] = Source::Value(value);
        value
    }

    /// Writes what is pending to the flags' registers. [`Builder::end`] does it; instructions that read all the flags at once may.
    pub fn settle_flags(&mut self) {
        for flag in STATUS_FLAGS {
            if self.flags.0[slot(flag)] != Source::Register {
                let value = self.flag(flag);
                self.inst(crate::ir::Inst::SetReg(flag, value));
                self.flags.0[slot(flag)] = Source::Register;
            }
        }
    }

    fn sign_bit(&mut self, width: Width, value: Value) -> Value {
        let value = self.sign_extend(width, value);
        let zero = self.int(width, 0);
        self.bin_w(width, BinOp::I32LtS, BinOp::I64LtS, value, zero)
    }

    fn is_zero(&mut self, width: Width, value: Value) -> Value {
        self.un(if width == Width::B64 { UnOp::I64Eqz } else { UnOp::I32Eqz }, value)
    }

    fn compute(&mut self, flag: Reg, arith: Arith) -> Value {
        use BinOp::*;
        let Arith { kind, width, a, b, res } = arith;
        if kind == Kind::Float {
            return self.compute_float(flag, width, a, b);
        }
        match flag {
            Reg::ZF if kind == Kind::Cmp => self.bin_w(width, I32Eq, I64Eq, a, b),
            Reg::ZF => self.is_zero(width, res),
            Reg::SF => self.sign_bit(width, res),
            Reg::PF => {
                let low = if width == Width::B64 { self.wrap(res) } else { res };
                let low = self.truncate(Width::B8, low);
                let ones = self.un(UnOp::I32Popcnt, low);
                let one = self.i32(1);
                let odd = self.bin(I32And, ones, one);
                self.un(UnOp::I32Eqz, odd)
            }
            Reg::AF if kind == Kind::Logic => self.i32(0),
            Reg::AF => {
                let x = self.bin_w(width, I32Xor, I64Xor, a, b);
                let x = self.bin_w(width, I32Xor, I64Xor, x, res);
                let x = if width == Width::B64 { self.wrap(x) } else { x };
                let four = self.i32(4);
                let x = self.bin(I32ShrU, x, four);
                let one = self.i32(1);
                self.bin(I32And, x, one)
            }
            Reg::CF => match kind {
                Kind::Logic => self.i32(0),
                Kind::Add => self.bin_w(width, I32LtU, I64LtU, res, a),
                Kind::Sub | Kind::Cmp => self.bin_w(width, I32LtU, I64LtU, a, b),
                // Carry out of the top bit: where both operands have it, or one of them and not the sum.
                Kind::Adc => self.top_carry(width, a, b, res),
                // a − b − CF borrows where a' + b + CF carries: the same with a inverted, and the inverted sum.
                Kind::Sbb => self.top_borrow(width, a, b, res),
                Kind::Inc | Kind::Dec => unreachable!("INC and DEC leave CF alone"),
                Kind::Float => unreachable!("floats are compared above"),
            },
            _ => match kind {
                Kind::Logic => self.i32(0),
                Kind::Sub | Kind::Cmp | Kind::Dec => {
                    let less = self.less_signed(width, a, b);
                    let sign = self.flag_or(Reg::SF, arith);
                    self.bin(I32Xor, sign, less)
                }
                Kind::Add | Kind::Adc | Kind::Inc => {
                    let x = self.bin_w(width, I32Xor, I64Xor, a, res);
                    let y = self.bin_w(width, I32Xor, I64Xor, b, res);
                    let both = self.bin_w(width, I32And, I64And, x, y);
                    self.sign_bit(width, both)
                }
                Kind::Sbb => {
                    let x = self.bin_w(width, I32Xor, I64Xor, a, b);
                    let y = self.bin_w(width, I32Xor, I64Xor, a, res);
                    let both = self.bin_w(width, I32And, I64And, x, y);
                    self.sign_bit(width, both)
                }
                Kind::Float => unreachable!("floats are compared above"),
            },
        }
    }

    /// A flag of a comparison of floats: comparisons with a NaN are false, so "unordered" comes with the negated ones.
    fn compute_float(&mut self, flag: Reg, width: Width, a: Value, b: Value) -> Value {
        use BinOp::*;
        match flag {
            Reg::CF => {
                let not_less = self.bin_w(width, F32Ge, F64Ge, a, b);
                self.un(UnOp::I32Eqz, not_less)
            }
            Reg::ZF => {
                let differs = self.differs(width, a, b);
                self.un(UnOp::I32Eqz, differs)
            }
            Reg::PF => {
                if a == b {
                    return self.bin_w(width, F32Ne, F64Ne, a, a);
                }
                let not_less = self.bin_w(width, F32Ge, F64Ge, a, b);
                let less = self.bin_w(width, F32Lt, F64Lt, a, b);
                let ordered = self.bin(I32Or, not_less, less);
                self.un(UnOp::I32Eqz, ordered)
            }
            _ => self.i32(0),
        }
    }

    /// Is one of two floats less than the other?
    fn differs(&mut self, width: Width, a: Value, b: Value) -> Value {
        let less = self.bin_w(width, BinOp::F32Lt, BinOp::F64Lt, a, b);
        let greater = self.bin_w(width, BinOp::F32Gt, BinOp::F64Gt, a, b);
        self.bin(BinOp::I32Or, less, greater)
    }

    /// The conditions that compilers use after UCOMIS; the others come from the flags.
    fn float_condition(&mut self, code: ConditionCode, width: Width, a: Value, b: Value) -> Option<Value> {
        use BinOp::*;
        use ConditionCode as C;
        Some(match code {
            C::a => self.bin_w(width, F32Gt, F64Gt, a, b),
            C::ae => self.bin_w(width, F32Ge, F64Ge, a, b),
            C::ne => self.differs(width, a, b),
            C::be => {
                let above = self.bin_w(width, F32Gt, F64Gt, a, b);
                self.un(UnOp::I32Eqz, above)
            }
            _ => return None,
        })
    }

    /// SF of `arith`: the value that the flag already has if it comes from the same operation.
    fn flag_or(&mut self, flag: Reg, arith: Arith) -> Value {
        if self.flags.0[slot(flag)] == Source::Arith(arith) {
            return self.flag(flag);
        }
        self.compute(flag, arith)
    }

    fn top_carry(&mut self, width: Width, a: Value, b: Value, res: Value) -> Value {
        use BinOp::*;
        let both = self.bin_w(width, I32And, I64And, a, b);
        let any = self.bin_w(width, I32Or, I64Or, a, b);
        let minus_one = self.int(width, -1);
        let not_res = self.bin_w(width, I32Xor, I64Xor, res, minus_one);
        let lost = self.bin_w(width, I32And, I64And, any, not_res);
        let carry = self.bin_w(width, I32Or, I64Or, both, lost);
        self.sign_bit(width, carry)
    }

    fn top_borrow(&mut self, width: Width, a: Value, b: Value, res: Value) -> Value {
        use BinOp::*;
        let minus_one = self.int(width, -1);
        let not_a = self.bin_w(width, I32Xor, I64Xor, a, minus_one);
        let both = self.bin_w(width, I32And, I64And, not_a, b);
        let any = self.bin_w(width, I32Or, I64Or, not_a, b);
        let lost = self.bin_w(width, I32And, I64And, any, res);
        let borrow = self.bin_w(width, I32Or, I64Or, both, lost);
        self.sign_bit(width, borrow)
    }

    fn less_signed(&mut self, width: Width, a: Value, b: Value) -> Value {
        let a = self.sign_extend(width, a);
        let b = self.sign_extend(width, b);
        self.bin_w(width, BinOp::I32LtS, BinOp::I64LtS, a, b)
    }

    /// 1 if the condition (SDM vol. 1, appendix B) holds, else 0.
    pub fn condition(&mut self, code: ConditionCode) -> Value {
        use BinOp::*;
        use ConditionCode as C;
        if let Some(value) = self.direct_condition(code) {
            return value;
        }
        match code {
            C::o => self.flag(Reg::OF),
            C::b => self.flag(Reg::CF),
            C::e => self.flag(Reg::ZF),
            C::s => self.flag(Reg::SF),
            C::p => self.flag(Reg::PF),
            C::be => {
                let (c, z) = (self.flag(Reg::CF), self.flag(Reg::ZF));
                self.bin(I32Or, c, z)
            }
            C::l => {
                let (s, o) = (self.flag(Reg::SF), self.flag(Reg::OF));
                self.bin(I32Xor, s, o)
            }
            C::le => {
                let (s, o, z) = (self.flag(Reg::SF), self.flag(Reg::OF), self.flag(Reg::ZF));
                let less = self.bin(I32Xor, s, o);
                self.bin(I32Or, less, z)
            }
            C::no | C::ae | C::ne | C::ns | C::np | C::a | C::ge | C::g => {
                let positive = self.condition(code.negate_to_positive());
                self.un(UnOp::I32Eqz, positive)
            }
            C::None => self.i32(1),
        }
    }

    /// The condition as one comparison, where one operation of this block set all that it reads.
    fn direct_condition(&mut self, code: ConditionCode) -> Option<Value> {
        use BinOp::*;
        use ConditionCode as C;
        let reads: &[Reg] = match code {
            C::b | C::ae => &[Reg::CF],
            C::e | C::ne => &[Reg::ZF],
            C::s | C::ns => &[Reg::SF],
            C::be | C::a => &[Reg::CF, Reg::ZF],
            C::l | C::ge => &[Reg::SF, Reg::OF],
            C::le | C::g => &[Reg::SF, Reg::OF, Reg::ZF],
            _ => return None,
        };
        let Source::Arith(arith) = self.flags.0[slot(reads[0])] else { return None };
        if reads.iter().any(|&flag| self.flags.0[slot(flag)] != Source::Arith(arith)) {
            return None;
        }
        let Arith { kind, width, a, b, res } = arith;
        if kind == Kind::Float {
            return self.float_condition(code, width, a, b);
        }
        let signed = matches!(code, C::l | C::ge | C::le | C::g | C::s | C::ns);
        let (op32, op64) = match code {
            C::b => (I32LtU, I64LtU),
            C::ae => (I32GeU, I64GeU),
            C::be => (I32LeU, I64LeU),
            C::a => (I32GtU, I64GtU),
            C::e => (I32Eq, I64Eq),
            C::ne => (I32Ne, I64Ne),
            C::l | C::s => (I32LtS, I64LtS),
            C::ge | C::ns => (I32GeS, I64GeS),
            C::le => (I32LeS, I64LeS),
            C::g => (I32GtS, I64GtS),
            _ => return None,
        };
        // What is compared: the operands of a subtraction, or a result with zero.
        let (left, right) = match (kind, code) {
            (Kind::Cmp, C::e | C::ne) => (a, b),
            (_, C::e | C::ne | C::s | C::ns) => (res, self.int(width, 0)),
            (Kind::Sub | Kind::Cmp, _) => (a, b),
            // CF and OF are zero, so every condition is one on the result; unsigned "below" never, "below or equal" is "equal".
            (Kind::Logic, C::b | C::ae) => return None,
            (Kind::Logic, _) => (res, self.int(width, 0)),
            _ => return None,
        };
        let (left, right) = if signed { (self.sign_extend(width, left), self.sign_extend(width, right)) } else { (left, right) };
        if matches!(code, C::e) && matches!(self.func.inst(right), crate::ir::Inst::I32(0) | crate::ir::Inst::I64(0)) {
            return Some(self.is_zero(width, left));
        }
        Some(self.bin_w(width, op32, op64, left, right))
    }
}

/// Conditions come in pairs that differ in the lowest bit of the encoding.
trait NegateToPositive {
    fn negate_to_positive(self) -> ConditionCode;
}

impl NegateToPositive for ConditionCode {
    fn negate_to_positive(self) -> ConditionCode {
        use ConditionCode as C;
        match self {
            C::no => C::o,
            C::ae => C::b,
            C::ne => C::e,
            C::ns => C::s,
            C::np => C::p,
            C::a => C::be,
            C::ge => C::l,
            C::g => C::le,
            positive => positive,
        }
    }
}
