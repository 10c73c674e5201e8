//! NaNs with the bits that an x86 processor gives them, on every host.
//!
//! Wasm leaves sign and payload of a NaN result open: on x86-64 hosts it is what SSE gives, the first operand that is a NaN, or the default NaN
//! with its sign set; on ARM64 the default NaN is positive, on RISC-V every NaN is. Arithmetic propagates NaNs, so it is enough to look at a
//! value where it *escapes*: where it is stored, passed on, or read as bits. There it is compared with itself, and if it is a NaN then
//! [`origin`] finds the operand of its block's operations that made it one. Comparisons and conversions to integers ask only whether there is a NaN, so
//! what they use does not escape.
//!
//! It costs nothing to seven tenths in floating-point loops (docs/ARCHITECTURE.md), so functions with such loops have a translation without it
//! for hosts that make x86's NaNs by themselves.
//!
//! The result is `select(v is a NaN, what x86 has, v)`; the Wasm back end computes the choice only where it is wanted. This is the last pass, since
//! to the others `v` and what is selected are different values.

use hoist_x86::ir::{BlockId, Func, Inst, Term, UnOp, Value};

use self::classes::{is_blind, makes_nans, only_compared};
use self::origin::Shape;
use crate::unit::Unit;

mod classes;
mod origin;

/// At most about so many operations are done again for one value.
const MAX_TREE: u32 = 8;
/// A value that several others use is looked at by itself, unless it is so few operations.
const MAX_SHARED: u32 = 1;

/// Makes NaN results of plain floating-point operations those of an x86 processor.
pub fn run(unit: &mut Unit) {
    let order = unit.reachable();
    let Some(mut pass) = Nans::of(unit, &order) else { return };
    for &block in &order {
        pass.check_roots(block);
    }
    for &block in &order {
        pass.use_checked(block);
    }
}

/// Would values be looked at in a loop? Elsewhere it costs nothing that can be measured.
pub fn are_in_loops(unit: &mut Unit) -> bool {
    let (order, in_loop) = (unit.reachable(), unit.blocks_in_loops());
    let Some(pass) = Nans::of(unit, &order) else { return false };
    order.iter().any(|&block| in_loop[block.0 as usize] && pass.has_roots(block))
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
    /// `None` if nothing makes NaNs.
    fn of<'f>(unit: &'f mut Unit, order: &[BlockId]) -> Option<Nans<'f>> {
        let func = &mut unit.func;
        if !order.iter().any(|&block| func.block(block).insts.iter().any(|&value| makes_nans(func.inst(value)))) {
            return None;
        }
        for index in 0..func.insts.len() {
            let mut inst = func.insts[index];
            inst.map_uses(|value| func.resolve(value));
            func.insts[index] = inst;
        }
        Some(Nans::new(func, order))
    }

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

    fn has_roots(&self, block: BlockId) -> bool {
        self.func.block(block).insts.iter().any(|value| self.is_root[value.0 as usize])
    }

    fn check_roots(&mut self, block: BlockId) {
        let insts = std::mem::take(&mut self.func.block_mut(block).insts);
        let mut out = Vec::with_capacity(insts.len());
        for value in insts {
            out.push(value);
            if self.is_root[value.0 as usize] {
                self.checked[value.0 as usize] = self.choose(value, block, &mut out);
            }
        }
        self.func.block_mut(block).insts = out;
    }

    fn add(&mut self, inst: Inst, out: &mut Vec<Value>) -> Value {
        let value = self.func.add_inst(inst);
        out.push(value);
        value
    }

    /// `value`, or what an x86 processor has if it is a NaN or a lane of it is. Whether a scalar is one is asked with "≥", since for
    /// "≠" hosts that are x86 take two branches.
    fn choose(&mut self, value: Value, block: BlockId, out: &mut Vec<Value>) -> Value {
        let shape = Shape::of(self.func.inst(value));
        if shape.is_vector() {
            let differs = self.add(Inst::Bin(shape.ne(), value, value), out);
            let quiet = self.origin(value, block, out);
            let quiet = self.quiet(shape, quiet, out);
            let cond = self.add(Inst::Un(UnOp::V128AnyTrue, differs), out);
            let lanes = self.add(Inst::Bitselect { a: quiet, b: value, mask: differs }, out);
            return self.add(Inst::Select { cond, yes: lanes, no: value }, out);
        }
        let ordered = self.add(Inst::Bin(shape.ge(), value, value), out);
        let cond = self.add(Inst::Un(UnOp::I32Eqz, ordered), out);
        let nan = self.origin(value, block, out);
        let quiet = self.quiet(shape, nan, out);
        self.add(Inst::Select { cond, yes: quiet, no: value }, out)
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
