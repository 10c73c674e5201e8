//! IR as text, for golden tests and for looking at it.

use core::fmt::{Display, Formatter, Result};

use crate::ir::*;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for BlockId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "block{}", self.0)
    }
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.to)?;
        list(f, &self.args)
    }
}

fn list(f: &mut Formatter<'_>, values: &[Value]) -> Result {
    for (i, value) in values.iter().enumerate() {
        write!(f, "{}{value}", if i == 0 { "(" } else { ", " })?;
    }
    if values.is_empty() { Ok(()) } else { write!(f, ")") }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Target::Pc(pc) => write!(f, "{pc:#x}"),
            Target::Value(value) => write!(f, "{value}"),
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Inst::Param(ty) => write!(f, "param {ty:?}"),
            Inst::I32(c) => write!(f, "i32 {c:#x}"),
            Inst::I64(c) => write!(f, "i64 {c:#x}"),
            Inst::F32(bits) => write!(f, "f32 {bits:#x}"),
            Inst::F64(bits) => write!(f, "f64 {bits:#x}"),
            Inst::V128(bits) => write!(f, "v128 {bits:#x}"),
            Inst::Un(op, a) => write!(f, "{op:?} {a}"),
            Inst::Bin(op, a, b) => write!(f, "{op:?} {a}, {b}"),
            Inst::Select { cond, yes, no } => write!(f, "select {cond} ? {yes} : {no}"),
            Inst::Extract { shape, lane, vector } => write!(f, "extract {shape:?}[{lane}] {vector}"),
            Inst::Replace { shape, lane, vector, value } => write!(f, "replace {shape:?}[{lane}] {vector}, {value}"),
            Inst::Shuffle { a, b, lanes } => write!(f, "shuffle {a}, {b}, {lanes:?}"),
            Inst::Bitselect { a, b, mask } => write!(f, "bitselect {a}, {b}, {mask}"),
            Inst::Load { op, addr, disp } => write!(f, "{op:?} [{addr} + {disp:#x}]"),
            Inst::Store { op, addr, disp, value } => write!(f, "{op:?} [{addr} + {disp:#x}], {value}"),
            Inst::Copy { to, from, len } => write!(f, "copy [{to}], [{from}], {len}"),
            Inst::Fill { to, byte, len } => write!(f, "fill [{to}], {byte}, {len}"),
            Inst::GetReg(reg) => write!(f, "get {}", reg.name()),
            Inst::SetReg(reg, value) => write!(f, "set {}, {value}", reg.name()),
            Inst::Helper { helper, args } => {
                write!(f, "helper {}", helper.name())?;
                list(f, &args[..helper.signature().params.len()])
            }
            Inst::Round => write!(f, "round"),
            Inst::Alias(value) => write!(f, "alias {value}"),
            Inst::Nop => write!(f, "nop"),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Term::Jump(edge) => write!(f, "jump {edge}"),
            Term::Branch { cond, yes, no } => write!(f, "branch {cond} ? {yes} : {no}"),
            Term::Switch { index, targets, default } => {
                write!(f, "switch {index} [")?;
                for (i, edge) in targets.iter().enumerate() {
                    write!(f, "{}{edge}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "] else {default}")
            }
            Term::Exit(Exit::Jump(to)) => write!(f, "exit jump {to}"),
            Term::Exit(Exit::Call { to, next }) => write!(f, "exit call {to}, back at {next:#x}"),
            Term::Exit(Exit::Return(pc)) => write!(f, "exit return {pc}"),
            Term::Exit(Exit::Syscall { next }) => write!(f, "exit syscall, back at {next:#x}"),
            Term::Exit(Exit::Exception { vector, at }) => write!(f, "exit exception {vector:?} at {at:#x}"),
            Term::Exit(Exit::Interpret { at }) => write!(f, "exit interpret {at:#x}"),
            Term::Exit(Exit::Leave { at }) => write!(f, "exit leave {at:#x}"),
        }
    }
}

impl Display for Func {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for id in self.block_ids() {
            let block = self.block(id);
            write!(f, "{id}")?;
            list(f, &block.params)?;
            writeln!(f, ": ; {:#x}", block.pc)?;
            for &value in &block.insts {
                match self.ty(value) {
                    Some(_) => writeln!(f, "    {value} = {}", self.inst(value))?,
                    None => writeln!(f, "    {}", self.inst(value))?,
                }
            }
            if let Some(term) = &block.term {
                writeln!(f, "    {term}")?;
            }
        }
        Ok(())
    }
}
