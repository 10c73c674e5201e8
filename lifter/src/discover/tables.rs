//! Jump tables: the instructions by which compilers jump through them, and their entries.
//!
//! Recognised, with the parts in any order and distance within one block:
//! - `lea rT, [rip + table]; movsxd rX, [rT + rI*4]; add rX, rT; jmp rX` (gcc, clang, position-independent);
//! - `jmp [table + rI*8]`, `jmp [rT + rI*8]`, `mov rX, [rT + rI*8]; jmp rX` (absolute addresses: gcc, Go, computed goto);
//! - `lea rX, [rI*4]; mov eax, [rX + rT]; cdqe; add rax, rT; jmp rax` (gcc without optimisation).

use std::collections::BTreeSet;

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::bounds::{self, Bound};
use super::code::Code;
use super::layout::{Layout, Piece};
use super::values::{Known, State, Values};
use super::view::{View, gpr, is_based};
use super::{JumpTable, TableEntry};
use crate::elf::Elf;

/// No table of real code is longer.
const MOST_ENTRIES: u64 = 0x1_0000;

/// What one indirect jump was found to be.
pub(super) enum Jump {
    Table(JumpTable),
    /// Loads from an indexed table, but not from a known one.
    Unknown,
    /// A tail call through a pointer, or the like.
    Other,
}

/// A value that is being computed inside one block on the way to a jump.
#[derive(Clone, Copy)]
enum Part {
    /// An index, times four or eight.
    Scaled { at: usize, index: Register, scale: u32 },
    /// An entry of a table, loaded.
    Entry(Load),
    /// An entry of four bytes and the base, added.
    Target { load: Load, base: Option<u32> },
}

/// By the number of the register.
type Parts = [Option<Part>; 16];

#[derive(Clone, Copy)]
struct Load {
    /// Instruction before which `index` is the index, in [`View::instrs`].
    at: usize,
    index: Register,
    /// `None` if the address is not known.
    table: Option<u32>,
    width: u32,
    signed: bool,
}

pub(super) struct Finder<'a> {
    pub elf: &'a Elf<'a>,
    pub code: &'a Code<'a>,
    pub layout: &'a Layout,
    /// Where data begins that instructions refer to: no table goes on there.
    pub data: &'a BTreeSet<u32>,
}

impl Finder<'_> {
    /// The indirect jump at the end of a block.
    pub fn jump(&self, view: &View, values: &mut Values, node: usize, pieces: &[Piece]) -> Jump {
        let last = view.nodes[node].instrs.end - 1;
        let (state, parts) = self.parts(view, values, node, last);
        let jump = &view.instrs[last];
        let (load, base) = match jump.op0_kind() {
            OpKind::Memory => match load(jump, last, &state, &parts) {
                Some(load) => (load, None),
                None => return Jump::Other,
            },
            _ => match gpr(jump.op0_register()).and_then(|register| parts[register]) {
                Some(Part::Entry(load)) if load.width == 8 => (load, None),
                Some(Part::Target { load, base }) => match base {
                    Some(base) => (load, Some(base)),
                    None => return Jump::Unknown,
                },
                _ => return Jump::Other,
            },
        };
        let entry = base.map_or(TableEntry::Address, |base| TableEntry::Offset { base });
        let Some(address) = load.table else { return Jump::Unknown };
        let index = gpr(load.index).and_then(|index| bounds::find(view, node, load.at, index));
        let targets = self.targets(address, entry, index, pieces);
        if targets.is_empty() {
            return if base.is_some() { Jump::Unknown } else { Jump::Other };
        }
        let load_pc = view.instrs[load.at].ip() as u32;
        Jump::Table(JumpTable { address, entry, load_pc, index: load.index, targets })
    }

    /// Where a block loads from a table to, if another block does the jump: such a jump has no table that could be stated.
    pub fn loose_targets(&self, view: &View, values: &mut Values, node: usize, pieces: &[Piece]) -> Vec<u32> {
        let (_, parts) = self.parts(view, values, node, view.nodes[node].instrs.end);
        let mut targets = Vec::new();
        for part in parts.into_iter().flatten() {
            let (load, entry) = match part {
                Part::Target { load, base: Some(base) } => (load, TableEntry::Offset { base }),
                Part::Entry(load) if load.width == 8 => (load, TableEntry::Address),
                _ => continue,
            };
            let Some(address) = load.table else { continue };
            let bound = gpr(load.index).and_then(|index| bounds::find(view, node, load.at, index));
            targets.extend(self.targets(address, entry, bound, pieces));
        }
        targets
    }

    /// Registers and parts before instruction `end` of a block.
    fn parts(&self, view: &View, values: &mut Values, node: usize, end: usize) -> (State, Parts) {
        let mut state = values.at_start[node];
        let mut parts: Parts = [None; 16];
        for at in view.nodes[node].instrs.start..end {
            let instr = &view.instrs[at];
            let part = part(instr, at, &state, &parts);
            for (number, part) in parts.iter_mut().enumerate() {
                if view.writes[at] >> number & 1 != 0 {
                    *part = None;
                }
            }
            if let Some((register, part)) = part {
                parts[register] = Some(part);
            }
            values.step(self.elf, instr, view.writes[at], &mut state);
        }
        (state, parts)
    }

    /// The entries of a table: as many as the bound says or, where it says nothing certain, as many as lead into the function's pieces
    /// or what may be its cold part, up to the last one that leads into its pieces.
    fn targets(&self, address: u32, entry: TableEntry, bound: Option<Bound>, pieces: &[Piece]) -> Vec<u32> {
        let inside = |target: u32| pieces.iter().any(|piece| piece.start <= target && target < piece.end);
        let (most, exact) = match bound {
            Some(Bound::Exact(entries)) => (entries, true),
            Some(Bound::AtMost(entries)) => (entries, false),
            None => (MOST_ENTRIES, false),
        };
        let mut targets = Vec::new();
        for index in 0..most.min(MOST_ENTRIES) as u32 {
            let Some((place, target)) = self.entry(address, entry, index) else { break };
            let part = || self.layout.find(target).is_some_and(|piece| self.layout.pieces[piece].part);
            let ends = !exact && (!inside(target) && !part() || index > 0 && self.data.contains(&place));
            if ends || self.code.is_inside_instruction(target) {
                break;
            }
            targets.push(target);
        }
        // A table of functions only is not worth a switch.
        let inside = targets.iter().rposition(|target| inside(*target)).map_or(0, |last| last + 1);
        if !exact || inside == 0 {
            targets.truncate(inside);
        }
        targets
    }

    /// Where an entry lies, and the code it leads to.
    fn entry(&self, address: u32, entry: TableEntry, index: u32) -> Option<(u32, u32)> {
        let width = match entry {
            TableEntry::Address => 8,
            TableEntry::Offset { .. } => 4,
        };
        let place = address.checked_add(index * width)?;
        if !self.elf.is_constant(place, width) {
            return None;
        }
        let target = match entry {
            TableEntry::Address => self.elf.read_pointer(place)?,
            TableEntry::Offset { base } => base.wrapping_add(u32::from_le_bytes(self.elf.read(place, 4)?.try_into().ok()?)),
        };
        self.elf.is_code(target).then_some((place, target))
    }

    /// Code that a table of offsets at `address` would lead to, if it is one: for functions with a jump that could not be followed.
    pub fn guess(&self, address: u32, pieces: &[Piece]) -> Vec<u32> {
        let targets = self.targets(address, TableEntry::Offset { base: address }, None, pieces);
        if targets.len() < 2 { Vec::new() } else { targets }
    }
}

/// The part that an instruction leaves in a register.
fn part(instr: &Instruction, at: usize, state: &State, parts: &Parts) -> Option<(usize, Part)> {
    if instr.mnemonic() == Mnemonic::Cdqe {
        return Some((0, signed(parts[0]?)?));
    }
    if instr.op0_kind() != OpKind::Register {
        return None;
    }
    let target = instr.op0_register();
    let number = gpr(target)?;
    let source = || if instr.op1_kind() == OpKind::Register { gpr(instr.op1_register()) } else { None };
    let part = match instr.mnemonic() {
        Mnemonic::Mov if target.is_gpr64() && instr.op1_kind() == OpKind::Register => parts[source()?]?,
        Mnemonic::Mov | Mnemonic::Movsxd if instr.op1_kind() == OpKind::Memory => {
            let load = load(instr, at, state, parts)?;
            let whole = target.is_gpr64() && load.width == if instr.mnemonic() == Mnemonic::Mov { 8 } else { 4 };
            let half = target.is_gpr32() && load.width == 4;
            if !whole && !half {
                return None;
            }
            Part::Entry(Load { signed: instr.mnemonic() == Mnemonic::Movsxd, ..load })
        }
        Mnemonic::Movsxd if target.is_gpr64() => signed(parts[source()?]?)?,
        Mnemonic::Add if target.is_gpr64() => {
            let other = source()?;
            add(parts[number], state[number], parts[other], state[other])?
        }
        Mnemonic::Lea if target.is_gpr64() && instr.memory_base() == Register::None => {
            let index = instr.memory_index();
            let scale = instr.memory_index_scale();
            if !index.is_gpr64() || instr.memory_displacement64() != 0 {
                return None;
            }
            Part::Scaled { at, index, scale }
        }
        Mnemonic::Lea if target.is_gpr64() && instr.memory_index_scale() == 1 && instr.memory_displacement64() == 0 => {
            let (base, index) = (gpr(instr.memory_base())?, gpr(instr.memory_index())?);
            add(parts[base], state[base], parts[index], state[index])?
        }
        Mnemonic::Shl if target.is_gpr64() && instr.op1_kind() == OpKind::Immediate8 && instr.immediate8() < 4 => {
            Part::Scaled { at, index: target, scale: 1 << instr.immediate8() }
        }
        _ => return None,
    };
    Some((number, part))
}

fn signed(part: Part) -> Option<Part> {
    match part {
        Part::Entry(load) if load.width == 4 => Some(Part::Entry(Load { signed: true, ..load })),
        _ => None,
    }
}

/// A loaded offset and a base, in either order.
fn add(a: Option<Part>, a_value: Known, b: Option<Part>, b_value: Known) -> Option<Part> {
    let (load, base) = match (a, b) {
        (Some(Part::Entry(load)), None) => (load, b_value),
        (None, Some(Part::Entry(load))) => (load, a_value),
        _ => return None,
    };
    if load.width != 4 || !load.signed {
        return None;
    }
    Some(Part::Target { load, base: constant(base) })
}

fn constant(value: Known) -> Option<u32> {
    match value {
        Known::Constant(value) => value.try_into().ok(),
        _ => None,
    }
}

/// The indexed load of an instruction's memory operand: `[base + index*scale + disp]` with the scale of the entry's width, or
/// `[table + scaled]`.
fn load(instr: &Instruction, at: usize, state: &State, parts: &Parts) -> Option<Load> {
    let width = instr.memory_size().size() as u32;
    let (base, index) = (instr.memory_base(), instr.memory_index());
    if (width != 4 && width != 8) || is_based(instr) || !index.is_gpr64() {
        return None;
    }
    if base != Register::None && !base.is_gpr64() {
        return None;
    }
    let displacement = instr.memory_displacement64();
    let table = |base: Option<u32>| base.map(|base| base.wrapping_add(displacement as u32));
    if instr.memory_index_scale() == width {
        let base = gpr(base).map_or(Some(0), |base| constant(state[base]));
        return Some(Load { at, index, table: table(base), width, signed: false });
    }
    if instr.memory_index_scale() != 1 {
        return None;
    }
    let (base, index) = (gpr(base)?, gpr(index)?);
    let (scaled, other) = match (parts[base], parts[index]) {
        (Some(scaled), None) => (scaled, index),
        (None, Some(scaled)) => (scaled, base),
        _ => return None,
    };
    match scaled {
        Part::Scaled { at, index, scale } if scale == width => {
            Some(Load { at, index, table: table(constant(state[other])), width, signed: false })
        }
        _ => None,
    }
}
