//! Runs guest code that was not lifted: blocks of instructions are translated by [`crate::semantics`] when control first
//! comes to them, compiled to steps and kept.
//!
//! Code that the guest writes or rewrites needs no notice: a block keeps a copy of its bytes and is only run while memory
//! still holds the same. (Not modelled: an instruction that rewrites a later one of its own block, before it runs.)

mod blocks;
mod compile;
mod float;
pub(crate) mod scalar;
mod steps;
#[cfg(test)]
mod tests;
mod vector;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use iced_x86::Instruction;

use crate::boundary::Vector;
use crate::builder::{Builder, Floats};
use crate::decode::{MAX_LENGTH, Undecodable, instruction, straight};
use crate::helper::Memory;
use crate::ir::{Edge, Exit, Func, Target, Term, Value};
use crate::reg::Reg;
use crate::semantics::translate;
use crate::state::CpuState;
use blocks::{Block, Blocks, Key};
use compile::ALL_FLAGS;
use steps::{Code, Part};

/// Why the interpreter stopped. All registers and flags are in the [`CpuState`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The caller said to stop before the block at this address.
    At(u32),
    /// SYSCALL; goes on at `next`.
    Syscall { next: u32 },
    /// A processor exception at the instruction at `at` (for INT3 the address after it).
    Exception { vector: Vector, at: u32 },
    /// The instruction at `at` reached a bad address. What came before it is done, and it has changed no register; the status flags may be older.
    Fault { at: u32, address: u32 },
    /// No meaning is known for the instruction at `at`, which begins with `bytes`: the kernel raises #UD and can report it.
    Unknown { at: u32, bytes: [u8; MAX_LENGTH] },
}

/// What was done so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Blocks and guest instructions that ran. (A repeated string instruction is one.)
    pub blocks: u64,
    pub instructions: u64,
    /// Blocks that were translated, again after the code changed included.
    pub translated: u64,
}

/// Translated blocks and counters. Holds no guest state: one serves all tasks of an address space.
pub struct Interpreter {
    blocks: Blocks,
    pub stats: Stats,
}

/// A block that ran, by number, and the part of it that left; the flags' tail of that part has yet to run.
#[derive(Clone, Copy)]
struct Left {
    block: u32,
    part: usize,
}

/// A block ends after so many instructions, if not before.
const MAX_INSTRUCTIONS: usize = 64;
/// And when its IR has grown to this; values are numbered with 16 bits.
const MAX_VALUES: usize = 8192;
/// A block begins in one page of guest memory, and only its last instruction reaches into the next.
const PAGE: u32 = 4096;

impl Default for Interpreter {
    fn default() -> Interpreter {
        Interpreter::new()
    }
}

impl Interpreter {
    pub fn new() -> Interpreter {
        Interpreter { blocks: Blocks::new(), stats: Stats::default() }
    }

    /// Forgets the blocks whose code lies in this range of guest addresses. Only frees memory: changed code is
    /// noticed without it.
    pub fn invalidate(&mut self, range: Range<u32>) {
        self.blocks.remove(range);
    }

    /// Runs from `pc` until an event. `stop_before` is asked before each block, the first too: whether to stop there, because the
    /// code is lifted, not mapped executable, or a budget is used up.
    pub fn run(
        &mut self,
        cpu: &mut CpuState,
        memory: &mut impl Memory,
        pc: u32,
        mut stop_before: impl FnMut(u32) -> bool,
    ) -> Stop {
        let mut pc = pc;
        let mut last: Option<Left> = None;
        loop {
            if stop_before(pc) {
                self.write_flags(last, ALL_FLAGS, cpu, memory);
                return Stop::At(pc);
            }
            let number = match self.enter(last, cpu, memory, pc) {
                Ok(number) => number,
                Err(stop) => {
                    self.write_flags(last, ALL_FLAGS, cpu, memory);
                    return stop;
                }
            };
            let block = self.blocks.get_mut(number);
            self.stats.blocks += 1;
            self.stats.instructions += u64::from(block.instructions);
            let (part, exit) = match block.code.run(cpu, memory) {
                Ok(left) => left,
                Err((part, fault)) => {
                    let at = instruction_at(self.blocks.get(number), part, fault.step);
                    if last.is_some_and(|left| left.block != number) {
                        self.write_flags(last, ALL_FLAGS, cpu, memory);
                    }
                    return Stop::Fault { at, address: fault.address };
                }
            };
            let block = self.blocks.get_mut(number);
            let slots = &block.code.slots;
            let value = |value: Value| slots[value.0 as usize] as u32;
            let target = |to: Target| match to {
                Target::Pc(pc) => pc,
                Target::Value(v) => value(v),
            };
            let next = match exit {
                Exit::Jump(to) | Exit::Call { to, .. } => Ok(target(to)),
                Exit::Return(to) => Ok(value(to)),
                Exit::Syscall { next } => Err(Stop::Syscall { next }),
                Exit::Exception { vector, at } => Err(Stop::Exception { vector, at }),
                Exit::Leave { at } => Ok(at),
                Exit::Interpret { at } => Err(unknown(memory, at)),
            };
            last = Some(Left { block: number, part });
            match next {
                Ok(next) => pc = next,
                Err(stop) => {
                    self.write_flags(last, ALL_FLAGS, cpu, memory);
                    return stop;
                }
            }
        }
    }

    /// The number of the block at `pc`, translated if it is new or its code has changed. The flags that `last` left are written if
    /// this block may read them.
    fn enter(&mut self, last: Option<Left>, cpu: &mut CpuState, memory: &mut impl Memory, pc: u32) -> Result<u32, Stop> {
        // Its own arithmetic has x86's NaNs on every host.
        let is_plain = cpu.get(Reg::EXACT) <= Floats::Portable as u128;
        let key = Key::new(pc, if is_plain { Floats::Plain } else { Floats::Exact });
        if let Some(number) = self.blocks.find(key, last.map(|left| left.block)) {
            let block = self.blocks.get(number);
            if memory.matches(pc, &block.bytes) {
                self.write_flags(last, block.code.flags_wanted, cpu, memory);
                return Ok(number);
            }
        }
        let block = translate_at(memory, key)?;
        self.stats.translated += 1;
        self.write_flags(last, block.code.flags_wanted, cpu, memory);
        Ok(self.blocks.insert(block))
    }

    /// Writes the flags of a block that ran if they are among `wanted`.
    fn write_flags(&mut self, last: Option<Left>, wanted: u8, cpu: &mut CpuState, memory: &mut impl Memory) {
        let Some(left) = last else { return };
        let Code { slots, parts, .. } = &mut self.blocks.get_mut(left.block).code;
        let part = &parts[left.part];
        if part.tail_flags & wanted != 0 {
            // A tail has no accesses: `compile::mark`.
            let _ = steps::run(&part.tail, slots, cpu, memory);
        }
    }
}

impl Code {
    /// Runs from the first block to an exit: the number of the last part and the exit, values in it being slots. Or to a bad access: the
    /// part where it was made.
    fn run(&mut self, cpu: &mut CpuState, memory: &mut impl Memory) -> Result<(usize, Exit), (usize, steps::Fault)> {
        let Code { slots, parts, .. } = self;
        let mut at = 0;
        loop {
            let Part { main, term, .. } = &parts[at];
            steps::run(main, slots, cpu, memory).map_err(|fault| (at, fault))?;
            let slot = |value: &Value| slots[value.0 as usize] as u32;
            let edge = match term {
                Term::Exit(exit) => return Ok((at, *exit)),
                Term::Jump(edge) => edge,
                Term::Branch { cond, yes, no } => {
                    if slot(cond) != 0 {
                        yes
                    } else {
                        no
                    }
                }
                Term::Switch { index, targets, default } => targets.get(slot(index) as usize).unwrap_or(default),
            };
            pass_arguments(edge, parts, slots);
            at = edge.to.0 as usize;
        }
    }
}

/// Sets the parameters of the block that an edge goes to, all at once.
#[inline]
fn pass_arguments(edge: &Edge, parts: &[Part], slots: &mut [u128]) {
    if edge.args.is_empty() {
        return;
    }
    let values: Vec<u128> = edge.args.iter().map(|arg| slots[arg.0 as usize]).collect();
    for (&param, value) in parts[edge.to.0 as usize].params.iter().zip(values) {
        slots[usize::from(param)] = value;
    }
}

fn unknown(memory: &mut impl Memory, at: u32) -> Stop {
    let mut bytes = [0; MAX_LENGTH];
    let in_page = ((PAGE - at % PAGE) as usize).min(MAX_LENGTH);
    memory.fetch(at, &mut bytes[..in_page]);
    Stop::Unknown { at, bytes }
}

/// Translates from `pc` to the first instruction that ends a block, that has no meaning, or that is one too many.
fn translate_at(memory: &mut impl Memory, key: Key) -> Result<Block, Stop> {
    let pc = key.pc();
    const WINDOW: usize = 256;
    let mut window = [0; WINDOW];
    let in_page = ((PAGE - pc % PAGE) as usize).min(WINDOW);
    memory.fetch(pc, &mut window[..in_page]);
    let mut ignore = |_, _| {};
    let (mut func, mut length, mut instructions) = translate_block(&window[..in_page], key, &mut ignore);
    if instructions == 0 && in_page < MAX_LENGTH {
        // The next page is read only for an instruction that may reach into it.
        if instruction(&window[..in_page], pc) == Err(Undecodable::Truncated) {
            memory.fetch(pc.wrapping_add(in_page as u32), &mut window[in_page..MAX_LENGTH]);
            let length_of_one = instruction(&window[..MAX_LENGTH], pc).map_or(0, |instr| instr.len());
            (func, length, instructions) = translate_block(&window[..length_of_one], key, &mut ignore);
        }
    }
    if instructions == 0 {
        return Err(unknown(memory, pc));
    }
    let bytes = window[..length].into();
    Ok(Block::new(key, bytes, instructions, compile::compile(func)))
}

/// The address of the instruction that a step belongs to. The block is translated once more, so that those that run well need not remember.
fn instruction_at(block: &Block, part: usize, step: usize) -> u32 {
    let mut begins = Vec::new();
    let (func, ..) = translate_block(&block.bytes, block.key, &mut |value, pc| begins.push((value, pc)));
    let value = compile::value_of_step(func, part, step).unwrap_or(Value(0));
    let after = begins.partition_point(|&(first, _)| first <= value.0);
    after.checked_sub(1).map_or(block.key.pc(), |index| begins[index].1)
}

/// IR of the instructions that stand at `pc`, up to the end of a block or of the bytes; how many bytes and instructions they are. `begins` is
/// told the number of each instruction's first value, and its address.
fn translate_block(code: &[u8], key: Key, begins: &mut dyn FnMut(u32, u32)) -> (Func, usize, u32) {
    let pc = key.pc();
    let labels = BTreeMap::new();
    let mut func = Func::new();
    let block = func.add_block(pc);
    let mut builder = Builder::new(&mut func, block, &labels);
    builder.floats = key.floats();
    let (mut length, mut count) = (0, 0);
    for instr in straight(code, pc).take(MAX_INSTRUCTIONS) {
        let Ok(instr) = instr else { break };
        begins(builder.func.insts.len() as u32, pc.wrapping_add(length as u32));
        if builder.func.insts.len() > MAX_VALUES || !translate(&mut builder, &instr) {
            break;
        }
        length += instr.len();
        count += 1;
        if builder.is_terminated() {
            break;
        }
    }
    if !builder.is_terminated() {
        builder.goto(pc.wrapping_add(length as u32));
    }
    (func, length, count)
}

/// IR of one instruction as the interpreter runs it: one that does not end a block goes on at the next address. `None` if it has no
/// meaning.
pub fn translate_one(instr: &Instruction) -> Option<Func> {
    let labels = BTreeMap::new();
    let mut func = Func::new();
    let block = func.add_block(instr.ip() as u32);
    let mut builder = Builder::new(&mut func, block, &labels);
    if !translate(&mut builder, instr) {
        return None;
    }
    if !builder.is_terminated() {
        builder.goto(instr.next_ip() as u32);
    }
    Some(func)
}
