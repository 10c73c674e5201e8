//! The control-flow graph of one function, decoded once more, for the search for jump tables.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, InstructionInfoOptions, OpAccess, Register,
};

use super::JumpTable;
use super::code::{Code, END, LEADER, LEN};
use super::explore::near_target;
use super::layout::Piece;

/// A basic block.
pub(super) struct Node {
    pub start: u32,
    /// Of [`View::instrs`].
    pub instrs: Range<usize>,
    pub successors: Vec<usize>,
    pub predecessors: Vec<usize>,
    /// Control may come from anywhere, with any values in registers.
    pub open: bool,
    /// Control may come from any call in the function, by an exception.
    pub landing_pad: bool,
    /// Ends with a call.
    pub calls: bool,
}

pub(super) struct View {
    pub instrs: Vec<Instruction>,
    /// General-purpose registers that each instruction writes, or may: bit = number in the encoding.
    pub writes: Vec<u16>,
    /// In the order of the pieces; the entry's block is wherever its address puts it.
    pub nodes: Vec<Node>,
    /// Start of block → index in `nodes`.
    pub index: BTreeMap<u32, usize>,
}

/// What a view needs to know of ways into blocks besides its own jumps.
pub(super) struct Ways<'a> {
    pub labels: &'a BTreeSet<u32>,
    pub landing_pads: &'a BTreeSet<u32>,
    pub tables: &'a BTreeMap<u32, JumpTable>,
}

/// rax, rcx, rdx, rsi, rdi, r8 to r11: what a call may change (x86-64 psABI, figure 3.4).
const CALL_CLOBBERS: u16 = 0b0000_1111_1100_0111;

impl View {
    pub fn new(code: &Code, pieces: impl Iterator<Item = Piece>, entry: u32, ways: &Ways, go: bool) -> View {
        let mut view = View { instrs: Vec::new(), writes: Vec::new(), nodes: Vec::new(), index: BTreeMap::new() };
        let clobbers = if go { !(1 << 4) } else { CALL_CLOBBERS };
        for piece in pieces {
            view.decode(code, piece, clobbers);
        }
        view.index = view.nodes.iter().enumerate().map(|(index, node)| (node.start, index)).collect();
        for index in 0..view.nodes.len() {
            view.connect(index, code, ways);
            let node = &mut view.nodes[index];
            node.landing_pad = ways.landing_pads.contains(&node.start);
            node.open = node.start == entry || ways.labels.contains(&node.start);
        }
        view
    }

    /// The last instruction of a block.
    pub fn last(&self, node: usize) -> &Instruction {
        &self.instrs[self.nodes[node].instrs.end - 1]
    }

    fn decode(&mut self, code: &Code, piece: Piece, clobbers: u16) {
        let mut info = InstructionInfoFactory::new();
        let marks = code.slice(piece.start, piece.end);
        let bytes = code.bytes(piece.start);
        let mut decoder = Decoder::with_ip(64, bytes, u64::from(piece.start), DecoderOptions::NONE);
        for start in (0..marks.len()).filter(|at| marks[*at] & LEADER != 0 && marks[*at] & LEN != 0) {
            let first = self.instrs.len();
            let mut at = start;
            if decoder.set_position(at).is_err() {
                continue;
            }
            decoder.set_ip(u64::from(piece.start + start as u32));
            loop {
                let instr = decoder.decode();
                self.writes.push(writes(&mut info, &instr, clobbers));
                self.instrs.push(instr);
                let here = marks[at];
                at += usize::from(here & LEN);
                let next = marks.get(at).copied().unwrap_or(0);
                if here & END != 0 || next & LEN == 0 || next & LEADER != 0 {
                    break;
                }
            }
            self.nodes.push(Node {
                start: piece.start + start as u32,
                instrs: first..self.instrs.len(),
                successors: Vec::new(),
                predecessors: Vec::new(),
                open: false,
                landing_pad: false,
                calls: matches!(self.instrs[self.instrs.len() - 1].flow_control(), FlowControl::Call | FlowControl::IndirectCall),
            });
        }
    }

    fn connect(&mut self, index: usize, code: &Code, ways: &Ways) {
        let last = *self.last(index);
        let pc = last.ip() as u32;
        let mut targets: Vec<u32> = Vec::new();
        if code.marks(pc) & END == 0 {
            targets.push(last.next_ip() as u32);
        }
        if matches!(
            last.flow_control(),
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend
        ) {
            targets.extend(near_target(&last));
        }
        targets.extend(ways.tables.get(&pc).into_iter().flat_map(|table| &table.targets));
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            if let Some(&successor) = self.index.get(&target) {
                self.nodes[index].successors.push(successor);
                self.nodes[successor].predecessors.push(index);
            }
        }
    }
}

fn writes(factory: &mut InstructionInfoFactory, instr: &Instruction, clobbers: u16) -> u16 {
    let mut mask = match instr.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => clobbers,
        _ => 0,
    };
    let info = factory.info_options(instr, InstructionInfoOptions::NO_MEMORY_USAGE);
    for used in info.used_registers() {
        if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess) {
            mask |= gpr(used.register()).map_or(0, |number| 1 << number);
        }
    }
    mask
}

/// Number of the general-purpose register that this one is or is a part of.
pub(super) fn gpr(register: Register) -> Option<usize> {
    register.is_gpr().then(|| register.full_register().number())
}

/// Is the memory operand relative to fs or gs? (`notrack` looks like a prefix for ds.)
pub(super) fn is_based(instr: &Instruction) -> bool {
    matches!(instr.segment_prefix(), Register::FS | Register::GS)
}
