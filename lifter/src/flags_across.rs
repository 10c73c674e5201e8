//! Status flags across calls and jumps between functions.
//!
//! The System V ABI (AMD64, §3.2.1) lets no flag but DF live across a call, and compilers keep to it; hand-written code does not always.
//! So the code at every return point and every target says whether it reads a flag before it sets it, and only then are flags written.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use hoist_x86::iced_x86::{Decoder, DecoderOptions, FlowControl, RflagsBits};

use crate::discover::Program;
use crate::elf::Elf;

const STATUS: u32 = RflagsBits::CF | RflagsBits::PF | RflagsBits::AF | RflagsBits::ZF | RflagsBits::SF | RflagsBits::OF;
/// How far to look. Code that reads a flag set elsewhere does so at once.
const INSTRUCTIONS: usize = 12;

/// Which code of one ELF file reads flags that other functions set.
pub struct FlagReaders<'a> {
    elf: &'a Elf<'a>,
    memory: Mutex<HashMap<u32, bool>>,
    /// Entries of functions whose callers read flags after the call.
    returned: BTreeSet<u32>,
}

impl<'a> FlagReaders<'a> {
    pub fn new(elf: &'a Elf<'a>, program: &Program) -> FlagReaders<'a> {
        let mut readers = FlagReaders { elf, memory: Mutex::default(), returned: BTreeSet::new() };
        for function in program.functions.values() {
            for &next in &function.returns {
                if readers.read_at(next) {
                    // The call before it: E8 with a 32-bit displacement.
                    if let Some([0xe8, d @ ..]) = elf.read(next.wrapping_sub(5), 5) {
                        let displacement = i32::from_le_bytes([d[0], d[1], d[2], d[3]]);
                        readers.returned.insert(next.wrapping_add(displacement as u32));
                    }
                }
            }
        }
        readers
    }

    /// Does some caller of the function at `entry` read flags that it returns?
    pub fn returned_by(&self, entry: u32) -> bool {
        self.returned.contains(&entry)
    }

    /// Does the code at `pc` read a status flag before it has set it?
    pub fn read_at(&self, pc: u32) -> bool {
        if let Some(&known) = self.memory.lock().expect("no panic while locked").get(&pc) {
            return known;
        }
        let reads = self.look(pc);
        self.memory.lock().expect("no panic while locked").insert(pc, reads);
        reads
    }

    fn look(&self, pc: u32) -> bool {
        let code = self.elf.read_from(pc).unwrap_or(&[]);
        let mut set = 0;
        for instr in Decoder::with_ip(64, code, u64::from(pc), DecoderOptions::NONE).iter().take(INSTRUCTIONS) {
            if instr.is_invalid() {
                return false;
            }
            if instr.rflags_read() & STATUS & !set != 0 {
                return true;
            }
            set |= instr.rflags_modified() & STATUS;
            if set == STATUS || instr.flow_control() != FlowControl::Next {
                return false;
            }
        }
        false
    }
}
