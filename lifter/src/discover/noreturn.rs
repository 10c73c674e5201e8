//! Which functions never return, so that what stands behind a call of theirs is not where control goes on.
//!
//! A function returns if a path leads from its entry to a return, or to where this cannot be seen (a jump through a pointer, an import that is not
//! known). That is found on the instructions themselves, before blocks or functions are known: most searches end at the first `ret`.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

use super::code::Code;
use super::explore::near_target;
use super::extents::Extents;
use crate::elf::{Elf, Stored};

/// Instructions to look at in one function. A longer search says that it returns.
const MOST_INSTRUCTIONS: usize = 4000;
/// Calls within calls. A deeper search says that they return.
const MOST_DEPTH: usize = 48;

/// Library functions that never return, by symbol; `std::__throw_…` come on top.
const NAMES: &[&str] = &[
    "_Exit",
    "_Unwind_Resume",
    "_ZSt9terminatev",
    "__assert",
    "__assert_fail",
    "__assert_perror_fail",
    "__chk_fail",
    "__cxa_bad_cast",
    "__cxa_bad_typeid",
    "__cxa_call_terminate",
    "__cxa_call_unexpected",
    "__cxa_pure_virtual",
    "__cxa_rethrow",
    "__cxa_throw",
    "__cxa_throw_bad_array_new_length",
    "__fortify_fail",
    "__libc_start_main",
    "__longjmp_chk",
    "__stack_chk_fail",
    "_exit",
    "_longjmp",
    "abort",
    "err",
    "errx",
    "exit",
    "longjmp",
    "pthread_exit",
    "quick_exit",
    "siglongjmp",
    "thrd_exit",
    "verr",
    "verrx",
];

/// What is asked about.
#[derive(Clone, Copy)]
pub(super) struct File<'f> {
    pub elf: &'f Elf<'f>,
    pub code: &'f Code<'f>,
    pub extents: &'f Extents,
}

pub(super) struct NoReturn {
    /// Entry → does it return? `None` while the question is open.
    known: BTreeMap<u32, Option<bool>>,
    /// Instructions that may still be decoded, so that code made for it cannot keep us forever.
    budget: usize,
}

impl NoReturn {
    pub fn new(code: &Code) -> NoReturn {
        let bytes: usize = code.regions.iter().map(|region| region.bytes.len()).sum();
        NoReturn { known: BTreeMap::new(), budget: 4 * bytes }
    }

    /// Does control come back after this call?
    pub fn call_returns(&mut self, file: File, call: &Instruction) -> bool {
        self.call(file, call, 0)
    }

    fn call(&mut self, file: File, call: &Instruction, depth: usize) -> bool {
        let entry = callee(file.elf, call);
        let next = call.next_ip() as u32;
        // A call of the next instruction only asks where it is.
        if entry == Some(next) {
            return true;
        }
        // The compiler knew that it does not come back, or it would have put something there.
        if file.extents.find(next - 1).is_some_and(|extent| extent.end == next) {
            return false;
        }
        let Some(entry) = entry else { return import_returns(file.elf, call) };
        match self.known.get(&entry) {
            Some(known) => known.unwrap_or(true),
            None if depth >= MOST_DEPTH => true,
            None => {
                self.known.insert(entry, None);
                let returns = self.function(file, entry, depth);
                self.known.insert(entry, Some(returns));
                returns
            }
        }
    }

    fn function(&mut self, file: File, entry: u32, depth: usize) -> bool {
        let mut work = vec![entry];
        let mut seen = BTreeSet::new();
        let mut left = MOST_INSTRUCTIONS;
        while let Some(pc) = work.pop() {
            if !seen.insert(pc) {
                continue;
            }
            let mut decoder = Decoder::with_ip(64, file.code.bytes(pc), u64::from(pc), DecoderOptions::NONE);
            loop {
                if left == 0 || self.budget == 0 || !decoder.can_decode() {
                    return true;
                }
                left -= 1;
                self.budget -= 1;
                let instr = decoder.decode();
                if instr.is_invalid() {
                    return true;
                }
                match instr.flow_control() {
                    FlowControl::Next if instr.mnemonic() != Mnemonic::Hlt => {}
                    FlowControl::Next | FlowControl::Exception => break,
                    FlowControl::Call | FlowControl::IndirectCall => {
                        if !self.call(file, &instr, depth + 1) {
                            break;
                        }
                    }
                    FlowControl::ConditionalBranch => work.extend(near_target(&instr)),
                    FlowControl::UnconditionalBranch => {
                        work.extend(near_target(&instr));
                        break;
                    }
                    FlowControl::IndirectBranch if instr.is_ip_rel_memory_operand() => {
                        match callee(file.elf, &instr) {
                            Some(target) => work.push(target),
                            None if import_returns(file.elf, &instr) => return true,
                            None => {}
                        }
                        break;
                    }
                    _ => return true,
                }
            }
        }
        false
    }
}

/// Where a call or jump goes: directly, or through a constant word (calls without a PLT).
pub(super) fn callee(elf: &Elf, instr: &Instruction) -> Option<u32> {
    if !instr.is_ip_rel_memory_operand() {
        return near_target(instr);
    }
    let slot = u32::try_from(instr.ip_rel_memory_address()).ok()?;
    match elf.relocation(slot)?.stored {
        Stored::Relative(target) if elf.is_constant(slot, 8) && elf.is_code(target) => Some(target),
        _ => None,
    }
}

/// For a call or jump through a word: may the function whose address the loader stores there return?
fn import_returns(elf: &Elf, instr: &Instruction) -> bool {
    let relocation = u32::try_from(instr.ip_rel_memory_address()).ok().and_then(|slot| elf.relocation(slot));
    match relocation.map(|relocation| relocation.stored) {
        Some(Stored::Symbol { name, .. }) => {
            let throws = name.starts_with("_ZSt") && name.contains("__throw_");
            !throws && NAMES.binary_search(&name).is_err()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_sorted() {
        assert!(super::NAMES.is_sorted());
    }
}
