//! One guest function on its way from IR to Wasm.

use hoist_x86::builder::Floats;
use hoist_x86::ir::{BlockId, Func, Value};

use crate::graph::{Graph, components};

/// A function's IR with its entries. Blocks that nothing reaches from them are dead and ignored by every pass.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Guest address of the function's entry.
    pub entry_pc: u32,
    pub name: String,
    pub func: Func,
    /// Where the function can be entered: first the entry, then the resume points in the order of their
    /// addresses. No edge leads to an entry block: the guest's registers are in their globals there.
    pub entries: Vec<Entry>,
    /// How floating point is translated.
    pub floats: Floats,
    /// Who does the function's work while [`hoist_x86::reg::Reg::EXACT`] is larger than the number of `floats`.
    pub twin: Twin,
    /// The first value that each instruction was translated to, in ascending order, with the instruction's address; behind the last one 0.
    pub begins: Vec<(u32, u32)>,
}

/// Who does a function's work where its own translation of floating point does not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Twin {
    /// Nobody: it has no floating point.
    #[default]
    Unneeded,
    /// The function with this index: the next translation of the same code.
    Is(u32),
    /// The interpreter, as no translation raises exceptions.
    Interpreter,
}

/// A way into a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub pc: u32,
    pub block: BlockId,
}

impl Unit {
    /// The control-flow graph; node `n` is block `n`, and one more node, the last, leads to all entries.
    pub fn graph(&self) -> Graph {
        let mut succs: Vec<Vec<u32>> = self
            .func
            .blocks
            .iter()
            .map(|block| block.term.iter().flat_map(|term| term.edges()).map(|edge| edge.to.0).collect())
            .collect();
        succs.push(self.entries.iter().map(|entry| entry.block.0).collect());
        Graph { succs }
    }

    /// The entry block at a guest address.
    pub fn entry_at(&self, pc: u32) -> Option<BlockId> {
        let (first, rest) = self.entries.split_first()?;
        if first.pc == pc {
            return Some(first.block);
        }
        rest.binary_search_by_key(&pc, |entry| entry.pc).ok().map(|i| rest[i].block)
    }

    /// The address of the instruction that a value was translated from; `None` for what passes have added.
    pub fn instruction_of(&self, value: Value) -> Option<u32> {
        let after = self.begins.partition_point(|&(first, _)| first <= value.0);
        Some(self.begins[after.checked_sub(1)?].1).filter(|&pc| pc != 0)
    }

    /// Which blocks lie on a cycle.
    pub fn blocks_in_loops(&self) -> Vec<bool> {
        let graph = self.graph();
        let nodes: Vec<u32> = (0..self.root()).collect();
        let mut in_loop = vec![false; nodes.len()];
        for component in components(&graph, &nodes, &vec![0; graph.len()], 0) {
            if graph.is_loop(&component) {
                for node in component {
                    in_loop[node as usize] = true;
                }
            }
        }
        in_loop
    }

    /// The number of [`Unit::graph`]'s extra node.
    pub fn root(&self) -> u32 {
        self.func.blocks.len() as u32
    }

    /// Blocks that the entries reach, in reverse postorder.
    pub fn reachable(&self) -> Vec<BlockId> {
        self.graph().reverse_postorder(self.root()).into_iter().filter(|&n| n != self.root()).map(BlockId).collect()
    }
}
