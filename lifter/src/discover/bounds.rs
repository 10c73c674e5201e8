//! How many entries a jump table has: the comparison or mask that guards its index.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::view::{View, gpr};

/// An upper limit for the number of entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Bound {
    /// A comparison: the table has exactly so many.
    Exact(u64),
    /// A mask or an extension: hardly more than so many.
    AtMost(u64),
}

/// Where the index comes from, further and further back.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Number of a general-purpose register.
    Register(usize),
    /// Memory operand: base, index, scale, displacement.
    Memory(Register, Register, u32, u64),
}

/// Blocks to look through on the way back, in all.
const BLOCKS: usize = 24;

/// The bound of the register numbered `index` before instruction `at` of block `node`.
pub(super) fn find(view: &View, node: usize, at: usize, index: usize) -> Option<Bound> {
    let mut search = Search { view, left: BLOCKS };
    let trace = Trace { place: Place::Register(index), limit: None, compared: Vec::new() };
    search.back(node, at, trace, None)
}

#[derive(Clone)]
struct Trace {
    place: Place,
    /// From an extension or a mask.
    limit: Option<u64>,
    /// Other places that the last comparison on the way was about, and what it says.
    compared: Vec<(Place, Bound)>,
}

struct Search<'v> {
    view: &'v View,
    left: usize,
}

impl Search<'_> {
    /// Walks back from before instruction `at` of block `node`. `towards` is the block that control goes on to.
    fn back(&mut self, node: usize, at: usize, mut trace: Trace, towards: Option<usize>) -> Option<Bound> {
        let fallback = |trace: &Trace| trace.limit.map(Bound::AtMost);
        let Some(left) = self.left.checked_sub(1) else { return fallback(&trace) };
        self.left = left;
        let block = &self.view.nodes[node];
        let entries = towards.and_then(|next| entries_if_taken(self.view.last(node), self.view.nodes[next].start));
        let mut condition = entries;
        for at in (block.instrs.start..at).rev() {
            let instr = &self.view.instrs[at];
            if let Some(entries) = condition
                && instr.mnemonic() == Mnemonic::Cmp
            {
                condition = None;
                if let Some((place, limit)) = comparison(instr) {
                    let bound = Bound::Exact(entries(limit));
                    if place == trace.place {
                        return Some(bound);
                    }
                    trace.compared.push((place, bound));
                }
                continue;
            }
            if !self.define(instr, at, &mut trace) {
                return fallback(&trace);
            }
            if let Some((_, bound)) = trace.compared.iter().find(|(place, _)| *place == trace.place) {
                return Some(*bound);
            }
        }
        if block.open || block.landing_pad || block.predecessors.is_empty() {
            return fallback(&trace);
        }
        let mut widest: Option<Bound> = None;
        for &predecessor in &block.predecessors {
            if predecessor == node {
                continue;
            }
            let end = self.view.nodes[predecessor].instrs.end;
            let bound = self.back(predecessor, end, trace.clone(), Some(node));
            match (bound, widest) {
                (None, _) => return fallback(&trace),
                (Some(bound), None) => widest = Some(bound),
                (Some(bound), Some(other)) => widest = Some(bound.max(other)),
            }
        }
        widest.or_else(|| fallback(&trace))
    }

    /// Follows the place through one instruction backwards. `false` if it comes from where this search cannot follow.
    fn define(&self, instr: &Instruction, at: usize, trace: &mut Trace) -> bool {
        // A comparison with a copy of the index is as good.
        if instr.mnemonic() == Mnemonic::Mov
            && let (Some(copy), Some(source)) = (register(instr, 0), register(instr, 1))
            && Place::Register(source) == trace.place
            && let Some((_, bound)) = trace.compared.iter().find(|(place, _)| *place == Place::Register(copy))
        {
            let bound = *bound;
            trace.compared.push((trace.place, bound));
            return true;
        }
        trace.compared.retain(|(place, _)| !self.changes(at, *place));
        if !self.changes(at, trace.place) {
            return true;
        }
        let Place::Register(number) = trace.place else { return false };
        if instr.op0_kind() != OpKind::Register || gpr(instr.op0_register()) != Some(number) {
            return false;
        }
        match instr.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsxd | Mnemonic::Movsx => {
                let width = match instr.op1_kind() {
                    OpKind::Register => instr.op1_register().size(),
                    OpKind::Memory => instr.memory_size().size(),
                    _ => return false,
                };
                if instr.mnemonic() == Mnemonic::Movzx {
                    let limit = 1 << (8 * width.min(2));
                    trace.limit = Some(trace.limit.map_or(limit, |other| other.min(limit)));
                }
                trace.place = match instr.op1_kind() {
                    OpKind::Register => match gpr(instr.op1_register()) {
                        Some(source) => Place::Register(source),
                        None => return false,
                    },
                    _ => memory(instr),
                };
                true
            }
            // Sign extension of eax or of ax leaves what was compared.
            Mnemonic::Cdqe | Mnemonic::Cwde => true,
            Mnemonic::And => {
                let mask = match instr.op1_kind() {
                    OpKind::Immediate8
                    | OpKind::Immediate32
                    | OpKind::Immediate8to32
                    | OpKind::Immediate8to64
                    | OpKind::Immediate32to64 => instr.immediate(1),
                    _ => return false,
                };
                let limit = mask.checked_add(1).filter(|limit| *limit <= 0x1_0000);
                trace.limit = trace.limit.into_iter().chain(limit).min();
                false
            }
            _ => false,
        }
    }

    fn changes(&self, at: usize, place: Place) -> bool {
        let writes = self.view.writes[at];
        match place {
            Place::Register(number) => writes >> number & 1 != 0,
            Place::Memory(base, index, ..) => {
                let instr = &self.view.instrs[at];
                let stores = instr.op0_kind() == OpKind::Memory
                    && !matches!(instr.mnemonic(), Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop);
                stores || [base, index].into_iter().filter_map(gpr).any(|number| writes >> number & 1 != 0)
            }
        }
    }
}

fn register(instr: &Instruction, operand: u32) -> Option<usize> {
    if instr.op_kind(operand) == OpKind::Register { gpr(instr.op_register(operand)) } else { None }
}

fn memory(instr: &Instruction) -> Place {
    Place::Memory(instr.memory_base(), instr.memory_index(), instr.memory_index_scale(), instr.memory_displacement64())
}

/// What is compared with which constant.
fn comparison(instr: &Instruction) -> Option<(Place, u64)> {
    let limit = match instr.op1_kind() {
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => instr.immediate(1),
        _ => return None,
    };
    let place = match instr.op0_kind() {
        OpKind::Register => Place::Register(gpr(instr.op0_register())?),
        OpKind::Memory => memory(instr),
        _ => return None,
    };
    (limit < 0x1_0000).then_some((place, limit))
}

/// If control went from a conditional jump to `next` because of an unsigned comparison with N: how many values the compared one can have, given N.
fn entries_if_taken(jump: &Instruction, next: u32) -> Option<fn(u64) -> u64> {
    let taken = jump.near_branch_target() == u64::from(next);
    match (jump.mnemonic(), taken) {
        (Mnemonic::Ja, false) | (Mnemonic::Jbe, true) => Some(|limit| limit + 1),
        (Mnemonic::Jae, false) | (Mnemonic::Jb, true) => Some(|limit| limit),
        _ => None,
    }
}
