//! Where loops count their rounds, so that a task that spins does not keep others from running.
//!
//! Every cycle of a function's control flow has a place that counts rounds ([`Inst::Round`]), unless it makes a system call or ends
//! by itself. In a loop that calls, that is where one of its calls comes back: all registers are in their globals there, and the function can be
//! entered there again. In a loop without calls it is the way back to the loop's header, which is made a way into the function. Whoever has
//! made all rounds leaves there, with all callers, so that the dispatcher comes to the task.
//!
//! A loop ends if each round moves a register, by which it leaves in the end or comes to the end of memory. Such loops without calls
//! have no place, however many are within each other: they do not spin, and a way into a nest costs what the optimiser knows about it (a
//! product of matrices took 1.35 times as long).

use std::collections::{BTreeMap, BTreeSet};

use hoist_x86::iced_x86::Register;
use hoist_x86::ir::{BinOp, BlockId, Edge, Exit, Func, Inst, Term, UnOp};
use hoist_x86::reg::Reg;

use crate::discover::Function;
use crate::elf::Elf;
use crate::graph::{Graph, components};
use crate::unit::Unit;
use motion::{Facts, Motion};

mod motion;

/// In a loop that ends, and calls, one round in 16 is counted, as the loop's own counter tells: counting each makes a chain of loads and stores
/// that the calls of a recursion have to wait for.
#[derive(Clone, Copy, Debug)]
struct Sample {
    counter: Reg,
    /// Bits of the counter, and what they must be. (Not all 0 or all 1, as those of counters at a loop's end often are.)
    mask: i32,
    value: i32,
}

impl Sample {
    fn new((counter, power): (Register, u32)) -> Sample {
        Sample { counter: Reg::gpr(counter.number() as u8), mask: 0b1111 << power, value: 0b1010 << power }
    }
}

/// The places of one function.
#[derive(Default, Debug)]
pub struct Turns {
    /// Return points of calls.
    after_calls: BTreeMap<u32, Option<Sample>>,
    /// Headers of loops, each with the blocks that go back to it.
    headers: Vec<(BlockId, Vec<u32>)>,
    /// Headers at which the function can be entered.
    pub entries: BTreeSet<u32>,
}

impl Turns {
    /// `labels`: the IR's blocks that begin where blocks of the function do.
    pub fn new(elf: &Elf<'_>, function: &Function, func: &Func, labels: &BTreeMap<u32, BlockId>) -> Turns {
        let mut succs: Vec<Vec<u32>> = Vec::with_capacity(func.blocks.len());
        for block in &func.blocks {
            let mut to: Vec<u32> = block.term.iter().flat_map(Term::edges).map(|edge| edge.to.0).collect();
            if let Some(Term::Exit(Exit::Call { next, .. } | Exit::Syscall { next })) = block.term {
                to.extend(labels.get(&next).filter(|_| function.returns.contains(&next)).map(|block| block.0));
            }
            succs.push(to);
        }
        let pcs = labels.iter().map(|(&pc, &block)| (block.0, pc)).collect();
        let mut search = Search {
            elf,
            function,
            func,
            pcs,
            graph: Graph { succs },
            part: vec![0; func.blocks.len()],
            regions: 0,
            turns: Turns::default(),
        };
        search.function();
        search.turns
    }

    /// Counts on the ways back to headers. To be called before entry blocks are made.
    pub fn count_rounds(&self, func: &mut Func) {
        for (header, latches) in &self.headers {
            let pc = func.block(*header).pc;
            let check = add_check(func, pc, *header);
            for &latch in latches {
                let mut term = func.block_mut(BlockId(latch)).term.take();
                term.iter_mut().flat_map(Term::edges_mut).filter(|edge| edge.to == *header).for_each(|edge| edge.to = check);
                func.block_mut(BlockId(latch)).term = term;
            }
        }
    }

    /// Counts behind calls, at the function's entries there.
    pub fn count_calls(&self, unit: &mut Unit) {
        for index in 1..unit.entries.len() {
            let entry = unit.entries[index];
            if let Some(sample) = self.after_calls.get(&entry.pc) {
                let check = add_check(&mut unit.func, entry.pc, entry.block);
                unit.entries[index].block = match sample {
                    Some(sample) => add_sample(&mut unit.func, entry.pc, sample, check, entry.block),
                    None => check,
                };
            }
        }
    }
}

/// A block that goes to `check` when the counter has come to the sample, else to `to`.
fn add_sample(func: &mut Func, at: u32, sample: &Sample, check: BlockId, to: BlockId) -> BlockId {
    let block = func.add_block(at);
    let counter = func.add_inst(Inst::GetReg(sample.counter));
    let low = func.add_inst(Inst::Un(UnOp::I32WrapI64, counter));
    let mask = func.add_inst(Inst::I32(sample.mask));
    let bits = func.add_inst(Inst::Bin(BinOp::I32And, low, mask));
    let value = func.add_inst(Inst::I32(sample.value));
    let cond = func.add_inst(Inst::Bin(BinOp::I32Eq, bits, value));
    let data = func.block_mut(block);
    data.insts = vec![counter, low, mask, bits, value, cond];
    data.term = Some(Term::Branch { cond, yes: Edge::from(check), no: Edge::from(to) });
    block
}

/// A block that counts a round and goes to `to`, which is at the address `at`.
fn add_check(func: &mut Func, at: u32, to: BlockId) -> BlockId {
    let [check, leave] = [(); 2].map(|()| func.add_block(at));
    let cond = func.add_inst(Inst::Round);
    let block = func.block_mut(check);
    block.insts = vec![cond];
    block.term = Some(Term::Branch { cond, yes: Edge::from(to), no: Edge::from(leave) });
    func.block_mut(leave).term = Some(Term::Exit(Exit::Leave { at }));
    check
}

struct Search<'a> {
    elf: &'a Elf<'a>,
    function: &'a Function,
    func: &'a Func,
    /// The address of each block that is one of the function's.
    pcs: BTreeMap<u32, u32>,
    graph: Graph,
    /// The region that each block is looked at in; `u32::MAX` for those that are done.
    part: Vec<u32>,
    regions: u32,
    turns: Turns,
}

impl Search<'_> {
    /// Gives each loop that needs one its place.
    fn function(&mut self) {
        let mut regions = vec![((0..self.part.len() as u32).collect::<Vec<_>>(), 0)];
        while let Some((blocks, id)) = regions.pop() {
            for component in self.loops(&blocks, id) {
                let id = self.enclose(&component);
                let done = match self.call_in(&component, id) {
                    Some(call) => Some(call),
                    None => self.without_calls(&component, id),
                };
                if let Some(done) = done {
                    self.part[done as usize] = u32::MAX;
                    regions.push((component.into_iter().filter(|&block| block != done).collect(), id));
                }
            }
        }
    }

    /// Makes a loop a region of its own.
    fn enclose(&mut self, component: &[u32]) -> u32 {
        self.regions += 1;
        component.iter().for_each(|&block| self.part[block as usize] = self.regions);
        self.regions
    }

    /// The loops of machine code in a region: REP's are within one block of the function.
    fn loops(&self, blocks: &[u32], id: u32) -> Vec<Vec<u32>> {
        let mut found = components(&self.graph, blocks, &self.part, id);
        found.retain(|component| self.graph.is_loop(component) && component.iter().any(|block| self.pcs.contains_key(block)));
        found
    }

    /// A block of the loop that ends in a call that comes back into it. The place is there; a system call is one by itself.
    fn call_in(&mut self, component: &[u32], id: u32) -> Option<u32> {
        let mut call = None;
        for &block in component {
            let comes_back = self.graph.succs[block as usize].iter().any(|&to| self.part[to as usize] == id);
            match self.func.block(BlockId(block)).term {
                Some(Term::Exit(Exit::Syscall { .. })) if comes_back => return Some(block),
                Some(Term::Exit(Exit::Call { next, .. })) if comes_back => call = call.or(Some((block, next))),
                _ => {}
            }
        }
        let (block, next) = call?;
        let sample = self.motion(component, id).stepping(|moving| {
            let left: Vec<u32> = component.iter().copied().filter(|block| !moving.contains(block)).collect();
            moving.iter().for_each(|&block| self.part[block as usize] = u32::MAX);
            let goes_on = self.loops(&left, id).iter().any(|inner| inner.contains(&block));
            moving.iter().for_each(|&block| self.part[block as usize] = id);
            !goes_on
        });
        self.turns.after_calls.insert(next, sample.map(Sample::new));
        Some(block)
    }

    /// The header of a loop without calls, after giving it a place, unless the loop ends.
    fn without_calls(&mut self, component: &[u32], id: u32) -> Option<u32> {
        let ends = self.ends(component, id);
        component.iter().for_each(|&block| self.part[block as usize] = id);
        if ends {
            return None;
        }
        let header = self.header(component, id);
        let goes_back = |&block: &u32| self.graph.succs[block as usize].contains(&header);
        self.turns.headers.push((BlockId(header), component.iter().copied().filter(goes_back).collect()));
        self.turns.entries.extend(self.pcs.get(&header));
        Some(header)
    }

    /// The block that most ways back lead to, of those that are entered from outside.
    fn header(&self, component: &[u32], id: u32) -> u32 {
        let mut back = BTreeMap::<u32, usize>::new();
        let mut entered = BTreeSet::new();
        for (from, succs) in self.graph.succs.iter().enumerate() {
            for &to in succs.iter().filter(|&&to| self.part[to as usize] == id && self.pcs.contains_key(&to)) {
                if self.part[from] == id {
                    *back.entry(to).or_default() += 1;
                } else {
                    entered.insert(to);
                }
            }
        }
        let own = component.iter().copied().filter(|block| self.pcs.contains_key(block));
        let candidates: Vec<u32> = if entered.is_empty() { own.collect() } else { entered.into_iter().collect() };
        let best = candidates.into_iter().max_by_key(|block| (back.get(block).copied().unwrap_or(0), u32::MAX - block));
        best.unwrap_or(component[0])
    }

    /// Whether each way round passes a block that moves a register towards the loop's end.
    fn ends(&mut self, component: &[u32], id: u32) -> bool {
        let Motion { blocks, writes, moves } = self.motion(component, id);
        // Every round passes the header, too.
        let header = self.header(component, id);
        let header = blocks.iter().find(|block| block.number == header);
        let is_end = |block: &Facts, register: &Register| {
            let mut passed = [Some(block), header].into_iter().flatten();
            writes[register] == moves[register] && passed.any(|block| block.is_bounded(*register, &writes))
        };
        let moving = blocks.iter().filter(|block| block.moves.iter().any(|register| is_end(block, register)));
        let moving: BTreeSet<u32> = moving.map(|block| block.number).collect();
        if moving.is_empty() {
            return false;
        }
        moving.iter().for_each(|&block| self.part[block as usize] = u32::MAX);
        let left: Vec<u32> = component.iter().copied().filter(|block| !moving.contains(block)).collect();
        // What goes round without a block that moves must end by itself.
        self.loops(&left, id).iter().all(|inner| {
            let id = self.enclose(inner);
            self.ends(inner, id)
        })
    }

    fn motion(&self, component: &[u32], id: u32) -> Motion {
        let own = component.iter().filter(|block| self.pcs.contains_key(block));
        let leaves = |block: u32| self.ways_on(block).iter().any(|&to| self.part[to as usize] != id);
        let facts = |&block: &u32| Facts::new(self.elf, self.function, self.pcs[&block], block, leaves(block));
        Motion::new(own.map(facts).collect())
    }

    /// Where a block of the function goes on, past the IR's blocks within its last instruction.
    fn ways_on(&self, block: u32) -> Vec<u32> {
        let (mut found, mut work, mut seen) = (Vec::new(), vec![block], BTreeSet::new());
        while let Some(block) = work.pop() {
            for &to in &self.graph.succs[block as usize] {
                if self.pcs.contains_key(&to) {
                    found.push(to);
                } else if seen.insert(to) {
                    work.push(to);
                }
            }
        }
        found
    }
}
