//! Registers that are written back to their globals early: in functions with an exit that is hardly ever taken and wants them all.
//!
//! A jump through a table becomes a switch whose default leaves the function with the guest's whole state: the table may be longer than we
//! know. In an interpreter's loop that would carry every scratch register and every flag from each opcode's code to the switch and on to
//! the next, though no code there reads them, and the values that matter would be spilled for them. So in such a function what no instruction
//! reads any more, but an exit wants, is written to its global where it is made. And what such a loop never writes is written before it, and
//! read from the global wherever it is needed: there are more registers in an interpreter's loop than the host has.

use std::collections::{BTreeMap, BTreeSet};

use hoist_x86::ir::{BlockId, Exit, Inst, Target, Term};

use crate::graph::components;
use crate::ssa::{RegSet, reg_set, status_flags};
use crate::unit::Unit;

/// What is written early.
pub struct Early {
    /// By block: registers to be written at its end.
    pub at_end: Vec<RegSet>,
    /// By block: registers that its exit, if it is one, must leave in their globals.
    pub wanted: Vec<RegSet>,
    /// By block: registers that are in their globals when it begins, and need not be carried to it.
    pub in_global: Vec<RegSet>,
}

impl Early {
    /// `wanted` says which registers an exit must leave in their globals. May split edges of `unit`.
    pub fn new(unit: &mut Unit, wanted: impl Fn(&Exit) -> RegSet) -> Early {
        let order = unit.reachable();
        let func = &unit.func;
        let status = status_flags();
        let none = vec![0; func.blocks.len()];
        let mut early = Early { at_end: none.clone(), wanted: none.clone(), in_global: none };
        let cold = cold_exits(unit, &order);
        for &block in &order {
            match &func.block(block).term {
                // A handler of #DE finds flags that are older.
                Some(Term::Exit(exit @ Exit::Exception { .. })) if !cold.is_empty() => {
                    early.wanted[block.0 as usize] = wanted(exit) & !status
                }
                Some(Term::Exit(exit)) => early.wanted[block.0 as usize] = wanted(exit),
                _ => {}
            }
        }
        if cold.is_empty() {
            return early;
        }
        // What calls want counts as little: arguments are made right before a call, the rest is what a callee that we do not know might read.
        let mut read = live_at_start(unit, &order, &vec![0; func.blocks.len()]);
        let full = live_at_start(unit, &order, &early.wanted);
        // The exit itself writes what the switch has in locals anyway, for its known targets.
        for exit in cold {
            read[exit.0 as usize] = full[exit.0 as usize];
        }
        let loops = loops(unit, &order);
        for one in &loops {
            for &block in &one.blocks {
                early.in_global[block as usize] |= !one.writes;
            }
        }
        // What is to be written on the way from one block to another, if it was changed.
        let due = |from: BlockId, to: BlockId| {
            let entered = loops.iter().filter(|one| one.blocks.contains(&to.0) && !one.blocks.contains(&from.0));
            let kept = entered.fold(0, |set, one| set | !one.writes);
            full[to.0 as usize] & (kept | !read[to.0 as usize])
        };
        early.place(unit, &order, &read, due);
        early
    }

    /// A register is written on the way to a block that leads to no reader of it, but to an exit that wants it, and on the way into a loop that
    /// does not write it, if some path has changed it since it was last written.
    fn place(&mut self, unit: &mut Unit, order: &[BlockId], read: &[RegSet], due: impl Fn(BlockId, BlockId) -> RegSet) {
        let changed = changed_at_end(unit, order, &due);
        for &block in order {
            let mut term = unit.func.block_mut(block).term.take().expect("blocks have terminators");
            let read_later = term.edges().fold(0, |set, edge| set | read[edge.to.0 as usize]);
            let mut split = BTreeMap::<u32, BlockId>::new();
            for edge in term.edges_mut() {
                let written = changed[block.0 as usize] & due(block, edge.to);
                self.at_end[block.0 as usize] |= written & !read_later;
                // Other ways on from here read it: written on this way only.
                let here = written & read_later;
                if here == 0 {
                    continue;
                }
                if !edge.args.is_empty() {
                    self.at_end[block.0 as usize] |= here;
                    continue;
                }
                let between = *split.entry(edge.to.0).or_insert_with(|| {
                    let between = unit.func.add_block(unit.func.block(edge.to).pc);
                    unit.func.block_mut(between).term = Some(Term::Jump(edge.to.into()));
                    self.at_end.push(here);
                    self.wanted.push(0);
                    self.in_global.push(0);
                    between
                });
                edge.to = between;
            }
            unit.func.block_mut(block).term = Some(term);
        }
    }
}

/// Registers that some path to the end of each block has changed since they were last written to their globals.
fn changed_at_end(unit: &Unit, order: &[BlockId], due: &impl Fn(BlockId, BlockId) -> RegSet) -> Vec<RegSet> {
    let mut at_start: Vec<RegSet> = vec![0; unit.func.blocks.len()];
    let mut at_end = vec![0; unit.func.blocks.len()];
    let mut work = true;
    while work {
        work = false;
        for &block in order {
            let changed = at_start[block.0 as usize] | writes(unit, block);
            at_end[block.0 as usize] = changed;
            for edge in unit.func.block(block).term.iter().flat_map(Term::edges) {
                let to = edge.to.0 as usize;
                let changed = changed & !due(block, edge.to);
                work |= changed & !at_start[to] != 0;
                at_start[to] |= changed;
            }
        }
    }
    at_end
}

/// A loop, resume points and calls taken for a part of it.
struct Loop {
    blocks: BTreeSet<u32>,
    /// Registers that it writes.
    writes: RegSet,
}

/// The loops around switches, at most two within each other: in an interpreter those of a call and of an instruction.
fn loops(unit: &Unit, order: &[BlockId]) -> Vec<Loop> {
    const DEPTH: usize = 2;
    let mut graph = unit.graph();
    for &block in order {
        if let Some(Term::Exit(Exit::Call { next, .. } | Exit::Syscall { next })) = unit.func.block(block).term {
            graph.succs[block.0 as usize].extend(unit.entry_at(next).map(|block| block.0));
        }
    }
    let mut found = Vec::new();
    let mut part = vec![0; graph.len()];
    let mut regions = vec![(order.iter().map(|block| block.0).collect::<Vec<_>>(), 0, 0)];
    while let Some((nodes, id, depth)) = regions.pop() {
        for component in components(&graph, &nodes, &part, id) {
            let has_switch = |&node: &u32| matches!(unit.func.block(BlockId(node)).term, Some(Term::Switch { .. }));
            if component.len() < 2 || !component.iter().any(has_switch) {
                continue;
            }
            let inner = found.len() as u32 + 1;
            component.iter().for_each(|&node| part[node as usize] = inner);
            let writes = component.iter().fold(0, |set, &node| set | writes(unit, BlockId(node)));
            if depth + 1 < DEPTH {
                // Without the block that the outer loop goes back to, the inner ones show.
                let header = component.iter().copied().min_by_key(|&node| order.iter().position(|block| block.0 == node));
                header.into_iter().for_each(|header| part[header as usize] = u32::MAX);
                let rest = component.iter().copied().filter(|&node| Some(node) != header).collect();
                regions.push((rest, inner, depth + 1));
            }
            found.push(Loop { blocks: component.into_iter().collect(), writes });
        }
    }
    found
}

/// Blocks that are a switch's default and leave the function.
fn cold_exits(unit: &Unit, order: &[BlockId]) -> Vec<BlockId> {
    let exit = |&switch: &BlockId| match &unit.func.block(switch).term {
        Some(Term::Switch { default, .. }) => {
            let leaves = matches!(unit.func.block(default.to).term, Some(Term::Exit(Exit::Jump(Target::Value(_)))));
            leaves.then_some(default.to)
        }
        _ => None,
    };
    order.iter().filter_map(exit).collect()
}

fn writes(unit: &Unit, block: BlockId) -> RegSet {
    let insts = unit.func.block(block).insts.iter();
    reg_set(insts.filter_map(|&value| match *unit.func.inst(value) {
        Inst::SetReg(reg, _) => Some(reg),
        _ => None,
    }))
}

/// Registers that are read from the start of each block on, or wanted by an exit that it reaches.
fn live_at_start(unit: &Unit, order: &[BlockId], wanted: &[RegSet]) -> Vec<RegSet> {
    let func = &unit.func;
    // `xor x, x` reads nothing.
    let mut is_used = vec![false; func.insts.len()];
    for &block in order {
        let data = func.block(block);
        data.insts.iter().for_each(|&value| func.inst(value).for_each_use(|operand| is_used[operand.0 as usize] = true));
        data.term.iter().for_each(|term| term.for_each_use(|operand| is_used[operand.0 as usize] = true));
    }
    let mut live = vec![0; func.blocks.len()];
    let mut work = true;
    while work {
        work = false;
        for &block in order.iter().rev() {
            let data = func.block(block);
            let mut now = wanted[block.0 as usize];
            now |= data.term.iter().flat_map(Term::edges).fold(0, |set, edge| set | live[edge.to.0 as usize]);
            for &value in data.insts.iter().rev() {
                match *func.inst(value) {
                    Inst::SetReg(reg, _) => now &= !(1 << reg.index()),
                    Inst::GetReg(reg) if is_used[value.0 as usize] => now |= 1 << reg.index(),
                    _ => {}
                }
            }
            work |= now != live[block.0 as usize];
            live[block.0 as usize] = now;
        }
    }
    live
}
