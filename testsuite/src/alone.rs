//! Instructions lifted by themselves, as one function: what the oracle runs and the coverage page counts.

use std::borrow::Cow;

use hoist_lifter::discover::Function;
use hoist_lifter::elf::Elf;
use hoist_lifter::lift::lift_unit;
use hoist_lifter::translate::{self, Depends};
use hoist_lifter::unit::{Twin, Unit};
use hoist_lifter::wasm::layout::Layout;
use hoist_x86::builder::Floats;
use hoist_x86::reg::Reg;
use wasmparser::{BinaryReader, FunctionBody};

use crate::oracle::CODE;

/// All registers are read by somebody.
pub const ALL: u64 = (1 << Reg::COUNT) - 1;

/// All registers but the status flags: as in code whose flags nobody reads.
pub fn all_but_flags() -> u64 {
    Reg::all().filter(|reg| reg.is_status_flag()).fold(ALL, |set, flag| set & !(1 << flag.index()))
}

/// The body of the function that these instructions become; `wanted` are the registers that are read after it.
///
/// # Errors
/// Never, as the file around the code is well-formed.
pub fn lift(code: &[u8], layout: &Layout, wanted: u64) -> anyhow::Result<Vec<u8>> {
    lift_as(code, layout, wanted, (Floats::Plain, Twin::Unneeded))
}

/// All translations of the code that differ in what its floating point depends on.
///
/// # Errors
/// Never, as the file around the code is well-formed.
pub fn translations(code: &[u8]) -> anyhow::Result<&'static [Floats]> {
    let file = elf_around(CODE, code);
    Ok(match translate::depends(&Elf::parse(&file, 0)?, &function(code)) {
        Depends::Nothing => &[],
        Depends::Masks => &[Floats::Masked],
        Depends::Mxcsr => &[Floats::Plain, Floats::Portable, Floats::Masked],
    })
}

/// As [`lift`], as one of several translations.
///
/// # Errors
/// Never, as the file around the code is well-formed.
pub fn lift_as(code: &[u8], layout: &Layout, wanted: u64, (floats, twin): (Floats, Twin)) -> anyhow::Result<Vec<u8>> {
    let file = elf_around(CODE, code);
    let mut unit = Unit { twin, ..translate::translate(&Elf::parse(&file, 0)?, &function(code), floats) };
    Ok(lift_unit(&mut unit, layout, &Default::default(), |_| wanted).body)
}

fn function(code: &[u8]) -> Function {
    Function { entry: CODE, blocks: [(CODE, CODE + code.len() as u32)].into(), ..Function::default() }
}

/// The Wasm instructions that this code becomes, as WebAssembly's text format names them, without those that any function has.
///
/// # Errors
/// If the body does not parse.
pub fn operations(code: &[u8], wanted: u64) -> anyhow::Result<Vec<String>> {
    const NOP: [u8; 1] = [0x90];
    let layout = Layout::alone();
    let frame = names(&lift(&NOP, &layout, wanted)?)?;
    let all = names(&lift(code, &layout, wanted)?)?;
    // The frame is the function's beginning, and its end: the address to go on at.
    let same =
        |a: &mut dyn Iterator<Item = &String>, b: &mut dyn Iterator<Item = &String>| a.zip(b).take_while(|(a, b)| a == b).count();
    let head = same(&mut frame.iter(), &mut all.iter());
    let tail = same(&mut frame[head..].iter().rev(), &mut all[head..].iter().rev());
    Ok(all[head..all.len() - tail].to_vec())
}

fn names(body: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut reader = FunctionBody::new(BinaryReader::new(body, 0)).get_operators_reader()?;
    while !reader.eof() {
        let operator = reader.read()?;
        // `I32Add`, or `LocalGet { local_index: 3 }`.
        let text = format!("{operator:?}");
        let name: Cow<'_, str> = text.split([' ', '{']).next().unwrap_or(&text).to_owned().into();
        if name != "End" {
            names.push(name.into_owned());
        }
    }
    Ok(names)
}

/// The smallest ELF file with these bytes at an address, where it begins.
pub fn elf_around(address: u32, code: &[u8]) -> Vec<u8> {
    const OFFSET: u64 = 0x1000;
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend(u64::from(address).to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [OFFSET, u64::from(address), u64::from(address), code.len() as u64, code.len() as u64, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.resize(OFFSET as usize, 0);
    file.extend(code);
    file
}
