//! All of an image's ELF files → Wasm functions: the order of the stages, read from top to bottom in [`lift_function`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_x86::boundary::code_map;

use crate::callees::Callees;
use crate::discover::{Function, Program};
use crate::elf::Elf;
use crate::live::Liveness;
use crate::wasm;
use crate::wasm::layout::{CodeMapEntry, FileStats, Layout, Lifted, LiftedFunction, Stats};
use crate::{opt, ssa, translate};

/// Machine stack of a lifting thread: SSA construction and expression trees recurse as deep as functions are large.
const THREAD_STACK: usize = 512 << 20;

/// One ELF file, read and searched for code.
pub struct File<'a> {
    pub elf: Elf<'a>,
    pub program: Program,
}

/// Lifts all functions of all files. `done` is told how many functions are finished, now and then.
pub fn lift(files: &[File<'_>], layout: &Layout, done: &(dyn Fn(usize) + Sync)) -> Lifted {
    let mut jobs: Vec<(usize, &Function)> = Vec::new();
    let (mut index, mut labels) = (BTreeMap::new(), BTreeMap::new());
    for (number, file) in files.iter().enumerate() {
        for (&entry, function) in &file.program.functions {
            // ET_EXEC files may share addresses: the first one has them.
            if is_liftable(function) && jobs.len() < MAX_FUNCTIONS && !index.contains_key(&entry) {
                let wasm = layout.first_function + jobs.len() as u32;
                index.insert(entry, wasm);
                labels.extend(function.labels.iter().map(|&label| (label, wasm)));
                jobs.push((number, function));
            }
        }
    }
    let callees = Callees::new(&files.iter().map(|file| &file.elf).collect::<Vec<_>>(), index, labels);
    let live: Vec<Liveness> = files.iter().map(|file| Liveness::new(&file.elf, &file.program)).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut results: Vec<Option<Result>> = Vec::new();
    results.resize_with(jobs.len(), || None);
    std::thread::scope(|scope| {
        let work = || {
            let mut finished = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                let Some(&(number, function)) = jobs.get(job) else { return finished };
                finished.push((job, lift_function(&files[number].elf, function, &live[number], layout, &callees)));
                if job % 64 == 0 {
                    done(job);
                }
            }
        };
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                std::thread::Builder::new().stack_size(THREAD_STACK).spawn_scoped(scope, work).expect("threads can be started")
            })
            .collect();
        for handle in handles {
            for (job, result) in handle.join().expect("lifting does not panic") {
                results[job] = Some(result);
            }
        }
    });
    collect(files.len(), &jobs, results.into_iter().map(|result| result.expect("every job was done")))
}

const MAX_FUNCTIONS: usize = (code_map::MAX_SLOTS - code_map::FIRST_FREE_SLOT) as usize;

/// More resume points than the code map can number: left to the interpreter.
fn is_liftable(function: &Function) -> bool {
    function.blocks.contains_key(&function.entry) && function.returns.len() + function.labels.len() < code_map::MAX_LABEL as usize
}

/// A lifted function and its entries.
struct Result {
    function: LiftedFunction,
    entries: Vec<u32>,
    x86_bytes: u64,
}

fn lift_function(elf: &Elf<'_>, function: &Function, live: &Liveness, layout: &Layout, callees: &Callees) -> Result {
    let mut unit = translate::translate(elf, function);
    ssa::run(&mut unit, |exit| live.wanted(function.entry, exit));
    opt::run(&mut unit);
    wasm::lower(&mut unit);
    let body = wasm::emit(&unit, layout, callees);
    Result {
        entries: unit.entries.iter().map(|entry| entry.pc).collect(),
        x86_bytes: function.blocks.iter().map(|(start, end)| u64::from(end - start)).sum(),
        function: LiftedFunction { body, name: unit.name },
    }
}

fn collect(files: usize, jobs: &[(usize, &Function)], results: impl Iterator<Item = Result>) -> Lifted {
    let mut lifted = Lifted { stats: Stats { files: vec![FileStats::default(); files] }, ..Lifted::default() };
    let mut map = BTreeMap::new();
    for (number, (result, &(file, _))) in results.zip(jobs).enumerate() {
        let stats = &mut lifted.stats.files[file];
        stats.functions += 1;
        stats.x86_bytes += result.x86_bytes;
        stats.wasm_bytes += result.function.body.len() as u64;
        for (label, &pc) in result.entries.iter().enumerate() {
            let entry = CodeMapEntry { pc, function: number as u32, label: label as u32 };
            // A function's own entry is the better way in than another's resume point.
            let old = map.entry(pc).or_insert(entry);
            if label == 0 {
                *old = entry;
            }
        }
        lifted.functions.push(result.function);
    }
    lifted.code_map = map.into_values().collect();
    lifted
}
