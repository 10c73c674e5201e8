//! Forms of instructions, as the manuals list them, and what hoist does with each: one place for the oracle, the coverage page
//! (docs/instructions.md) and `hoist inspect --instructions`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use iced_x86::{Code, Instruction, OpKind};

use crate::boundary::Vector;
use crate::helper::Helper;
use crate::interpreter::translate_one;
use crate::ir::{Exit, Func, Inst, Term};

/// One form: the opcode as the SDM's tables name it (`ADD r/m32, r32`), whether its operand `r/m` is memory, and a prefix that changes
/// what it does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Form {
    pub code: Code,
    pub memory: bool,
    pub prefix: Prefix,
}

/// LOCK, and the prefixes of string instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Prefix {
    None,
    Lock,
    /// REP or REPE.
    Rep,
    Repne,
}

impl From<&Instruction> for Form {
    fn from(instr: &Instruction) -> Form {
        let string = instr.is_string_instruction();
        let prefix = if instr.has_lock_prefix() {
            Prefix::Lock
        } else if string && instr.has_repne_prefix() {
            Prefix::Repne
        } else if string && instr.has_rep_prefix() {
            Prefix::Rep
        } else {
            Prefix::None
        };
        let memory = (0..instr.op_count()).any(|n| instr.op_kind(n) == OpKind::Memory);
        Form { code: instr.code(), memory, prefix }
    }
}

impl fmt::Display for Form {
    /// Intel's notation, with either side of `r/m32` or `xmm3/m128`: `ADD m32, r32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.prefix {
            Prefix::None => "",
            Prefix::Lock => "LOCK ",
            Prefix::Rep => "REP ",
            Prefix::Repne => "REPNE ",
        })?;
        let notation = self.code.op_code().instruction_string();
        let (mnemonic, operands) = notation.split_once(' ').unwrap_or((notation, ""));
        f.write_str(mnemonic)?;
        for (n, operand) in operands.split(", ").enumerate().filter(|(_, operand)| !operand.is_empty()) {
            f.write_str(if n == 0 { " " } else { ", " })?;
            match operand.split_once('/') {
                // `r/m32` means `r32/m32`.
                Some(("r", memory)) if !self.memory => write!(f, "r{}", memory.trim_start_matches('m'))?,
                Some((register, _)) if !self.memory => f.write_str(register)?,
                Some((_, memory)) => f.write_str(memory.split('/').next().unwrap_or(memory))?,
                None => f.write_str(operand)?,
            }
        }
        Ok(())
    }
}

/// How hoist treats a form. What the interpreter can do the lifter can, as both work from the same row, so there is none that is only interpreted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// Operations of the IR, which become Wasm in line.
    Inline,
    /// Operations and calls of these helpers, by name.
    Helper(Vec<&'static str>),
    /// Raises this exception, always.
    Exception(Vector),
    /// There is no row for it.
    Unknown,
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Treatment::Inline => f.write_str("inline"),
            Treatment::Helper(names) => write!(f, "helper {}", names.join(", ")),
            Treatment::Exception(vector) => write!(f, "raises {}", vector.mnemonic()),
            Treatment::Unknown => f.write_str("unknown"),
        }
    }
}

impl Treatment {
    /// The treatment without its details: `inline`, `helper`, `exception`, `unknown`.
    pub fn kind(&self) -> &'static str {
        match self {
            Treatment::Inline => "inline",
            Treatment::Helper(_) => "helper",
            Treatment::Exception(_) => "exception",
            Treatment::Unknown => "unknown",
        }
    }
}

/// How hoist treats this instruction: read off what its row writes.
pub fn treatment(instr: &Instruction) -> Treatment {
    let Some(func) = translate_one(instr) else { return Treatment::Unknown };
    let helpers: BTreeSet<&'static str> = instructions(&func).filter_map(helper).map(Helper::name).collect();
    match exception(&func) {
        Some(vector) => Treatment::Exception(vector),
        None if helpers.is_empty() => Treatment::Inline,
        None => Treatment::Helper(helpers.into_iter().collect()),
    }
}

fn instructions(func: &Func) -> impl Iterator<Item = &Inst> {
    func.blocks.iter().flat_map(|block| &block.insts).map(|&value| func.inst(value))
}

fn helper(inst: &Inst) -> Option<Helper> {
    match inst {
        Inst::Helper { helper, .. } => Some(*helper),
        _ => None,
    }
}

/// The exception that the first block ends in.
fn exception(func: &Func) -> Option<Vector> {
    match func.blocks.first()?.term {
        Some(Term::Exit(Exit::Exception { vector, .. })) => Some(vector),
        _ => None,
    }
}

/// The forms of some code and how often each occurs there.
pub type Census = BTreeMap<Form, Counted>;

/// One row of a [`Census`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    pub count: u64,
    pub treatment: Treatment,
}

/// Adds an instruction to a census. All instructions of a form are treated as the first is.
pub fn count(census: &mut Census, instr: &Instruction) {
    let counted = census.entry(Form::from(instr)).or_insert_with(|| Counted { count: 0, treatment: treatment(instr) });
    counted.count += 1;
}

/// Adds the counts of a census to another.
pub fn merge(into: &mut Census, from: Census) {
    for (form, counted) in from {
        match into.get_mut(&form) {
            Some(known) => known.count += counted.count,
            None => {
                into.insert(form, counted);
            }
        }
    }
}
