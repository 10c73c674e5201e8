//! A discovered function → IR.

use std::collections::{BTreeMap, BTreeSet};

use hoist_x86::boundary::code_map;
use hoist_x86::builder::{Builder, Floats};
use hoist_x86::iced_x86::{Decoder, DecoderOptions, Instruction};
use hoist_x86::ir::{BlockId, Edge, Exit, Func, Inst, Target, Term, Type, Value};
use hoist_x86::semantics;

use crate::discover::{Function, JumpTable};
use crate::elf::Elf;
use crate::turns::Turns;
use crate::unit::{Entry, Twin, Unit};

/// What a function's floating point depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depends {
    Nothing,
    /// Whether exceptions of the x87 are masked.
    Masks,
    /// MXCSR.
    Mxcsr,
}

pub fn depends(elf: &Elf<'_>, function: &Function) -> Depends {
    let mut depends = Depends::Nothing;
    for (&start, &end) in &function.blocks {
        let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
        for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
            if semantics::depends_on_mxcsr(&instr) {
                return Depends::Mxcsr;
            }
            if semantics::waits_for_x87(&instr) {
                depends = Depends::Masks;
            }
        }
    }
    depends
}

/// Translates a function: its blocks, and an entry block for each place where it can be entered; the same entries with any `floats`.
pub fn translate(elf: &Elf<'_>, function: &Function, floats: Floats) -> Unit {
    let mut func = Func::new();
    let labels: BTreeMap<u32, BlockId> = function.blocks.keys().map(|&pc| (pc, func.add_block(pc))).collect();
    let mut jumps = BTreeMap::<u32, usize>::new();
    for table in function.tables.values() {
        *jumps.entry(table.address).or_default() += 1;
    }
    let mut shared: BTreeMap<u32, Option<Shared>> = jumps.into_iter().filter(|&(_, n)| n > 1).map(|(at, _)| (at, None)).collect();
    let mut begins = Vec::new();
    for (&start, &end) in &function.blocks {
        translate_block(elf, function, floats, &mut func, &labels, &mut shared, &mut begins, start, end);
    }
    begins.push((func.insts.len() as u32, 0));
    let name = function.name.clone().unwrap_or_else(|| format!("sub_{:x}", function.entry));
    let mut unit = Unit { entry_pc: function.entry, name, func, entries: Vec::new(), floats, twin: Twin::Unneeded, begins };
    let turns = Turns::new(elf, function, &unit.func, &labels);
    turns.count_rounds(&mut unit.func);
    add_entries(&mut unit, function, &turns.entries, &labels);
    turns.count_calls(&mut unit);
    unit
}

#[allow(clippy::too_many_arguments)]
fn translate_block(
    elf: &Elf<'_>,
    function: &Function,
    floats: Floats,
    func: &mut Func,
    labels: &BTreeMap<u32, BlockId>,
    shared: &mut BTreeMap<u32, Option<Shared>>,
    begins: &mut Vec<(u32, u32)>,
    start: u32,
    end: u32,
) {
    let mut builder = Builder::new(func, labels[&start], labels);
    builder.floats = floats;
    let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
    let mut decoder = Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE);
    let mut instr = Instruction::default();
    // The index of a jump table whose load was translated.
    let mut index: Option<(&JumpTable, Value)> = None;
    let last_table = function.tables.range(start..end.max(start + 1)).next_back();
    while decoder.can_decode() && !builder.is_terminated() {
        decoder.decode_out(&mut instr);
        let pc = instr.ip() as u32;
        begins.push((builder.func.insts.len() as u32, pc));
        if instr.is_invalid() {
            builder.exit(Exit::Interpret { at: pc });
            return;
        }
        if let Some((_, table)) = last_table {
            if table.load_pc == pc {
                let register = builder.read_gpr(table.index);
                index = Some((table, builder.wrap(register)));
            }
        }
        if !semantics::translate(&mut builder, &instr) {
            builder.exit(Exit::Interpret { at: pc });
            return;
        }
        if let (Some((&jump_pc, _)), Some((table, index))) = (last_table, index) {
            if jump_pc == pc {
                make_switch(&mut builder, table, index, labels, shared.get_mut(&table.address));
            }
        }
    }
    if !builder.is_terminated() {
        builder.goto(end);
    }
}

/// A switch block that all jumps through one table share: an interpreter's loop jumps from the end of every opcode to every other, and a
/// switch for each would have as many edges as the square of the opcodes.
struct Shared {
    block: BlockId,
}

/// The jump through a known table becomes a switch on the index. A larger index, or a target elsewhere, goes by its address.
fn make_switch(
    builder: &mut Builder<'_>,
    table: &JumpTable,
    index: Value,
    labels: &BTreeMap<u32, BlockId>,
    shared: Option<&mut Option<Shared>>,
) {
    let block = builder.current_block();
    let Some(Term::Exit(Exit::Jump(Target::Value(target)))) = builder.func.block(block).term else { return };
    let Some(shared) = shared else {
        builder.func.block_mut(block).term = Some(switch(builder.func, table, index, target, labels));
        return;
    };
    let to = match shared {
        Some(shared) => shared.block,
        None => {
            let block = builder.func.add_block(builder.pc);
            let params = [Type::I32, Type::I32].map(|ty| builder.func.add_inst(Inst::Param(ty)));
            let term = switch(builder.func, table, params[0], params[1], labels);
            let data = builder.func.block_mut(block);
            data.params = params.to_vec();
            data.term = Some(term);
            shared.insert(Shared { block }).block
        }
    };
    builder.func.block_mut(block).term = Some(Term::Jump(Edge { to, args: vec![index, target] }));
}

fn switch(func: &mut Func, table: &JumpTable, index: Value, target: Value, labels: &BTreeMap<u32, BlockId>) -> Term {
    let default = func.add_block(table.load_pc);
    func.block_mut(default).term = Some(Term::Exit(Exit::Jump(Target::Value(target))));
    let targets = table.targets.iter().map(|pc| Edge::from(labels.get(pc).copied().unwrap_or(default))).collect();
    Term::Switch { index, targets, default: default.into() }
}

/// Puts an entry block in front of every block that can be entered from outside, unless nothing inside leads to it. `more`: blocks that
/// nobody but the kernel enters.
fn add_entries(unit: &mut Unit, function: &Function, more: &BTreeSet<u32>, labels: &BTreeMap<u32, BlockId>) {
    let mut has_pred = vec![false; unit.func.blocks.len()];
    for block in &unit.func.blocks {
        for edge in block.term.iter().flat_map(Term::edges) {
            has_pred[edge.to.0 as usize] = true;
        }
    }
    let mut resume: BTreeSet<u32> = function.returns.union(&function.labels).copied().collect();
    if resume.len() + more.len() < code_map::MAX_LABEL as usize {
        resume.extend(more);
    }
    resume.remove(&function.entry);
    for pc in std::iter::once(function.entry).chain(resume) {
        let Some(&target) = labels.get(&pc) else { continue };
        let block = if has_pred[target.0 as usize] {
            let block = unit.func.add_block(pc);
            unit.func.block_mut(block).term = Some(Term::Jump(target.into()));
            block
        } else {
            target
        };
        unit.entries.push(Entry { pc, block });
    }
}
