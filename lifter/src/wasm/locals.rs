//! Wasm locals for values: a linear scan over live ranges (Poletto and Sarkar, 1999), with the hint that a
//! parameter and its argument would best share one local, so that nothing is moved on the edge.

use hoist_x86::ir::{BlockId, Term, Type, Value};

use super::flow::{Flow, Node};
use super::trees::{self, Trees};
use crate::graph::Dominators;
use crate::unit::Unit;

/// The function's own locals, before those of values: `$pc`, `$room`.
pub const PC: u32 = 0;
pub const ROOM: u32 = 1;
/// i32 scratch: results of calls, targets of jumps, and the label of dispatch nodes (never two of them at once).
pub const SCRATCH: u32 = 2;
pub const LABEL: u32 = 3;
const FIRST: u32 = 4;

const TYPES: [Type; 5] = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128];

pub struct Locals {
    /// Wasm local of each value that has one; `u32::MAX` for others.
    pub of: Vec<u32>,
    /// Declarations behind the parameters: how many of which type.
    pub declared: Vec<(u32, Type)>,
}

impl Locals {
    /// Bytes of machine stack that an activation may take, on the safe side: what deep recursion is measured with.
    pub fn frame_estimate(&self) -> u32 {
        let slots: u32 = self.declared.iter().map(|&(n, ty)| if ty == Type::V128 { 16 * n } else { 8 * n }).sum();
        96 + slots
    }

    pub fn new(unit: &Unit, trees: &Trees, flow: &Flow, dominators: &Dominators) -> Locals {
        let ranges = Ranges::new(unit, trees, flow, dominators);
        let func = &unit.func;
        let mut order: Vec<Value> =
            (0..func.insts.len() as u32).map(Value).filter(|v| ranges.start[v.0 as usize] != u32::MAX).collect();
        order.sort_by_key(|v| (ranges.start[v.0 as usize], v.0));
        let hints = hints(unit);
        // Per type: until when each local is taken; values: index within the type.
        let mut taken: [Vec<u32>; TYPES.len()] = Default::default();
        let mut index_of = vec![u32::MAX; func.insts.len()];
        for value in order {
            let v = value.0 as usize;
            let (start, end) = (ranges.start[v], ranges.end[v]);
            let list = &mut taken[trees::local_type(func, value) as usize];
            let hinted = hints
                .get(&value)
                .into_iter()
                .flatten()
                .map(|h| index_of[h.0 as usize])
                .find(|&i| i != u32::MAX && list[i as usize] <= start);
            let index = hinted.or_else(|| list.iter().position(|&until| until <= start).map(|i| i as u32));
            let index = index.unwrap_or_else(|| {
                list.push(0);
                list.len() as u32 - 1
            });
            list[index as usize] = end;
            index_of[v] = index;
        }
        let mut first = [0; TYPES.len()];
        let mut next = FIRST;
        let mut declared = vec![(FIRST - SCRATCH, Type::I32)];
        for (i, list) in taken.iter().enumerate() {
            first[i] = next;
            next += list.len() as u32;
            if !list.is_empty() {
                declared.push((list.len() as u32, TYPES[i]));
            }
        }
        let of = index_of
            .iter()
            .enumerate()
            .map(|(v, &index)| match index {
                u32::MAX => u32::MAX,
                index => first[trees::local_type(func, Value(v as u32)) as usize] + index,
            })
            .collect();
        Locals { of, declared }
    }
}

/// Parameters ↔ arguments.
fn hints(unit: &Unit) -> rustc_hash::FxHashMap<Value, Vec<Value>> {
    let mut hints = rustc_hash::FxHashMap::<Value, Vec<Value>>::default();
    for block in unit.reachable() {
        for edge in unit.func.block(block).term.iter().flat_map(Term::edges) {
            for (&param, &arg) in unit.func.block(edge.to).params.iter().zip(&edge.args) {
                hints.entry(param).or_default().push(arg);
                hints.entry(arg).or_default().push(param);
            }
        }
    }
    hints
}

/// The hull of each value's live range over the flow's nodes in reverse postorder, half open.
struct Ranges {
    start: Vec<u32>,
    end: Vec<u32>,
}

impl Ranges {
    fn new(unit: &Unit, trees: &Trees, flow: &Flow, dominators: &Dominators) -> Ranges {
        let func = &unit.func;
        let preds = flow.graph().preds();
        // Every node has a span of positions.
        let mut base = vec![0u32; flow.nodes.len()];
        let mut span_end = vec![0u32; flow.nodes.len()];
        let mut next = 0;
        for &node in &dominators.order {
            base[node as usize] = next;
            next += match flow.nodes[node as usize] {
                Node::Block(block) => trees::end_position(func, block) + 2,
                _ => 2,
            };
            span_end[node as usize] = next;
        }
        let mut def_block = vec![None; func.insts.len()];
        let mut ranges = Ranges { start: vec![u32::MAX; func.insts.len()], end: vec![0; func.insts.len()] };
        for &node in &dominators.order {
            let Node::Block(block) = flow.nodes[node as usize] else { continue };
            for &param in &func.block(block).params {
                if trees.in_local[param.0 as usize] {
                    def_block[param.0 as usize] = Some(block);
                    ranges.define(param, base[node as usize]);
                }
            }
            for (i, &value) in func.block(block).insts.iter().enumerate() {
                if trees.in_local[value.0 as usize] {
                    def_block[value.0 as usize] = Some(block);
                    ranges.define(value, base[node as usize] + 2 * i as u32 + 2);
                }
            }
        }
        let mut search = Search {
            preds: &preds,
            base: &base,
            span_end: &span_end,
            def_block: &def_block,
            nodes: &flow.nodes,
            seen: vec![u32::MAX; flow.nodes.len()],
            uses: Vec::new(),
        };
        for &node in &dominators.order {
            let start = base[node as usize];
            match flow.nodes[node as usize] {
                Node::Block(block) => {
                    let end = start + trees::end_position(func, block);
                    for (i, &inst) in func.block(block).insts.iter().enumerate() {
                        if !trees.in_local[inst.0 as usize] && !func.inst(inst).has_effect() {
                            continue;
                        }
                        let at = start + 2 * i as u32 + 2;
                        func.inst(inst).for_each_use(|operand| {
                            trees::for_each_local_use(func, trees, operand, &mut |v| search.uses.push((v, node, at)));
                        });
                    }
                    let term = func.block(block).term.as_ref().expect("blocks have terminators");
                    let mut all = Vec::new();
                    term.for_each_use(|v| all.push(v));
                    if let Term::Switch { .. } = term {
                        // The arguments come last and are used in the stubs.
                        all.truncate(all.len() - term.edges().map(|edge| edge.args.len()).sum::<usize>());
                    }
                    for value in all {
                        trees::for_each_local_use(func, trees, value, &mut |v| search.uses.push((v, node, end)));
                    }
                }
                Node::Stub { from, edge } => {
                    let term = func.block(from).term.as_ref().expect("blocks have terminators");
                    let edge = term.edges().nth(edge as usize).expect("the stub's edge exists");
                    for &arg in &edge.args {
                        trees::for_each_local_use(func, trees, arg, &mut |v| search.uses.push((v, node, start)));
                    }
                }
                Node::Entry | Node::Dispatch | Node::SetLabel => {}
            }
        }
        let mut uses = std::mem::take(&mut search.uses);
        uses.sort_unstable();
        let mut i = 0;
        while i < uses.len() {
            let value = uses[i].0;
            let mut j = i;
            while j < uses.len() && uses[j].0 == value {
                j += 1;
            }
            search.extend(&mut ranges, value, &uses[i..j]);
            i = j;
        }
        ranges
    }

    fn define(&mut self, value: Value, at: u32) {
        self.start[value.0 as usize] = self.start[value.0 as usize].min(at);
        self.end[value.0 as usize] = self.end[value.0 as usize].max(at + 1);
    }
}

struct Search<'a> {
    preds: &'a [Vec<u32>],
    base: &'a [u32],
    span_end: &'a [u32],
    /// A block, not a node: some blocks are there twice.
    def_block: &'a [Option<BlockId>],
    nodes: &'a [Node],
    /// The value for which a node was last found live at its start.
    seen: Vec<u32>,
    uses: Vec<(Value, u32, u32)>,
}

impl Search<'_> {
    /// Walks from the uses of one value up to its definition.
    fn extend(&mut self, ranges: &mut Ranges, value: Value, uses: &[(Value, u32, u32)]) {
        let v = value.0 as usize;
        let def = self.def_block[v];
        debug_assert!(def.is_some(), "use of a value without definition");
        let defines = |node: u32| matches!(self.nodes[node as usize], Node::Block(block) if Some(block) == def);
        let (mut low, mut high) = (ranges.start[v], ranges.end[v]);
        let mut work = Vec::new();
        for &(_, node, at) in uses {
            high = high.max(at);
            if !defines(node) {
                work.push(node);
            }
        }
        while let Some(node) = work.pop() {
            // Live at the node's start.
            if std::mem::replace(&mut self.seen[node as usize], value.0) == value.0 {
                continue;
            }
            low = low.min(self.base[node as usize]);
            for &pred in &self.preds[node as usize] {
                high = high.max(self.span_end[pred as usize]);
                if !defines(pred) {
                    work.push(pred);
                } else {
                    low = low.min(ranges.start[v]);
                }
            }
        }
        ranges.start[v] = low;
        ranges.end[v] = high;
    }
}
