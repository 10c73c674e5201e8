//! All of an image's ELF files → Wasm functions: the order of the stages, read from top to bottom in [`lift_function`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_x86::accesses::Accesses;
use hoist_x86::boundary::code_map;
use hoist_x86::builder::Floats;
use hoist_x86::ir::{Exit, Func, Inst, Term};

use crate::callees::{self, Callees};
use crate::discover::{Function, Program};
use crate::elf::Elf;
use crate::live::Liveness;
use crate::ssa::RegSet;
use crate::translate::Depends;
use crate::unit::{Twin, Unit};
use crate::wasm;
use crate::wasm::layout::{CodeMapEntry, FileStats, Layout, Lifted, LiftedFunction, Stats};
use crate::{opt, ssa, translate};

/// Machine stack of a lifting thread: SSA construction and expression trees recurse as deep as functions are large.
const THREAD_STACK: usize = 512 << 20;

/// One ELF file, read and searched for code.
pub struct File<'a> {
    pub elf: Elf<'a>,
    pub program: Program,
    /// Which of the files that share addresses it is, as programs linked for fixed ones do; 0 for all that share none.
    pub overlay: u32,
}

/// Lifts all functions of all files. `done` is told how many functions are finished, now and then.
pub fn lift(files: &[File<'_>], layout: &Layout, done: &(dyn Fn(usize) + Sync)) -> Lifted {
    let mut jobs: Vec<(usize, &Function)> = Vec::new();
    let mut callees: BTreeMap<u32, Callees> = BTreeMap::new();
    for (number, file) in files.iter().enumerate() {
        let callees = callees.entry(file.overlay).or_default();
        for (&entry, function) in &file.program.functions {
            if is_liftable(function) && jobs.len() < MAX_FUNCTIONS && !callees.functions.contains_key(&entry) {
                let wasm = layout.first_function + jobs.len() as u32;
                callees.functions.insert(entry, wasm);
                callees.labels.extend(function.labels.iter().map(|&label| (label, wasm)));
                jobs.push((number, function));
            }
        }
    }
    callees::link(&mut callees, &files.iter().map(|file| (file.overlay, &file.elf)).collect::<Vec<_>>());
    let live: Vec<Liveness> = files.iter().map(|file| Liveness::new(&file.elf, &file.program)).collect();
    let floats = in_parallel(&jobs, &|_| (), |&(number, function)| translations(&files[number].elf, function, &live[number]));
    let mut twins = layout.first_function + jobs.len() as u32..;
    let translations: Vec<_> = floats.into_iter().map(|floats| chain(floats, &mut twins)).collect();
    let work: Vec<_> = jobs.iter().zip(translations).collect();
    let results = in_parallel(&work, done, |(job, translations)| {
        let &&(number, function) = job;
        lift_function(&files[number].elf, function, translations, &live[number], layout, &callees[&files[number].overlay])
    });
    collect(files, &jobs, results)
}

/// Does every job, on all processors; the results are in the order of the jobs.
fn in_parallel<Job: Sync, Done: Send>(
    jobs: &[Job],
    done: &(dyn Fn(usize) + Sync),
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut results: Vec<Option<Done>> = Vec::new();
    results.resize_with(jobs.len(), || None);
    let take_jobs = || {
        let mut finished = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return finished };
            finished.push((number, work(job)));
            if number % 64 == 0 {
                done(number);
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                std::thread::Builder::new()
                    .stack_size(THREAD_STACK)
                    .spawn_scoped(scope, take_jobs)
                    .expect("threads can be started")
            })
            .collect();
        for handle in handles {
            for (number, result) in handle.join().expect("lifting does not panic") {
                results[number] = Some(result);
            }
        }
    });
    results.into_iter().map(|result| result.expect("every job was done")).collect()
}

const MAX_FUNCTIONS: usize = (code_map::MAX_SLOTS - code_map::FIRST_FREE_SLOT) as usize;

/// More resume points than the code map can number: left to the interpreter.
fn is_liftable(function: &Function) -> bool {
    function.blocks.contains_key(&function.entry) && function.returns.len() + function.labels.len() < code_map::MAX_LABEL as usize
}

/// The translations that a function needs, each for what those before it are not exact enough for; none if it has no floating point.
pub fn translations(elf: &Elf<'_>, function: &Function, live: &Liveness) -> &'static [Floats] {
    match translate::depends(elf, function) {
        Depends::Nothing => &[],
        Depends::Masks => &[Floats::Masked],
        Depends::Mxcsr => {
            let mut unit = translate::translate(elf, function, Floats::Plain);
            optimise(&mut unit, |exit| live.wanted(function.entry, exit));
            match opt::nans_in_loops(&mut unit) {
                true => &[Floats::Plain, Floats::Portable, Floats::Masked],
                false => &[Floats::Portable, Floats::Masked],
            }
        }
    }
}

/// Who takes over from each translation. `twins` gives the indices of all but the first.
pub fn chain(floats: &[Floats], twins: &mut impl Iterator<Item = u32>) -> Vec<(Floats, Twin)> {
    let Some((&last, others)) = floats.split_last() else { return vec![(Floats::Plain, Twin::Unneeded)] };
    let mut chain: Vec<_> = others.iter().zip(twins).map(|(&floats, twin)| (floats, Twin::Is(twin))).collect();
    chain.push((last, Twin::Interpreter));
    chain
}

/// A lifted function, its twins, and its entries.
struct Result {
    function: LiftedFunction,
    twins: Vec<LiftedFunction>,
    entries: Vec<u32>,
    x86_bytes: u64,
}

fn lift_function(
    elf: &Elf<'_>,
    function: &Function,
    translations: &[(Floats, Twin)],
    live: &Liveness,
    layout: &Layout,
    callees: &Callees,
) -> Result {
    let mut entries = Vec::new();
    let lift = |&(floats, twin): &(Floats, Twin)| {
        let mut unit = Unit { twin, ..translate::translate(elf, function, floats) };
        let leaves = unit.func.blocks.iter().any(|block| matches!(block.term, Some(Term::Exit(Exit::Leave { .. }))));
        let within = if leaves { live.within(elf, function) } else { BTreeMap::new() };
        let written = written_registers(&unit.func);
        let emitted = lift_unit(&mut unit, layout, callees, |exit| match exit {
            Exit::Leave { at } => within.get(at).copied().unwrap_or(RegSet::MAX),
            _ => live.wanted(function.entry, exit),
        });
        entries = unit.entries.iter().map(|entry| entry.pc).collect();
        // The first has the function's own name, whichever it is.
        let name = match floats {
            _ if floats == translations[0].0 => unit.name,
            Floats::Portable => format!("{} portably", unit.name),
            _ => format!("{} exactly", unit.name),
        };
        LiftedFunction {
            body: emitted.body,
            name,
            hints: emitted.hints,
            accesses: Accesses { entry: function.entry, written, list: emitted.accesses },
        }
    };
    let mut lifted: Vec<LiftedFunction> = translations.iter().map(lift).collect();
    Result {
        function: lifted.remove(0),
        twins: lifted,
        entries,
        x86_bytes: function.blocks.iter().map(|(start, end)| u64::from(end - start)).sum(),
    }
}

fn optimise(unit: &mut Unit, wanted: impl Fn(&Exit) -> RegSet) {
    ssa::run(unit, wanted);
    opt::run(unit);
}

/// IR with registers → Wasm. `wanted` says which registers are read behind an exit.
pub fn lift_unit(unit: &mut Unit, layout: &Layout, callees: &Callees, wanted: impl Fn(&Exit) -> RegSet) -> wasm::Emitted {
    optimise(unit, wanted);
    if unit.floats == Floats::Portable {
        opt::fix_nans(unit);
    }
    wasm::lower(unit);
    wasm::emit(unit, layout, callees)
}

/// General-purpose registers that a function writes: elsewhere than in their globals, for some time. Bit `n` for register `n`.
fn written_registers(func: &Func) -> u16 {
    let written = func.insts.iter().filter_map(|inst| match inst {
        Inst::SetReg(reg, _) if reg.index() < 16 => Some(1 << reg.index()),
        _ => None,
    });
    written.fold(0, |set, bit| set | bit)
}

fn collect(files: &[File<'_>], jobs: &[(usize, &Function)], results: Vec<Result>) -> Lifted {
    let mut lifted = Lifted { stats: Stats { files: vec![FileStats::default(); files.len()] }, ..Lifted::default() };
    let mut map = BTreeMap::new();
    for (number, (result, &(file, _))) in results.into_iter().zip(jobs).enumerate() {
        let stats = &mut lifted.stats.files[file];
        stats.functions += 1;
        stats.x86_bytes += result.x86_bytes;
        stats.wasm_bytes +=
            std::iter::once(&result.function).chain(&result.twins).map(|function| function.body.len() as u64).sum::<u64>();
        for (label, &pc) in result.entries.iter().enumerate() {
            let overlay = files[file].overlay;
            let entry = CodeMapEntry { overlay, pc, function: number as u32, label: label as u32 };
            // A function's own entry is the better way in than another's resume point.
            let old = map.entry((overlay, pc)).or_insert(entry);
            if label == 0 {
                *old = entry;
            }
        }
        lifted.functions.push(result.function);
        lifted.twins.extend(result.twins);
    }
    lifted.code_map = map.into_values().collect();
    lifted
}
