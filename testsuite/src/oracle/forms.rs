//! The forms to compare: those that occur in ELF files, and all that can be encoded.

use std::collections::BTreeMap;

use hoist_lifter::elf::Elf;
use hoist_lifter::{census, discover};
use hoist_x86::form::{Census, Form};
use hoist_x86::iced_x86::{
    Code, CodeSize, Decoder, DecoderOptions, Encoder, FlowControl, Instruction, Mnemonic as M, OpKind, Register,
};
use hoist_x86::semantics;

use super::{CODE, DATA, DATA_SIZE, TAKEN};

/// A form, and what else changes the meaning: high bytes, the same register twice, an index, a segment, small immediates (shift
/// counts, lane numbers, predicates).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Variant {
    pub form: Form,
    operands: Vec<(OpKind, bool)>,
    same: bool,
    has_index: bool,
    segment: bool,
    immediate: Option<u8>,
    /// x87 registers: ST(0) with itself is another case than with others.
    stack: Option<Register>,
}

/// One variant, and the instruction as it will run at [`CODE`].
pub struct Sample {
    pub instr: Instruction,
    pub bytes: Vec<u8>,
    pub count: usize,
}

pub type Samples = BTreeMap<Variant, Sample>;

/// All comparable variants in the code that discovery finds in a file, added to `samples` with their counts.
///
/// # Errors
/// If it is no ELF file of x86-64.
pub fn collect(bytes: &[u8], samples: &mut Samples) -> anyhow::Result<()> {
    let elf = Elf::parse(bytes, 0).or_else(|_| Elf::parse(bytes, 0x1000_0000))?;
    census::each(&elf, &discover::discover(&elf), |instr| {
        if is_comparable(instr) {
            add(*instr, samples);
        }
    });
    Ok(())
}

/// The census of the code that discovery finds in a file.
///
/// # Errors
/// If it is no ELF file of x86-64.
pub fn census(bytes: &[u8]) -> anyhow::Result<Census> {
    let elf = Elf::parse(bytes, 0).or_else(|_| Elf::parse(bytes, 0x1000_0000))?;
    let mut census = Census::new();
    census::add(&elf, &discover::discover(&elf), &mut census);
    Ok(census)
}

/// Every form that can be encoded and is wanted: all opcodes with each prefix that selects among them, memory at [rsi + 20H]
/// or [rsi + rdx + 20H] and registers as they come, some immediates.
pub fn enumerate(samples: &mut Samples, wanted: impl Fn(&Instruction) -> bool) {
    const IMMEDIATES: [u8; 6] = [0x05, 0x00, 0x01, 0x1b, 0x93, 0xff];
    let mut try_all = |head: &[u8]| {
        // ModRM: [rsi + disp8] and [rsi + rdx + disp8] for each reg field, and all pairs of registers.
        let memory = (0..8u8).flat_map(|reg| [vec![0x46 | reg << 3, 0x20], vec![0x44 | reg << 3, 0x16, 0x20]]);
        let registers = (0xc0..=0xffu8).map(|byte| vec![byte]);
        for tail in memory.chain(registers) {
            for immediate in IMMEDIATES {
                let mut bytes = [head, &tail, &[immediate; 8]].concat();
                bytes.resize(15, 0);
                let instr = Decoder::with_ip(64, &bytes, u64::from(CODE), DecoderOptions::NONE).decode();
                if !instr.is_invalid() && wanted(&instr) {
                    add(instr, samples);
                }
            }
        }
    };
    for prefix in [&[][..], &[0x66], &[0xf2], &[0xf3], &[0xf0], &[0x66, 0xf0], &[0x66, 0xf2], &[0x66, 0xf3], &[0x67], &[0x64]] {
        for rex in [&[][..], &[0x48], &[0x41]] {
            for map in [&[][..], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]] {
                for opcode in 0..=0xff {
                    try_all(&[prefix, rex, map, &[opcode]].concat());
                }
            }
        }
    }
    // VEX: R, X, B inverted and map; W, vvvv inverted (register 2), L, pp.
    for map in 1..=3u8 {
        for low in 0..8u8 {
            for w in [0, 0x80] {
                for vvvv in [0x68, 0x78] {
                    for opcode in 0..=0xff {
                        try_all(&[0xc4, 0xe0 | map, w | vvvv | low, opcode]);
                    }
                }
            }
        }
    }
}

fn add(instr: Instruction, samples: &mut Samples) {
    let variant = variant(&instr);
    if let Some(sample) = samples.get_mut(&variant) {
        sample.count += 1;
    } else if let Some((instr, bytes)) = at_test_address(instr) {
        samples.insert(variant, Sample { instr, bytes, count: 1 });
    }
}

fn variant(instr: &Instruction) -> Variant {
    let mut registers = Vec::new();
    let operands = (0..instr.op_count())
        .map(|i| {
            let register = if instr.op_kind(i) == OpKind::Register { instr.op_register(i) } else { Register::None };
            if register != Register::None {
                registers.push(register);
            }
            (instr.op_kind(i), matches!(register, Register::AH | Register::BH | Register::CH | Register::DH))
        })
        .collect();
    let last = instr.op_count().saturating_sub(1);
    let immediate =
        (instr.op_count() > 0 && instr.op_kind(last) == OpKind::Immediate8).then(|| instr.immediate8()).filter(|_| {
            instr.op_count() > 2 || matches!(instr.mnemonic(), M::Shl | M::Shr | M::Sar | M::Rol | M::Ror | M::Rcl | M::Rcr)
        });
    let stack = registers.iter().rev().find(|register| register.is_st()).copied();
    let form = Form::from(instr);
    Variant {
        form,
        operands,
        same: registers.len() > 1 && registers.iter().all(|&r| r == registers[0]),
        has_index: instr.memory_index() != Register::None,
        segment: form.memory && matches!(instr.memory_segment(), Register::FS | Register::GS),
        immediate,
        stack,
    }
}

/// The instruction with its memory operand moved into the test's data and its jump to [`TAKEN`], encoded for [`CODE`]. `None` for what
/// cannot be moved there.
fn at_test_address(mut instr: Instruction) -> Option<(Instruction, Vec<u8>)> {
    let middle = u64::from(DATA + DATA_SIZE / 2);
    let (base, index) = (instr.memory_base(), instr.memory_index());
    let segment = matches!(instr.memory_segment(), Register::FS | Register::GS);
    let disp = instr.memory_displacement64() as i64;
    if (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory) {
        match base {
            Register::EIP => return None,
            Register::RIP if segment => return None,
            Register::RIP => instr.set_memory_displacement64(middle),
            Register::RSP | Register::ESP if segment => return None,
            Register::RSP | Register::ESP if !(-0x400..=0x400).contains(&disp) => instr.set_memory_displacement64(8),
            Register::None if index == Register::None && instr.memory_displ_size() == 8 => {
                instr.set_memory_displacement64(middle)
            }
            Register::None if !segment => {
                instr.set_memory_displacement64(middle);
                instr.set_memory_displ_size(4);
            }
            base if base.is_gpr() && base.full_register() == index.full_register() => return None,
            _ => {}
        }
        if segment && (instr.is_string_instruction() || !(-0x2000_0000..=0x2000_0000).contains(&disp)) {
            return None;
        }
    }
    match instr.op0_kind() {
        OpKind::NearBranch64 => instr.set_near_branch64(TAKEN.into()),
        OpKind::NearBranch32 | OpKind::NearBranch16 => return None,
        _ => {}
    }
    if instr.mnemonic() == M::Enter && (instr.immediate16() > 0x200 || instr.immediate8_2nd() > 8) {
        return None;
    }
    let mut encoder = Encoder::new(64);
    encoder.encode(&instr, u64::from(CODE)).ok()?;
    let bytes = encoder.take_buffer();
    let decoded = Decoder::with_ip(64, &bytes, u64::from(CODE), DecoderOptions::NONE).decode();
    (!decoded.is_invalid()).then_some((decoded, bytes))
}

/// Is the outcome a function of the state, on every processor that has the instruction?
pub fn is_comparable(instr: &Instruction) -> bool {
    let answers_differ = matches!(
        instr.mnemonic(),
        // The processor's own answers, its clock, its random numbers.
        M::Cpuid | M::Rdtsc | M::Rdtscp | M::Xgetbv | M::Rdrand | M::Rdseed | M::Rdpid | M::Rdpmc
            // The system's: it would be called, or its tables read (UMIP is not everywhere).
            | M::Syscall | M::Sysenter | M::Sysexit | M::Sysret | M::Int | M::Int1 | M::Sldt | M::Str | M::Smsw | M::Sgdt | M::Sidt | M::Vmcall
            | M::Lar | M::Lsl | M::Verr | M::Verw
            // Features that CPUID does not announce to the guest.
            | M::Xsave | M::Xsave64 | M::Xsavec | M::Xsavec64 | M::Xsaveopt | M::Xsaveopt64 | M::Xrstor | M::Xrstor64 | M::Rdpkru
            | M::Wrpkru | M::Incsspd | M::Incsspq | M::Xbegin | M::Xabort | M::Xend | M::Xtest | M::Umonitor | M::Umwait | M::Tpause
            | M::Serialize | M::Ptwrite | M::Enqcmd | M::Movdiri | M::Movdir64b | M::Senduipi | M::Clui | M::Stui | M::Testui | M::Uiret
            // Not the same on all processors; lifter/x86/tests compares them as far as the SDM defines them.
            | M::Rcpps | M::Rcpss | M::Rsqrtps | M::Rsqrtss | M::Vrcpps | M::Vrcpss | M::Vrsqrtps | M::Vrsqrtss
            | M::F2xm1 | M::Fyl2x | M::Fyl2xp1 | M::Fptan | M::Fpatan | M::Fsin | M::Fcos | M::Fsincos
            // These would give the oracle other segments.
            | M::Wrfsbase | M::Wrgsbase | M::Rdfsbase | M::Rdgsbase
    );
    let far = matches!(instr.flow_control(), FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend)
        || matches!(instr.op0_kind(), OpKind::FarBranch16 | OpKind::FarBranch32)
        || instr.op_code().is_privileged()
        || (instr.flow_control() == FlowControl::IndirectBranch || instr.flow_control() == FlowControl::IndirectCall)
            && instr.memory_size().size() != 8
            && instr.op0_kind() == OpKind::Memory
        || matches!(instr.mnemonic(), M::Retf | M::Iret | M::Iretd | M::Iretq | M::Lss | M::Lfs | M::Lgs);
    let segment_register = (0..instr.op_count()).any(|i| {
        instr.op_kind(i) == OpKind::Register && (instr.op_register(i).is_segment_register() || is_system(instr.op_register(i)))
    });
    instr.code() != Code::INVALID
        && instr.code_size() == CodeSize::Code64
        && !answers_differ
        && !far
        && !segment_register
        // The guest is told of none of these, the test's processor may have them.
        && !semantics::is_beyond(instr)
}

fn is_system(register: Register) -> bool {
    register.is_cr() || register.is_dr() || register.is_tr() || register.is_k() || register.is_bnd() || register.is_tmm()
}
