//! NaNs with the bits that an x86 processor gives them, on every host.
//!
//! Wasm leaves sign and payload of a NaN result open: on x86-64 hosts it is what SSE gives, the first operand that is a NaN, or the default NaN
//! with its sign set; on ARM64 the default NaN is positive, on RISC-V every NaN is. Arithmetic propagates NaNs, so it is enough to look at a
//! value where it *escapes*: where it is stored, passed on, or read as bits. There it is compared with itself, and if it is a NaN the few
//! operations of its block that made it are done again by helpers, which compute like the processor. Comparisons and conversions to integers
//! ask only whether there is a NaN, so what they use does not escape.
//!
//! It costs half as much again to three times as much in floating-point loops (docs/ARCHITECTURE.md), so it is done only if it is asked for:
//! `hoist convert --nans=x86`.
//!
//! The result is `select(v ≠ v, helper(…), v)`; the Wasm back end evaluates the helper only where it is wanted. This is the last pass, since
//! to the others `v` and what is selected are different values.

use hoist_x86::helper::Helper;
use hoist_x86::helpers::float;
use hoist_x86::ir::{BinOp, BlockId, Func, Inst, Term, Type, UnOp, Value};

use crate::unit::Unit;

/// At most about so many operations are done again for one value.
const MAX_TREE: u32 = 8;
/// A value that several others use is looked at by itself, unless it is so few operations.
const MAX_SHARED: u32 = 1;

/// Makes NaN results of plain floating-point operations those of an x86 processor.
pub fn run(unit: &mut Unit) {
    let order = unit.reachable();
    let func = &mut unit.func;
    if !order.iter().any(|&block| func.block(block).insts.iter().any(|&value| makes_nans(func.inst(value)))) {
        return;
    }
    for index in 0..func.insts.len() {
        let mut inst = func.insts[index];
        inst.map_uses(|value| func.resolve(value));
        func.insts[index] = inst;
    }
    let mut pass = Nans::new(func, &order);
    for &block in &order {
        pass.check_roots(block);
    }
    for &block in &order {
        pass.use_checked(block);
    }
}

struct Nans<'f> {
    func: &'f mut Func,
    /// The block that a value is computed in.
    block_of: Vec<BlockId>,
    /// Operations whose result is looked at.
    is_root: Vec<bool>,
    /// What stands for a value: of a root the checked one.
    checked: Vec<Value>,
}

impl Nans<'_> {
    fn new<'f>(func: &'f mut Func, order: &[BlockId]) -> Nans<'f> {
        let count = func.insts.len();
        let mut block_of = vec![BlockId(u32::MAX); count];
        for &block in order {
            for &value in &func.block(block).insts {
                block_of[value.0 as usize] = block;
            }
        }
        let checked = (0..count as u32).map(Value).collect();
        let mut pass = Nans { func, block_of, is_root: vec![false; count], checked };
        let uses = pass.find_escapes(order);
        for &block in order {
            pass.limit_trees(block, &uses);
        }
        pass
    }

    /// Marks operations whose result somebody sees who does not only compute on within the block; how often each value is used.
    fn find_escapes(&mut self, order: &[BlockId]) -> Vec<u32> {
        let mut uses = vec![0u32; self.func.insts.len()];
        let compared = only_compared(self.func, order);
        for &block in order {
            for &user in &self.func.block(block).insts {
                let inst = self.func.inst(user);
                let blind = is_blind(inst) || compared[user.0 as usize];
                let computes = makes_nans(inst);
                inst.for_each_use(|value| {
                    uses[value.0 as usize] += 1;
                    let inside = computes && self.block_of[value.0 as usize] == block;
                    self.is_root[value.0 as usize] |= !blind && !inside && makes_nans(self.func.inst(value));
                });
            }
            let term = self.func.block(block).term.as_ref().expect("blocks have terminators");
            term.for_each_use(|value| {
                let value = self.func.resolve(value);
                self.is_root[value.0 as usize] |= makes_nans(self.func.inst(value));
            });
        }
        uses
    }

    /// Makes roots of operations within a tree that is too large, or whose tree would be copied too often.
    fn limit_trees(&mut self, block: BlockId, uses: &[u32]) {
        let mut sizes = rustc_hash::FxHashMap::<Value, u32>::default();
        for &value in &self.func.block(block).insts {
            let inst = self.func.inst(value);
            if !makes_nans(inst) {
                continue;
            }
            let mut size = 1;
            inst.for_each_use(|operand| {
                if self.is_inside(operand, block) {
                    size += sizes.get(&operand).copied().unwrap_or(0);
                }
            });
            sizes.insert(value, size);
            self.is_root[value.0 as usize] |= size >= MAX_TREE || size > MAX_SHARED && uses[value.0 as usize] > 1;
        }
    }

    /// Is a value part of the trees of this block's roots?
    fn is_inside(&self, value: Value, block: BlockId) -> bool {
        let v = value.0 as usize;
        v < self.block_of.len() && self.block_of[v] == block && !self.is_root[v] && makes_nans(self.func.inst(value))
    }

    fn check_roots(&mut self, block: BlockId) {
        let insts = std::mem::take(&mut self.func.block_mut(block).insts);
        let mut out = Vec::with_capacity(insts.len());
        for value in insts {
            out.push(value);
            if self.is_root[value.0 as usize] {
                let exactly = self.again(value, block, &mut out);
                self.checked[value.0 as usize] = self.choose(value, exactly, &mut out);
            }
        }
        self.func.block_mut(block).insts = out;
    }

    fn add(&mut self, inst: Inst, out: &mut Vec<Value>) -> Value {
        let value = self.func.add_inst(inst);
        out.push(value);
        value
    }

    /// The operation once more, by helpers, and before it those that lead to it.
    fn again(&mut self, value: Value, block: BlockId, out: &mut Vec<Value>) -> Value {
        let inst = *self.func.inst(value);
        let mut operands = Vec::new();
        inst.for_each_use(|operand| operands.push(operand));
        for operand in &mut operands {
            *operand =
                if self.is_inside(*operand, block) { self.again(*operand, block, out) } else { self.checked[operand.0 as usize] };
        }
        let (code, from, to) = match inst {
            Inst::Un(op, _) => (float::unary_code(op), op.operand(), op.result()),
            Inst::Bin(op, ..) => (float::binary_code(op), op.operands().0, op.result()),
            _ => unreachable!("{inst:?} makes no NaNs"),
        };
        let helper = match (from, to) {
            (Type::F32, Type::F64) => return self.add(helper(Helper::NanPromoted, &[operands[0]]), out),
            (Type::F64, Type::F32) => return self.add(helper(Helper::NanDemoted, &[operands[0]]), out),
            (Type::F32, _) => Helper::NanF32,
            (Type::F64, _) => Helper::NanF64,
            _ => Helper::NanV128,
        };
        let code = self.add(Inst::I32(code as i32), out);
        let second = operands.get(1).copied().unwrap_or(operands[0]);
        self.add(self::helper(helper, &[operands[0], second, code]), out)
    }

    /// `value`, or `exactly` if it is a NaN or a lane of it is.
    fn choose(&mut self, value: Value, exactly: Value, out: &mut Vec<Value>) -> Value {
        let differs = |op| Inst::Bin(op, value, value);
        let cond = match self.func.inst(value) {
            Inst::Un(op, _) if op.result() == Type::F32 => self.add(differs(BinOp::F32Ne), out),
            Inst::Bin(op, ..) if op.result() == Type::F32 => self.add(differs(BinOp::F32Ne), out),
            Inst::Un(op, _) if op.result() == Type::F64 => self.add(differs(BinOp::F64Ne), out),
            Inst::Bin(op, ..) if op.result() == Type::F64 => self.add(differs(BinOp::F64Ne), out),
            inst => {
                let differs = self.add(differs(if has_singles(inst) { BinOp::F32x4Ne } else { BinOp::F64x2Ne }), out);
                self.add(Inst::Un(UnOp::V128AnyTrue, differs), out)
            }
        };
        self.add(Inst::Select { cond, yes: exactly, no: value }, out)
    }

    /// Whoever used a root's value uses the checked one.
    fn use_checked(&mut self, block: BlockId) {
        let old = self.block_of.len();
        let checked = std::mem::take(&mut self.checked);
        for index in 0..self.func.block(block).insts.len() {
            let value = self.func.block(block).insts[index];
            if (value.0 as usize) < old {
                self.func.insts[value.0 as usize].map_uses(|used| checked[used.0 as usize]);
            }
        }
        let mut term: Term = self.func.block_mut(block).term.take().expect("blocks have terminators");
        term.map_uses(|used| checked[self.func.resolve(used).0 as usize]);
        self.func.block_mut(block).term = Some(term);
        self.checked = checked;
    }
}

fn helper(helper: Helper, operands: &[Value]) -> Inst {
    let mut args = [operands[0]; 4];
    args[..operands.len()].copy_from_slice(operands);
    Inst::Helper { helper, args }
}

/// Operations whose result may be a NaN with any bits, and is one if an operand is.
fn makes_nans(inst: &Inst) -> bool {
    use BinOp::*;
    use UnOp::*;
    match inst {
        Inst::Bin(op, ..) => matches!(
            op,
            F32Add
                | F32Sub
                | F32Mul
                | F32Div
                | F64Add
                | F64Sub
                | F64Mul
                | F64Div
                | F32x4Add
                | F32x4Sub
                | F32x4Mul
                | F32x4Div
                | F64x2Add
                | F64x2Sub
                | F64x2Mul
                | F64x2Div
        ),
        Inst::Un(op, _) => matches!(
            op,
            F32Sqrt
                | F32Ceil
                | F32Floor
                | F32Trunc
                | F32Nearest
                | F64Sqrt
                | F64Ceil
                | F64Floor
                | F64Trunc
                | F64Nearest
                | F32DemoteF64
                | F64PromoteF32
                | F32x4Sqrt
                | F32x4Ceil
                | F32x4Floor
                | F32x4Trunc
                | F32x4Nearest
                | F64x2Sqrt
                | F64x2Ceil
                | F64x2Floor
                | F64x2Trunc
                | F64x2Nearest
                | F32x4DemoteF64x2Zero
                | F64x2PromoteLowF32x4
        ),
        _ => false,
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

/// Does an instruction see of its operands no more than whether they are NaNs?
fn is_blind(inst: &Inst) -> bool {
    use BinOp::*;
    use UnOp::*;
    match inst {
        Inst::Bin(op, ..) => matches!(
            op,
            F32Eq
                | F32Ne
                | F32Lt
                | F32Gt
                | F32Le
                | F32Ge
                | F64Eq
                | F64Ne
                | F64Lt
                | F64Gt
                | F64Le
                | F64Ge
                | F32x4Eq
                | F32x4Ne
                | F32x4Lt
                | F32x4Gt
                | F32x4Le
                | F32x4Ge
                | F64x2Eq
                | F64x2Ne
                | F64x2Lt
                | F64x2Gt
                | F64x2Le
                | F64x2Ge
        ),
        Inst::Un(op, _) => matches!(
            op,
            I32TruncSatF32S
                | I32TruncSatF32U
                | I32TruncSatF64S
                | I32TruncSatF64U
                | I64TruncSatF32S
                | I64TruncSatF32U
                | I64TruncSatF64S
                | I64TruncSatF64U
                | I32x4TruncSatF32x4S
                | I32x4TruncSatF32x4U
                | I32x4TruncSatF64x2SZero
                | I32x4TruncSatF64x2UZero
        ),
        _ => false,
    }
}

/// Sizes (`abs`) that are only compared: conversions to integers test their range so.
fn only_compared(func: &Func, order: &[BlockId]) -> Vec<bool> {
    use UnOp::{F32Abs, F32x4Abs, F64Abs, F64x2Abs};
    let mut is = vec![false; func.insts.len()];
    for &block in order {
        for &value in &func.block(block).insts {
            is[value.0 as usize] = matches!(func.inst(value), Inst::Un(F32Abs | F64Abs | F32x4Abs | F64x2Abs, _));
        }
    }
    for &block in order {
        for &user in &func.block(block).insts {
            let inst = func.inst(user);
            if !is_blind(inst) {
                inst.for_each_use(|value| is[value.0 as usize] = false);
            }
        }
        func.block(block)
            .term
            .as_ref()
            .expect("blocks have terminators")
            .for_each_use(|value| is[func.resolve(value).0 as usize] = false);
    }
    is
}
