//! Registers become SSA values.
//!
//! Inside a function a guest register is whatever value was last written to it; only at the borders is it in its global
//! (DESIGN §4): entry blocks begin with all registers in their globals, exits want them there. The construction is that of
//! Braun et al., "Simple and Efficient Construction of Static Single Assignment Form" (2013), on a complete graph.
//!
//! A register is written back at an exit only if it is *dirty*: some path from an entry wrote it, and the value to be written is
//! not simply the global's own. Values that are provably still in the global on all ways ("clean" parameters) are read from there again,
//! instead of being carried in a local.

use hoist_x86::ir::{BinOp, BlockId, Exit, Func, Inst, Term, Type, Value};
use hoist_x86::reg::Reg;

use rustc_hash::FxHashMap;

use crate::early::Early;
use crate::unit::Unit;

/// A set of registers, bit `n` for `Reg(n)`.
pub type RegSet = u64;

const _: () = assert!(Reg::COUNT <= 64);

pub fn reg_set(regs: impl IntoIterator<Item = Reg>) -> RegSet {
    regs.into_iter().fold(0, |set, reg| set | 1 << reg.index())
}

/// The status flags: CF, PF, AF, ZF, SF, OF.
pub fn status_flags() -> RegSet {
    reg_set(Reg::all().filter(|reg| reg.is_status_flag()))
}

/// Rewrites `unit` so that registers are read only in the entry blocks (or, where clean, at joins) and written only before
/// exits. `wanted` says which registers an exit must leave in their globals.
pub fn run(unit: &mut Unit, wanted: impl Fn(&Exit) -> RegSet) {
    let early = Early::new(unit, wanted);
    let order = unit.reachable();
    let graph = unit.graph();
    let root = unit.root();
    let preds: Vec<Vec<BlockId>> =
        graph.preds().into_iter().map(|list| list.into_iter().filter(|&p| p != root).map(BlockId).collect()).collect();
    let mut reachable = vec![false; unit.func.blocks.len()];
    for &block in &order {
        reachable[block.0 as usize] = true;
    }
    let dirty = dirty_at_exits(&unit.func, &order);
    protect_copies(&mut unit.func, &order, early.at_end.iter().fold(0, |all, set| all | set));
    let mut pass = Construct {
        preds: preds.into_iter().map(|list| list.into_iter().filter(|p| reachable[p.0 as usize]).collect()).collect(),
        is_entry: vec![false; unit.func.blocks.len()],
        in_global: early.in_global,
        at_end: FxHashMap::default(),
        at_start: FxHashMap::default(),
        param_reg: FxHashMap::default(),
        params_of: vec![Vec::new(); unit.func.blocks.len()],
        entry_reads: vec![Vec::new(); unit.func.blocks.len()],
        func: &mut unit.func,
        reachable,
    };
    for entry in &unit.entries {
        pass.is_entry[entry.block.0 as usize] = true;
        debug_assert!(pass.preds[entry.block.0 as usize].is_empty(), "an edge leads to an entry block");
    }
    pass.find_last_writes(&order);
    pass.read_again_after(&order, &early.at_end);
    for &block in &order {
        pass.rewrite(block, early.wanted[block.0 as usize] & dirty[block.0 as usize], early.at_end[block.0 as usize]);
    }
    pass.remove_trivial_params();
    pass.reread_clean_params();
    pass.finish(&order);
}

/// Registers that some path from an entry has written when control reaches the end of each block.
fn dirty_at_exits(func: &Func, order: &[BlockId]) -> Vec<RegSet> {
    let mut written = vec![0; func.blocks.len()];
    for &block in order {
        for &value in &func.block(block).insts {
            if let Inst::SetReg(reg, _) = func.inst(value) {
                written[block.0 as usize] |= 1 << reg.index();
            }
        }
    }
    let mut dirty = written;
    let mut changed = true;
    while changed {
        changed = false;
        for &block in order {
            let out = dirty[block.0 as usize];
            for edge in func.block(block).term.iter().flat_map(Term::edges) {
                let to = &mut dirty[edge.to.0 as usize];
                changed |= *to | out != *to;
                *to |= out;
            }
        }
    }
    dirty
}

/// A register that is written early does not keep, in its global, the value that it had at an entry. So that a value read there is not taken for
/// the global's when it comes back by way of another register, a plain copy becomes an operation.
fn protect_copies(func: &mut Func, order: &[BlockId], regs: RegSet) {
    if regs == 0 {
        return;
    }
    for &block in order {
        let mut insts = Vec::new();
        for value in std::mem::take(&mut func.block_mut(block).insts) {
            if let Inst::SetReg(reg, copied) = *func.inst(value) {
                let is_copy = matches!(func.inst(copied), Inst::GetReg(_) | Inst::Param(_) | Inst::Alias(_));
                if regs & 1 << reg.index() != 0 && is_copy {
                    let same = match reg.ty() {
                        Type::V128 => BinOp::V128Or,
                        Type::I64 => BinOp::I64Or,
                        _ => BinOp::I32Or,
                    };
                    let operation = func.add_inst(Inst::Bin(same, copied, copied));
                    func.insts[value.0 as usize] = Inst::SetReg(reg, operation);
                    insts.push(operation);
                }
            }
            insts.push(value);
        }
        func.block_mut(block).insts = insts;
    }
}

struct Construct<'f> {
    func: &'f mut Func,
    preds: Vec<Vec<BlockId>>,
    reachable: Vec<bool>,
    is_entry: Vec<bool>,
    /// Registers that are in their globals when a block begins.
    in_global: Vec<RegSet>,
    /// The value of a register at the end of a block, where the block writes it.
    at_end: FxHashMap<(BlockId, Reg), Value>,
    /// The value of a register at the start of a block, where somebody asked.
    at_start: FxHashMap<(BlockId, Reg), Value>,
    /// The register that a parameter stands for.
    param_reg: FxHashMap<Value, Reg>,
    /// Parameters of each block with their register, and their arguments in the order of `preds`.
    params_of: Vec<Vec<(Value, Vec<Value>)>>,
    /// `GetReg`s to put at the start of entry blocks (and of joins, when clean).
    entry_reads: Vec<Vec<Value>>,
}

impl Construct<'_> {
    fn find_last_writes(&mut self, order: &[BlockId]) {
        for &block in order {
            for &value in &self.func.block(block).insts {
                if let Inst::SetReg(reg, new) = *self.func.inst(value) {
                    self.at_end.insert((block, reg), new);
                }
            }
        }
    }

    /// Behind an early write the register is in its global.
    fn read_again_after(&mut self, order: &[BlockId], early: &[RegSet]) {
        for &block in order {
            for reg in Reg::all().filter(|reg| early[block.0 as usize] & 1 << reg.index() != 0) {
                let read = self.func.add_inst(Inst::GetReg(reg));
                self.at_end.insert((block, reg), read);
            }
        }
    }

    /// The value of `reg` when `block` begins.
    fn read_start(&mut self, block: BlockId, reg: Reg) -> Value {
        if let Some(&value) = self.at_start.get(&(block, reg)) {
            return value;
        }
        let index = block.0 as usize;
        if self.is_entry[index] || self.in_global[index] & 1 << reg.index() != 0 {
            let value = self.func.add_inst(Inst::GetReg(reg));
            self.entry_reads[index].push(value);
            self.at_start.insert((block, reg), value);
            return value;
        }
        if let [pred] = self.preds[index][..] {
            let value = self.read_end(pred, reg);
            self.at_start.insert((block, reg), value);
            return value;
        }
        let param = self.func.add_inst(Inst::Param(reg.ty()));
        self.param_reg.insert(param, reg);
        self.at_start.insert((block, reg), param);
        let args = self.preds[index].clone().into_iter().map(|pred| self.read_end(pred, reg)).collect();
        self.params_of[index].push((param, args));
        param
    }

    fn read_end(&mut self, block: BlockId, reg: Reg) -> Value {
        match self.at_end.get(&(block, reg)) {
            Some(&value) => value,
            None => self.read_start(block, reg),
        }
    }

    /// `wanted`: to be written if the block is an exit; `early`: to be written in any case.
    fn rewrite(&mut self, block: BlockId, wanted: RegSet, early: RegSet) {
        let old = std::mem::take(&mut self.func.block_mut(block).insts);
        let mut now: [Option<Value>; Reg::COUNT] = [None; Reg::COUNT];
        let mut new = Vec::with_capacity(old.len());
        for value in old {
            match *self.func.inst(value) {
                Inst::GetReg(reg) => {
                    let current = match now[reg.index()] {
                        Some(current) => current,
                        None => self.read_start(block, reg),
                    };
                    now[reg.index()] = Some(current);
                    self.func.insts[value.0 as usize] = Inst::Alias(current);
                }
                Inst::SetReg(reg, written) => {
                    now[reg.index()] = Some(written);
                    self.func.insts[value.0 as usize] = Inst::Nop;
                }
                _ => new.push(value),
            }
        }
        for reg in Reg::all().filter(|reg| (wanted | early) & 1 << reg.index() != 0) {
            let value = match now[reg.index()] {
                Some(value) => value,
                None => self.read_start(block, reg),
            };
            new.push(self.func.add_inst(Inst::SetReg(reg, value)));
            if early & 1 << reg.index() != 0 {
                new.push(self.at_end[&(block, reg)]);
            }
        }
        self.func.block_mut(block).insts = new;
    }

    /// A parameter whose arguments are all one value (or itself) is that value (Braun et al., §3.1).
    fn remove_trivial_params(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for params in &mut self.params_of {
                params.retain(|(param, args)| {
                    let mut same = None;
                    for &arg in args {
                        let arg = self.func.resolve(arg);
                        if arg == *param || Some(arg) == same {
                            continue;
                        }
                        if same.is_some() {
                            return true;
                        }
                        same = Some(arg);
                    }
                    let Some(same) = same else { return true };
                    self.func.insts[param.0 as usize] = Inst::Alias(same);
                    changed = true;
                    false
                });
            }
        }
    }

    /// Parameters for whose register every way in still has the value in the global: read it there.
    ///
    /// Optimistic: all are taken for clean, until one has an argument that is not.
    fn reread_clean_params(&mut self) {
        let mut clean: FxHashMap<Value, Reg> =
            self.params_of.iter().flatten().map(|(param, _)| (*param, self.param_reg[param])).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for (param, args) in self.params_of.iter().flatten() {
                let Some(&reg) = clean.get(param) else { continue };
                let is_clean = |arg: Value| {
                    let arg = self.func.resolve(arg);
                    matches!(self.func.inst(arg), Inst::GetReg(r) if *r == reg) || clean.get(&arg) == Some(&reg)
                };
                if !args.iter().all(|&arg| is_clean(arg)) {
                    clean.remove(param);
                    changed = true;
                }
            }
        }
        for index in 0..self.params_of.len() {
            let params = std::mem::take(&mut self.params_of[index]);
            for (param, args) in params {
                match clean.get(&param) {
                    Some(&reg) => {
                        self.func.insts[param.0 as usize] = Inst::GetReg(reg);
                        self.entry_reads[index].push(param);
                    }
                    None => self.params_of[index].push((param, args)),
                }
            }
        }
    }

    /// Puts parameters, reads and arguments in place and drops write-backs of what is in its global anyway.
    fn finish(mut self, order: &[BlockId]) {
        for &block in order {
            let index = block.0 as usize;
            // Translation may have given the block parameters of its own.
            let mut params = std::mem::take(&mut self.func.block_mut(block).params);
            params.extend(self.params_of[index].iter().map(|(param, _)| *param));
            let mut insts = std::mem::take(&mut self.entry_reads[index]);
            for value in std::mem::take(&mut self.func.block_mut(block).insts) {
                if let Inst::SetReg(reg, written) = *self.func.inst(value) {
                    let written = self.func.resolve(written);
                    if *self.func.inst(written) == Inst::GetReg(reg) {
                        continue;
                    }
                }
                insts.push(value);
            }
            let data = self.func.block_mut(block);
            data.insts = insts;
            data.params = params;
        }
        // An edge's arguments: its position among the target's predecessors, in the order in which the graph lists edges.
        let mut next_pred = vec![0usize; self.func.blocks.len()];
        for block in self.func.block_ids() {
            if !self.reachable[block.0 as usize] {
                continue;
            }
            let mut term = self.func.block_mut(block).term.take();
            for edge in term.iter_mut().flat_map(Term::edges_mut) {
                let to = edge.to.0 as usize;
                debug_assert_eq!(self.preds[to][next_pred[to]], block);
                edge.args.extend(self.params_of[to].iter().map(|(_, args)| args[next_pred[to]]));
                next_pred[to] += 1;
            }
            self.func.block_mut(block).term = term;
        }
    }
}
