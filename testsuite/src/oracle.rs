//! The instruction oracle: the same instruction with the same random state on the real processor, in the interpreter, and lifted to
//! Wasm; every defined bit must agree.
//!
//! The forms come from real files: each different combination of opcode, operand kinds and prefixes that occurs there, with the bytes
//! that stand there. Only the displacement of memory operands is changed, so that they lie in the test's memory.

pub mod forms;
mod lifted;
mod native;
mod states;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hoist_x86::iced_x86::Instruction;
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

pub use lifted::Lifted;
pub use native::Native;
pub use states::{Rng, Shape};

/// Where the test's memory lies, for the real processor too: code, data and stack in one mapping.
pub const BASE: u32 = 0x2000_0000;
pub const SIZE: u32 = 0x1_0000;
/// The code under test.
pub const CODE: u32 = BASE;
/// Random bytes: the memory operands point here.
pub const DATA: u32 = BASE + 0x2000;
pub const DATA_SIZE: u32 = 0x800;
/// RSP points into here.
pub const STACK: u32 = DATA + DATA_SIZE;
pub const STACK_SIZE: u32 = 0xc00;
/// Where the interpreter goes behind the code under test.
pub const RETURN_PC: u32 = BASE + 0x1000;

/// A machine state: registers and the memory from [`DATA`] to the end of the stack.
#[derive(Clone, PartialEq)]
pub struct State {
    pub cpu: CpuState,
    pub memory: Vec<u8>,
}

/// Bytes of [`State::memory`].
pub const MEMORY_SIZE: usize = (STACK + STACK_SIZE - DATA) as usize;

/// What came of one run.
#[derive(Clone, PartialEq)]
pub enum Outcome {
    Done(Box<State>),
    Exception,
    /// hoist has no row for the instruction.
    Unknown,
}

/// What the comparison of many forms found.
#[derive(Default)]
pub struct Report {
    pub forms: usize,
    /// States in which all three agreed.
    pub states: usize,
    /// States in which the instruction raises an exception, all three agree.
    pub exceptions: usize,
    pub unknown: BTreeMap<String, usize>,
    /// Per form the first difference.
    pub mismatches: Vec<String>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.unknown.is_empty() && self.mismatches.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for mismatch in &self.mismatches {
            writeln!(f, "{mismatch}")?;
        }
        for (form, count) in &self.unknown {
            writeln!(f, "unknown: {form} ({count} times)")?;
        }
        let (forms, states, exceptions) = (self.forms, self.states, self.exceptions);
        let (unknown, mismatches) = (self.unknown.len(), self.mismatches.len());
        writeln!(f, "{forms} forms, {states} states agree, {exceptions} raise exceptions, {unknown} forms unknown, {mismatches} differ")
    }
}

/// Instructions in one Wasm module.
const BATCH: usize = 256;

/// Compares every form that `wanted` picks in `states` random states. The seed depends on the form only.
///
/// # Errors
/// If the machine cannot be set up.
pub fn compare(found: &BTreeMap<forms::Form, forms::Sample>, states: u32, wanted: impl Fn(&forms::Sample) -> bool) -> anyhow::Result<Report> {
    let (mut native, lifted, mut interpreter) = (Native::new()?, Lifted::new().map_err(wasm_error)?, Interpreter::new());
    let mut report = Report::default();
    let samples: Vec<&forms::Sample> = found.values().filter(|sample| wanted(sample)).collect();
    let mut codes = Vec::new();
    for batch in samples.chunks(BATCH) {
        let bytes: Vec<&[u8]> = batch.iter().map(|sample| sample.bytes.as_slice()).collect();
        codes.extend(lifted.compile(&bytes).map_err(wasm_error)?);
    }
    for (sample, code) in samples.into_iter().zip(&codes) {
        report.forms += 1;
        let name = format!("{:?} {:02x?}", sample.instr.code(), sample.bytes);
        let seed = sample.bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let (shape, mut rng) = (Shape::new(&sample.instr), Rng(seed));
        for _ in 0..states {
            let state = shape.state(&sample.instr, &mut rng);
            let interpreted = interpret(&mut interpreter, &sample.bytes, &state);
            if interpreted == Outcome::Unknown {
                report.unknown.insert(name.clone(), sample.count);
                break;
            }
            let wasm = lifted.run(code, &state).map_err(wasm_error)?;
            let wrong = match (native.run(&sample.bytes, &state), &interpreted, &wasm) {
                (None, Outcome::Exception, Outcome::Exception) => {
                    report.exceptions += 1;
                    continue;
                }
                (Some(expected), Outcome::Done(interpreted), Outcome::Done(wasm)) => {
                    let (a, b) = (difference(&sample.instr, &expected, interpreted), difference(&sample.instr, &expected, wasm));
                    if a.is_empty() && b.is_empty() { None } else { Some(format!("interpreter:{a}; wasm:{b}")) }
                }
                (expected, a, b) => {
                    let text = |raises| if raises { "raises an exception" } else { "does not" };
                    let raise = [expected.is_none(), *a == Outcome::Exception, *b == Outcome::Exception].map(text);
                    Some(format!("the processor {}, the interpreter {}, the Wasm {}", raise[0], raise[1], raise[2]))
                }
            };
            match wrong {
                None => report.states += 1,
                Some(text) => {
                    report.mismatches.push(format!("{name}: {text}"));
                    break;
                }
            }
        }
    }
    Ok(report)
}

/// wasmtime has an error type of its own.
fn wasm_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

/// Runs the instruction in the interpreter.
pub fn interpret(interpreter: &mut Interpreter, code: &[u8], state: &State) -> Outcome {
    // A jump ends the interpreter's block behind the instruction: E9 with a 32-bit displacement.
    let mut code = code.to_vec();
    let after_jump = CODE + code.len() as u32 + 5;
    code.push(0xe9);
    code.extend((RETURN_PC.wrapping_sub(after_jump)).to_le_bytes());
    let mut memory = states::TestMemory { code, data: state.memory.clone() };
    let mut cpu = state.cpu.clone();
    match interpreter.run(&mut cpu, &mut memory, CODE, |pc| pc == RETURN_PC) {
        Stop::At(_) => Outcome::Done(Box::new(State { cpu, memory: memory.data })),
        Stop::Exception { .. } => Outcome::Exception,
        Stop::Unknown { .. } | Stop::Syscall { .. } => Outcome::Unknown,
    }
}

/// Where two states differ, undefined flags left out; empty if nowhere.
pub fn difference(instr: &Instruction, expected: &State, got: &State) -> String {
    let mut text = String::new();
    let undefined = states::undefined_flags(instr);
    for reg in Reg::all() {
        if undefined.contains(&reg) || matches!(reg, Reg::FS_BASE | Reg::GS_BASE) || reg.0 >= Reg::ymm_high(0).0 {
            continue;
        }
        let (want, have) = (expected.cpu.get(reg), got.cpu.get(reg));
        if want != have {
            let _ = write!(text, " {}={have:#x} not {want:#x}", reg.name());
        }
    }
    for (i, (want, have)) in expected.memory.iter().zip(&got.memory).enumerate() {
        if want != have {
            let _ = write!(text, " [{:#x}]={have:#x} not {want:#x}", DATA as usize + i);
            if text.len() > 400 {
                break;
            }
        }
    }
    text
}
