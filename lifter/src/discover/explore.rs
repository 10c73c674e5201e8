//! Recursive traversal: from every known start along all direct jumps and calls, decoding each instruction once.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::code::{CALLED, Code, END, LEADER, LEN, RETURN};
use super::extents::Extents;
use super::noreturn::{File, NoReturn, callee};
use crate::elf::Elf;

/// A jump that may lead from one function to another.
#[derive(Clone, Copy)]
pub(super) struct Crossing {
    pub from: u32,
    pub to: u32,
    /// Compilers do not make tail calls of conditional jumps.
    pub conditional: bool,
}

pub(super) struct Explorer<'a> {
    pub elf: &'a Elf<'a>,
    pub code: Code<'a>,
    pub extents: Extents,
    /// Function starts outside the known extents.
    pub gap_starts: BTreeSet<u32>,
    /// Direct jumps that may lead from one function to another.
    pub crossings: Vec<Crossing>,
    /// Indirect jumps, except those through a fixed word (PLT stubs).
    pub indirect_jumps: Vec<u32>,
    /// Indirect jumps through a fixed word.
    pub stub_jumps: usize,
    /// Addresses of code that instructions mention.
    pub references: Vec<u32>,
    /// Addresses of data that instructions compute, or index.
    pub data_references: Vec<u32>,
    noreturn: NoReturn,
    work: Vec<u32>,
}

impl<'a> Explorer<'a> {
    pub fn new(elf: &'a Elf<'a>) -> Explorer<'a> {
        let code = Code::new(elf);
        Explorer {
            elf,
            noreturn: NoReturn::new(&code),
            code,
            extents: Extents::new(elf),
            gap_starts: BTreeSet::new(),
            crossings: Vec::new(),
            indirect_jumps: Vec::new(),
            stub_jumps: 0,
            references: Vec::new(),
            data_references: Vec::new(),
            work: Vec::new(),
        }
    }

    /// A block begins at `pc`: explore it with the next [`Explorer::drain`]. `false` if `pc` is not in the code.
    pub fn push(&mut self, pc: u32) -> bool {
        let before = self.code.mark(pc, LEADER);
        if before.is_some_and(|before| before & (LEADER | LEN) == 0) {
            self.work.push(pc);
        }
        before.is_some()
    }

    /// A function begins at `pc`.
    pub fn push_function(&mut self, pc: u32) {
        if self.push(pc) && self.extents.find(pc).is_none() {
            self.gap_starts.insert(pc);
        }
    }

    /// Explores everything that was pushed and what follows from it.
    pub fn drain(&mut self) {
        while let Some(pc) = self.work.pop() {
            if self.code.marks(pc) & LEN == 0 {
                self.run(pc);
            }
        }
    }

    /// Decodes from `start` until control goes elsewhere or known instructions follow.
    fn run(&mut self, start: u32) {
        let Some(region) = self.code.region(start) else { return };
        let base = self.code.regions[region].start;
        let bytes = self.code.regions[region].bytes;
        let extent = self.extents.find(start).cloned();
        let mut decoder = Decoder::with_ip(64, bytes, u64::from(base), DecoderOptions::NONE);
        let mut pc = start;
        if decoder.set_position((pc - base) as usize).is_err() {
            return;
        }
        decoder.set_ip(u64::from(pc));
        let mut instr = Instruction::default();
        while decoder.can_decode() {
            let at = (pc - base) as usize;
            if self.code.regions[region].marks[at] & LEN != 0 {
                // Two decodings of overlapping bytes meet here, or it is a leader already.
                self.code.regions[region].marks[at] |= LEADER;
                return;
            }
            decoder.decode_out(&mut instr);
            if instr.is_invalid() {
                return;
            }
            self.code.regions[region].marks[at] |= instr.len() as u8;
            let next = pc + instr.len() as u32;
            let goes_on = match instr.flow_control() {
                FlowControl::Next => {
                    self.reference(&instr);
                    instr.mnemonic() != Mnemonic::Hlt
                }
                FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
                    self.jump(pc, &instr, extent.as_ref());
                    self.code.mark(next, LEADER);
                    true
                }
                FlowControl::UnconditionalBranch => {
                    self.jump(pc, &instr, extent.as_ref());
                    false
                }
                FlowControl::IndirectBranch => {
                    if instr.is_ip_rel_memory_operand() {
                        self.stub_jumps += 1;
                    } else {
                        self.indirect_jumps.push(pc);
                    }
                    false
                }
                FlowControl::Call | FlowControl::IndirectCall => {
                    self.call(&instr);
                    let file = File { elf: self.elf, code: &self.code, extents: &self.extents };
                    let returns = self.noreturn.call_returns(file, &instr);
                    if returns {
                        self.code.mark(next, LEADER | RETURN);
                    }
                    returns
                }
                FlowControl::Interrupt if instr.mnemonic() == Mnemonic::Int => {
                    self.code.mark(next, LEADER | RETURN);
                    true
                }
                FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => false,
            };
            if !goes_on {
                self.code.regions[region].marks[at] |= END;
                return;
            }
            pc = next;
        }
    }

    fn jump(&mut self, pc: u32, instr: &Instruction, extent: Option<&std::ops::Range<u32>>) {
        let Some(target) = near_target(instr) else { return };
        if self.push(target) && !extent.is_some_and(|extent| extent.contains(&target)) {
            let conditional = instr.flow_control() != FlowControl::UnconditionalBranch;
            self.crossings.push(Crossing { from: pc, to: target, conditional });
        }
    }

    fn call(&mut self, instr: &Instruction) {
        let Some(target) = callee(self.elf, instr) else { return };
        self.push_function(target);
        self.code.mark(target, CALLED);
    }

    /// Remembers an address that the instruction computes or stores.
    fn reference(&mut self, instr: &Instruction) {
        let address = if instr.is_ip_rel_memory_operand() {
            if instr.mnemonic() != Mnemonic::Lea {
                return;
            }
            instr.ip_rel_memory_address()
        } else if instr.memory_base() == Register::None && instr.memory_index() != Register::None {
            instr.memory_displacement64()
        } else if self.elf.fixed {
            // Only a program with a fixed address can have addresses as immediates.
            let operand = match instr.mnemonic() {
                Mnemonic::Mov | Mnemonic::Cmp => 1,
                Mnemonic::Push => 0,
                _ => return,
            };
            match instr.op_kind(operand) {
                OpKind::Immediate32 | OpKind::Immediate32to64 | OpKind::Immediate64 => instr.immediate(operand),
                _ => return,
            }
        } else {
            return;
        };
        let Ok(address) = u32::try_from(address) else { return };
        if self.elf.is_code(address) {
            self.references.push(address);
        } else if self.elf.segment(address).is_some() {
            self.data_references.push(address);
        }
    }

    /// Is the jump at `pc` one to a register or through an indexed word?
    pub fn jumps_to_register(&self, pc: u32) -> bool {
        let jump = Decoder::with_ip(64, self.code.bytes(pc), u64::from(pc), DecoderOptions::NONE).decode();
        jump.op0_kind() == OpKind::Register || jump.memory_index() != Register::None
    }

    /// Does this look like code that was meant to be run? Decodes until control goes elsewhere or known code follows.
    pub fn is_plausible(&self, pc: u32) -> bool {
        /// So many sensible instructions in a row are code.
        const ENOUGH: usize = 48;
        let bytes = self.code.bytes(pc);
        if bytes.starts_with(&[0, 0]) || self.code.is_inside_instruction(pc) {
            return false;
        }
        let mut decoder = Decoder::with_ip(64, bytes, u64::from(pc), DecoderOptions::NONE);
        for _ in 0..ENOUGH {
            if self.code.marks(decoder.ip() as u32) & LEN != 0 {
                return true;
            }
            let instr = decoder.decode();
            if instr.is_invalid() || is_odd(&instr) {
                return false;
            }
            match instr.flow_control() {
                FlowControl::Next | FlowControl::IndirectCall => {}
                FlowControl::ConditionalBranch | FlowControl::Call => {
                    if near_target(&instr).is_some_and(|target| !self.elf.is_code(target)) {
                        return false;
                    }
                }
                FlowControl::UnconditionalBranch => {
                    return near_target(&instr).is_some_and(|target| self.elf.is_code(target));
                }
                _ => return true,
            }
        }
        true
    }
}

/// Where a direct jump or call goes, if that is a guest address.
pub(super) fn near_target(instr: &Instruction) -> Option<u32> {
    match instr.op0_kind() {
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => u32::try_from(instr.near_branch_target()).ok(),
        _ => None,
    }
}

/// Instructions that user programs do not have, but random bytes do.
fn is_odd(instr: &Instruction) -> bool {
    use Mnemonic::*;
    instr.is_privileged()
        || matches!(
            instr.mnemonic(),
            In | Out
                | Insb
                | Insd
                | Insw
                | Outsb
                | Outsd
                | Outsw
                | Iretd
                | Iretq
                | Retf
                | Enter
                | Xlatb
                | Loop
                | Loope
                | Loopne
                | Fbld
                | Fbstp
                | Int1
                | Int3
        )
        || matches!(instr.segment_prefix(), Register::ES | Register::CS | Register::SS) && instr.mnemonic() != Nop
}
