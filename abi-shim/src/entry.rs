//! How control comes into the kernel: from the host ([`run`]), from lifted code, and from the interpreter.
//!
//! The exports' names and types are those of [`hoist_x86::boundary::export`]. Nothing of the kernel is borrowed while guest code runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use hoist_x86::boundary::{NULL_PAGE, PC_RESCHEDULE, Vector};
use hoist_x86::interpreter::{Interpreter, Stop};

use crate::boot;
use crate::fault::Fault;
use crate::kernel::{Kernel, say};
use crate::mm::{AddressSpace, Prot, frames};
use crate::options::Options;
use crate::process::End;
use crate::signal::{Info, number};
use crate::user::CheckedMemory;
use crate::{code_map, cpu, heap, machine, wasi};

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    static INTERPRETER: RefCell<Interpreter> = RefCell::default();
    static COUNTS: RefCell<Counts> = const { RefCell::new(Counts { enabled: false, trace: false, blocks: BTreeMap::new() }) };
    static EXIT_CODE: Cell<u32> = const { Cell::new(0) };
}

/// HOIST_STATS: how often each block was interpreted, by pc.
struct Counts {
    enabled: bool,
    /// HOIST_TRACE=blocks: each pc is written as it is come to.
    trace: bool,
    blocks: BTreeMap<u32, u64>,
}

fn kernel<R>(f: impl FnOnce(&mut Kernel) -> R) -> R {
    KERNEL.with_borrow_mut(|kernel| match kernel {
        Some(kernel) => f(kernel),
        None => unreachable!("guest code runs only after boot"),
    })
}

// ---- From the host

/// Boots the image, runs its program to its end; its exit code as a shell would see it.
pub fn run() -> u32 {
    report_panics();
    heap::restore();
    let options = Options::new(wasi::environment::arguments(), wasi::environment::variables());
    let booted = options.map_err(boot::BootError::from).and_then(|options| {
        COUNTS.with_borrow_mut(|counts| (counts.enabled, counts.trace) = (options.stats, options.trace_blocks));
        boot::boot(options)
    });
    let code = match booted {
        Ok(kernel) => {
            KERNEL.set(Some(kernel));
            dispatch(PC_RESCHEDULE);
            finish().code()
        }
        Err(error) => {
            say(&format!("hoist: {error}"));
            error.code()
        }
    };
    wasi::stdio::flush();
    EXIT_CODE.set(code);
    code
}

/// A panic is a fault of the kernel's; without this the component would only trap.
fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|info| say(&format!("hoist: {info}"))));
}

/// What [`run`] gave.
pub fn exit_code() -> u32 {
    EXIT_CODE.get()
}

/// A host that looks after traps calls this, behind the component's back: lifted code has reached a bad address, and its Wasm frames are gone.
/// Goes on with the signal's handler, or without the process; the exit code of the whole run. [`NOT_MENDED`] if it was the kernel's code that
/// trapped, whose state is lost.
///
/// `address`, `pc`: negative if they are not known. `unknown`: [`Fault::unknown`].
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hoist_fault(address: i64, pc: i64, unknown: u32) -> i64 {
    let is_free = KERNEL.with(|kernel| kernel.try_borrow_mut().is_ok_and(|kernel| kernel.is_some()))
        && INTERPRETER.with(|interpreter| interpreter.try_borrow_mut().is_ok())
        && cpu::is_free();
    if !is_free {
        return NOT_MENDED;
    }
    let [address, pc] = [address, pc].map(|value| u32::try_from(value).ok());
    let next = kernel(|k| k.fault(Fault { address, pc, unknown: unknown as u16 }));
    dispatch(next);
    let code = finish().code();
    wasi::stdio::flush();
    EXIT_CODE.set(code);
    code.into()
}

/// What [`hoist_fault`] gives where it cannot help.
const NOT_MENDED: i64 = -1;

/// Runs guest code, from `pc`, until the last task has ended.
fn dispatch(mut pc: u32) {
    loop {
        if pc == PC_RESCHEDULE {
            match kernel(Kernel::resume) {
                Some(next) => pc = next,
                None => return,
            }
        }
        pc = match pc {
            ..NULL_PAGE => segmentation_fault(pc),
            _ => match kernel(|k| k.look_after(pc)) {
                next if next == pc => machine::enter(pc),
                next => next,
            },
        };
    }
}

/// After the end: statistics, and what the process still holds is given back.
fn finish() -> End {
    kernel(|k| {
        print_counts(k);
        k.process.mm.borrow_mut().clear();
        frames::reset();
        k.end.unwrap_or(End::Signal(number::SIGKILL))
    })
}

// ---- From lifted code

/// The guest executed `syscall`; `next` follows it.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hoist_syscall(next: u32) -> u32 {
    kernel(|k| k.system_call(next))
}

/// Slot 0 of the table: nothing was lifted at `pc`, or the instruction there is left to the interpreter.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hoist_interpret(pc: u32, _room: i32) -> u32 {
    let wants_exact = || cpu::with(|cpu| cpu.wants_exact());
    let before = wants_exact();
    match interpret(pc) {
        PC_RESCHEDULE => PC_RESCHEDULE,
        pc if wants_exact() > before => kernel(|k| {
            // Plain code that is on the Wasm stack must not go on.
            k.task.go_on_at(pc);
            PC_RESCHEDULE
        }),
        pc => pc,
    }
}

/// Slot 1: the first entry into a page.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hoist_fill(pc: u32, _room: i32) -> u32 {
    code_map::fill(pc);
    pc
}

/// The instruction at `pc` raised an exception; an unknown vector is #GP.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn hoist_exception(vector: u32, pc: u32) -> u32 {
    exception(Vector::from_number(vector).unwrap_or(Vector::GeneralProtection), pc)
}

/// Raises the signal of a processor exception (arch/x86/kernel/traps.c).
fn exception(vector: Vector, pc: u32) -> u32 {
    const FPE_INTDIV: i32 = 1;
    const ILL_ILLOPN: i32 = 2;
    const TRAP_BRKPT: i32 = 1;
    let (signal, code, address) = match vector {
        Vector::DivideError => (number::SIGFPE, FPE_INTDIV, pc),
        Vector::Debug => (number::SIGTRAP, TRAP_BRKPT, pc),
        Vector::Breakpoint => (number::SIGTRAP, Info::SI_KERNEL, 0),
        Vector::InvalidOpcode => (number::SIGILL, ILL_ILLOPN, pc),
        Vector::Overflow | Vector::GeneralProtection => (number::SIGSEGV, Info::SI_KERNEL, 0),
        Vector::FloatingPoint => (number::SIGFPE, cpu::with(|cpu| float_code(cpu.x87.status & !cpu.x87.control)), pc),
        Vector::SimdFloatingPoint => (number::SIGFPE, cpu::with(|cpu| float_code((cpu.mxcsr & !(cpu.mxcsr >> 7)) as u16)), pc),
    };
    kernel(|k| k.exception(pc, Info { signal, code, errno: 0, words: [address.into(), 0] }))
}

/// The `si_code` of exceptions that are set and not masked (`fpu__exception_code` of Linux).
fn float_code(exceptions: u16) -> i32 {
    const INVALID: u16 = 1;
    const ZERO_DIVIDE: u16 = 1 << 2;
    const OVERFLOW: u16 = 1 << 3;
    const DENORMAL_OR_UNDERFLOW: u16 = 1 << 1 | 1 << 4;
    const FPE_FLTDIV: i32 = 3;
    const FPE_FLTOVF: i32 = 4;
    const FPE_FLTUND: i32 = 5;
    const FPE_FLTRES: i32 = 6;
    const FPE_FLTINV: i32 = 7;
    let is = |wanted| exceptions & wanted != 0;
    match () {
        () if is(INVALID) => FPE_FLTINV,
        () if is(ZERO_DIVIDE) => FPE_FLTDIV,
        () if is(OVERFLOW) => FPE_FLTOVF,
        () if is(DENORMAL_OR_UNDERFLOW) => FPE_FLTUND,
        () => FPE_FLTRES,
    }
}

/// The guest jumped to where nothing is mapped, or nothing executable.
fn segmentation_fault(pc: u32) -> u32 {
    kernel(|k| k.fault(Fault { address: Some(pc), pc: Some(pc), unknown: 0 }))
}

// ---- The interpreter

/// Interprets from `pc` until lifted code is reached or the task cannot go on there.
pub fn interpret(mut pc: u32) -> u32 {
    loop {
        let stop = kernel(|k| interpret_blocks(&k.process.mm.borrow(), pc));
        match stop {
            Stop::At(pc) if code_map::is_lifted(pc) => return pc,
            Stop::At(at) if kernel(|k| is_executable(&k.process.mm.borrow(), at)) => match kernel(|k| k.look_after(at)) {
                next if next == at => pc = at,
                next => return next,
            },
            Stop::At(at) => return segmentation_fault(at),
            Stop::Syscall { next } => match hoist_syscall(next) {
                after if after != next || code_map::is_lifted(next) => return after,
                after => pc = after,
            },
            Stop::Exception { vector, at } => return exception(vector, at),
            Stop::Fault { at, address } => {
                return kernel(|k| k.fault(Fault { address: Some(address), pc: Some(at), unknown: 0 }));
            }
            Stop::Unknown { at, bytes } => {
                let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                say(&format!("hoist: no meaning is known for the instruction at {at:#x}: {}", bytes.join(" ")));
                return exception(Vector::InvalidOpcode, at);
            }
        }
    }
}

/// The addresses around `pc` that can be executed, as one area.
fn executable_around(mm: &AddressSpace, pc: u32) -> Range<u64> {
    match mm.area_at(pc.into()) {
        Some((start, area)) if area.prot.has(Prot::EXEC) => start..area.end,
        _ => 0..0,
    }
}

fn is_executable(mm: &AddressSpace, pc: u32) -> bool {
    !executable_around(mm, pc).is_empty()
}

/// Runs blocks, so many that the kernel looks after the task now and then; the first even if it is lifted, since lifted code sends here
/// what it leaves to the interpreter.
fn interpret_blocks(mm: &AddressSpace, start: u32) -> Stop {
    const BLOCKS: u32 = 1 << 16;
    let mut ran = 0;
    let mut executable = 0..0;
    let mut is_executable = |pc: u32| {
        if !executable.contains(&u64::from(pc)) {
            executable = executable_around(mm, pc);
        }
        executable.contains(&u64::from(pc))
    };
    COUNTS.with_borrow_mut(|counts| {
        let stop_before = |pc: u32| {
            let stop = ran == BLOCKS || ran != 0 && code_map::is_lifted(pc) || !is_executable(pc);
            ran += 1;
            if counts.enabled && !stop {
                *counts.blocks.entry(pc).or_default() += 1;
            }
            if counts.trace && !stop {
                say(&format!("{pc:#x}"));
            }
            stop
        };
        INTERPRETER.with_borrow_mut(|interpreter| {
            cpu::with_registers(|cpu| interpreter.run(cpu, &mut CheckedMemory::new(), start, stop_before))
        })
    })
}

/// HOIST_STATS=1: what was interpreted, to standard error.
fn print_counts(k: &Kernel) {
    const SHOWN: usize = 10;
    let (enabled, blocks) = COUNTS.with_borrow_mut(|counts| (counts.enabled, std::mem::take(&mut counts.blocks)));
    if !enabled {
        return;
    }
    let stats = INTERPRETER.with_borrow(|interpreter| interpreter.stats);
    let (total, instructions, translated) = (stats.blocks, stats.instructions, stats.translated);
    say(&format!("hoist: interpreted {total} blocks, {instructions} instructions; translated {translated} blocks"));
    let frames::Stats { switches, swapped, forked } = frames::stats();
    say(&format!("hoist: {switches} switches between address spaces, {swapped} bytes swapped; {forked} bytes copied by fork"));
    let mut order: Vec<(u32, u64)> = blocks.into_iter().collect();
    order.sort_by_key(|&(pc, count)| (std::cmp::Reverse(count), pc));
    for (pc, count) in order.into_iter().take(SHOWN) {
        say(&format!("hoist: {count:>12} at {pc:#x}{}", place(k, pc)));
    }
}

/// The file that a pc lies in, and where.
fn place(k: &Kernel, pc: u32) -> String {
    let mm = k.process.mm.borrow();
    let area = mm.area_at(pc.into());
    let file = area.and_then(|(start, area)| Some((area.file()?, u64::from(pc) - start)));
    let Some(((file, offset), within)) = file else { return String::new() };
    let path = file.location().path(&k.process.fs.borrow().root).bytes;
    format!(" ({} at {:#x} in the file)", String::from_utf8_lossy(&path), offset + within)
}

// ---- Helpers

/// One export for each helper, with Wasm's types. (v128 is passed as Wasm passes it, whatever C would do.)
#[cfg(target_arch = "wasm32")]
#[allow(improper_ctypes_definitions)]
mod helpers {
    use core::arch::wasm32::{u64x2, u64x2_extract_lane, v128};

    use super::cpu;
    use crate::user::UserMemory;

    /// A value as Wasm passes it, and as helpers take it.
    trait Passed<T> {
        fn taken(self) -> T;
        fn given(value: T) -> Self;
    }
    impl Passed<u32> for u32 {
        fn taken(self) -> u32 {
            self
        }
        fn given(value: u32) -> u32 {
            value
        }
    }
    impl Passed<u64> for u64 {
        fn taken(self) -> u64 {
            self
        }
        fn given(value: u64) -> u64 {
            value
        }
    }
    impl Passed<u32> for f32 {
        fn taken(self) -> u32 {
            self.to_bits()
        }
        fn given(value: u32) -> f32 {
            f32::from_bits(value)
        }
    }
    impl Passed<u64> for f64 {
        fn taken(self) -> u64 {
            self.to_bits()
        }
        fn given(value: u64) -> f64 {
            f64::from_bits(value)
        }
    }
    impl Passed<u128> for v128 {
        fn taken(self) -> u128 {
            u128::from(u64x2_extract_lane::<0>(self)) | u128::from(u64x2_extract_lane::<1>(self)) << 64
        }
        fn given(value: u128) -> v128 {
            u64x2(value as u64, (value >> 64) as u64)
        }
    }

    macro_rules! wasm_type {
        (I32) => {
            u32
        };
        (I64) => {
            u64
        };
        (F32) => {
            f32
        };
        (F64) => {
            f64
        };
        (V128) => {
            v128
        };
    }
    macro_rules! call {
        (pure, $path:path, $($arg:ident)*) => { $path($(Passed::taken($arg)),*) };
        (effect, $path:path, $($arg:ident)*) => { cpu::with(|cpu| $path(cpu, &mut UserMemory, $(Passed::taken($arg)),*)) };
    }
    macro_rules! export {
        ($symbol:expr, $kind:ident, $path:path, ($($arg:ident: $param:ident)*) -> ()) => {
            #[unsafe(export_name = $symbol)]
            extern "C" fn exported($($arg: wasm_type!($param)),*) {
                call!($kind, $path, $($arg)*)
            }
        };
        ($symbol:expr, $kind:ident, $path:path, ($($arg:ident: $param:ident)*) -> ($result:ident)) => {
            #[unsafe(export_name = $symbol)]
            extern "C" fn exported($($arg: wasm_type!($param)),*) -> wasm_type!($result) {
                Passed::given(call!($kind, $path, $($arg)*))
            }
        };
    }
    /// Gives the parameters names: macros cannot count.
    macro_rules! named {
        ($s:expr, $k:ident, $p:path, () $r:tt) => { export!($s, $k, $p, () -> $r); };
        ($s:expr, $k:ident, $p:path, ($a:ident) $r:tt) => { export!($s, $k, $p, (a: $a) -> $r); };
        ($s:expr, $k:ident, $p:path, ($a:ident $b:ident) $r:tt) => { export!($s, $k, $p, (a: $a b: $b) -> $r); };
        ($s:expr, $k:ident, $p:path, ($a:ident $b:ident $c:ident) $r:tt) => { export!($s, $k, $p, (a: $a b: $b c: $c) -> $r); };
        ($s:expr, $k:ident, $p:path, ($a:ident $b:ident $c:ident $d:ident) $r:tt) => {
            export!($s, $k, $p, (a: $a b: $b c: $c d: $d) -> $r);
        };
    }
    macro_rules! export_helpers {
        ($($name:ident = $family:ident::$function:ident($($param:ident),*) -> ($($result:ident)?), $kind:ident;)*) => {
            $(const _: () = {
                named!(concat!("hoist_helper_", stringify!($function)), $kind, hoist_x86::helpers::$family::$function, ($($param)*) ($($result)?));
            };)*
        };
    }
    hoist_x86::helpers!(export_helpers);
}
