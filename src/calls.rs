//! Which system calls the code of an image can make: `hoist inspect --syscalls`.
//!
//! A `syscall` instruction is looked at with the constants that may be in eax when control comes to it, followed through its function. Where
//! the number is a parameter, as in syscall(3), the function is a *wrapper*, and whoever calls it with a constant makes that call; also from
//! another file, by the wrapper's name. A number that is neither stays unknown.

use std::collections::{BTreeMap, BTreeSet};

use hoist_lifter::discover::{Function, Program};
use hoist_lifter::elf::{Elf, Stored};
use hoist_x86::iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

mod known;
mod values;

pub use known::treatment;
use values::{State, Value, Values};

/// The calls that the code of a file makes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Calls {
    /// Number → the functions that make it; one without a name is its address in the file.
    pub known: BTreeMap<u32, BTreeSet<String>>,
    /// Functions with a `syscall` instruction whose number cannot be told.
    pub unknown: BTreeSet<String>,
    /// Functions of this file that make the call that a parameter says, by name: what other files call.
    pub wrappers: BTreeMap<String, Register>,
}

/// A block that is come to more often than this is as good as one of which nothing is known.
const ROUNDS: usize = 64;
/// Wrappers of wrappers of wrappers.
const DEPTH: usize = 4;

/// What calls are made in a file. `elsewhere`: the wrappers of other files, by name.
pub fn find(elf: &Elf<'_>, program: &Program, elsewhere: &BTreeMap<String, Register>) -> Calls {
    let mut wrappers: BTreeMap<u32, Register> = BTreeMap::new();
    for (&pc, stub) in &elf.stubs {
        if let Some(Stored::Symbol { name, .. }) = elf.relocation(stub.slot).map(|relocation| relocation.stored)
            && let Some(&register) = elsewhere.get(name)
        {
            wrappers.insert(pc, register);
        }
    }
    let mut calls = Calls::default();
    let mut interesting: BTreeSet<u32> =
        program.functions.values().filter(|function| has_system_call(elf, function)).map(|function| function.entry).collect();
    let callers = if interesting.is_empty() && wrappers.is_empty() { BTreeMap::new() } else { callers(elf, program) };
    let of = |pc: &u32| callers.get(pc).into_iter().flatten().copied();
    interesting.extend(wrappers.keys().flat_map(of).collect::<Vec<_>>());
    for _ in 0..DEPTH {
        let mut found = BTreeMap::new();
        for function in interesting.iter().filter_map(|entry| program.functions.get(entry)) {
            look_at(elf, function, &wrappers, &mut calls, &mut found);
        }
        found.retain(|entry, _| !wrappers.contains_key(entry));
        interesting = found.keys().flat_map(of).collect();
        wrappers.extend(found);
        if interesting.is_empty() {
            break;
        }
    }
    let exports = elf.exports.iter().filter_map(|(name, address)| Some(((*name).to_owned(), *wrappers.get(address)?)));
    calls.wrappers = exports.collect();
    calls
}

/// Whether any of the function's instructions is `syscall`.
fn has_system_call(elf: &Elf<'_>, function: &Function) -> bool {
    instructions(elf, function).any(|(_, instr)| instr.mnemonic() == Mnemonic::Syscall)
}

/// Who calls what, or jumps there.
fn callers(elf: &Elf<'_>, program: &Program) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut callers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for function in program.functions.values() {
        for (_, instr) in instructions(elf, function) {
            if let Some(target) = target(elf, &instr).filter(|target| !function.blocks.contains_key(target)) {
                callers.entry(target).or_default().insert(function.entry);
            }
        }
    }
    callers
}

/// The function's instructions, each with the start of its block.
fn instructions<'a>(elf: &'a Elf<'_>, function: &'a Function) -> impl Iterator<Item = (u32, Instruction)> + use<'a> {
    function.blocks.iter().flat_map(move |(&start, &end)| {
        let code = elf.read(start, end.saturating_sub(start) as usize).unwrap_or(&[]);
        let decoder = Decoder::with_ip(64, code, start.into(), DecoderOptions::NONE);
        decoder.into_iter().filter(|instr| !instr.is_invalid()).map(move |instr| (start, instr))
    })
}

/// Where a direct call or jump leads; an indirect one through a slot as the stub of that slot would.
fn target(elf: &Elf<'_>, instr: &Instruction) -> Option<u32> {
    match instr.flow_control() {
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            (instr.op0_kind() == OpKind::NearBranch64).then(|| instr.near_branch_target() as u32)
        }
        FlowControl::IndirectCall | FlowControl::IndirectBranch if instr.is_ip_rel_memory_operand() => {
            let slot = instr.ip_rel_memory_address() as u32;
            elf.stubs.iter().find(|(_, stub)| stub.slot == slot).map(|(&pc, _)| pc)
        }
        _ => None,
    }
}

/// Follows the constants through a function, and notes the calls that it makes itself and by wrappers.
fn look_at(
    elf: &Elf<'_>,
    function: &Function,
    wrappers: &BTreeMap<u32, Register>,
    calls: &mut Calls,
    found: &mut BTreeMap<u32, Register>,
) {
    let name = function.name.clone().unwrap_or_else(|| format!("{:#x}", function.entry - elf.home));
    let mut blocks: BTreeMap<u32, Vec<Instruction>> = BTreeMap::new();
    for (start, instr) in instructions(elf, function) {
        blocks.entry(start).or_default().push(instr);
    }
    let mut note = |values: &Values| match values {
        Values::Any => _ = calls.unknown.insert(name.clone()),
        Values::These(values) => {
            for value in values {
                match *value {
                    Value::Constant(number) => _ = calls.known.entry(number).or_default().insert(name.clone()),
                    Value::Parameter(register) => _ = found.insert(function.entry, register),
                }
            }
        }
    };
    for (start, before) in states(function, &blocks) {
        let mut state = before;
        for instr in blocks.get(&start).into_iter().flatten() {
            if instr.mnemonic() == Mnemonic::Syscall {
                note(&state.get(Register::RAX));
            } else if let Some(&register) = target(elf, instr).and_then(|target| wrappers.get(&target)) {
                note(&state.get(register));
            }
            state.step(instr);
        }
    }
}

/// What may be in the registers at the start of each block that can be come to.
fn states(function: &Function, blocks: &BTreeMap<u32, Vec<Instruction>>) -> BTreeMap<u32, State> {
    let mut states = BTreeMap::from([(function.entry, State::at_entry())]);
    // Where control comes from is not known there.
    for &label in function.labels.iter().filter(|label| **label != function.entry) {
        states.insert(label, State::default());
    }
    let mut work: Vec<u32> = states.keys().copied().collect();
    let mut rounds: BTreeMap<u32, usize> = BTreeMap::new();
    while let Some(start) = work.pop() {
        let Some(instructions) = blocks.get(&start) else { continue };
        let round = rounds.entry(start).or_default();
        *round += 1;
        let mut state = if *round > ROUNDS { State::default() } else { states[&start].clone() };
        instructions.iter().for_each(|instr| state.step(instr));
        for next in successors(function, start, instructions) {
            let changed = match states.get_mut(&next) {
                Some(before) => before.join(&state),
                None => {
                    states.insert(next, state.clone());
                    true
                }
            };
            if changed && rounds.get(&next).is_none_or(|round| *round <= ROUNDS) {
                work.push(next);
            }
        }
    }
    states
}

/// The blocks that control goes to after a block, within the function.
fn successors(function: &Function, start: u32, instructions: &[Instruction]) -> Vec<u32> {
    let Some(last) = instructions.last() else { return Vec::new() };
    let end = function.blocks.get(&start).copied();
    let branch = || Some(last.near_branch_target() as u32);
    let next: Vec<Option<u32>> = match last.flow_control() {
        FlowControl::Return | FlowControl::Exception | FlowControl::Interrupt => vec![],
        FlowControl::UnconditionalBranch => vec![branch()],
        FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => vec![branch(), end],
        FlowControl::IndirectBranch => {
            let table = function.tables.get(&(last.ip() as u32));
            table.into_iter().flat_map(|table| table.targets.iter().copied().map(Some)).collect()
        }
        FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => vec![end],
    };
    next.into_iter().flatten().filter(|pc| function.blocks.contains_key(pc)).collect()
}
