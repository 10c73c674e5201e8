//! Prints what discovery finds in ELF files: `cargo run --release -p hoist-lifter --example discover -- [-v] FILE…`.
//!
//! With `-v` also the bytes of functions that were not covered, and the indirect jumps without a table.

use std::collections::BTreeMap;
use std::time::Instant;

use hoist_lifter::discover::{Program, discover};
use hoist_lifter::elf::Elf;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic, OpKind, Register};

/// Position-independent files are looked at as if they were loaded here.
const HOME: u32 = 0x1000_0000;

fn main() {
    let (options, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    for file in files {
        if let Err(error) = report(&file, options.iter().any(|option| option == "-v")) {
            eprintln!("{file}: {error}");
        }
    }
}

fn report(file: &str, verbose: bool) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = std::fs::read(file)?;
    let start = Instant::now();
    let fixed = bytes.get(16) == Some(&2);
    let elf = Elf::parse(&bytes, if fixed { 0 } else { HOME })?;
    let parsed = start.elapsed();
    let program = discover(&elf);
    let stats = program.stats;
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    let covered = covered(&program);
    let functions = function_bytes(&elf, &covered, verbose);
    let labels: usize = program.functions.values().map(|function| function.labels.len()).sum();
    let returns: usize = program.functions.values().map(|function| function.returns.len()).sum();
    let biggest = program.functions.values().max_by_key(|function| function.blocks.len());
    println!("{file}");
    println!("  {} functions, {} blocks, {} instructions", stats.functions, stats.blocks, stats.instructions);
    println!("  {labels} labels, {returns} returns; {} cuts", stats.cut);
    println!("  {:.2} % of {} bytes of code", percent(stats.code_bytes, stats.executable_bytes), stats.executable_bytes);
    println!("  {:.2} % of {} bytes of functions", percent(functions.0, functions.1), functions.1);
    let (with, without) = (stats.jumps_with_table, stats.jumps_without_table);
    println!("  indirect jumps: {with} with table, {without} without, {} others", stats.other_indirect_jumps);
    if let Some(function) = biggest {
        let (name, tables) = (function.name.as_deref().unwrap_or("?"), function.tables.len());
        println!(
            "  biggest: {name} at {:#x}, {} blocks, {tables} tables, {} labels",
            function.entry,
            function.blocks.len(),
            function.labels.len()
        );
    }
    if verbose {
        for pc in jumps_without_table(&elf, &program) {
            println!("  no table: {pc:#x}");
        }
    }
    println!("  {parsed:.1?} to parse, {:.1?} to discover", start.elapsed() - parsed);
    Ok(())
}

/// Jumps to a register or through an indexed word for which there is no table.
fn jumps_without_table(elf: &Elf, program: &Program) -> Vec<u32> {
    let blocks = program.functions.values().flat_map(|function| function.blocks.iter().map(move |block| (function, block)));
    let jumps = blocks.filter_map(|(function, (start, end))| {
        let bytes = elf.read(*start, (end - start) as usize)?;
        let last = Decoder::with_ip(64, bytes, u64::from(*start), DecoderOptions::NONE).into_iter().last()?;
        let pc = last.ip() as u32;
        let jump = last.flow_control() == FlowControl::IndirectBranch && !last.is_ip_rel_memory_operand();
        let indexed = last.op0_kind() == OpKind::Register || last.memory_index() != Register::None;
        (jump && indexed && !function.tables.contains_key(&pc)).then_some(pc)
    });
    jumps.collect()
}

/// Start → end of all blocks, overlaps joined.
fn covered(program: &Program) -> BTreeMap<u32, u32> {
    let mut blocks: Vec<(u32, u32)> =
        program.functions.values().flat_map(|function| function.blocks.iter().map(|(start, end)| (*start, *end))).collect();
    blocks.sort_unstable();
    let mut covered: Vec<(u32, u32)> = Vec::new();
    for (start, end) in blocks {
        match covered.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => covered.push((start, end)),
        }
    }
    covered.into_iter().collect()
}

/// Bytes covered and bytes in all of the functions that symbols or unwind tables know, padding left out.
fn function_bytes(elf: &Elf, covered: &BTreeMap<u32, u32>, verbose: bool) -> (u64, u64) {
    let symbols = elf.symbols.iter().map(|symbol| (symbol.address, symbol.address + symbol.size));
    let mut ranges: Vec<(u32, u32)> = elf.unwind.iter().map(|entry| (entry.start, entry.end)).chain(symbols).collect();
    ranges.sort_unstable();
    let (mut inside, mut all, mut at) = (0, 0, 0);
    for (start, end) in ranges {
        let mut start = start.max(at);
        while start < end {
            let block = covered.range(..=start).next_back().filter(|(_, block_end)| **block_end > start);
            if let Some((_, &block_end)) = block {
                inside += u64::from(block_end.min(end) - start);
                all += u64::from(block_end.min(end) - start);
                start = block_end;
                continue;
            }
            let next = covered.range(start..).next().map_or(end, |(next, _)| (*next).min(end));
            let padding = elf.read(start, (next - start) as usize).is_some_and(is_padding);
            if !padding {
                all += u64::from(next - start);
                if verbose {
                    println!("  not covered: {start:#x}…{next:#x}, {} bytes", next - start);
                }
            }
            start = next;
        }
        at = at.max(end);
    }
    (inside, all)
}

/// Nothing but NOPs and zeros.
fn is_padding(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().all(|byte| *byte == 0);
    zeros
        || Decoder::new(64, bytes, DecoderOptions::NONE)
            .iter()
            .all(|instr| matches!(instr.mnemonic(), Mnemonic::Nop | Mnemonic::Int3))
}
