//! The control flow of a unit made reducible, so that Wasm's structured control can express it.
//!
//! A loop that can be entered in several places (because it holds resume points, or because the guest's code is so) gets a
//! *dispatch* node as its only header: whoever enters sets a label variable first, and the dispatch node goes on by it
//! (DESIGN §4). The label costs a constant on the way in, and a test per iteration, in such loops only. Where little code lies between
//! the additional ways in and the header, that code is there twice instead, and the loop costs nothing.

use std::collections::BTreeSet;

use hoist_x86::ir::{BlockId, Exit, Term};

use crate::graph::{Graph, components};
use crate::unit::Unit;

/// How many IR instructions a loop may have a second time: those of a few lines of C.
const LARGEST_COPY: usize = 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    /// The function's start: goes to the entry that the pc parameter names. Successors are the unit's entries.
    Entry,
    /// Successors are the terminator's edges, or where a call comes back to.
    Block(BlockId),
    /// Goes to the successor that the label variable numbers.
    Dispatch,
    /// What has to be done on edge `edge` of `from` between a multi-way branch and its target.
    Stub { from: BlockId, edge: u32 },
    /// Only sets the label, between a multi-way branch and a dispatch node.
    SetLabel,
}

/// An edge of the flow graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Succ {
    pub to: u32,
    /// The value that the label variable must have on this edge.
    pub label: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Flow {
    pub nodes: Vec<Node>,
    pub succs: Vec<Vec<Succ>>,
    pub entry: u32,
    pub has_dispatch: bool,
}

impl Flow {
    pub fn new(unit: &Unit) -> Flow {
        let order = unit.reachable();
        let mut node_of = vec![u32::MAX; unit.func.blocks.len()];
        let mut nodes = vec![Node::Entry];
        for &block in &order {
            node_of[block.0 as usize] = nodes.len() as u32;
            nodes.push(Node::Block(block));
        }
        let plain = |block: BlockId| Succ { to: node_of[block.0 as usize], label: None };
        let mut succs = vec![unit.entries.iter().map(|entry| plain(entry.block)).collect::<Vec<_>>()];
        for &block in &order {
            let term = unit.func.block(block).term.as_ref().expect("blocks have terminators");
            // Control comes back from a call to an entry block; no value does, so the IR has no edge for it.
            let back = match term {
                Term::Exit(Exit::Call { next, .. } | Exit::Syscall { next }) => unit.entry_at(*next),
                _ => None,
            };
            succs.push(term.edges().map(|edge| edge.to).chain(back).map(plain).collect());
        }
        let mut flow = Flow { nodes, succs, entry: 0, has_dispatch: false };
        let sizes: Vec<usize> =
            std::iter::once(0).chain(order.iter().map(|&block| 1 + unit.func.block(block).insts.len())).collect();
        flow.make_reducible(&sizes);
        flow.add_stubs(unit);
        flow
    }

    pub fn graph(&self) -> Graph {
        Graph { succs: self.succs.iter().map(|list| list.iter().map(|succ| succ.to).collect()).collect() }
    }

    /// `sizes`: instructions of each node that is a block.
    fn make_reducible(&mut self, sizes: &[usize]) {
        // `part[n]`: the region that node n is looked at in; nodes leave it as headers.
        let mut part = vec![0u32; self.nodes.len()];
        let mut regions = vec![((0..self.nodes.len() as u32).collect::<Vec<_>>(), 0u32)];
        let mut next_part = 1;
        while let Some((nodes, id)) = regions.pop() {
            let graph = self.graph();
            for component in components(&graph, &nodes, &part, id) {
                let is_loop = graph.is_loop(&component);
                if !is_loop {
                    continue;
                }
                let inner = next_part;
                next_part += 1;
                for &node in &component {
                    part[node as usize] = inner;
                }
                let header = self.single_header(&graph, &component, &mut part, inner, sizes);
                part[header as usize] = u32::MAX;
                let rest: Vec<u32> = component.into_iter().filter(|&n| n != header).collect();
                if !rest.is_empty() {
                    regions.push((rest, inner));
                }
            }
        }
    }

    /// The header of a loop, after giving it one if it has several.
    fn single_header(&mut self, graph: &Graph, component: &[u32], part: &mut Vec<u32>, id: u32, sizes: &[usize]) -> u32 {
        // Entries, with the number of edges from inside: the one with most is the natural header.
        let mut inside = std::collections::BTreeMap::<u32, usize>::new();
        let mut entered = BTreeSet::new();
        for (from, succs) in graph.succs.iter().enumerate() {
            for &to in succs {
                if part[to as usize] == id {
                    if part[from] == id {
                        *inside.entry(to).or_default() += 1;
                    } else {
                        entered.insert(to);
                    }
                }
            }
        }
        if let [header] = entered.iter().copied().collect::<Vec<_>>()[..] {
            return header;
        }
        let natural = entered.iter().copied().max_by_key(|n| (inside.get(n).copied().unwrap_or(0), u32::MAX - n));
        let Some(natural) = natural else { return component[0] };
        let others: Vec<u32> = entered.iter().copied().filter(|&n| n != natural).collect();
        if let Some(copied) = self.small_way_in(graph, natural, &others, part, id, sizes) {
            self.copy_way_in(&copied, part, id);
            return natural;
        }
        let mut targets = vec![natural];
        targets.extend(others);
        let dispatch = self.nodes.len() as u32;
        for (from, succs) in self.succs.iter_mut().enumerate() {
            let is_inside = part[from] == id;
            for succ in succs {
                match targets.iter().position(|&t| t == succ.to) {
                    // From inside only the way to the natural header goes round the loop: what comes back from a call goes on at once.
                    Some(label) if !is_inside || label == 0 => *succ = Succ { to: dispatch, label: Some(label as u32) },
                    _ => {}
                }
            }
        }
        self.nodes.push(Node::Dispatch);
        self.succs.push(targets.into_iter().map(|to| Succ { to, label: None }).collect());
        part.push(id);
        self.has_dispatch = true;
        dispatch
    }

    /// What lies between the other ways into a loop and its header, if that is little code and no loop.
    fn small_way_in(
        &self,
        graph: &Graph,
        header: u32,
        others: &[u32],
        part: &[u32],
        id: u32,
        sizes: &[usize],
    ) -> Option<Vec<u32>> {
        let mut found = BTreeSet::new();
        let mut work = others.to_vec();
        let mut size = 0;
        while let Some(node) = work.pop() {
            if !found.insert(node) {
                continue;
            }
            size += *sizes.get(node as usize)?;
            if size > LARGEST_COPY {
                return None;
            }
            work.extend(graph.succs[node as usize].iter().filter(|&&to| to != header && part[to as usize] == id));
        }
        let found: Vec<u32> = found.into_iter().collect();
        let mut marked = vec![false; part.len()];
        found.iter().for_each(|&node| marked[node as usize] = true);
        let inside: Vec<u32> = marked.iter().map(|&marked| u32::from(marked)).collect();
        let is_loop = |component: &Vec<u32>| graph.is_loop(component);
        (!components(graph, &found, &inside, 1).iter().any(is_loop)).then_some(found)
    }

    /// Who comes from outside goes to a copy of these nodes, which leads to the header: the same blocks, a second time.
    fn copy_way_in(&mut self, copied: &[u32], part: &mut Vec<u32>, id: u32) {
        let first = self.nodes.len() as u32;
        let copy_of = |node: u32| copied.iter().position(|&n| n == node).map(|i| first + i as u32);
        for (from, succs) in self.succs.iter_mut().enumerate() {
            for succ in succs.iter_mut().filter(|_| part[from] != id) {
                succ.to = copy_of(succ.to).unwrap_or(succ.to);
            }
        }
        for &node in copied {
            self.nodes.push(self.nodes[node as usize]);
            let succs = self.succs[node as usize].iter().map(|succ| Succ { to: copy_of(succ.to).unwrap_or(succ.to), ..*succ });
            self.succs.push(succs.collect());
            part.push(u32::MAX);
        }
    }

    /// Multi-way branches have no place for work on their edges: puts a node there.
    fn add_stubs(&mut self, unit: &Unit) {
        for node in 0..self.nodes.len() {
            let from = match self.nodes[node] {
                Node::Block(block) if matches!(unit.func.block(block).term, Some(Term::Switch { .. })) => Some(block),
                Node::Entry | Node::Dispatch => None,
                _ => continue,
            };
            let edges: Vec<_> = match from {
                Some(block) => unit.func.block(block).term.iter().flat_map(Term::edges).collect(),
                None => Vec::new(),
            };
            let mut made: Vec<(u32, Succ)> = Vec::new();
            for index in 0..self.succs[node].len() {
                let succ = self.succs[node][index];
                let has_args = edges.get(index).is_some_and(|edge| !edge.args.is_empty());
                if !has_args && succ.label.is_none() {
                    continue;
                }
                // Edges alike share a stub.
                let alike = made.iter().find(|(first, other)| {
                    *other == succ && edges.get(index).map(|e| &e.args) == edges.get(*first as usize).map(|e| &e.args)
                });
                let to = match alike {
                    Some(&(first, _)) => self.succs[node][first as usize].to,
                    None => {
                        self.nodes.push(match from {
                            Some(from) => Node::Stub { from, edge: index as u32 },
                            None => Node::SetLabel,
                        });
                        self.succs.push(vec![succ]);
                        made.push((index as u32, succ));
                        self.nodes.len() as u32 - 1
                    }
                };
                self.succs[node][index] = Succ { to, label: None };
            }
        }
    }
}
