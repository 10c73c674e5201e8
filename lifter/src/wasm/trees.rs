//! Which values become expression trees on Wasm's operand stack, and which need a local.
//!
//! A value used once, in its own block, is computed where it is used if moving it there changes nothing: pure operations
//! always, loads unless something is stored in between, register reads unless a register is written in between. Most registers are
//! written before exits only, so a read of those may even move to another block, as long as that is not in a loop.

use hoist_x86::ir::{BlockId, Func, Inst, Term, Type, Value};

use crate::ssa::{RegSet, reg_set};
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
        let uses = Uses {
            count: uses,
            block: user_block,
            by: user,
            in_loop: unit.blocks_in_loops(),
            written_early: written_early(func, &order),
        };
        for &block in &order {
            for &param in &func.block(block).params {
                trees.in_local[param.0 as usize] = uses.count[param.0 as usize] > 0;
            }
            trees.block(func, block, &uses);
        }
        trees
    }

    fn block(&mut self, func: &Func, block: BlockId, uses: &Uses) {
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
                self.in_local[v] = uses.count[v] > 0 && !matches!(inst, Inst::Round);
                continue;
            }
            if is_rematerialised(inst) {
                continue;
            }
            if uses.may_sink(func, value, block) {
                self.root[v] = ELSEWHERE;
                continue;
            }
            let root = match uses.by[v] {
                Some(by) => self.root[by.0 as usize],
                None => 2 * insts.len() as u32 + 2,
            };
            let may_move = uses.count[v] == 1
                && uses.block[v] == block.0
                && match inst {
                    Inst::Load { .. } => root != ELSEWHERE && at(own).0 == at(root).0,
                    Inst::GetReg(_) => root != ELSEWHERE && at(own).1 == at(root).1,
                    _ => true,
                };
            if may_move {
                self.root[v] = root;
            } else {
                self.in_local[v] = uses.count[v] > 0;
            }
        }
    }
}

/// Root position of a tree that is computed in another block.
const ELSEWHERE: Position = Position::MAX;

/// Who uses each value.
struct Uses {
    count: Vec<u32>,
    /// The block of the last use found.
    block: Vec<u32>,
    /// The instruction of the last use found; `None` for a terminator.
    by: Vec<Option<Value>>,
    in_loop: Vec<bool>,
    /// Registers that are written elsewhere than right before an exit.
    written_early: RegSet,
}

impl Uses {
    /// May the value be computed in the other block that alone uses it? A register read at the head of a function is
    /// often needed on one path only (saving what the callee must); what a loop computes for the code behind it need not be computed in
    /// each iteration.
    fn may_sink(&self, func: &Func, value: Value, from: BlockId) -> bool {
        let v = value.0 as usize;
        if self.count[v] != 1 || self.block[v] == from.0 || self.in_loop[self.block[v] as usize] {
            return false;
        }
        match func.inst(value) {
            Inst::GetReg(reg) if self.written_early & 1 << reg.index() != 0 => false,
            Inst::GetReg(_) => is_before_register_writes(func, BlockId(self.block[v]), self.by[v]),
            Inst::Load { .. } => false,
            _ => self.in_loop[from.0 as usize],
        }
    }
}

fn written_early(func: &Func, order: &[BlockId]) -> RegSet {
    let blocks = order.iter().filter(|&&block| !matches!(func.block(block).term, Some(Term::Exit(_))));
    reg_set(blocks.flat_map(|&block| &func.block(block).insts).filter_map(|&inst| match *func.inst(inst) {
        Inst::SetReg(reg, _) => Some(reg),
        _ => None,
    }))
}

/// Is the user a store before the first register write of its block? Then whatever it reads is read in time.
fn is_before_register_writes(func: &Func, block: BlockId, user: Option<Value>) -> bool {
    let insts = &func.block(block).insts;
    let before = insts.iter().take_while(|&&inst| !matches!(func.inst(inst), Inst::SetReg(..)));
    before.into_iter().any(|&inst| Some(inst) == user && matches!(func.inst(inst), Inst::Store { .. }))
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
