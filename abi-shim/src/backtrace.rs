//! Who called whom when a process ended: HOIST_BACKTRACE. There are no core dumps here.
//!
//! Frames are found as gdb finds them, by the call frame information in `.eh_frame` (DWARF 5 §6.4, LSB 5.0 §10.6), which every file of the x86-64
//! ABI has; it is read from the file as it is stored. Code without it, made at run time or by hand, ends the list.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, Encoding, EvaluationResult, Expression, LittleEndian, Location, RegisterRule, UnwindContext,
    UnwindSection, Value,
};

use crate::cpu;
use crate::kernel::{Kernel, signal_name};
use crate::mm::{AddressSpace, Backing};
use crate::signal::{SignalSet, number};
use crate::symbols::ElfFile;
use crate::user;

type Slice<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// Frames that are shown.
const DEPTH: usize = 64;
/// The general-purpose register that a DWARF number means (System V ABI AMD64, figure 3.36).
const REGISTERS: [u8; 16] = [0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];
/// DWARF numbers: rsp, the return address, and what a function leaves as it was: rbx, rbp, r12 to r15.
const RSP: usize = 7;
const RETURN_ADDRESS: u16 = 16;
const PRESERVED: [usize; 6] = [3, 6, 12, 13, 14, 15];

/// Signals that make a core dump elsewhere: signal(7).
const DUMPING: SignalSet = {
    use number::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
    let (mut set, mut index) = (0, 0);
    let signals = [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS];
    while index < signals.len() {
        set |= SignalSet::bit(signals[index]);
        index += 1;
    }
    SignalSet(set)
};

/// A call that has not come back yet.
struct Frame {
    pc: u64,
    /// By DWARF number; `None` for what is not known.
    registers: [Option<u64>; 16],
    /// `pc` is where a call returns to, so the call is before it.
    is_return: bool,
}

/// Says where the current process is, if a signal that ends it asks for that.
pub fn say(k: &Kernel, signal: u8, pc: u32) {
    if !k.backtraces || !DUMPING.has(signal) {
        return;
    }
    let known = |number: u8| k.task.unknown & 1 << number == 0;
    let registers = REGISTERS.map(|number| known(number).then(|| cpu::get_register(number)));
    let mut frame = Some(Frame { pc: pc.into(), registers, is_return: false });
    let mm = k.process.mm.borrow();
    let mut text = format!("hoist: process {} ends by {}", k.process.pid, signal_name(signal));
    for number in 0..DEPTH {
        let Some(at) = frame else { break };
        text += &format!("\n  #{number:<2} {:#x}{}", at.pc, place(k, &mm, at.pc, at.is_return));
        frame = at.caller(&mm);
    }
    if registers[RSP].is_none() {
        text += "\n  callers are not known: translated code had the stack pointer in a register of the host";
    }
    k.say(&text);
}

/// The stored file that is mapped at an address, and the address in the file's terms.
fn file_at(mm: &AddressSpace, address: u64) -> Option<(ElfFile, u64)> {
    let (start, area) = mm.area_at(address)?;
    let Backing::File { file, offset } = &area.backing else { return None };
    let elf = ElfFile::open(file.inode())?;
    let address = elf.address_of(offset + (address - start))?;
    Some((elf, address))
}

/// ` <function+0x12> in /path`, as far as it is known. What a call returns to may be no more of the function.
pub fn place(k: &Kernel, mm: &AddressSpace, pc: u64, is_return: bool) -> String {
    let after = u64::from(is_return);
    let Some((_, area)) = mm.area_at(pc) else { return String::new() };
    let Backing::File { file, .. } = &area.backing else { return String::new() };
    let function = file_at(mm, pc - after).and_then(|(elf, address)| elf.function_at(address));
    let function = function.map_or_else(String::new, |place| format!(" <{}+{:#x}>", place.function, place.offset + after));
    let path = file.location().path(&k.process.fs.borrow().root).bytes;
    format!("{function} in {}", String::from_utf8_lossy(&path))
}

impl Frame {
    /// The frame of the caller; `None` if this is the outermost one, or nothing is known.
    fn caller(&self, mm: &AddressSpace) -> Option<Frame> {
        let (elf, address) = file_at(mm, self.pc - u64::from(self.is_return))?;
        let (frames_address, frames) = elf.eh_frame()?;
        let (frames, bases) = (EhFrame::new(&frames, LittleEndian), BaseAddresses::default().set_eh_frame(frames_address));
        let entry = frames.fde_for_address(&bases, address, EhFrame::cie_from_offset).ok()?;
        let mut context = UnwindContext::new();
        let row = entry.unwind_info_for_address(&frames, &bases, &mut context, address).ok()?;
        let expression = |expression: &gimli::UnwindExpression<usize>, start| {
            self.evaluate(expression.get(&frames).ok()?, entry.cie().encoding(), start)
        };
        let frame_address = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => self.register(register.0)?.wrapping_add_signed(*offset),
            CfaRule::Expression(rule) => expression(rule, None)?,
        };
        let at_offset = |offset: i64| frame_address.wrapping_add_signed(offset);
        let before = |number: u16| match row.register(gimli::Register(number)) {
            Some(RegisterRule::Offset(offset)) => user::read(at_offset(offset)).ok(),
            Some(RegisterRule::ValOffset(offset)) => Some(at_offset(offset)),
            Some(RegisterRule::Register(other)) => self.register(other.0),
            Some(RegisterRule::Expression(rule)) => user::read(expression(&rule, Some(frame_address))?).ok(),
            Some(RegisterRule::ValExpression(rule)) => expression(&rule, Some(frame_address)),
            Some(RegisterRule::SameValue) => self.register(number),
            Some(RegisterRule::Undefined) => None,
            _ if usize::from(number) == RSP => Some(frame_address),
            _ if PRESERVED.contains(&number.into()) => self.register(number),
            _ => None,
        };
        let pc = before(RETURN_ADDRESS).filter(|&pc| pc != 0)?;
        let registers = std::array::from_fn(|number| before(number as u16));
        // A signal's handler returns to an instruction that was not made.
        let is_return = !entry.is_signal_trampoline();
        let goes_on = registers[RSP] > self.registers[RSP] || !is_return;
        goes_on.then_some(Frame { pc, registers, is_return })
    }

    fn register(&self, number: u16) -> Option<u64> {
        *self.registers.get(usize::from(number))?
    }

    /// What a DWARF expression gives (DWARF 5 §2.5), with `start` on its stack.
    fn evaluate(&self, expression: Expression<Slice<'_>>, encoding: Encoding, start: Option<u64>) -> Option<u64> {
        let mut evaluation = expression.evaluation(encoding);
        if let Some(start) = start {
            evaluation.set_initial_value(start);
        }
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, .. } => {
                    evaluation.resume_with_memory(Value::Generic(user::read(address).ok()?)).ok()?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(self.register(register.0)?)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.result().first()?.location {
            Location::Address { address } => Some(address),
            _ => None,
        }
    }
}
