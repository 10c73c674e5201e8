//! What is true of every discovered program, whatever the file: shared by the tests and the fuzz target.

use hoist_lifter::discover::Program;

/// Panics where `program` contradicts its documentation.
pub fn check(program: &Program) {
    for (entry, function) in &program.functions {
        assert_eq!(*entry, function.entry);
        assert!(function.blocks.contains_key(entry), "{entry:#x} has no first block");
        assert!(function.blocks.iter().all(|(start, end)| start < end));
        assert!(function.blocks.len() <= 20_000);
        assert!(function.labels.union(&function.returns).count() <= 8_000);
        for label in function.labels.iter().chain(&function.returns) {
            assert!(function.blocks.contains_key(label), "{label:#x} is no block of {entry:#x}");
        }
        for (pc, table) in &function.tables {
            // Where decodings overlap, the block with the jump is not always the last one before it.
            let blocks = function.blocks.range(..=pc).rev().take(64);
            let mut blocks = blocks.filter(|(start, end)| **start <= table.load_pc && pc < end);
            assert!(table.load_pc <= *pc && blocks.next().is_some(), "table of {pc:#x}");
            assert!(!table.targets.is_empty() && table.index.is_gpr64());
        }
    }
}
