//! SSE and AVX floating point by any MXCSR, compared with the processor: every instruction with random rounding, DAZ, FTZ, masks and flags,
//! on all classes of numbers; results, flags of MXCSR, RFLAGS, and whether an exception is raised.
#![cfg(target_arch = "x86_64")]

mod forms;
mod native;
mod values;

use hoist_x86::boundary::Vector;
use hoist_x86::helper::Memory;
use hoist_x86::interpreter::{Interpreter, Stop};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use forms::{FORMS, Form};
use native::{Frame, Native};
use values::Rng;

/// Enough to see each pair of classes in each rounding mode; `HOIST_STATES` says another number.
const STATES: u32 = 10_000;

#[test]
fn every_instruction_follows_mxcsr() {
    let states = std::env::var("HOIST_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(STATES);
    let mut native = Native::new();
    let mut interpreter = Interpreter::new();
    let mut wrong = Vec::new();
    let forms = FORMS.iter().flat_map(Form::variants);
    let mut count = 0;
    for (name, code) in forms {
        count += 1;
        native.load(&code);
        let mut rng = Rng::new(&code);
        let failed = (0..states).find_map(|_| compare(&mut native, &mut interpreter, &code, &mut rng));
        wrong.extend(failed.map(|text| format!("{name} {code:02x?}: {text}")));
    }
    println!("{count} forms, {states} states each");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

const CODE: u32 = 0x40_0000;

/// Nothing but the code.
struct Code<'a>(&'a [u8]);

impl Memory for Code<'_> {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        std::array::from_fn(|i| self.0.get((addr as usize + i).wrapping_sub(CODE as usize)).copied().unwrap_or(0xf4))
    }
    fn store<const N: usize>(&mut self, _: u32, _: [u8; N]) {}
    fn copy(&mut self, _: u32, _: u32, _: u32) {}
    fn fill(&mut self, _: u32, _: u8, _: u32) {}
}

/// One random state; what differs, if anything does.
fn compare(native: &mut Native, interpreter: &mut Interpreter, code: &[u8], rng: &mut Rng) -> Option<String> {
    let mut frame = Frame::new();
    for part in frame.ymm.as_flattened_mut() {
        *part = rng.vector();
    }
    frame.rax = rng.integer();
    let mxcsr = rng.mxcsr();
    frame.set_mxcsr(mxcsr);
    let mut cpu = CpuState { mxcsr, observes_flags: true, ..CpuState::default() };
    cpu.update_exact();
    cpu.int[0] = frame.rax;
    for n in 0..3 {
        cpu.vector[n] = frame.ymm[n][0];
        cpu.vector[16 + n] = frame.ymm[n][1];
    }
    let before = frame.clone();
    let native_done = native.run(&mut frame);
    let end = CODE + code.len() as u32;
    let stop = interpreter.run(&mut cpu, &mut Code(code), CODE, |pc| pc == end);
    let done = match stop {
        // The block behind the instruction begins with HLT: #GP there means that the instruction is done.
        Stop::At(_) => true,
        Stop::Exception { vector: Vector::GeneralProtection, at } if at == end => true,
        Stop::Exception { vector: Vector::SimdFloatingPoint, at: CODE } => false,
        other => return Some(format!("{other:x?}")),
    };
    let mut text = String::new();
    let mut differ = |what: &str, want: u128, have: u128| {
        if want != have {
            text += &format!(" {what} {have:x} not {want:x}");
        }
    };
    differ("done", native_done.into(), done.into());
    differ("mxcsr", frame.mxcsr().into(), cpu.mxcsr.into());
    differ("rax", frame.rax.into(), cpu.int[0].into());
    const STATUS: u64 = 0x8d5;
    differ("rflags", (frame.rflags & STATUS).into(), (cpu.rflags() & STATUS).into());
    for n in 0..3 {
        differ(&format!("xmm{n}"), frame.ymm[n][0], cpu.get(Reg::xmm(n as u8)));
        differ(&format!("ymm{n}h"), frame.ymm[n][1], cpu.get(Reg::ymm_high(n as u8)));
    }
    (!text.is_empty()).then(|| format!("{text}; mxcsr {mxcsr:x} rax {:x} ymm {:x?}", before.rax, before.ymm))
}
