//! IR of a few guest instructions → steps that run quickly.
//!
//! Four things make the difference to running the IR as it is: registers are forwarded within a block, values that nobody uses
//! go, conversions that only narrow a slot's meaning cost nothing, and the status flags, which end almost every block and are almost never read by the next, are a *tail* of
//! steps that runs only if the following block wants them (the caller decides, see [`Code::flags_wanted`]).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::steps::{Code, Part, Step};
use crate::ir::*;
use crate::reg::Reg;

/// Bit of a status flag in a mask.
fn flag_bit(reg: Reg) -> u8 {
    if reg.is_status_flag() { 1 << (reg.index() - Reg::CF.index()) } else { 0 }
}

/// The six status flags.
pub const ALL_FLAGS: u8 = 0x3f;

/// Compiles a function that begins at its first block.
pub fn compile(func: Func) -> Code {
    let (func, marks, wanted) = prepare(func);
    emit(&func, &marks, wanted)
}

/// The value that a step of a part's main list computes, or that stands for what it does; of the function that was compiled.
pub fn value_of_step(func: Func, part: usize, step: usize) -> Option<Value> {
    let (func, marks, _) = prepare(func);
    let block = func.blocks.get(part)?;
    main_values(&marks, block).filter(|value| Step::new(func.inst(*value), 0, |_| 0).is_some()).nth(step)
}

/// What the values of a function become in the interpreter, who needs them, and the flags that it wants.
fn prepare(mut func: Func) -> (Func, Vec<Need>, u8) {
    for id in 0..func.blocks.len() {
        forward_registers(&mut func, id);
    }
    drop_narrowing(&mut func);
    let wanted = flags_live_at_entry(&func);
    for (id, &live) in flags_live_at_exit(&func, &wanted).iter().enumerate() {
        drop_dead_flags(&mut func, id, live);
    }
    let marks = mark(&func);
    (func, marks, wanted.first().copied().unwrap_or(ALL_FLAGS))
}

/// Replaces reads of registers that the block has read or written before, and removes writes that a later one hides: from who comes
/// behind the block, and from a signal's handler, which sees the registers (but not the status flags) as they are at a bad access.
fn forward_registers(func: &mut Func, id: usize) {
    let insts = func.blocks[id].insts.clone();
    let mut known: [Option<Value>; Reg::COUNT] = [None; Reg::COUNT];
    for &value in &insts {
        match *func.inst(value) {
            Inst::GetReg(reg) => match known[reg.index()] {
                Some(earlier) => func.insts[value.0 as usize] = Inst::Alias(earlier),
                None => known[reg.index()] = Some(value),
            },
            Inst::SetReg(reg, new) => known[reg.index()] = Some(func.resolve(new)),
            mut inst => {
                inst.map_uses(|used| func.resolve(used));
                func.insts[value.0 as usize] = inst;
            }
        }
    }
    // Helpers do not see registers, so only the end of the block does.
    let mut written = [false; Reg::COUNT];
    for &value in insts.iter().rev() {
        if let Inst::SetReg(reg, new) = *func.inst(value) {
            func.insts[value.0 as usize] = if written[reg.index()] { Inst::Nop } else { Inst::SetReg(reg, func.resolve(new)) };
            written[reg.index()] = true;
        } else if func.inst(value).may_fault() {
            Reg::all().filter(|reg| !reg.is_status_flag()).for_each(|reg| written[reg.index()] = false);
        }
    }
}

/// Makes narrowing and reinterpreting conversions aliases: whoever uses an i32 reads the low half of its slot.
fn drop_narrowing(func: &mut Func) {
    use UnOp::*;
    for i in 0..func.insts.len() {
        if let Inst::Un(I32WrapI64 | I32ReinterpretF32 | F32ReinterpretI32 | I64ReinterpretF64 | F64ReinterpretI64, a) =
            func.insts[i]
        {
            let a = func.resolve(a);
            let source = match *func.inst(a) {
                Inst::Un(I64ExtendI32U | I64ExtendI32S, half) if func.ty(Value(i as u32)) == Some(Type::I32) => half,
                _ => a,
            };
            func.insts[i] = Inst::Alias(source);
        }
    }
}

/// The half that a 32-bit write of a register stores, extended with zeros: one step instead of two.
fn written_half(func: &Func, inst: &Inst) -> Option<(Reg, Value)> {
    let Inst::SetReg(reg, value) = *inst else { return None };
    match *func.inst(func.resolve(value)) {
        Inst::Un(UnOp::I64ExtendI32U, half) => Some((reg, func.resolve(half))),
        _ => None,
    }
}

/// For each block the status flags that it or a successor reads before they are written. Leaving the function reads all.
fn flags_live_at_entry(func: &Func) -> Vec<u8> {
    let mut live = vec![0; func.blocks.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for id in (0..func.blocks.len()).rev() {
            let mut flags = live_out(func, id, &live);
            for &value in func.blocks[id].insts.iter().rev() {
                match func.inst(value) {
                    Inst::GetReg(reg) => flags |= flag_bit(*reg),
                    Inst::SetReg(reg, _) => flags &= !flag_bit(*reg),
                    _ => {}
                }
            }
            changed |= live[id] != flags;
            live[id] = flags;
        }
    }
    live
}

fn live_out(func: &Func, id: usize, live: &[u8]) -> u8 {
    match &func.blocks[id].term {
        Some(Term::Exit(_)) | None => ALL_FLAGS,
        Some(term) => term.edges().fold(0, |flags, edge| flags | live[edge.to.0 as usize]),
    }
}

fn flags_live_at_exit(func: &Func, live: &[u8]) -> Vec<u8> {
    (0..func.blocks.len()).map(|id| live_out(func, id, live)).collect()
}

/// Removes the writes of flags that are dead at the end of the block (in a block each flag is written once by now).
fn drop_dead_flags(func: &mut Func, id: usize, live: u8) {
    for i in 0..func.blocks[id].insts.len() {
        let value = func.blocks[id].insts[i];
        if let Inst::SetReg(reg, _) = *func.inst(value)
            && reg.is_status_flag()
            && live & flag_bit(reg) == 0
        {
            func.insts[value.0 as usize] = Inst::Nop;
        }
    }
}

/// Who needs a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nobody,
    /// Only flags that are written when the function is left.
    Tail,
    Main,
}

/// Is it a write of a status flag right before the function is left?
fn is_tail_root(func: &Func, block: &Block, value: Value) -> bool {
    matches!(block.term, Some(Term::Exit(_))) && matches!(func.inst(value), Inst::SetReg(reg, _) if reg.is_status_flag())
}

fn mark(func: &Func) -> Vec<Need> {
    let mut marks = vec![Need::Nobody; func.insts.len()];
    for block in &func.blocks {
        if let Some(term) = &block.term {
            term.for_each_use(|value| need(func, &mut marks, value, Need::Main));
        }
        for &value in &block.insts {
            if is_tail_root(func, block, value) {
                need(func, &mut marks, value, Need::Tail);
            } else if func.inst(value).has_effect() || func.inst(value).may_fault() {
                need(func, &mut marks, value, Need::Main);
            }
        }
    }
    marks
}

fn need(func: &Func, marks: &mut [Need], value: Value, need_: Need) {
    let value = func.resolve(value);
    // What depends on the state before the tail must run before it.
    let need_ = match func.inst(value) {
        Inst::Load { .. } | Inst::GetReg(_) => Need::Main,
        _ => need_,
    };
    if marks[value.0 as usize] >= need_ {
        return;
    }
    marks[value.0 as usize] = need_;
    if let Some((_, half)) = written_half(func, func.inst(value)) {
        return need(func, marks, half, need_);
    }
    func.inst(value).for_each_use(|operand| need(func, marks, operand, need_));
}

/// In blocks that stay inside the function nothing is left for the tail, but a value there may serve a tail elsewhere.
fn has_tail(block: &Block) -> bool {
    matches!(block.term, Some(Term::Exit(_)))
}

/// What the main list of a block's steps is made of.
fn main_values<'f>(marks: &'f [Need], block: &'f Block) -> impl Iterator<Item = Value> + 'f {
    let in_main = move |value: &Value| match marks[value.0 as usize] {
        Need::Main => true,
        Need::Tail => !has_tail(block),
        Need::Nobody => false,
    };
    block.insts.iter().copied().filter(in_main)
}

/// Numbers the values that are needed and writes the steps.
fn emit(func: &Func, marks: &[Need], flags_wanted: u8) -> Code {
    let mut slots = Vec::new();
    let mut slot_of = vec![0u16; func.insts.len()];
    // Constants first: they stand in their slots from the beginning.
    for block in &func.blocks {
        for &value in block.params.iter().chain(&block.insts) {
            if marks[value.0 as usize] == Need::Nobody && !block.params.contains(&value) {
                continue;
            }
            slot_of[value.0 as usize] = slots.len() as u16;
            match *func.inst(value) {
                Inst::I32(c) => slots.push(u128::from(c as u32)),
                Inst::I64(c) => slots.push(u128::from(c as u64)),
                Inst::F32(bits) => slots.push(u128::from(bits)),
                Inst::F64(bits) => slots.push(u128::from(bits)),
                Inst::V128(bits) => slots.push(bits),
                _ if func.ty(value).is_some() && !matches!(func.inst(value), Inst::Alias(_)) => slots.push(0),
                _ => {}
            }
        }
    }
    if slots.is_empty() {
        // Helpers without operands name slot 0 for them.
        slots.push(0);
    }
    let slot = |value: Value| slot_of[func.resolve(value).0 as usize];
    let step = |value: &Value| match written_half(func, func.inst(*value)) {
        Some((reg, half)) => Some(Step::SetHalf { index: reg.0, value: slot(half) }),
        None => Step::new(func.inst(*value), slot_of[value.0 as usize], slot),
    };
    let mut parts = Vec::new();
    for block in &func.blocks {
        let main = main_values(marks, block).filter_map(|value| step(&value)).collect();
        let in_tail = |value: &&Value| has_tail(block) && marks[value.0 as usize] == Need::Tail;
        let tail: Box<[Step]> = block.insts.iter().filter(in_tail).filter_map(step).collect();
        let params = block.params.iter().map(|&value| slot(value)).collect();
        let mut term = block.term.clone().unwrap_or(Term::Exit(Exit::Interpret { at: block.pc }));
        term.map_uses(|value| Value(u32::from(slot(value))));
        let tail_flags = tail.iter().fold(0, |flags, step| match step {
            Step::SetReg { reg, .. } => flags | flag_bit(*reg),
            _ => flags,
        });
        parts.push(Part { main, tail, tail_flags, params, term });
    }
    Code { slots, parts: parts.into_boxed_slice(), flags_wanted }
}
