//! Which registers hold a known constant where (conditional constant propagation without the conditions).
//!
//! Compilers load a table's address once, far before the jumps that use it, and may spill it to the stack. A table is only believed if on every path the
//! same constant arrives, so this is a forward data-flow analysis: a value is unknown as soon as two paths disagree.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::view::{View, gpr, is_based};
use crate::elf::{Elf, Stored};

/// What a register holds. The order is the order of the lattice: values only go up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Known {
    /// No path has arrived yet.
    Nothing,
    Constant(u64),
    Unknown,
}

impl Known {
    fn meet(self, other: Known) -> Known {
        match (self, other) {
            (Known::Nothing, value) | (value, Known::Nothing) => value,
            (a, b) if a == b => a,
            _ => Known::Unknown,
        }
    }

    fn map(self, f: impl FnOnce(u64) -> u64) -> Known {
        match self {
            Known::Constant(value) => Known::Constant(f(value)),
            other => other,
        }
    }
}

/// The 16 general-purpose registers.
pub(super) type State = [Known; 16];

/// Values at the start of each block, and in the slots of the stack frame.
pub(super) struct Values {
    pub at_start: Vec<State>,
    slots: BTreeMap<i64, Known>,
}

/// A function so tangled that this many visits for each block do not settle it is left alone.
const VISITS: usize = 48;

impl Values {
    /// `None` if the function is too tangled.
    pub fn new(elf: &Elf, view: &View) -> Option<Values> {
        let mut values = Values { at_start: vec![[Known::Nothing; 16]; view.nodes.len()], slots: slots(view) };
        let landing_pads: Vec<usize> = (0..view.nodes.len()).filter(|node| view.nodes[*node].landing_pad).collect();
        let mut loaders: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (index, node) in view.nodes.iter().enumerate() {
            for slot in view.instrs[node.instrs.clone()].iter().filter_map(slot_load) {
                loaders.entry(slot).or_default().push(index);
            }
        }
        let mut work = BTreeSet::new();
        for (index, node) in view.nodes.iter().enumerate() {
            if node.open {
                values.at_start[index] = [Known::Unknown; 16];
                work.insert(index);
            }
        }
        let mut visits = view.nodes.len() * VISITS;
        while let Some(index) = work.pop_first() {
            visits = visits.checked_sub(1)?;
            let node = &view.nodes[index];
            let mut state = values.at_start[index];
            for at in node.instrs.clone() {
                if let Some(slot) = values.step(elf, &view.instrs[at], view.writes[at], &mut state) {
                    work.extend(loaders.get(&slot).into_iter().flatten());
                }
            }
            let pads = if node.calls { landing_pads.as_slice() } else { &[] };
            for &next in node.successors.iter().chain(pads) {
                let start = &mut values.at_start[next];
                let before = *start;
                for (into, value) in start.iter_mut().zip(&state) {
                    *into = into.meet(*value);
                }
                if *start != before {
                    work.insert(next);
                }
            }
        }
        Some(values)
    }

    /// The effect of one instruction. The stack slot that changed, if one did.
    pub fn step(&mut self, elf: &Elf, instr: &Instruction, writes: u16, state: &mut State) -> Option<i64> {
        if let Some((slot, register)) = slot_store(instr) {
            let known = self.slots.get_mut(&slot)?;
            let before = *known;
            *known = known.meet(state[register]);
            return (*known != before).then_some(slot);
        }
        if writes == 0 {
            return None;
        }
        let value = self.result(elf, instr, state);
        for (number, known) in state.iter_mut().enumerate() {
            if writes >> number & 1 != 0 {
                *known = Known::Unknown;
            }
        }
        if let Some((register, value)) = value {
            state[register] = value;
        }
        None
    }

    /// The register that the instruction defines as a whole, if its value may be known.
    fn result(&self, elf: &Elf, instr: &Instruction, state: &State) -> Option<(usize, Known)> {
        if instr.op0_kind() != OpKind::Register {
            return None;
        }
        let target = instr.op0_register();
        if !target.is_gpr32() && !target.is_gpr64() {
            return None;
        }
        let number = gpr(target)?;
        let value = match (instr.mnemonic(), instr.op1_kind()) {
            (Mnemonic::Lea, _) => address(instr, state),
            (Mnemonic::Mov, OpKind::Register) => state[gpr(instr.op1_register())?],
            (Mnemonic::Mov, OpKind::Immediate32 | OpKind::Immediate32to64 | OpKind::Immediate64) => {
                Known::Constant(instr.immediate(1))
            }
            (Mnemonic::Mov, OpKind::Memory) => match slot_load(instr) {
                Some(slot) => *self.slots.get(&slot)?,
                None => match address(instr, state) {
                    Known::Constant(address) => pointer(elf, address),
                    other => other,
                },
            },
            (Mnemonic::Xor, OpKind::Register) if instr.op1_register() == target => Known::Constant(0),
            (Mnemonic::Add, OpKind::Immediate8to64 | OpKind::Immediate32to64) => {
                state[number].map(|value| value.wrapping_add(instr.immediate(1)))
            }
            _ => return None,
        };
        let value = if target.is_gpr32() { value.map(|value| value & 0xffff_ffff) } else { value };
        Some((number, value))
    }
}

/// The address of a memory operand without index.
fn address(instr: &Instruction, state: &State) -> Known {
    if instr.memory_index() != Register::None || is_based(instr) {
        return Known::Unknown;
    }
    match instr.memory_base() {
        Register::None | Register::RIP => Known::Constant(instr.memory_displacement64()),
        base if base.is_gpr64() => match gpr(base) {
            Some(base) => state[base].map(|value| value.wrapping_add(instr.memory_displacement64())),
            None => Known::Unknown,
        },
        _ => Known::Unknown,
    }
}

/// What a program reads from a constant word, such as an address in the GOT, if that cannot come from another file.
fn pointer(elf: &Elf, address: u64) -> Known {
    let Ok(address) = u32::try_from(address) else { return Known::Unknown };
    let relocation = elf.relocation(address);
    let own = relocation.map_or(elf.fixed, |relocation| matches!(relocation.stored, Stored::Relative(_)));
    if !own || !elf.is_constant(address, 8) {
        return Known::Unknown;
    }
    elf.read_pointer(address).map_or(Known::Unknown, |value| Known::Constant(u64::from(value)))
}

/// Displacement of a stack slot, if the memory operand is `[rsp + disp]`.
fn slot(instr: &Instruction) -> Option<i64> {
    (instr.memory_base() == Register::RSP && instr.memory_index() == Register::None).then(|| instr.memory_displacement64() as i64)
}

fn slot_load(instr: &Instruction) -> Option<i64> {
    let load = instr.mnemonic() == Mnemonic::Mov && instr.op1_kind() == OpKind::Memory && instr.op0_register().is_gpr64();
    if load { slot(instr) } else { None }
}

/// Slot and number of the register, for `mov [rsp + disp], r64`.
fn slot_store(instr: &Instruction) -> Option<(i64, usize)> {
    if instr.mnemonic() != Mnemonic::Mov || instr.op0_kind() != OpKind::Memory || instr.op1_kind() != OpKind::Register {
        return None;
    }
    let register = instr.op1_register();
    if !register.is_gpr64() {
        return None;
    }
    Some((slot(instr)?, gpr(register)?))
}

/// Slots that registers are spilled to. One is unknown if anything but a whole register, stored to the same displacement, overlaps it.
fn slots(view: &View) -> BTreeMap<i64, Known> {
    let stores: Vec<(i64, i64, bool)> = view
        .instrs
        .iter()
        .filter(|instr| instr.op0_kind() == OpKind::Memory && !matches!(instr.mnemonic(), Mnemonic::Cmp | Mnemonic::Test))
        .filter_map(|instr| Some((slot(instr)?, instr.memory_size().size().max(1) as i64, slot_store(instr).is_some())))
        .collect();
    let spills = stores.iter().filter(|(.., spill)| *spill);
    let mut slots: BTreeMap<i64, Known> = spills.map(|(start, ..)| (*start, Known::Nothing)).collect();
    for &(start, size, spill) in &stores {
        for (slot, known) in slots.range_mut(start.saturating_sub(7)..start.saturating_add(size)) {
            if !spill || *slot != start {
                *known = Known::Unknown;
            }
        }
    }
    slots
}
