//! Random bytes as code: discovered, lifted and run, and interpreted. Nothing may panic, and both back ends must end in the same
//! way and in the same state.
//!
//! A program that reads or writes outside its data is not compared any further: both back ends leave out loads whose value nobody wants, each
//! its own, and lifted code does not notice when its own bytes change (the kernel does).

mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Context, bail};
use hoist_lifter::callees::Callees;
use hoist_lifter::discover;
use hoist_lifter::elf::Elf;
use hoist_lifter::lift::lift_unit;
use hoist_lifter::wasm::layout::{Layout, Lifted, LiftedFunction};
use hoist_lifter::{module, translate};
use hoist_x86::boundary::{MMAP_MIN_ADDR, NULL_PAGE, Vector};
use hoist_x86::builder::Floats;
use hoist_x86::helper::Memory;
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use crate::alone;
use crate::machine::{Fault, Guest, HostNans, Machine, Stopped, UserMemory};
use crate::oracle::Rng;
pub use programs::Programs;

/// Programs in one Wasm module, each in a page of its own from here on.
const BATCH: u32 = 64;
const CODE: u32 = MMAP_MIN_ADDR;
const PAGE: u32 = 0x1000;
/// What programs may read and write.
const DATA: u32 = CODE + BATCH * PAGE;
const END: u32 = DATA + 0x2_0000;
/// States that each program is run in.
const STATES: u32 = 2;
/// Blocks that the interpreter runs, and Wasm instructions, before a program is given up.
const BLOCKS: u32 = 20_000;
const FUEL: u64 = 50_000_000;

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It left its code.
    At(u32),
    Exception {
        vector: Vector,
        at: u32,
    },
    /// It came to what hoist does not know, or what is no instruction.
    Unknown,
    /// It touched what it may not.
    Fault,
    /// It takes too long.
    Endless,
}

/// What came of many programs.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub programs: u64,
    /// Runs that ended in the same way and state in both back ends.
    pub same: u64,
    /// Of them those that an exception ended.
    pub exceptions: u64,
    /// Runs that were not compared: wild accesses, endless loops.
    pub left: u64,
}

/// The machines, and what was found so far.
pub struct Fuzzer {
    machine: Machine,
    pub tally: Tally,
}

impl Fuzzer {
    /// # Errors
    /// If the machine cannot be set up.
    pub fn new() -> anyhow::Result<Fuzzer> {
        Ok(Fuzzer { machine: Machine::new(END, true, HostNans::X86).map_err(wasm_error)?, tally: Tally::default() })
    }

    /// Runs one batch of programs.
    ///
    /// # Errors
    /// What went wrong, and with which bytes.
    pub fn batch(&mut self, programs: &Programs, rng: &mut Rng) -> anyhow::Result<()> {
        let codes: Vec<Vec<u8>> = (0..BATCH).map(|_| programs.random(rng)).collect();
        let batch = Batch::lift(&codes)?;
        let instance = self.machine.load(&batch.module).map_err(wasm_error).with_context(|| format!("compiling {codes:02x?}"))?;
        self.machine.set_labels(batch.code_map.iter().map(|(&pc, &(_, label))| (pc, label)));
        let mut functions = Vec::new();
        for name in &batch.names {
            functions.push(self.machine.function(&instance, name).map_err(wasm_error)?);
        }
        let mut image = vec![0xf4; (END - NULL_PAGE) as usize];
        for (number, code) in (0..).zip(&codes) {
            let at = (CODE + number * PAGE - NULL_PAGE) as usize;
            image[at..at + code.len()].copy_from_slice(code);
        }
        for (number, code) in (0..BATCH).zip(&codes) {
            self.tally.programs += 1;
            for _ in 0..STATES {
                let cpu = programs::state(DATA, END, rng);
                programs::fill_data(&mut image[(DATA - NULL_PAGE) as usize..], rng);
                self.compare(&batch, &functions, number, &image, &cpu).with_context(|| format!("program {code:02x?}"))?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, batch: &Batch, functions: &[Guest], number: u32, image: &[u8], cpu: &CpuState) -> anyhow::Result<()> {
        let start = CODE + number * PAGE;
        let (mut memory, mut interpreted) = (image.to_vec(), cpu.clone());
        let expected = interpret(&mut interpreted, &mut memory, start, |pc| !batch.is_code(pc));
        self.machine.memory().copy_from_slice(image);
        let mut lifted = cpu.clone();
        let got = self.run(batch, functions, start, &mut lifted)?;
        match (expected, got) {
            (Ending::Fault | Ending::Endless, _) | (_, Ending::Fault | Ending::Endless) => self.tally.left += 1,
            _ if expected != got => bail!("interpreter {expected:x?}, Wasm {got:x?}, from {cpu:x?}"),
            _ if interpreted != lifted => bail!("{expected:x?}: interpreter {interpreted:x?}, Wasm {lifted:x?}, from {cpu:x?}"),
            _ if memory != self.machine.memory() => bail!("{expected:x?}: the memory differs, from {cpu:x?}"),
            _ => {
                self.tally.same += 1;
                self.tally.exceptions += u64::from(matches!(expected, Ending::Exception { .. }));
            }
        }
        Ok(())
    }

    /// The kernel's dispatcher: what is lifted is entered, what discovery missed is interpreted.
    fn run(&mut self, batch: &Batch, functions: &[Guest], start: u32, cpu: &mut CpuState) -> anyhow::Result<Ending> {
        const ENTRIES: u32 = 2000;
        let mut pc = start;
        for _ in 0..ENTRIES {
            if let Some(&(function, label)) = batch.code_map.get(&pc) {
                // So few that loops are left in their midst.
                cpu.set(Reg::ROUNDS, 3);
                self.machine.set_cpu(cpu).map_err(wasm_error)?;
                let end = self.machine.enter(&functions[function], if label == 0 { 0 } else { pc }, FUEL).map_err(wasm_error)?;
                self.machine.cpu(cpu);
                // No register of the guest's.
                cpu.set(Reg::ROUNDS, 0);
                pc = match end {
                    Ok(pc) => pc,
                    Err(Stopped::Exception { vector, at }) => return Ok(Ending::Exception { vector, at }),
                    Err(Stopped::Interpret) => return Ok(Ending::Unknown),
                    Err(Stopped::OutOfBounds) => return Ok(Ending::Fault),
                    Err(Stopped::OutOfFuel) => return Ok(Ending::Endless),
                };
            } else if batch.is_code(pc) {
                let is_lifted = |pc| batch.code_map.contains_key(&pc) || !batch.is_code(pc);
                match interpret(cpu, self.machine.memory(), pc, is_lifted) {
                    Ending::At(next) => pc = next,
                    end => return Ok(end),
                }
            } else {
                return Ok(Ending::At(pc));
            }
        }
        Ok(Ending::Endless)
    }
}

/// Programs, lifted together.
struct Batch {
    module: Vec<u8>,
    names: Vec<String>,
    /// Address → function and label.
    code_map: BTreeMap<u32, (usize, u32)>,
    /// Ends of the programs.
    ends: BTreeSet<u32>,
}

impl Batch {
    fn lift(codes: &[Vec<u8>]) -> anyhow::Result<Batch> {
        let layout = Layout::alone();
        let files: Vec<Vec<u8>> = (0..).zip(codes).map(|(number, code)| alone::elf_around(CODE + number * PAGE, code)).collect();
        let (mut elfs, mut jobs, mut callees) = (Vec::new(), Vec::new(), Callees::default());
        for (file, code) in files.iter().zip(codes) {
            let elf = Elf::parse(file, 0)?;
            let program = no_panic(code, || discover::discover(&elf))?;
            elfs.push((elf, program));
        }
        for (number, (_, program)) in elfs.iter().enumerate() {
            for (&entry, function) in program.functions.iter().filter(|(entry, function)| function.blocks.contains_key(entry)) {
                callees.functions.insert(entry, layout.first_function + jobs.len() as u32);
                jobs.push((number, function));
            }
        }
        let (mut lifted, mut names, mut code_map) = (Lifted::default(), Vec::new(), BTreeMap::new());
        for (job, &(number, function)) in jobs.iter().enumerate() {
            let (body, entries) = no_panic(&codes[number], || {
                let mut unit = translate::translate(&elfs[number].0, function, Floats::Plain);
                let body = lift_unit(&mut unit, &layout, &callees, |_| alone::ALL).body;
                (body, unit.entries.iter().map(|entry| entry.pc).collect::<Vec<u32>>())
            })?;
            for (label, pc) in (0..).zip(entries) {
                let old = code_map.entry(pc).or_insert((job, label));
                if label == 0 {
                    *old = (job, label);
                }
            }
            names.push(format!("function {job}"));
            lifted.functions.push(LiftedFunction { body, name: format!("function {job}"), ..LiftedFunction::default() });
        }
        let ends = (0..).zip(codes).map(|(number, code)| CODE + number * PAGE + code.len() as u32).collect();
        Ok(Batch { module: module::alone(&layout, &lifted), names, code_map, ends })
    }

    /// Is it an address in a program?
    fn is_code(&self, pc: u32) -> bool {
        (CODE..DATA).contains(&pc) && self.ends.range(pc + 1..).next().is_some_and(|end| pc / PAGE == (end - 1) / PAGE)
    }
}

/// Runs a stage of the converter; a panic is an error that names the bytes.
fn no_panic<T>(code: &[u8], stage: impl FnOnce() -> T) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(stage)).map_err(|_| anyhow::anyhow!("the converter panics at {code:02x?}"))
}

/// Runs from `pc` until `stop`, system calls left out.
fn interpret(cpu: &mut CpuState, memory: &mut [u8], mut pc: u32, stop: impl Fn(u32) -> bool) -> Ending {
    let mut interpreter = Interpreter::new();
    let mut blocks = 0;
    let mut memory = Watched(UserMemory(memory));
    let run = || {
        loop {
            let stop_before = |pc| {
                blocks += 1;
                blocks > BLOCKS || stop(pc)
            };
            match interpreter.run(cpu, &mut memory, pc, stop_before) {
                Stop::At(pc) if stop(pc) => return Ending::At(pc),
                Stop::At(_) => return Ending::Endless,
                Stop::Exception { vector, at } => return Ending::Exception { vector, at },
                Stop::Unknown { .. } => return Ending::Unknown,
                Stop::Fault { .. } => return Ending::Fault,
                Stop::Syscall { next } => pc = next,
            }
        }
    };
    crate::machine::or_fault(run).unwrap_or(Ending::Fault)
}

/// Memory in which only the data may be written, and nothing below the code be read.
struct Watched<'a>(UserMemory<'a>);

impl Watched<'_> {
    fn check(&self, addr: u32, lowest: u32) {
        if addr < lowest {
            resume_unwind(Box::new(Fault));
        }
    }
}

impl Memory for Watched<'_> {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        self.check(addr, CODE);
        self.0.load(addr)
    }

    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        self.check(addr, DATA);
        self.0.store(addr, bytes);
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        self.check(to, DATA);
        self.check(from, CODE);
        self.0.copy(to, from, len);
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        self.check(to, DATA);
        self.0.fill(to, byte, len);
    }
}

/// wasmtime has an error type of its own.
fn wasm_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
