//! The Wasm back end: the instruction as a lifted function, run by wasmtime.

use hoist_lifter::lift::chain;
use hoist_lifter::module;
use hoist_lifter::wasm::layout::{Layout, Lifted as LiftedCode, LiftedFunction};
use hoist_x86::boundary::NULL_PAGE;

use super::native::signal_of;
use super::{BASE, CODE, DATA, End, MEMORY_SIZE, SIZE, State};
use crate::alone;
use crate::machine::{Guest, HostNans, Machine, Stopped};

pub struct Lifted {
    machine: Machine,
}

/// One lifted instruction.
pub struct Code(Guest);

impl Lifted {
    pub fn new(nans: HostNans) -> wasmtime::Result<Lifted> {
        Ok(Lifted { machine: Machine::new(BASE + SIZE, false, nans)? })
    }

    /// Lifts and compiles instructions, many in one module: a module has costs of its own.
    pub fn compile(&mut self, codes: &[&[u8]]) -> wasmtime::Result<Vec<Code>> {
        let layout = Layout::alone();
        let mut lifted = LiftedCode::default();
        let mut twins = layout.first_function + codes.len() as u32..;
        let message = |error: anyhow::Error| wasmtime::Error::msg(error.to_string());
        for (number, bytes) in codes.iter().enumerate() {
            for (part, translation) in chain(alone::translations(bytes).map_err(message)?, &mut twins).into_iter().enumerate() {
                let body = alone::lift_as(bytes, &layout, alone::ALL, translation).map_err(message)?;
                let name = format!("form {number}, {:?}", translation.0);
                let list = if part == 0 { &mut lifted.functions } else { &mut lifted.twins };
                list.push(LiftedFunction { body, name, ..LiftedFunction::default() });
            }
        }
        let instance = self.machine.load(&module::alone(&layout, &lifted))?;
        lifted.functions.iter().map(|function| Ok(Code(self.machine.function(&instance, &function.name)?))).collect()
    }

    /// Runs a lifted instruction; `result` is the state afterwards.
    pub fn run(&mut self, code: &Code, state: &State, result: &mut State) -> wasmtime::Result<End> {
        let at = (DATA - NULL_PAGE) as usize;
        self.machine.set_cpu(&state.cpu)?;
        self.machine.memory()[at..at + MEMORY_SIZE].copy_from_slice(&state.memory);
        let end = self.machine.enter(&code.0, 0, u64::MAX)?;
        self.machine.cpu(&mut result.cpu);
        result.memory.copy_from_slice(&self.machine.memory()[at..at + MEMORY_SIZE]);
        Ok(match end {
            Ok(pc) => End::At(pc),
            Err(Stopped::Exception { vector, at }) => End::Signal { signal: signal_of(vector), at },
            Err(Stopped::Interpret | Stopped::OutOfFuel) => End::Unknown,
            // The kernel would end the guest.
            Err(Stopped::OutOfBounds) => End::Signal { signal: libc::SIGSEGV, at: CODE },
        })
    }
}
