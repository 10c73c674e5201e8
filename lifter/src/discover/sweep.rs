//! The last source of functions: code that nothing is known to refer to, found by its looks.
//!
//! With unwind tables for most of the code only unmistakable prologues count. Without (a stripped program built with
//! `-fno-asynchronous-unwind-tables`, say), whatever decodes well after padding does.

use std::collections::BTreeSet;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};

use super::code::LEN;
use super::explore::Explorer;

/// Functions begin at multiples of this, as compilers align them.
const ALIGNMENT: u32 = 16;

const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
/// push rbp; mov rbp, rsp.
const FRAME: &[u8] = &[0x55, 0x48, 0x89, 0xe5];

/// Explores every function found in what is not covered yet.
pub(super) fn sweep(explorer: &mut Explorer) {
    let known: u64 = explorer.elf.unwind.iter().map(|entry| u64::from(entry.end - entry.start)).sum();
    let all: u64 = explorer.elf.code.iter().map(|range| range.len() as u64).sum();
    let strict = known * 4 > all;
    for index in 0..explorer.code.regions.len() {
        let (mut pc, end) = (explorer.code.regions[index].start, explorer.code.regions[index].end());
        while pc < end {
            let len = explorer.code.marks(pc) & LEN;
            if len != 0 {
                pc += u32::from(len);
                continue;
            }
            if let Some(extent) = explorer.extents.find(pc) {
                pc = extent.end;
                continue;
            }
            if let Some(padding) = padding(explorer.code.bytes(pc)) {
                pc += padding;
                continue;
            }
            let bytes = explorer.code.bytes(pc);
            let prologue = bytes.starts_with(ENDBR64) || bytes.starts_with(FRAME);
            if (prologue || !strict) && explorer.is_plausible(pc) {
                explorer.push_function(pc);
                explorer.drain();
            }
            if explorer.code.marks(pc) & LEN == 0 {
                // Not a function: look again where one might begin.
                pc = (pc / ALIGNMENT + 1).saturating_mul(ALIGNMENT);
            }
        }
    }
}

/// Code in a range that was not explored yet: where it begins after what is known, or after padding.
pub(super) fn holes(explorer: &Explorer, start: u32, end: u32) -> BTreeSet<u32> {
    let mut holes = BTreeSet::new();
    let mut pc = start;
    while pc < end {
        let len = explorer.code.marks(pc) & LEN;
        if len != 0 {
            pc += u32::from(len);
            continue;
        }
        if let Some(padding) = padding(explorer.code.bytes(pc)) {
            pc += padding;
            continue;
        }
        if explorer.is_plausible(pc) {
            holes.insert(pc);
        }
        // On to the next code that is known.
        while pc < end && explorer.code.marks(pc) & LEN == 0 {
            pc += 1;
        }
    }
    holes
}

/// Bytes of one padding instruction.
fn padding(bytes: &[u8]) -> Option<u32> {
    match bytes.first()? {
        0x00 | 0x90 | 0xcc => return Some(1),
        0x0f | 0x66 => {}
        _ => return None,
    }
    let instr = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
    (!instr.is_invalid() && instr.mnemonic() == Mnemonic::Nop).then_some(instr.len() as u32)
}
