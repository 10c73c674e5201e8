//! Discovery: which bytes of an ELF file are code, and how they divide into functions and basic blocks (DESIGN §5).
//!
//! Every result is a hint that costs speed when it is missing, never correctness: a pc that is not here is interpreted.
//! [`JumpTable`]s are the one exception. They are claims about the program, and so are made only where every path to
//! the jump loads from the same constant table in read-only memory.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::Register;

use crate::elf::Elf;

mod assemble;
mod bounds;
mod code;
mod explore;
mod extents;
mod layout;
mod noreturn;
mod pointers;
mod search;
mod sweep;
mod tables;
mod values;
mod view;

/// What discovery found in one ELF file. All addresses are guest addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// By entry. Functions' blocks do not overlap, except where code jumps into the middle of an instruction.
    pub functions: BTreeMap<u32, Function>,
    pub stats: Stats,
}

/// A unit of lifting.
///
/// A block that neither ends in a jump, a return or the like, nor falls through into a block of the same function, leaves the function at the
/// pc where it ends: that pc belongs to another function, was cut off, or does not decode. The same is true of jumps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    pub entry: u32,
    /// As in the symbol table, without version; `name@plt` for a stub of the procedure linkage table.
    pub name: Option<String>,
    /// Start → end (exclusive). A block is a straight run that control enters at its start only. The entry need not be the lowest start.
    pub blocks: BTreeMap<u32, u32>,
    /// By the pc of the indirect jump, which is the last instruction of its block.
    pub tables: BTreeMap<u32, JumpTable>,
    /// Block starts inside this function that control may reach from anywhere: what data or other functions refer to, targets of computed
    /// gotos whose table is not known, landing pads of exceptions.
    pub labels: BTreeSet<u32>,
    /// Block starts after calls and system calls: resume points. A call whose return address is not here does not come back, as
    /// far as can be known.
    pub returns: BTreeSet<u32>,
}

/// A switch or computed goto: an indirect jump through a constant, read-only table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JumpTable {
    /// Guest address of the table's first entry.
    pub address: u32,
    pub entry: TableEntry,
    /// The instruction that loads from the table or, if that has the index only scaled, the one that scales it. In the same block as the jump;
    /// the jump itself if that loads.
    pub load_pc: u32,
    /// The 64-bit register that holds the zero-based index just before `load_pc`.
    pub index: Register,
    /// Where the jump goes for index 0, 1, …. A larger index goes where the table's memory says. A target
    /// that is no block of the function lies in another one (a cold part).
    pub targets: Vec<u32>,
}

/// What one entry of a [`JumpTable`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableEntry {
    /// Eight bytes: the target's address.
    Address,
    /// Four bytes, signed: the target less `base`, nearly always the table's own address.
    Offset { base: u32 },
}

/// Counts for reports; nothing depends on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub functions: usize,
    pub blocks: usize,
    pub instructions: usize,
    /// Bytes in blocks.
    pub code_bytes: u64,
    /// Bytes in executable segments.
    pub executable_bytes: u64,
    /// Indirect jumps with a [`JumpTable`].
    pub jumps_with_table: usize,
    /// Indirect jumps that look like a switch or a computed goto but have none.
    pub jumps_without_table: usize,
    /// All other indirect jumps: tail calls through pointers, PLT stubs.
    pub other_indirect_jumps: usize,
    /// Functions that were cut because they have too many blocks.
    pub cut: usize,
}

/// Finds the functions of a file.
pub fn discover(elf: &Elf) -> Program {
    search::Search::new(elf).run()
}
