//! Any bytes, read as an ELF file and searched for functions.

#![no_main]

use hoist_lifter::discover::discover;
use hoist_lifter::elf::Elf;

#[path = "../../tests/common/program.rs"]
mod program;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let home = if bytes.get(16) == Some(&2) { 0 } else { 0x1000_0000 };
    if let Ok(elf) = Elf::parse(bytes, home) {
        program::check(&discover(&elf));
    }
});
