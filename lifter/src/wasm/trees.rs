//! Which values become expression trees on Wasm's operand stack, and which need a local.
//!
//! A value used once, in its own block, is computed where it is used if moving it there changes nothing: pure operations
//! always, loads unless something is stored in between, register reads unless a register is written in between.

use hoist_x86::ir::{BlockId, Func, Inst, Term, Type, Value};

use crate::unit::Unit;

/// Position within a block: instruction `i` is at `2 * i + 2`, the start at 0, the terminator behind the last instruction.
pub type Position = u32;

pub struct Trees {
    /// Values that need a local, by value.
    pub in_local: Vec<bool>,
    /// For a value that is part of a tree the position of the tree's root; for others their own.
    pub root: Vec<Position>,
}

/// Position of a block's terminator.
pub fn end_position(func: &Func, block: BlockId) -> Position {
    2 * func.block(block).insts.len() as u32 + 2
}

impl Trees {
    pub fn new(unit: &Unit) -> Trees {
        let func = &unit.func;
        let order = unit.reachable();
        let mut uses = vec![0u32; func.insts.len()];
        let mut user_block = vec![u32::MAX; func.insts.len()];
        // The position of the instruction that uses the value, where there is one only.
        let mut user: Vec<Option<Value>> = vec![None; func.insts.len()];
        for &block in &order {
            let mut count = |value: Value, by: Option<Value>| {
                uses[value.0 as usize] += 1;
                user_block[value.0 as usize] = block.0;
                user[value.0 as usize] = by;
            };
            for &inst in &func.block(block).insts {
                func.inst(inst).for_each_use(|operand| count(operand, Some(inst)));
            }
            let term = func.block(block).term.as_ref().expect("blocks have terminators");
            term.for_each_use(|value| count(value, None));
            // A multi-way branch evaluates its edges' arguments elsewhere.
            if let Term::Switch { .. } = term {
                for edge in term.edges() {
                    for &arg in &edge.args {
                        uses[arg.0 as usize] += 1;
                    }
                }
            }
        }
        let mut trees = Trees { in_local: vec![false; func.insts.len()], root: vec![0; func.insts.len()] };
        for &block in &order {
            for &param in &func.block(block).params {
                trees.in_local[param.0 as usize] = uses[param.0 as usize] > 0;
            }
            trees.block(func, block, &uses, &user_block, &user);
        }
        trees
    }

    fn block(&mut self, func: &Func, block: BlockId, uses: &[u32], user_block: &[u32], user: &[Option<Value>]) {
        let insts = &func.block(block).insts;
        // How many stores and register writes stand before each instruction, and before the terminator.
        let mut epochs = Vec::with_capacity(insts.len() + 1);
        let (mut memory, mut registers) = (0u32, 0u32);
        for &value in insts {
            epochs.push((memory, registers));
            match func.inst(value) {
                Inst::Store { .. } | Inst::Copy { .. } | Inst::Fill { .. } => memory += 1,
                Inst::SetReg(..) => registers += 1,
                inst if inst.has_effect() => {
                    memory += 1;
                    registers += 1;
                }
                _ => {}
            }
        }
        epochs.push((memory, registers));
        let at = |position: Position| epochs[(position / 2 - 1) as usize];
        for (index, &value) in insts.iter().enumerate().rev() {
            let v = value.0 as usize;
            let own = 2 * index as u32 + 2;
            self.root[v] = own;
            let inst = func.inst(value);
            if inst.has_effect() {
                // A helper's result may be wanted too.
                self.in_local[v] = uses[v] > 0;
                continue;
            }
            if is_rematerialised(inst) {
                continue;
            }
            let root = match user[v] {
                Some(by) => self.root[by.0 as usize],
                None => 2 * insts.len() as u32 + 2,
            };
            let may_move = uses[v] == 1
                && user_block[v] == block.0
                && match inst {
                    Inst::Load { .. } => at(own).0 == at(root).0,
                    Inst::GetReg(_) => at(own).1 == at(root).1,
                    _ => true,
                };
            if may_move {
                self.root[v] = root;
            } else {
                self.in_local[v] = uses[v] > 0;
            }
        }
    }
}

/// Constants are written again at every use.
pub fn is_rematerialised(inst: &Inst) -> bool {
    matches!(inst, Inst::I32(_) | Inst::I64(_) | Inst::F32(_) | Inst::F64(_))
}

/// The operands that a use of `value` reads from locals, tree parts followed down to them.
pub fn for_each_local_use(func: &Func, trees: &Trees, value: Value, f: &mut impl FnMut(Value)) {
    if trees.in_local[value.0 as usize] {
        f(value);
    } else {
        func.inst(value).for_each_use(|operand| for_each_local_use(func, trees, operand, f));
    }
}

/// The type of a value that is in a local.
pub fn local_type(func: &Func, value: Value) -> Type {
    func.ty(value).expect("only values are in locals")
}

