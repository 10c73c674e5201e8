//! The Wasm back end: the instruction as a lifted function, run by wasmtime.

use hoist_lifter::lift::Nans;
use hoist_lifter::module;
use hoist_lifter::unit::Twin;
use hoist_lifter::wasm::layout::{Layout, Lifted as LiftedCode, LiftedFunction};
use hoist_x86::boundary::NULL_PAGE;

use super::native::signal_of;
use super::{BASE, CODE, DATA, End, MEMORY_SIZE, SIZE, State};
use crate::alone;
use crate::machine::{Guest, Machine, Stopped};

pub struct Lifted {
    machine: Machine,
    nans: Nans,
}

/// One lifted instruction.
pub struct Code(Guest);

impl Lifted {
    pub fn new(nans: Nans) -> wasmtime::Result<Lifted> {
        Ok(Lifted { machine: Machine::new(BASE + SIZE, false, nans)?, nans })
    }

    /// Lifts and compiles instructions, many in one module: a module has costs of its own.
    pub fn compile(&mut self, codes: &[&[u8]]) -> wasmtime::Result<Vec<Code>> {
        let layout = Layout::alone();
        let mut lifted = LiftedCode::default();
        for bytes in codes {
            let twin = layout.first_function + (codes.len() + lifted.twins.len()) as u32;
            let (number, depends) = (lifted.functions.len(), alone::depends_on_mxcsr(bytes));
            let body =
                alone::lift_as(bytes, &layout, alone::ALL, if depends { Twin::Is(twin) } else { Twin::Unneeded }, self.nans);
            let body = body.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
            lifted.functions.push(LiftedFunction { body, name: format!("form {number}"), ..LiftedFunction::default() });
            if depends {
                let body = alone::lift_as(bytes, &layout, alone::ALL, Twin::Itself, self.nans);
                let body = body.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
                lifted.twins.push(LiftedFunction { body, name: format!("twin of form {number}"), ..LiftedFunction::default() });
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
