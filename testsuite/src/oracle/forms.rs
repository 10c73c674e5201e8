//! Instruction forms that occur in ELF files.

use std::collections::BTreeMap;

use hoist_lifter::discover;
use hoist_lifter::elf::Elf;
use hoist_x86::iced_x86::{Code, Decoder, DecoderOptions, Encoder, FlowControl, Instruction, OpKind, Register};

use super::{CODE, DATA, DATA_SIZE, states};

/// What makes two instructions the same form: opcode, kinds of operands, and what of the registers changes the meaning (high bytes,
/// the same register twice), prefixes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Form {
    code: Code,
    operands: Vec<(u8, bool)>,
    same: bool,
    prefixes: u8,
    /// Small immediates are their own forms: shift counts, lane numbers.
    immediate: Option<u8>,
}

/// One form, and the instruction as it will run at [`CODE`].
pub struct Sample {
    pub instr: Instruction,
    pub bytes: Vec<u8>,
    pub count: usize,
}

/// All comparable forms in the code that discovery finds in a file, added to `forms` with their counts.
pub fn collect(bytes: &[u8], forms: &mut BTreeMap<Form, Sample>) -> anyhow::Result<()> {
    let elf = Elf::parse(bytes, 0).or_else(|_| Elf::parse(bytes, 0x1000_0000))?;
    for function in discover::discover(&elf).functions.values() {
        for (&start, &end) in &function.blocks {
            let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
            for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
                if instr.flow_control() != FlowControl::Next || !states::is_comparable(&instr) {
                    continue;
                }
                let form = form(&instr);
                if let Some(sample) = forms.get_mut(&form) {
                    sample.count += 1;
                } else if let Some((instr, bytes)) = at_test_address(instr) {
                    forms.insert(form, Sample { instr, bytes, count: 1 });
                }
            }
        }
    }
    Ok(())
}

fn form(instr: &Instruction) -> Form {
    let mut registers = Vec::new();
    let operands = (0..instr.op_count())
        .map(|i| match instr.op_kind(i) {
            OpKind::Register => {
                let register = instr.op_register(i);
                registers.push(register);
                (0, matches!(register, Register::AH | Register::BH | Register::CH | Register::DH))
            }
            OpKind::Memory => (1, instr.memory_index() != Register::None),
            _ => (2, false),
        })
        .collect();
    let immediate = matches!(instr.op_kind(instr.op_count().saturating_sub(1)), OpKind::Immediate8)
        .then(|| instr.immediate8())
        .filter(|_| instr.op_count() > 2 || matches!(instr.mnemonic(), hoist_x86::iced_x86::Mnemonic::Shl));
    Form {
        code: instr.code(),
        operands,
        same: registers.len() > 1 && registers.iter().all(|&r| r == registers[0]),
        prefixes: u8::from(instr.has_rep_prefix()) | u8::from(instr.has_repne_prefix()) << 1 | u8::from(instr.has_lock_prefix()) << 2,
        immediate,
    }
}

/// The instruction with its memory operand moved into the test's data, encoded for [`CODE`]. `None` for what cannot be moved there
/// (a segment override, an address made of rsp and a big displacement).
fn at_test_address(mut instr: Instruction) -> Option<(Instruction, Vec<u8>)> {
    let has_memory = (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory);
    if has_memory {
        if matches!(instr.memory_segment(), Register::FS | Register::GS) {
            return None;
        }
        let target = u64::from(DATA + DATA_SIZE / 2);
        match instr.memory_base() {
            Register::RIP => instr.set_memory_displacement64(target),
            Register::EIP => return None,
            Register::RSP | Register::ESP => {
                if instr.memory_displacement64() as i64 > 0x400 || (instr.memory_displacement64() as i64) < -0x400 {
                    instr.set_memory_displacement64(8);
                }
            }
            Register::None if instr.memory_index() == Register::None => {
                instr.set_memory_displacement64(target);
                instr.set_memory_displ_size(4);
            }
            base if base == instr.memory_index() => return None,
            _ => {}
        }
        // An operand that is also the address register of a read-modify-write is fine; one index on rsp cannot be.
    }
    let mut encoder = Encoder::new(64);
    encoder.encode(&instr, u64::from(CODE)).ok()?;
    let bytes = encoder.take_buffer();
    let decoded = Decoder::with_ip(64, &bytes, u64::from(CODE), DecoderOptions::NONE).decode();
    (!decoded.is_invalid()).then_some((decoded, bytes))
}
