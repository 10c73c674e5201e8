//! From marks, pieces and tables to the functions that are handed out.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Code, END, LEADER, LEN, RETURN};
use super::explore::Explorer;
use super::layout::Layout;
use super::{Function, JumpTable, Program, Stats};

/// A function with more blocks is cut.
const MOST_BLOCKS: usize = 20_000;
/// A function with more resume points and labels is cut: the code map numbers 8,191 of them.
const MOST_LABELS: usize = 8_000;

/// Blocks of a contiguous range: start, end, number of instructions.
fn blocks(code: &Code, start: u32, end: u32, mut each: impl FnMut(u32, u32, usize)) {
    let marks = code.slice(start, end);
    for first in (0..marks.len()).filter(|at| marks[*at] & LEADER != 0 && marks[*at] & LEN != 0) {
        let mut at = first;
        let mut count = 0;
        loop {
            let here = marks[at];
            at += usize::from(here & LEN);
            count += 1;
            let next = marks.get(at).copied().unwrap_or(0);
            if here & END != 0 || next & LEN == 0 || next & LEADER != 0 {
                break;
            }
        }
        each(start + first as u32, start + at as u32, count);
    }
}

/// Where to cut functions that are too big. A cut makes labels of the blocks that jumps lead to across it, so this has to be asked again.
pub(super) fn cuts(explorer: &Explorer, layout: &Layout, labels: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut cuts = BTreeSet::new();
    for &function in layout.functions.keys() {
        let (mut blocks, mut entries) = (0, 0);
        let mut own = Vec::new();
        for piece in layout.ranges(function) {
            for (at, marks) in explorer.code.slice(piece.start, piece.end).iter().enumerate() {
                if marks & LEADER == 0 || marks & LEN == 0 {
                    continue;
                }
                let pc = piece.start + at as u32;
                let entered = usize::from(marks & RETURN != 0 || labels.contains(&pc));
                blocks += 1;
                entries += entered;
                if blocks > MOST_BLOCKS || entries > MOST_LABELS {
                    (blocks, entries) = (1, entered);
                    own.push(pc);
                }
            }
        }
        if !own.is_empty() {
            // Its other pieces stand alone then.
            cuts.extend(layout.ranges(function).map(|piece| piece.start));
            cuts.extend(own);
        }
    }
    cuts
}

pub(super) fn assemble(
    explorer: &Explorer,
    layout: &Layout,
    tables: &BTreeMap<u32, JumpTable>,
    labels: &BTreeSet<u32>,
) -> Program {
    let elf = explorer.elf;
    let mut program = Program::default();
    let mut stats = Stats {
        executable_bytes: elf.code.iter().map(|range| range.len() as u64).sum(),
        jumps_with_table: tables.len(),
        ..Stats::default()
    };
    for &root in layout.functions.keys() {
        let entry = layout.entry(root);
        let mut function = Function { entry, name: name(explorer, entry), ..Function::default() };
        for piece in layout.ranges(root) {
            blocks(&explorer.code, piece.start, piece.end, |start, end, instructions| {
                function.blocks.insert(start, end);
                stats.instructions += instructions;
                stats.code_bytes += u64::from(end - start);
                if explorer.code.marks(start) & RETURN != 0 {
                    function.returns.insert(start);
                }
            });
            function.labels.extend(labels.range(piece.start..piece.end));
            function.tables.extend(tables.range(piece.start..piece.end).map(|(pc, table)| (*pc, table.clone())));
        }
        function.labels.retain(|label| *label != entry && function.blocks.contains_key(label));
        // The entry of a function without its first block: what begins there does not decode.
        if function.blocks.contains_key(&entry) {
            stats.blocks += function.blocks.len();
            program.functions.insert(entry, function);
        }
    }
    stats.functions = program.functions.len();
    program.stats = stats;
    program
}

fn name(explorer: &Explorer, entry: u32) -> Option<String> {
    let symbols = &explorer.elf.symbols;
    match symbols.binary_search_by_key(&entry, |symbol| symbol.address) {
        Ok(at) => Some(symbols[at].name.clone()),
        Err(_) => explorer.elf.stubs.get(&entry).map(|stub| stub.name.clone()),
    }
}
