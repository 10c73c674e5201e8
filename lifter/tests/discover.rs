//! Discovery on what gcc makes of small programs, on the C library, and on damaged files.

use std::path::{Path, PathBuf};
use std::process::Command;

use hoist_lifter::discover::{Function, JumpTable, Program, discover};
use hoist_lifter::elf::{Elf, ElfError};
use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};

#[path = "common/program.rs"]
mod program;
use program::check;

const HOME: u32 = 0x1000_0000;

/// Compiles one of the samples beside this file.
fn compile(sample: &str, flags: &[&str]) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/discover").join(sample);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = directory.path().join("a.out");
    let compiler = if sample.ends_with(".cc") { "g++" } else { "gcc" };
    let status = Command::new(compiler).args(flags).arg("-o").arg(&output).arg(source).status();
    assert!(status.expect("gcc is installed").success(), "{compiler} {flags:?} {sample}");
    std::fs::read(output).expect("the compiler's output")
}

fn home(bytes: &[u8]) -> u32 {
    // e_type: ET_EXEC is 2.
    if bytes[16] == 2 { 0 } else { HOME }
}

fn discovered(bytes: &[u8]) -> (Elf<'_>, Program) {
    let elf = Elf::parse(bytes, home(bytes)).expect("a good file");
    let program = discover(&elf);
    check(&program);
    (elf, program)
}

fn function<'p>(program: &'p Program, name: &str) -> &'p Function {
    let mut found = program.functions.values().filter(|function| function.name.as_deref() == Some(name));
    found.next().unwrap_or_else(|| panic!("no function {name}"))
}

fn address(elf: &Elf, name: &str) -> u32 {
    elf.symbols.iter().find(|symbol| symbol.name == name).unwrap_or_else(|| panic!("no symbol {name}")).address
}

/// The constant that the block at `pc` passes to a function.
fn argument(elf: &Elf, pc: u32) -> Option<u64> {
    let decoder = Decoder::with_ip(64, elf.read_from(pc)?, u64::from(pc), DecoderOptions::NONE);
    let mut loads = decoder.into_iter().take(3).filter(|instr| {
        instr.mnemonic() == Mnemonic::Mov && matches!(instr.op1_kind(), OpKind::Immediate32 | OpKind::Immediate32to64)
    });
    loads.next().map(|instr| instr.immediate(1))
}

fn only_table(function: &Function) -> &JumpTable {
    assert_eq!(function.tables.len(), 1, "{:?}", function.name);
    function.tables.values().next().expect("one table")
}

#[test]
fn switches_have_their_tables() {
    let variants: &[&[&str]] = &[
        &["-O2", "-pie", "-fPIE"],
        &["-O2", "-no-pie", "-fno-pie"],
        &["-O2", "-static-pie", "-fPIE"],
        &["-O2", "-static"],
        &["-O1", "-fcf-protection=full"],
        &["-Os"],
        &["-O3", "-fno-plt"],
        &["-O2", "-no-pie", "-fno-pie", "-fcf-protection=full"],
    ];
    for flags in variants {
        let bytes = compile("switch.c", flags);
        let (elf, program) = discovered(&bytes);
        let dense = function(&program, "dense");
        let table = only_table(dense);
        let arguments: Vec<_> = table.targets.iter().map(|target| argument(&elf, *target)).collect();
        assert_eq!(arguments, (7000..7007).map(Some).collect::<Vec<_>>(), "{flags:?}");
        assert!(dense.labels.is_empty());

        let masked = function(&program, "masked");
        let table = only_table(masked);
        // gcc may compare the first case or the last apart.
        assert!((7..=8).contains(&table.targets.len()), "{flags:?}");
        let first = argument(&elf, table.targets[0]).expect("a first case");
        assert!(first == 7000 || first == 7001, "{flags:?}");
        for case in [7001, 7003, 7004, 7006] {
            assert_eq!(argument(&elf, table.targets[(case - first) as usize]), Some(case), "{flags:?}");
        }
        assert_eq!(program.stats.jumps_without_table, 0, "{flags:?}");
    }
}

#[test]
fn switches_without_optimisation_have_their_tables() {
    for flags in [["-O0", "-pie", "-fPIE"], ["-O0", "-no-pie", "-fno-pie"]] {
        let bytes = compile("switch.c", &flags);
        let (elf, program) = discovered(&bytes);
        let table = only_table(function(&program, "dense"));
        let arguments: Vec<_> = table.targets.iter().map(|target| argument(&elf, *target)).collect();
        assert_eq!(arguments, (7000..7007).map(Some).collect::<Vec<_>>(), "{flags:?}");
    }
}

/// With `noinline` alone, gcc knows that `sink` changes no register, and keeps the table's address in one over the calls. Discovery
/// knows only the calling convention: no table, but every target is a label.
#[test]
fn targets_of_unknown_jumps_are_labels() {
    let bytes = compile("switch.c", &["-O2", "-DSINK=noinline"]);
    let (elf, program) = discovered(&bytes);
    let masked = function(&program, "masked");
    if masked.tables.is_empty() {
        let arguments: Vec<u64> = masked.labels.iter().filter_map(|label| argument(&elf, *label)).collect();
        assert!([7000, 7001, 7003, 7004, 7006, 7007].iter().all(|value| arguments.contains(value)), "{arguments:?}");
    }
}

#[test]
fn computed_gotos_have_their_tables() {
    for flags in [["-O2", "-fPIE", "-pie"], ["-O2", "-fno-pie", "-no-pie"], ["-O2", "-fno-gcse", "-static-pie"]] {
        let bytes = compile("goto.c", &flags);
        let (_, program) = discovered(&bytes);
        let run = function(&program, "run");
        assert!(!run.tables.is_empty(), "{flags:?}");
        for table in run.tables.values() {
            assert_eq!(table.targets.len(), 6, "{flags:?}");
            assert!(table.targets.iter().all(|target| run.blocks.contains_key(target)));
        }
        assert!(run.labels.is_empty(), "{flags:?}");
    }
}

#[test]
fn calls_that_do_not_come_back_have_no_resume_point() {
    let bytes = compile("switch.c", &["-O2"]);
    let (elf, program) = discovered(&bytes);
    let masked = function(&program, "masked");
    // The calls of abort and exit do not come back.
    let calls = masked.blocks.iter().flat_map(|(start, end)| {
        let code = elf.read(*start, (end - start) as usize).expect("code");
        Decoder::with_ip(64, code, u64::from(*start), DecoderOptions::NONE).into_iter().collect::<Vec<_>>()
    });
    let calls = calls.filter(|instr| instr.mnemonic() == Mnemonic::Call).count();
    assert_eq!(calls, masked.returns.len() + 2);
}

#[test]
fn functions_are_found_without_symbols_and_unwind_tables() {
    let flags = ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"];
    for pie in ["-pie", "-no-pie"] {
        let bytes = compile("calls.c", &[&flags[..], &[pie]].concat());
        let (elf, program) = discovered(&bytes);
        let names = ["leaf", "by_table", "by_address", "tail", "apply", "unreachable", "main"];
        let addresses = names.map(|name| address(&elf, name));
        for address in addresses {
            assert!(program.functions.contains_key(&address));
        }
        assert_eq!(program.functions[&address(&elf, "main")].labels.len(), 0);
        assert!(program.functions.values().any(|function| function.name.as_deref() == Some("puts@plt")));

        let stripped = compile("calls.c", &[&flags[..], &[pie, "-s"]].concat());
        let (elf, program) = discovered(&stripped);
        assert!(elf.symbols.iter().all(|symbol| symbol.name != "tail"));
        for (name, address) in names.iter().zip(addresses) {
            // A function that only one other jumps to may have become a part of it.
            let covered = program.functions.values().any(|function| function.blocks.contains_key(&address));
            assert!(covered, "{name} at {address:#x}");
        }

        let mut headless = stripped.clone();
        // e_shoff, e_shnum, e_shstrndx.
        headless[40..48].fill(0);
        headless[60..64].fill(0);
        let (elf, program) = discovered(&headless);
        assert!(elf.sections.is_empty());
        for (name, address) in names.iter().zip(addresses) {
            let covered = program.functions.values().any(|function| function.blocks.contains_key(&address));
            assert!(covered, "{name} at {address:#x} without sections");
        }
        assert!(program.functions.values().any(|function| function.name.as_deref() == Some("puts@plt")));
    }
}

#[test]
fn landing_pads_are_labels() {
    let bytes = compile("catch.cc", &["-O2"]);
    let (elf, program) = discovered(&bytes);
    let pads: Vec<u32> = elf.unwind.iter().flat_map(|entry| entry.landing_pads.clone()).collect();
    assert!(pads.len() >= 2);
    for pad in pads {
        assert!(program.functions.values().any(|function| function.labels.contains(&pad)), "{pad:#x}");
    }
    // The cold part of the catcher is a part of it.
    assert!(program.functions.values().all(|function| !function.name.as_deref().unwrap_or("").contains(".cold")));
}

fn c_library() -> PathBuf {
    let output = Command::new("gcc").arg("-print-file-name=libc.so.6").output().expect("gcc is installed");
    String::from_utf8(output.stdout).expect("a path").trim().into()
}

#[test]
fn c_library_is_covered() {
    let bytes = std::fs::read(c_library()).expect("the C library");
    let (elf, program) = discovered(&bytes);
    let mut covered = vec![false; bytes.len()];
    for (start, end) in program.functions.values().flat_map(|function| &function.blocks) {
        covered[(start - HOME) as usize..(end - HOME) as usize].fill(true);
    }
    let (mut all, mut missing) = (0, 0);
    for entry in &elf.unwind {
        let range = (entry.start - HOME) as usize..(entry.end - HOME) as usize;
        all += range.len();
        for hole in covered[range].split(|covered| *covered).filter(|hole| !hole.is_empty()) {
            // Padding between loops is at most this long.
            missing += if hole.len() < 16 { 0 } else { hole.len() };
        }
    }
    assert!(missing * 200 < all, "{missing} of {all} bytes");
    assert!(program.stats.jumps_with_table > 100, "{:?}", program.stats);
    assert!(program.stats.jumps_without_table < 5, "{:?}", program.stats);
}

#[test]
fn functions_do_not_share_blocks() {
    let bytes = compile("switch.c", &["-O2", "-static"]);
    let (_, program) = discovered(&bytes);
    let mut starts: Vec<u32> = program.functions.values().flat_map(|function| function.blocks.keys().copied()).collect();
    let all = starts.len();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), all);
}

#[test]
fn same_bytes_same_program() {
    let bytes = compile("calls.c", &["-O2", "-static"]);
    assert_eq!(discovered(&bytes).1, discovered(&bytes).1);
}

#[test]
fn bad_files_are_refused() {
    let bytes = compile("calls.c", &["-O2"]);
    let error = |bytes: &[u8]| Elf::parse(bytes, 0).expect_err("refused");
    assert_eq!(error(b"#!/bin/sh\n"), ElfError::NotElf);
    assert!(matches!(error(&bytes[..40]), ElfError::Truncated { .. }));
    assert!(matches!(error(&bytes[..600]), ElfError::Truncated { .. }));
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(error(&changed(4, 1)), ElfError::NotElf64 { class: 1, data: 1 });
    assert_eq!(error(&changed(18, 183)), ElfError::Machine(183));
    assert_eq!(error(&changed(16, 1)), ElfError::NotLoadable(1));
    assert_eq!(Elf::parse(&bytes, 0x123).expect_err("refused"), ElfError::Home(0x123));
    assert!(matches!(Elf::parse(&bytes, 0xffff_f000).expect_err("refused"), ElfError::TooHigh { .. }));
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (sample, flags) in [("switch.c", ["-O2", "-pie"]), ("goto.c", ["-O2", "-no-pie"]), ("catch.cc", ["-O2", "-pie"])] {
        let bytes = compile(sample, &flags);
        for round in 0..400 {
            let mut damaged = bytes.clone();
            // Headers and tables of the file's ends in every second round, anywhere in the others.
            let range = if round % 2 == 0 { 2048.min(damaged.len()) } else { damaged.len() };
            for _ in 0..1 + random.next(24) {
                let at = random.next(range);
                damaged[at] = match random.next(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => damaged[at] ^ 1 << random.next(8),
                    _ => random.next(256) as u8,
                };
            }
            if random.next(8) == 0 {
                damaged.truncate(random.next(damaged.len()));
            }
            if damaged.len() > 16
                && let Ok(elf) = Elf::parse(&damaged, home(&damaged))
            {
                check(&discover(&elf));
            }
        }
    }
}
