//! Scalar floating point that goes round a loop: a vector parameter of which only the low lane changes becomes a scalar parameter.
//!
//! `addsd xmm0, …` in a loop changes lane 0 of xmm0 and keeps lane 1. As a vector, the sum would be put into the lane and taken
//! out of it in every iteration, which is latency on the critical path. Here the parameter's arguments are all `replace(base, lane 0, s)` with
//! one base (or the parameter itself as base); so the parameter is `replace(base, lane 0, q)` with a scalar parameter `q`.

use hoist_x86::ir::{BlockId, Inst, LoadOp, Shape, Term, Value};

use crate::graph::Dominators;
use crate::unit::Unit;

pub fn run(unit: &mut Unit) {
    let order = unit.reachable();
    if !order.iter().any(|&b| unit.func.block(b).params.iter().any(|&p| unit.func.ty(p) == Some(hoist_x86::ir::Type::V128))) {
        return;
    }
    let dominators = Dominators::new(&unit.graph(), unit.root());
    let mut defined_in = vec![u32::MAX; unit.func.insts.len()];
    for &block in &order {
        let data = unit.func.block(block);
        for &value in data.params.iter().chain(&data.insts) {
            defined_in[value.0 as usize] = block.0;
        }
    }
    let mut pass = Scalars { unit, dominators, defined_in };
    for &block in &order {
        let mut index = 0;
        while index < pass.unit.func.block(block).params.len() {
            if !pass.try_param(&order, block, index) {
                index += 1;
            }
        }
    }
}

struct Scalars<'u> {
    unit: &'u mut Unit,
    dominators: Dominators,
    defined_in: Vec<u32>,
}

/// The upper part of a vector whose lane 0 is known.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    /// The parameter's own: unchanged round the loop.
    Itself,
    Zero,
    Value(Value),
}

impl Scalars<'_> {
    fn try_param(&mut self, order: &[BlockId], block: BlockId, index: usize) -> bool {
        let param = self.unit.func.block(block).params[index];
        if *self.unit.func.inst(param) != Inst::Param(hoist_x86::ir::Type::V128) {
            return false;
        }
        let mut args = Vec::new();
        for &from in order {
            for edge in self.unit.func.block(from).term.iter().flat_map(Term::edges) {
                if edge.to == block {
                    args.push(self.unit.func.resolve(edge.args[index]));
                }
            }
        }
        let Some(shape) = args.iter().find_map(|&arg| match *self.unit.func.inst(arg) {
            Inst::Replace { shape: shape @ (Shape::F64x2 | Shape::F32x4), lane: 0, .. } => Some(shape),
            _ => None,
        }) else {
            return false;
        };
        let mut base = Base::Itself;
        for &arg in &args {
            match (self.base_of(param, shape, arg), base) {
                (Base::Itself, _) => {}
                (other, Base::Itself) => base = other,
                (other, same) if other == same => {}
                _ => return false,
            }
        }
        if let Base::Value(value) = base {
            if !self.dominates(value, block) {
                return false;
            }
        }
        if base == Base::Itself {
            return false;
        }
        self.rewrite(order, block, index, shape, base);
        true
    }

    fn base_of(&self, param: Value, shape: Shape, arg: Value) -> Base {
        if arg == param {
            return Base::Itself;
        }
        match *self.unit.func.inst(arg) {
            Inst::Replace { shape: s, lane: 0, vector, .. } if s == shape => {
                let vector = self.unit.func.resolve(vector);
                if vector == param {
                    Base::Itself
                } else if self.is_zero(vector) {
                    Base::Zero
                } else {
                    Base::Value(vector)
                }
            }
            Inst::Load { op: LoadOp::V128Load64Zero, .. } if shape == Shape::F64x2 => Base::Zero,
            Inst::Load { op: LoadOp::V128Load32Zero, .. } if shape == Shape::F32x4 => Base::Zero,
            _ if self.is_zero(arg) => Base::Zero,
            _ => Base::Value(arg),
        }
    }

    fn is_zero(&self, value: Value) -> bool {
        *self.unit.func.inst(value) == Inst::V128(0)
    }

    fn dominates(&self, value: Value, block: BlockId) -> bool {
        let def = self.defined_in[value.0 as usize];
        if def == u32::MAX || def == block.0 {
            return false;
        }
        let mut node = block.0;
        while self.dominators.idom[node as usize] != node {
            node = self.dominators.idom[node as usize];
            if node == def {
                return true;
            }
        }
        false
    }

    fn rewrite(&mut self, order: &[BlockId], block: BlockId, index: usize, shape: Shape, base: Base) {
        let func = &mut self.unit.func;
        let param = func.block(block).params[index];
        let scalar = func.add_inst(Inst::Param(shape.lane()));
        for &from in order {
            let mut term = func.block_mut(from).term.take().expect("blocks have terminators");
            for edge in term.edges_mut().filter(|edge| edge.to == block) {
                let arg = func.resolve(edge.args[index]);
                edge.args[index] = if arg == param {
                    scalar
                } else {
                    let lane = match *func.inst(arg) {
                        Inst::Replace { shape: s, lane: 0, value, .. } if s == shape => Inst::Alias(value),
                        _ => Inst::Extract { shape, lane: 0, vector: arg },
                    };
                    let value = func.add_inst(lane);
                    func.block_mut(from).insts.push(value);
                    value
                };
            }
            func.block_mut(from).term = Some(term);
        }
        let mut head = Vec::new();
        let vector = match base {
            Base::Value(value) => value,
            Base::Zero | Base::Itself => {
                let zero = func.add_inst(Inst::V128(0));
                head.push(zero);
                zero
            }
        };
        func.insts[param.0 as usize] = Inst::Replace { shape, lane: 0, vector, value: scalar };
        head.push(param);
        let data = func.block_mut(block);
        data.params[index] = scalar;
        data.insts.splice(0..0, head);
        self.defined_in.resize(func.insts.len(), u32::MAX);
        self.defined_in[scalar.0 as usize] = block.0;
        self.defined_in[param.0 as usize] = block.0;
    }
}
