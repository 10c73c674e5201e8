//! Checks the IR's invariants (see [`crate::ir`]); the tests run it on every translation.

use alloc::vec;
use alloc::vec::Vec;

use thiserror::Error;

use crate::ir::*;

/// What is wrong with a function.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum Broken {
    #[error("{block} has no terminator")]
    NoTerminator { block: BlockId },
    #[error("{value} in {block} uses {operand}, which is not defined before it on every path")]
    Undefined { block: BlockId, value: Value, operand: Value },
    #[error("the terminator of {block} uses {operand}, which is not defined before it on every path")]
    UndefinedInTerminator { block: BlockId, operand: Value },
    #[error("{operand} in {block} has type {found:?}, wanted is {wanted:?}")]
    Type { block: BlockId, operand: Value, wanted: Type, found: Option<Type> },
    #[error("{block} gives {found} arguments to {to}, which has {wanted} parameters")]
    Arguments { block: BlockId, to: BlockId, wanted: usize, found: usize },
    #[error("{value} stands in two places, or in a block and among its parameters")]
    Twice { value: Value },
    #[error("lane number, shuffle index or target out of range at {value} in {block}")]
    Range { block: BlockId, value: Value },
    #[error("the terminator of {block} goes to {to}, which does not exist")]
    NoBlock { block: BlockId, to: BlockId },
}

/// Checks a function whose entries are `entries`, blocks that control may come to from outside. Blocks that no entry reaches
/// are checked as entries of their own.
pub fn verify(func: &Func, entries: &[BlockId]) -> Result<(), Broken> {
    let placed = placement(func)?;
    for id in func.block_ids() {
        let block = func.block(id);
        let term = block.term.as_ref().ok_or(Broken::NoTerminator { block: id })?;
        for edge in term.edges() {
            check_edge(func, id, edge)?;
        }
    }
    let dominators = Dominators::new(func, entries);
    for id in func.block_ids() {
        let block = func.block(id);
        // A use is right where its definition stands earlier in the block, or in a block that dominates it.
        let defined = |operand: Value, at: usize| match placed[operand.0 as usize] {
            Some((home, position)) if home == id => position < at,
            Some((home, _)) => dominators.dominates(home, id),
            None => false,
        };
        for (position, &value) in block.insts.iter().enumerate() {
            let inst = func.inst(value);
            let mut wrong = None;
            inst.for_each_use(|operand| {
                if !defined(operand, position + 1) {
                    wrong = Some(operand);
                }
            });
            if let Some(operand) = wrong {
                return Err(Broken::Undefined { block: id, value, operand });
            }
            check_types(func, id, value)?;
        }
        if let Some(term) = &block.term {
            let mut wrong = None;
            term.for_each_use(|operand| {
                if !defined(operand, usize::MAX) {
                    wrong = Some(operand);
                }
            });
            if let Some(operand) = wrong {
                return Err(Broken::UndefinedInTerminator { block: id, operand });
            }
            check_terminator(func, id, term)?;
        }
    }
    Ok(())
}

/// Block and position (1 for the first instruction, 0 for parameters) of each value.
fn placement(func: &Func) -> Result<Vec<Option<(BlockId, usize)>>, Broken> {
    let mut placed = vec![None; func.insts.len()];
    for id in func.block_ids() {
        let block = func.block(id);
        let params = block.params.iter().map(|&value| (value, 0));
        let insts = block.insts.iter().enumerate().map(|(i, &value)| (value, i + 1));
        for (value, position) in params.chain(insts) {
            match placed.get_mut(value.0 as usize) {
                Some(place @ None) => *place = Some((id, position)),
                _ => return Err(Broken::Twice { value }),
            }
        }
    }
    Ok(placed)
}

fn check_edge(func: &Func, block: BlockId, edge: &Edge) -> Result<(), Broken> {
    let target = func.blocks.get(edge.to.0 as usize).ok_or(Broken::NoBlock { block, to: edge.to })?;
    if target.params.len() != edge.args.len() {
        let (wanted, found) = (target.params.len(), edge.args.len());
        return Err(Broken::Arguments { block, to: edge.to, wanted, found });
    }
    for (&param, &arg) in target.params.iter().zip(&edge.args) {
        if let Some(wanted) = func.ty(param) {
            want(func, block, arg, wanted)?;
        }
    }
    Ok(())
}

fn want(func: &Func, block: BlockId, operand: Value, wanted: Type) -> Result<(), Broken> {
    let found = if (operand.0 as usize) < func.insts.len() { func.ty(operand) } else { None };
    if found == Some(wanted) { Ok(()) } else { Err(Broken::Type { block, operand, wanted, found }) }
}

fn check_types(func: &Func, block: BlockId, value: Value) -> Result<(), Broken> {
    let want = |operand, wanted| want(func, block, operand, wanted);
    let in_range = |ok: bool| if ok { Ok(()) } else { Err(Broken::Range { block, value }) };
    match *func.inst(value) {
        Inst::Un(op, a) => want(a, op.operand()),
        Inst::Bin(op, a, b) => {
            let (left, right) = op.operands();
            want(a, left)?;
            want(b, right)
        }
        Inst::Select { cond, yes, no } => {
            want(cond, Type::I32)?;
            match func.ty(yes) {
                Some(ty) => want(no, ty),
                None => want(yes, Type::I32),
            }
        }
        Inst::Extract { shape, lane, vector } => {
            in_range(u32::from(lane) < shape.count())?;
            want(vector, Type::V128)
        }
        Inst::Replace { shape, lane, vector, value } => {
            in_range(u32::from(lane) < shape.count())?;
            want(vector, Type::V128)?;
            want(value, shape.lane())
        }
        Inst::Shuffle { a, b, lanes } => {
            in_range(lanes.iter().all(|&lane| lane < 32))?;
            want(a, Type::V128)?;
            want(b, Type::V128)
        }
        Inst::Bitselect { a, b, mask } => {
            want(a, Type::V128)?;
            want(b, Type::V128)?;
            want(mask, Type::V128)
        }
        Inst::Load { addr, .. } => want(addr, Type::I32),
        Inst::Store { op, addr, value, .. } => {
            want(addr, Type::I32)?;
            want(value, op.operand())
        }
        Inst::Copy { to, from: middle, len } | Inst::Fill { to, byte: middle, len } => {
            want(to, Type::I32)?;
            want(middle, Type::I32)?;
            want(len, Type::I32)
        }
        Inst::SetReg(reg, value) => want(value, reg.ty()),
        Inst::Helper { helper, args } => {
            helper.signature().params.iter().zip(args).try_for_each(|(&wanted, arg)| want(arg, wanted))
        }
        Inst::Alias(_)
        | Inst::Param(_)
        | Inst::I32(_)
        | Inst::I64(_)
        | Inst::F32(_)
        | Inst::F64(_)
        | Inst::V128(_)
        | Inst::GetReg(_)
        | Inst::Round
        | Inst::Nop => Ok(()),
    }
}

fn check_terminator(func: &Func, block: BlockId, term: &Term) -> Result<(), Broken> {
    match term {
        Term::Branch { cond: value, .. }
        | Term::Switch { index: value, .. }
        | Term::Exit(Exit::Jump(Target::Value(value)) | Exit::Call { to: Target::Value(value), .. } | Exit::Return(value)) => {
            want(func, block, *value, Type::I32)
        }
        _ => Ok(()),
    }
}

/// Which block dominates which, by the plain iteration over sets: these are tests' functions, not programs.
struct Dominators {
    /// For each block a bit for each block that dominates it.
    sets: Vec<Vec<u64>>,
}

impl Dominators {
    fn new(func: &Func, entries: &[BlockId]) -> Dominators {
        let count = func.blocks.len();
        let words = count.div_ceil(64);
        let mut predecessors = vec![Vec::new(); count];
        for id in func.block_ids() {
            for edge in func.block(id).term.iter().flat_map(Term::edges) {
                predecessors[edge.to.0 as usize].push(id);
            }
        }
        let is_entry = |id: BlockId| entries.contains(&id) || predecessors[id.0 as usize].is_empty();
        let only = |id: BlockId| {
            let mut set = vec![0; words];
            set[id.0 as usize / 64] |= 1 << (id.0 % 64);
            set
        };
        let mut sets: Vec<Vec<u64>> =
            func.block_ids().map(|id| if is_entry(id) { only(id) } else { vec![u64::MAX; words] }).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for id in func.block_ids().filter(|&id| !is_entry(id)) {
                let mut set = vec![u64::MAX; words];
                for before in &predecessors[id.0 as usize] {
                    set.iter_mut().zip(&sets[before.0 as usize]).for_each(|(bits, other)| *bits &= other);
                }
                set[id.0 as usize / 64] |= 1 << (id.0 % 64);
                changed |= set != sets[id.0 as usize];
                sets[id.0 as usize] = set;
            }
        }
        Dominators { sets }
    }

    fn dominates(&self, above: BlockId, below: BlockId) -> bool {
        self.sets[below.0 as usize][above.0 as usize / 64] >> (above.0 % 64) & 1 == 1
    }
}
