//! Which registers functions read from each other: liveness across calls, returns and tail jumps of one ELF file.
//!
//! Between functions every register has a global, and a function that changed a register must write it there for whoever reads it next. But
//! hardly any caller reads what a call left in a scratch register or a flag. This analysis looks at the code itself: it is a backward data-flow
//! over all functions of the file at once, to the least fixpoint. Only where code of other files is on the other side does it rely on the
//! System V ABI (AMD64, §3.2.1, figure 3.4); Go has a convention of its own, so there nothing is taken for dead.

use std::collections::BTreeMap;

use hoist_x86::iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register, RflagsBits,
};
use hoist_x86::ir::{Exit, Target};
use hoist_x86::reg::Reg;

use crate::discover::{Function, Program};
use crate::elf::Elf;
use crate::ssa::{RegSet, reg_set, status_flags};

const ALL: RegSet = (1 << Reg::COUNT) - 1;

/// What a calling convention says of code that is not in sight.
struct Convention {
    /// What nobody may lose: every function returns with it as it was, and the kernel looks at the stack pointer.
    kept: RegSet,
    /// Read by an unknown function that is called.
    called: RegSet,
    /// Read by an unknown caller after the return.
    returned: RegSet,
}

fn convention(go: bool) -> Convention {
    let status = status_flags();
    if go {
        return Convention { kept: ALL & !status, called: ALL & !status, returned: ALL & !status };
    }
    // Callee-saved registers, the stack pointer, DF and the segment bases hold for everybody.
    let kept = reg_set([
        Reg::RSP,
        Reg::RBX,
        Reg::RBP,
        Reg::R12,
        Reg::R13,
        Reg::R14,
        Reg::R15,
        Reg::FS_BASE,
        Reg::GS_BASE,
        Reg::DF,
        Reg::EXACT,
    ]);
    let arguments = reg_set([Reg::RDI, Reg::RSI, Reg::RDX, Reg::RCX, Reg::R8, Reg::R9, Reg::RAX, Reg::R10]);
    let vectors = |n| reg_set((0..n).flat_map(|i| [Reg::xmm(i), Reg::ymm_high(i)]));
    // LLVM returns up to three integers (rcx) and four vectors in registers.
    let results = reg_set([Reg::RAX, Reg::RDX, Reg::RCX]);
    Convention { kept, called: kept | arguments | vectors(8), returned: kept | results | vectors(4) }
}

/// The result: what must be in the globals at each way out of a function.
pub struct Liveness {
    convention: Convention,
    status: RegSet,
    /// Per entry, and per label in the midst of a function (a part that the compiler put elsewhere): registers that are read from there on
    /// before they are written.
    entry: BTreeMap<u32, RegSet>,
    /// Label → entry of the function that it is in.
    owner: BTreeMap<u32, u32>,
    /// Per entry: registers beyond the convention that its callers in this file read after it returns.
    returned: BTreeMap<u32, RegSet>,
    /// Registers read from each return point on.
    after: BTreeMap<u32, RegSet>,
}

impl Liveness {
    pub fn new(elf: &Elf<'_>, program: &Program) -> Liveness {
        let labels = |function: &Function| {
            function.labels.iter().filter(|label| function.blocks.contains_key(label)).copied().collect::<Vec<_>>()
        };
        let owner =
            program.functions.values().flat_map(|function| labels(function).into_iter().map(|label| (label, function.entry)));
        let owner: BTreeMap<u32, u32> = owner.filter(|(label, _)| !program.functions.contains_key(label)).collect();
        let mut result = Liveness {
            convention: convention(elf.go),
            status: status_flags(),
            entry: owner.keys().chain(program.functions.keys()).map(|&pc| (pc, 0)).collect(),
            owner,
            returned: program.functions.keys().map(|&pc| (pc, 0)).collect(),
            after: BTreeMap::new(),
        };
        let mut summaries: Vec<Summary> = program
            .functions
            .values()
            .map(|function| Summary::new(elf, function, &|pc| result.entry.contains_key(&pc)))
            .collect();
        for summary in summaries.iter().filter(|summary| summary.returns_elsewhere) {
            result.returned.insert(summary.entry, ALL);
        }
        while summaries.iter_mut().fold(false, |changed, summary| result.update(summary) | changed) {}
        result
    }

    /// Registers that must be in their globals when the function entered at `function` leaves by `exit`.
    pub fn wanted(&self, function: u32, exit: &Exit) -> RegSet {
        match exit {
            Exit::Return(_) => self.at_return(function),
            Exit::Call { to: Target::Pc(pc), next } => self.at_call(Some(*pc), *next),
            Exit::Call { to: Target::Value(_), next } => self.at_call(None, *next),
            Exit::Jump(Target::Pc(pc)) => match self.entry.get(pc) {
                Some(read) => read | self.at_return(function),
                None => ALL,
            },
            // May be a computed goto back into this function, but no compiler carries flags over one.
            Exit::Jump(Target::Value(_)) => ALL & !self.status,
            Exit::Syscall { .. } | Exit::Exception { .. } | Exit::Interpret { .. } | Exit::Leave { .. } => ALL,
        }
    }

    fn at_return(&self, function: u32) -> RegSet {
        self.convention.returned | self.returned.get(&function).copied().unwrap_or(0)
    }

    fn at_call(&self, callee: Option<u32>, next: u32) -> RegSet {
        let read = callee.and_then(|pc| self.entry.get(&pc)).copied().unwrap_or(self.convention.called);
        read | self.convention.called & self.convention.returned | self.after.get(&next).copied().unwrap_or(0)
    }

    /// Registers that must be in their globals where the kernel goes on at the start of a block of a function.
    pub fn within(&self, elf: &Elf<'_>, function: &Function) -> BTreeMap<u32, RegSet> {
        let mut summary = Summary::new(elf, function, &|pc| self.entry.contains_key(&pc));
        self.settle(&mut summary);
        summary.index.iter().map(|(&pc, &block)| (pc, summary.live[block] | self.convention.kept)).collect()
    }

    /// One step of the fixpoint for one function. Did anything that others see grow?
    fn update(&mut self, summary: &mut Summary) -> bool {
        self.settle(summary);
        let at_return = self.at_return(summary.entry);
        let mut grown = false;
        // Functions can share the code behind a call, and then what any of them reads counts: sets only grow, so this ends.
        let mut grow = |set: Option<&mut RegSet>, more: RegSet| {
            if let Some(set) = set {
                grown |= more & !*set != 0;
                *set |= more;
            }
        };
        for i in 0..summary.blocks.len() {
            match summary.blocks[i].end {
                End::Call { callee, next } => {
                    let more = live_after(summary, i);
                    grow(Some(self.after.entry(next).or_default()), more);
                    grow(callee.and_then(|pc| self.returned.get_mut(&pc)), more & !self.convention.returned);
                }
                End::TailJump(pc) => {
                    let to = self.owner.get(&pc).copied().unwrap_or(pc);
                    grow(self.returned.get_mut(&to), at_return & !self.convention.returned);
                }
                _ => {}
            }
        }
        for (&pc, &block) in &summary.index {
            if let Some(entry) =
                self.entry.get_mut(&pc).filter(|_| pc == summary.entry || self.owner.get(&pc) == Some(&summary.entry))
            {
                grow(Some(entry), summary.live[block]);
            }
        }
        grown
    }

    /// What is live at the start of each block, as far as the sets of all functions tell.
    fn settle(&self, summary: &mut Summary) {
        let at_return = self.at_return(summary.entry);
        let mut changed = true;
        while changed {
            changed = false;
            for i in (0..summary.blocks.len()).rev() {
                let block = &summary.blocks[i];
                let mut live = live_after(summary, i);
                match block.end {
                    End::Within => {}
                    End::Call { callee, .. } => {
                        live |= callee.and_then(|pc| self.entry.get(&pc)).copied().unwrap_or(self.convention.called);
                        live |= self.convention.called & self.convention.returned;
                    }
                    End::Return => live |= at_return,
                    End::TailJump(pc) => live |= self.entry[&pc] | at_return,
                    // To a function of another file, which keeps what the convention says and nothing else.
                    End::IndirectJump if summary.is_stub => live |= self.convention.called,
                    End::IndirectJump => live |= ALL & !self.status,
                    End::Unknown => live |= ALL,
                }
                let live = block.reads | live & !block.writes;
                if live & !summary.live[i] != 0 {
                    summary.live[i] |= live;
                    changed = true;
                }
            }
        }
    }
}

fn live_after(summary: &Summary, block: usize) -> RegSet {
    summary.blocks[block].succs.iter().fold(0, |live, &succ| live | summary.live[succ])
}

/// A function as the analysis sees it.
struct Summary {
    entry: u32,
    index: BTreeMap<u32, usize>,
    blocks: Vec<Block>,
    /// Live at each block's start.
    live: Vec<RegSet>,
    /// Where it returns to is not where it was called: a context switch, a jump by `push`, `ret`.
    returns_elsewhere: bool,
    /// A stub of the procedure linkage table.
    is_stub: bool,
}

struct Block {
    /// Read before written.
    reads: RegSet,
    /// Certainly written in full.
    writes: RegSet,
    succs: Vec<usize>,
    end: End,
    returns_elsewhere: bool,
}

#[derive(Clone, Copy)]
enum End {
    /// Goes on at the successors only.
    Within,
    Call {
        callee: Option<u32>,
        next: u32,
    },
    Return,
    TailJump(u32),
    IndirectJump,
    Unknown,
}

impl Summary {
    /// `is_entry`: can that pc be jumped to, though it is in another function?
    fn new(elf: &Elf<'_>, function: &Function, is_entry: &impl Fn(u32) -> bool) -> Summary {
        let index: BTreeMap<u32, usize> = function.blocks.keys().enumerate().map(|(i, &pc)| (pc, i)).collect();
        let mut info = InstructionInfoFactory::new();
        let blocks: Vec<Block> = function
            .blocks
            .iter()
            .map(|(&start, &end)| Block::new(elf, function, is_entry, &index, &mut info, start, end))
            .collect();
        let returns_elsewhere = blocks.iter().any(|block| block.returns_elsewhere);
        let is_stub = elf.stubs.contains_key(&function.entry);
        Summary { is_stub, entry: function.entry, live: vec![0; index.len()], index, blocks, returns_elsewhere }
    }
}

impl Block {
    fn new(
        elf: &Elf<'_>,
        function: &Function,
        is_entry: &impl Fn(u32) -> bool,
        index: &BTreeMap<u32, usize>,
        info: &mut InstructionInfoFactory,
        start: u32,
        end: u32,
    ) -> Block {
        let mut block = Block { reads: 0, writes: 0, succs: Vec::new(), end: End::Unknown, returns_elsewhere: false };
        let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
        let mut last = Instruction::default();
        let mut stack_top = StackTop::Unknown;
        for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
            if instr.is_invalid() {
                return block;
            }
            let (reads, writes) = accesses(&instr, info);
            block.reads |= reads & !block.writes;
            block.writes |= writes;
            let returns = instr.flow_control() == FlowControl::Return;
            block.returns_elsewhere |= switches_stack(&instr) || returns && matches!(stack_top, StackTop::Written);
            stack_top = stack_top.after(&instr);
            last = instr;
        }
        let next = end;
        let mut goto = |pc: u32| match index.get(&pc) {
            Some(&succ) => {
                block.succs.push(succ);
                End::Within
            }
            None if is_entry(pc) => End::TailJump(pc),
            None => End::Unknown,
        };
        block.end = match last.flow_control() {
            FlowControl::Next => goto(next),
            FlowControl::UnconditionalBranch => goto(last.near_branch64() as u32),
            FlowControl::ConditionalBranch => match (goto(last.near_branch64() as u32), goto(next)) {
                (End::Unknown, _) | (_, End::Unknown) => End::Unknown,
                (End::TailJump(a), End::TailJump(b)) if a != b => End::Unknown,
                (End::TailJump(pc), _) | (_, End::TailJump(pc)) => End::TailJump(pc),
                _ => End::Within,
            },
            FlowControl::Call | FlowControl::IndirectCall if last.mnemonic() == Mnemonic::Call => {
                block.succs.extend(index.get(&next));
                let callee = (last.flow_control() == FlowControl::Call).then(|| last.near_branch64() as u32);
                End::Call { callee, next }
            }
            FlowControl::Return => End::Return,
            FlowControl::IndirectBranch => match function.tables.get(&(last.ip() as u32)) {
                Some(table) if table.targets.iter().all(|pc| index.contains_key(pc)) => {
                    block.succs.extend(table.targets.iter().map(|pc| index[pc]));
                    End::Within
                }
                _ => End::IndirectJump,
            },
            _ => End::Unknown,
        };
        block
    }
}

/// Gives the stack pointer a value that has nothing to do with the old one: `swapcontext`, `longjmp`, coroutines. What comes next there may be
/// a function that starts, with arguments in registers that no return needs.
fn switches_stack(instr: &Instruction) -> bool {
    let to_stack_pointer = instr.op0_kind() == OpKind::Register && instr.op0_register() == Register::RSP;
    match instr.mnemonic() {
        Mnemonic::Mov => to_stack_pointer && !(instr.op1_kind() == OpKind::Register && instr.op1_register() == Register::RBP),
        Mnemonic::Pop => to_stack_pointer,
        Mnemonic::Xchg => (0..2).any(|i| instr.op_kind(i) == OpKind::Register && instr.op_register(i) == Register::RSP),
        _ => false,
    }
}

/// What is known within a block of the stack's top: a `ret` to what was just written there is a jump (retpolines do so).
#[derive(Clone, Copy)]
enum StackTop {
    Written,
    Unknown,
}

impl StackTop {
    fn after(self, instr: &Instruction) -> StackTop {
        let stores_at_top = instr.mnemonic() == Mnemonic::Mov
            && instr.op0_kind() == OpKind::Memory
            && (instr.memory_base(), instr.memory_index()) == (Register::RSP, Register::None)
            && instr.memory_displacement64() == 0;
        if stores_at_top || instr.mnemonic() == Mnemonic::Push {
            StackTop::Written
        } else if instr.is_stack_instruction() || instr.op0_kind() == OpKind::Register && instr.op0_register() == Register::RSP {
            StackTop::Unknown
        } else {
            self
        }
    }
}

/// Registers that an instruction reads, and those that it certainly writes in full.
fn accesses(instr: &Instruction, info: &mut InstructionInfoFactory) -> (RegSet, RegSet) {
    let (mut reads, mut writes) = (0, 0);
    for used in info.info(instr).used_registers() {
        let (set, whole) = reg_of(used.register());
        match used.access() {
            OpAccess::Read | OpAccess::CondRead | OpAccess::ReadCondWrite => reads |= set,
            OpAccess::ReadWrite => {
                reads |= set;
                writes |= whole;
            }
            OpAccess::Write => {
                writes |= whole;
                // The rest of a register that is written in part is kept.
                reads |= set & !whole;
            }
            OpAccess::CondWrite => reads |= set,
            OpAccess::None | OpAccess::NoMemAccess => {}
        }
    }
    reads |= flags(instr.rflags_read());
    // A count of zero leaves the flags as they were.
    let keeps_flags = instr.has_rep_prefix() || instr.has_repne_prefix() || shifts_by_cl(instr);
    if keeps_flags {
        reads |= flags(instr.rflags_modified());
    } else {
        writes |= flags(instr.rflags_modified());
    }
    (reads, writes)
}

fn shifts_by_cl(instr: &Instruction) -> bool {
    (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Register && instr.op_register(i) == Register::CL && i > 0)
}

/// The registers that an operand register stands for, and those of them that a write to it replaces in full.
fn reg_of(register: Register) -> (RegSet, RegSet) {
    let number = register.full_register().number() as u8;
    if register.is_gpr() {
        let set = 1 << Reg::gpr(number).index();
        (set, if register.size() >= 4 { set } else { 0 })
    } else if register.is_xmm() && number < 16 {
        let set = 1 << Reg::xmm(number).index();
        (set, set)
    } else if register.is_ymm() && number < 16 {
        let set = 1 << Reg::xmm(number).index() | 1 << Reg::ymm_high(number).index();
        (set, set)
    } else {
        (0, 0)
    }
}

fn flags(bits: u32) -> RegSet {
    [
        (RflagsBits::CF, Reg::CF),
        (RflagsBits::PF, Reg::PF),
        (RflagsBits::AF, Reg::AF),
        (RflagsBits::ZF, Reg::ZF),
        (RflagsBits::SF, Reg::SF),
        (RflagsBits::OF, Reg::OF),
        (RflagsBits::DF, Reg::DF),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .fold(0, |set, (_, reg)| set | 1 << reg.index())
}
