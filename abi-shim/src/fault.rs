//! Accesses to bad addresses: SIGSEGV, and what is said when it ends the container.
//!
//! The interpreter finds a bad address before it makes the access, and knows pc and registers. In lifted code the host traps, which unwinds the
//! guest's Wasm frames. A host that looks after it (`hoist run`) then calls [`crate::entry::hoist_fault`] with what it has found out: the address,
//! the pc if the component has the table of them, and which registers are in their globals.

use std::fmt::Write;

use hoist_x86::reg::Reg;

use crate::backtrace;
use crate::cpu;
use crate::exit::INIT;
use crate::kernel::{Kernel, say};
use crate::signal::{Action, Info, number};

/// An access to a bad address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    pub address: Option<u32>,
    /// The instruction's.
    pub pc: Option<u32>,
    /// General-purpose registers whose value is not known, bit `n` for register `n`.
    pub unknown: u16,
}

impl Fault {
    /// What [`crate::task::Task::unknown`] is then.
    fn unknown(&self) -> u16 {
        if self.pc.is_none() { u16::MAX } else { self.unknown }
    }
}

impl Kernel {
    /// The current task made a bad access: where it goes on. A handler is run in any case; but one that returns to an instruction that is not
    /// known, or with registers that are not, ends the process.
    pub fn fault(&mut self, fault: Fault) -> u32 {
        const SEGV_MAPERR: i32 = 1;
        const SEGV_ACCERR: i32 = 2;
        let address = fault.address.unwrap_or(0);
        let is_mapped = self.process.mm.borrow().area_at(address.into()).is_some();
        let code = if is_mapped { SEGV_ACCERR } else { SEGV_MAPERR };
        let action = self.process.actions.get(number::SIGSEGV).handler;
        let is_handled = !matches!(action, Action::DEFAULT | Action::IGNORE) && !self.task.blocked.has(number::SIGSEGV);
        if self.process.pid == INIT && !is_handled {
            say(&message(self, &fault));
        }
        self.task.unknown = fault.unknown();
        let info = Info { signal: number::SIGSEGV, code, errno: 0, words: [address.into(), 0] };
        let next = self.exception(fault.pc.unwrap_or(0), info);
        self.task.unknown = 0;
        next
    }
}

/// What is said of it: as Linux's log has it, with the registers.
fn message(k: &Kernel, fault: &Fault) -> String {
    let mut text = "hoist: segmentation fault".to_owned();
    // Writing to a string does not fail.
    if let Some(address) = fault.address {
        let _ = write!(text, " at address {address:#x}");
    }
    if let Some(pc) = fault.pc {
        let _ = write!(text, ": pc {pc:#x}{}", backtrace::place(k, &k.process.mm.borrow(), pc.into(), false));
    }
    for number in 0..16 {
        let separator = if number % 4 == 0 { "\n " } else { "" };
        let name = Reg::gpr(number).name();
        let _ = match fault.unknown & 1 << number {
            0 => write!(text, "{separator} {name:>3} {:016x}", cpu::get_register(number)),
            _ => write!(text, "{separator} {name:>3} {:>16}", "?"),
        };
    }
    text
}
