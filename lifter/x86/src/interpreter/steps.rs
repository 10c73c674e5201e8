//! What the interpreter runs: the IR's instructions with slots for values.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{scalar, vector};
use crate::helper::{Helper, Memory};
use crate::ir::{Inst, Term, Value};
use crate::ops::{BinOp, LoadOp, Shape, StoreOp, UnOp};
use crate::reg::Reg;
use crate::state::CpuState;

/// Index into [`Code::slots`].
pub type Slot = u16;

/// One instruction of the IR; constants are not steps.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Un {
        op: UnOp,
        to: Slot,
        a: Slot,
    },
    Bin {
        op: BinOp,
        to: Slot,
        a: Slot,
        b: Slot,
    },
    Select {
        to: Slot,
        cond: Slot,
        yes: Slot,
        no: Slot,
    },
    Extract {
        shape: Shape,
        lane: u8,
        to: Slot,
        vector: Slot,
    },
    Replace {
        shape: Shape,
        lane: u8,
        to: Slot,
        vector: Slot,
        value: Slot,
    },
    Shuffle {
        to: Slot,
        a: Slot,
        b: Slot,
        lanes: [u8; 16],
    },
    Bitselect {
        to: Slot,
        a: Slot,
        b: Slot,
        mask: Slot,
    },
    Load {
        op: LoadOp,
        to: Slot,
        addr: Slot,
        disp: i32,
    },
    Store {
        op: StoreOp,
        addr: Slot,
        value: Slot,
        disp: i32,
    },
    Copy {
        to: Slot,
        from: Slot,
        len: Slot,
    },
    Fill {
        to: Slot,
        byte: Slot,
        len: Slot,
    },
    GetInt {
        to: Slot,
        index: u8,
    },
    SetInt {
        index: u8,
        value: Slot,
    },
    /// The low half of the slot, extended with zeros.
    SetHalf {
        index: u8,
        value: Slot,
    },
    GetReg {
        to: Slot,
        reg: Reg,
    },
    SetReg {
        reg: Reg,
        value: Slot,
    },
    Helper {
        helper: Helper,
        to: Slot,
        args: [Slot; 4],
    },
}

/// A block of the IR.
#[derive(Debug)]
pub struct Part {
    pub main: Box<[Step]>,
    /// Writes the status flags when the function is left, if the code that follows wants them.
    pub tail: Box<[Step]>,
    /// The flags that the tail writes; bits as in [`Code::flags_wanted`].
    pub tail_flags: u8,
    pub params: Box<[Slot]>,
    /// Values in it are slots.
    pub term: Term,
}

/// A function, ready to run.
#[derive(Debug)]
pub struct Code {
    /// The values; constants are in place. What stands above a value's type is not defined, so users cut it off.
    pub slots: Vec<u128>,
    pub parts: Box<[Part]>,
    /// Status flags that may be read before they are written: bit 0 CF … bit 5 OF.
    pub flags_wanted: u8,
}

/// Number of general-purpose and segment-base registers, which are one array in [`CpuState`].
const INTS: u8 = Reg::CF.0;

impl Step {
    /// The step for an instruction whose result goes to `to`; `None` for constants and what does nothing.
    pub fn new(inst: &Inst, to: Slot, slot: impl Fn(Value) -> Slot) -> Option<Step> {
        Some(match *inst {
            Inst::Un(op, a) => Step::Un { op, to, a: slot(a) },
            Inst::Bin(op, a, b) => Step::Bin { op, to, a: slot(a), b: slot(b) },
            Inst::Select { cond, yes, no } => Step::Select { to, cond: slot(cond), yes: slot(yes), no: slot(no) },
            Inst::Extract { shape, lane, vector } => Step::Extract { shape, lane, to, vector: slot(vector) },
            Inst::Replace { shape, lane, vector, value } => {
                Step::Replace { shape, lane, to, vector: slot(vector), value: slot(value) }
            }
            Inst::Shuffle { a, b, lanes } => Step::Shuffle { to, a: slot(a), b: slot(b), lanes },
            Inst::Bitselect { a, b, mask } => Step::Bitselect { to, a: slot(a), b: slot(b), mask: slot(mask) },
            Inst::Load { op, addr, disp } => Step::Load { op, to, addr: slot(addr), disp },
            Inst::Store { op, addr, disp, value } => Step::Store { op, addr: slot(addr), value: slot(value), disp },
            Inst::Copy { to, from, len } => Step::Copy { to: slot(to), from: slot(from), len: slot(len) },
            Inst::Fill { to, byte, len } => Step::Fill { to: slot(to), byte: slot(byte), len: slot(len) },
            Inst::GetReg(reg) if reg.0 < INTS => Step::GetInt { to, index: reg.0 },
            Inst::GetReg(reg) => Step::GetReg { to, reg },
            Inst::SetReg(reg, value) if reg.0 < INTS => Step::SetInt { index: reg.0, value: slot(value) },
            Inst::SetReg(reg, value) => Step::SetReg { reg, value: slot(value) },
            Inst::Helper { helper, args } => {
                let used = helper.signature().params.len();
                let mut slots = [0; 4];
                slots.iter_mut().zip(&args[..used]).for_each(|(to, &arg)| *to = slot(arg));
                Step::Helper { helper, to, args: slots }
            }
            Inst::Param(_)
            | Inst::I32(_)
            | Inst::I64(_)
            | Inst::F32(_)
            | Inst::F64(_)
            | Inst::V128(_)
            // Whose turn it is the interpreter's caller asks.
            | Inst::Round
            | Inst::Alias(_)
            | Inst::Nop => return None,
        })
    }
}

/// A step that reached a bad address.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its number.
    pub step: usize,
    pub address: u32,
}

/// Runs steps in their order, up to one that reaches a bad address.
pub fn run(steps: &[Step], slots: &mut [u128], cpu: &mut CpuState, memory: &mut impl Memory) -> Result<(), Fault> {
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Un { op, to, a } => slots[usize::from(to)] = scalar::unary(op, slots[usize::from(a)]),
            Step::Bin { op, to, a, b } => {
                slots[usize::from(to)] = scalar::binary(op, slots[usize::from(a)], slots[usize::from(b)]);
            }
            Step::Select { to, cond, yes, no } => {
                let chosen = if slots[usize::from(cond)] as u32 != 0 { yes } else { no };
                slots[usize::from(to)] = slots[usize::from(chosen)];
            }
            Step::Extract { shape, lane, to, vector } => {
                slots[usize::from(to)] = vector::extract(shape, lane, slots[usize::from(vector)]);
            }
            Step::Replace { shape, lane, to, vector, value } => {
                slots[usize::from(to)] = vector::replace(shape, lane, slots[usize::from(vector)], slots[usize::from(value)]);
            }
            Step::Shuffle { to, a, b, ref lanes } => {
                slots[usize::from(to)] = vector::shuffle(slots[usize::from(a)], slots[usize::from(b)], lanes);
            }
            Step::Bitselect { to, a, b, mask } => {
                let mask = slots[usize::from(mask)];
                slots[usize::from(to)] = slots[usize::from(a)] & mask | slots[usize::from(b)] & !mask;
            }
            Step::Load { op, to, addr, disp } => {
                let addr = (slots[usize::from(addr)] as u32).wrapping_add(disp as u32);
                slots[usize::from(to)] = load(op, addr, memory);
                check(number, memory)?;
            }
            Step::Store { op, addr, value, disp } => {
                let addr = (slots[usize::from(addr)] as u32).wrapping_add(disp as u32);
                store(op, addr, slots[usize::from(value)], memory);
                check(number, memory)?;
            }
            Step::Copy { to, from, len } => {
                let [to, from, len] = [to, from, len].map(|slot| slots[usize::from(slot)] as u32);
                memory.copy(to, from, len);
                check(number, memory)?;
            }
            Step::Fill { to, byte, len } => {
                let [to, byte, len] = [to, byte, len].map(|slot| slots[usize::from(slot)] as u32);
                memory.fill(to, byte as u8, len);
                check(number, memory)?;
            }
            Step::GetInt { to, index } => slots[usize::from(to)] = u128::from(cpu.int[usize::from(index)]),
            Step::SetInt { index, value } => cpu.int[usize::from(index)] = slots[usize::from(value)] as u64,
            Step::SetHalf { index, value } => {
                cpu.int[usize::from(index)] = u64::from(slots[usize::from(value)] as u32);
            }
            Step::GetReg { to, reg } => slots[usize::from(to)] = cpu.get(reg),
            Step::SetReg { reg, value } => cpu.set(reg, slots[usize::from(value)]),
            Step::Helper { helper, to, args } => {
                let result = helper.call(cpu, memory, args.map(|arg| slots[usize::from(arg)]));
                check(number, memory)?;
                if helper.signature().result.is_some() {
                    slots[usize::from(to)] = result;
                }
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn check(step: usize, memory: &mut impl Memory) -> Result<(), Fault> {
    match memory.take_fault() {
        Some(address) => Err(Fault { step, address }),
        None => Ok(()),
    }
}

#[inline(always)]
fn load(op: LoadOp, addr: u32, memory: &mut impl Memory) -> u128 {
    use LoadOp::*;
    match op {
        I32Load8U | I64Load8U => u128::from(memory.load::<1>(addr)[0]),
        I32Load8S => u128::from(memory.load::<1>(addr)[0] as i8 as u32),
        I64Load8S => u128::from(memory.load::<1>(addr)[0] as i8 as u64),
        I32Load16U | I64Load16U => u128::from(u16::from_le_bytes(memory.load(addr))),
        I32Load16S => u128::from(i16::from_le_bytes(memory.load(addr)) as u32),
        I64Load16S => u128::from(i16::from_le_bytes(memory.load(addr)) as u64),
        I32Load | I64Load32U | F32Load | V128Load32Zero => u128::from(u32::from_le_bytes(memory.load(addr))),
        I64Load32S => u128::from(i32::from_le_bytes(memory.load(addr)) as u64),
        I64Load | F64Load | V128Load64Zero => u128::from(u64::from_le_bytes(memory.load(addr))),
        V128Load => u128::from_le_bytes(memory.load(addr)),
    }
}

#[inline(always)]
fn store(op: StoreOp, addr: u32, value: u128, memory: &mut impl Memory) {
    use StoreOp::*;
    match op {
        I32Store8 | I64Store8 => memory.store(addr, [value as u8]),
        I32Store16 | I64Store16 => memory.store(addr, (value as u16).to_le_bytes()),
        I32Store | I64Store32 | F32Store => memory.store(addr, (value as u32).to_le_bytes()),
        I64Store | F64Store => memory.store(addr, (value as u64).to_le_bytes()),
        V128Store => memory.store(addr, value.to_le_bytes()),
    }
}
