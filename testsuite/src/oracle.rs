//! The instruction oracle: the same instruction with the same state on the real processor, in the interpreter, and lifted to
//! Wasm; every bit must agree.
//!
//! The instructions come from real files, and from an enumeration of all that can be encoded. Only the displacement of memory operands and the
//! target of jumps are changed, so that they lie in the test's memory. The states are pairs of edge cases and random numbers; they
//! depend on the instruction's bytes and the seed only.

pub mod forms;
mod lifted;
mod memory;
mod native;
mod report;
mod states;
mod values;

use std::fmt::Write as _;

use hoist_x86::builder::Floats;
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use crate::machine::HostNans;
use forms::{Sample, Samples};
pub use lifted::Lifted;
use memory::TestMemory;
pub use native::Native;
use native::signal_of;
pub use report::{FormResult, Report};
use states::Shape;
use values::EDGES;
pub use values::Rng;

/// Where the test's memory lies, for the real processor too: code, data and stack in one mapping.
pub const BASE: u32 = 0x2000_0000;
pub const SIZE: u32 = 0x1_0000;
/// The code under test.
pub const CODE: u32 = BASE;
/// Where it jumps, if it jumps.
pub const TAKEN: u32 = CODE + 0x40;
/// The memory operands lie here; a page ends in the middle.
pub const DATA: u32 = BASE + 0x2c00;
pub const DATA_SIZE: u32 = 0x800;
/// RSP points into here.
pub const STACK: u32 = DATA + DATA_SIZE;
pub const STACK_SIZE: u32 = 0xc00;
/// Bytes of [`State::memory`].
pub const MEMORY_SIZE: usize = (STACK + STACK_SIZE - DATA) as usize;

/// A machine state: registers and the memory from [`DATA`] to the end of the stack.
#[derive(Clone, PartialEq)]
pub struct State {
    pub cpu: CpuState,
    pub memory: Vec<u8>,
}

impl State {
    fn new() -> State {
        State { cpu: CpuState::default(), memory: vec![0; MEMORY_SIZE] }
    }
}

/// How one run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// At this address, behind the instruction or where it jumps.
    At(u32),
    /// With the signal that an exception becomes; `at` is the address that the handler sees.
    Signal { signal: i32, at: u32 },
    /// hoist has no row for the instruction.
    Unknown,
}

/// Instructions in one Wasm module.
const BATCH: usize = 256;

/// Compares every sample in `states` states: half pairs of edge cases, half random. On a host with other NaNs
/// than x86 lifted code makes them x86's.
///
/// # Errors
/// If the machine cannot be set up.
pub fn compare(samples: &Samples, states: u32, seed: u64, nans: HostNans) -> anyhow::Result<Report> {
    let mut machines = Machines::new(nans)?;
    let mut report = Report::default();
    let list: Vec<(&forms::Variant, &Sample)> = samples.iter().collect();
    for batch in list.chunks(BATCH) {
        let bytes: Vec<&[u8]> = batch.iter().map(|(_, sample)| sample.bytes.as_slice()).collect();
        let codes = machines.lifted.compile(&bytes).map_err(wasm_error)?;
        for ((variant, sample), code) in batch.iter().zip(&codes) {
            let result = machines.compare(sample, code, states, seed, nans)?;
            report.add(variant.form, sample, result);
        }
    }
    Ok(report)
}

/// The three ways to run an instruction, and a result of each.
struct Machines {
    native: Native,
    lifted: Lifted,
    interpreter: Interpreter,
    memory: TestMemory,
    results: [State; 3],
}

/// What came of one sample.
#[derive(Default)]
pub struct Compared {
    /// States in which all three agree, and those of them in which an exception is raised.
    pub states: u32,
    pub exceptions: u32,
    pub is_unknown: bool,
    /// The first difference.
    pub mismatch: Option<String>,
}

impl Machines {
    fn new(nans: HostNans) -> anyhow::Result<Machines> {
        let lifted = Lifted::new(nans).map_err(wasm_error)?;
        Ok(Machines {
            native: Native::new()?,
            lifted,
            interpreter: Interpreter::new(),
            memory: TestMemory::new(),
            results: [State::new(), State::new(), State::new()],
        })
    }

    fn compare(
        &mut self,
        sample: &Sample,
        code: &lifted::Code,
        states: u32,
        seed: u64,
        nans: HostNans,
    ) -> anyhow::Result<Compared> {
        let hash =
            sample.bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut shape = Shape::new(&sample.instr, hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), nans);
        let mut compared = Compared::default();
        let len = sample.bytes.len() as u32;
        self.native.load(&sample.bytes);
        self.load_interpreted(&sample.bytes);
        for number in 0..states {
            // A permutation of the pairs, so that few states are a fair choice.
            let edge = (number % 2 == 0).then(|| (number as usize / 2 * 389) % (EDGES * EDGES));
            let state = shape.state(edge);
            let [expected, interpreted, wasm] = &mut self.results;
            let native = self.native.run(len, state, expected);
            let interpreter = interpret(&mut self.interpreter, &mut self.memory, len, state, interpreted);
            // Where exceptions are not masked the interpreter does the work of lifted code.
            let lifted = if state.cpu.get(Reg::EXACT) == Floats::Exact as u128 {
                wasm.clone_from(interpreted);
                interpreter
            } else {
                self.lifted.run(code, state, wasm).map_err(wasm_error)?
            };
            let ends = [native, interpreter, lifted];
            if ends[1] == End::Unknown {
                compared.is_unknown = true;
                break;
            }
            if ends[1..].iter().any(|end| *end != ends[0]) {
                compared.mismatch = Some(format!("processor {:x?}, interpreter {:x?}, Wasm {:x?}", ends[0], ends[1], ends[2]));
                break;
            }
            if let End::Signal { .. } = ends[0] {
                compared.exceptions += 1;
                compared.states += 1;
                if !state.cpu.observes_flags {
                    continue;
                }
            }
            let [a, b] = [&*interpreted, &*wasm].map(|got| difference(expected, got));
            if !a.is_empty() || !b.is_empty() {
                compared.mismatch = Some(format!("state {number}: interpreter:{a}; wasm:{b}"));
                break;
            }
            compared.states += 1;
        }
        Ok(compared)
    }

    /// The instruction and a jump behind it, which ends the interpreter's block: E9 with a displacement of zero.
    fn load_interpreted(&mut self, code: &[u8]) {
        let place = self.memory.code();
        place[..0x60].fill(0);
        place[..code.len()].copy_from_slice(code);
        place[code.len()] = 0xe9;
    }
}

/// wasmtime has an error type of its own.
fn wasm_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

/// Runs the instruction of `len` bytes in the interpreter.
fn interpret(interpreter: &mut Interpreter, memory: &mut TestMemory, len: u32, state: &State, result: &mut State) -> End {
    const JUMP: u32 = 5;
    memory.data().copy_from_slice(&state.memory);
    result.cpu.clone_from(&state.cpu);
    let stop = interpreter.run(&mut result.cpu, memory, CODE, |pc| pc != CODE);
    result.memory.copy_from_slice(memory.data());
    match stop {
        Stop::At(pc) if pc == CODE + len + JUMP => End::At(CODE + len),
        Stop::At(pc) => End::At(pc),
        Stop::Exception { vector, at } => End::Signal { signal: signal_of(vector), at },
        Stop::Unknown { .. } | Stop::Syscall { .. } | Stop::Fault { .. } => End::Unknown,
    }
}

/// Sticky exception flags of MXCSR, which only programs that read them have.
const MXCSR_FLAGS: u32 = 0x3f;

/// Where two states differ, in flags that the SDM leaves undefined too; empty if nowhere.
fn difference(expected: &State, got: &State) -> String {
    let mut text = String::new();
    if expected.cpu != got.cpu {
        for reg in Reg::all() {
            let (want, have) = (expected.cpu.get(reg), got.cpu.get(reg));
            if want != have {
                let _ = write!(text, " {}={have:#x} not {want:#x}", reg.name());
            }
        }
        if expected.cpu.x87 != got.cpu.x87 {
            let _ = write!(text, " x87={:x?} not {:x?}", got.cpu.x87, expected.cpu.x87);
        }
        let ignored = if expected.cpu.observes_flags { 0 } else { MXCSR_FLAGS };
        let [want, have] = [expected, got].map(|state| state.cpu.mxcsr & 0xffff & !ignored);
        if want != have {
            let _ = write!(text, " mxcsr={have:#x} not {want:#x}");
        }
    }
    if expected.memory != got.memory {
        for (i, (want, have)) in
            expected.memory.iter().zip(&got.memory).enumerate().filter(|(_, (want, have))| want != have).take(8)
        {
            let _ = write!(text, " [{:#x}]={have:#x} not {want:#x}", DATA as usize + i);
        }
    }
    text
}
