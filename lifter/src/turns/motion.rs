//! What machine code says about how often it can be run.

use std::collections::{BTreeMap, BTreeSet};

use hoist_x86::iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use crate::discover::Function;
use crate::elf::Elf;

/// What is known of a loop.
pub struct Motion {
    pub blocks: Vec<Facts>,
    /// How often the loop's instructions write each register, and how often they move it.
    pub writes: BTreeMap<Register, usize>,
    pub moves: BTreeMap<Register, usize>,
}

impl Motion {
    pub fn new(blocks: Vec<Facts>) -> Motion {
        let count = |registers: fn(&Facts) -> &Vec<Register>| {
            let mut counts = BTreeMap::new();
            blocks.iter().flat_map(registers).for_each(|&register| *counts.entry(register).or_default() += 1);
            counts
        };
        Motion { writes: count(|block| &block.writes), moves: count(|block| &block.moves), blocks }
    }

    /// A register that the loop only adds constants to, whichever is best for `is_good` of the blocks that do so, and the constants' common
    /// power of two.
    pub fn stepping(&self, mut is_good: impl FnMut(&BTreeSet<u32>) -> bool) -> Option<(Register, u32)> {
        self.writes.iter().filter(|&(&register, _)| register != Register::RSP).find_map(|(&register, &writes)| {
            let its = |block: &Facts| block.steps.iter().filter(|step| step.0 == register).map(|step| step.1).collect::<Vec<_>>();
            let steps: Vec<i64> = self.blocks.iter().flat_map(its).collect();
            let power = steps.iter().map(|step| step.trailing_zeros()).min()?;
            let moving = self.blocks.iter().filter(|block| !its(block).is_empty()).map(|block| block.number).collect();
            (steps.len() == writes && power < POWERS && is_good(&moving)).then_some((register, power))
        })
    }
}

/// Larger steps are none of a loop's counter.
const POWERS: u32 = 24;

/// What the machine code of a block says about how often it can be run.
pub struct Facts {
    /// The block.
    pub number: u32,
    /// Registers that it writes, each as often as it does.
    pub writes: Vec<Register>,
    /// Registers whose value it makes from what it was: a count, a place in memory, the link of a chain.
    pub moves: Vec<Register>,
    /// Those of them, each as often as that is, to which it adds a constant.
    pub steps: Vec<(Register, i64)>,
    /// Registers that are part of an address that it reads or writes.
    addresses: BTreeSet<Register>,
    /// What the comparison compares that its conditional jump out of the loop, if that is how it ends, reads.
    compared: Vec<Register>,
}

impl Facts {
    /// `leaves`: one of the ways on from the block's end leads out of the loop.
    pub fn new(elf: &Elf<'_>, function: &Function, start: u32, number: u32, leaves: bool) -> Facts {
        let mut facts = Facts {
            number,
            writes: Vec::new(),
            moves: Vec::new(),
            steps: Vec::new(),
            addresses: BTreeSet::new(),
            compared: Vec::new(),
        };
        let end = function.blocks[&start];
        let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
        let mut info = InstructionInfoFactory::new();
        let mut compared = Vec::new();
        for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
            if instr.flow_control() == FlowControl::ConditionalBranch && leaves {
                facts.compared = std::mem::take(&mut compared);
            }
            let info = info.info(&instr);
            for used in info.used_registers().iter().filter(|used| used.register().is_gpr()) {
                if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::None | OpAccess::NoMemAccess) {
                    facts.writes.push(used.register().full_register());
                }
            }
            for used in info.used_memory().iter().filter(|used| used.access() != OpAccess::NoMemAccess) {
                facts.addresses.extend([used.base(), used.index()].map(Register::full_register));
            }
            let moved = moved(&instr);
            facts.moves.extend(moved);
            facts.steps.extend(moved.zip(step(&instr)));
            if instr.rflags_modified() != 0 {
                compared = match instr.mnemonic() {
                    Mnemonic::Cmp => registers(&instr),
                    _ => moved.into_iter().collect(),
                };
            }
        }
        facts
    }

    /// `register` is compared with what does not change, or addresses memory, which has an end. `writes`: how often the loop writes
    /// each register.
    pub fn is_bounded(&self, register: Register, writes: &BTreeMap<Register, usize>) -> bool {
        let is_limit = |other: &Register| *other == register || !writes.contains_key(other);
        self.addresses.contains(&register) || self.compared.contains(&register) && self.compared.iter().all(is_limit)
    }
}

/// The register whose value an instruction makes from what it was, so that it is another one.
fn moved(instr: &Instruction) -> Option<Register> {
    let register = instr.op0_register();
    if instr.op0_kind() != OpKind::Register || register.size() < 4 {
        return None;
    }
    let register = register.full_register();
    let is_zero = || !matches!(instr.op1_kind(), OpKind::Register | OpKind::Memory) && instr.immediate(1) == 0;
    let addresses = || [instr.memory_base(), instr.memory_index()].iter().any(|part| part.full_register() == register);
    let is_moved = match instr.mnemonic() {
        Mnemonic::Inc | Mnemonic::Dec | Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar => true,
        Mnemonic::Add | Mnemonic::Sub => !is_zero(),
        Mnemonic::Lea => addresses() && instr.memory_displacement64() != 0,
        Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsxd => instr.op1_kind() == OpKind::Memory && addresses(),
        _ => false,
    };
    is_moved.then_some(register)
}

/// The constant that an instruction of [`moved`] adds.
fn step(instr: &Instruction) -> Option<i64> {
    let is_constant = instr.op_count() == 2 && !matches!(instr.op1_kind(), OpKind::Register | OpKind::Memory);
    match instr.mnemonic() {
        Mnemonic::Inc => Some(1),
        Mnemonic::Dec => Some(-1),
        Mnemonic::Add if is_constant => Some(instr.immediate(1) as i64),
        Mnemonic::Sub if is_constant => Some((instr.immediate(1) as i64).wrapping_neg()),
        Mnemonic::Lea if instr.memory_base() == Register::None || instr.memory_index() == Register::None => {
            Some(instr.memory_displacement64() as i64)
        }
        _ => None,
    }
}

/// The whole registers that a comparison reads, those of its address included: what lies there is taken for a limit if the address does not
/// change.
fn registers(instr: &Instruction) -> Vec<Register> {
    let operands = (0..instr.op_count()).filter(|&i| instr.op_kind(i) == OpKind::Register).map(|i| instr.op_register(i));
    operands.chain([instr.memory_base(), instr.memory_index()]).filter(|r| r.is_gpr()).map(Register::full_register).collect()
}
