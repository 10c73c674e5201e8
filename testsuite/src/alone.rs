//! Instructions lifted by themselves, as one function: what the oracle runs and the coverage page counts.

use std::borrow::Cow;

use hoist_lifter::discover::Function;
use hoist_lifter::elf::Elf;
use hoist_lifter::lift::Nans;
use hoist_lifter::unit::{Twin, Unit};
use hoist_lifter::wasm::layout::Layout;
use hoist_lifter::{opt, ssa, translate, wasm};
use hoist_x86::iced_x86::{Decoder, DecoderOptions};
use hoist_x86::reg::Reg;
use hoist_x86::semantics;
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
    lift_as(code, layout, wanted, Twin::Unneeded, Nans::Host)
}

/// Does the code ask MXCSR, so that it has an exact twin?
pub fn depends_on_mxcsr(code: &[u8]) -> bool {
    Decoder::new(64, code, DecoderOptions::NONE).iter().any(|instr| semantics::depends_on_mxcsr(&instr))
}

/// As [`lift`], as a function with a twin or as a twin.
///
/// # Errors
/// Never, as the file around the code is well-formed.
pub fn lift_as(code: &[u8], layout: &Layout, wanted: u64, twin: Twin, nans: Nans) -> anyhow::Result<Vec<u8>> {
    let file = elf_around(CODE, code);
    let elf = Elf::parse(&file, 0)?;
    let function = Function { entry: CODE, blocks: [(CODE, CODE + code.len() as u32)].into(), ..Function::default() };
    let translate = if twin == Twin::Itself { translate::translate_exactly } else { translate::translate };
    let mut unit = Unit { twin, ..translate(&elf, &function) };
    ssa::run(&mut unit, |_| wanted);
    opt::run(&mut unit);
    if nans == Nans::X86 {
        opt::fix_nans(&mut unit);
    }
    wasm::lower(&mut unit);
    Ok(wasm::emit(&unit, layout, &Default::default()).body)
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
