//! Dead code and dead parameters: what no effect and no terminator needs.

use hoist_x86::ir::{Inst, Term, Value};

use crate::unit::Unit;

/// Removes instructions without effect whose values are not used, and block parameters with their arguments likewise.
pub fn run(unit: &mut Unit) {
    let order = unit.reachable();
    let func = &mut unit.func;
    let mut live = vec![false; func.insts.len()];
    let mut work: Vec<Value> = Vec::new();
    // For each parameter the arguments that reach it.
    let mut args_of = rustc_hash::FxHashMap::<Value, Vec<Value>>::default();
    for &block in &order {
        for index in 0..func.block(block).insts.len() {
            let value = func.block(block).insts[index];
            if func.inst(value).has_effect() {
                work.push(value);
            }
        }
        let term = func.block(block).term.as_ref().expect("blocks have terminators");
        for edge in term.edges() {
            for (&param, &arg) in func.block(edge.to).params.iter().zip(&edge.args) {
                args_of.entry(param).or_default().push(arg);
            }
        }
        direct_uses(term, |value| work.push(value));
    }
    while let Some(value) = work.pop() {
        let value = func.resolve(value);
        if std::mem::replace(&mut live[value.0 as usize], true) {
            continue;
        }
        func.inst(value).for_each_use(|operand| work.push(operand));
        if let Some(args) = args_of.get(&value) {
            work.extend_from_slice(args);
        }
    }
    for &block in &order {
        let mut term = func.block_mut(block).term.take().expect("blocks have terminators");
        for edge in term.edges_mut() {
            let params = &func.block(edge.to).params;
            let mut index = 0;
            edge.args.retain(|_| {
                index += 1;
                live[params[index - 1].0 as usize]
            });
        }
        term.map_uses(|value| func.resolve(value));
        func.block_mut(block).term = Some(term);
    }
    for &block in &order {
        let mut insts = std::mem::take(&mut func.block_mut(block).insts);
        insts.retain(|value| live[value.0 as usize] && !matches!(func.inst(*value), Inst::Alias(_) | Inst::Nop));
        for &value in &insts {
            let mut inst = *func.inst(value);
            inst.map_uses(|operand| func.resolve(operand));
            func.insts[value.0 as usize] = inst;
        }
        let data = func.block_mut(block);
        data.insts = insts;
        data.params.retain(|param| live[param.0 as usize]);
    }
}

/// What a terminator reads itself, its edges' arguments not counted.
fn direct_uses(term: &Term, f: impl FnMut(Value)) {
    let mut bare = term.clone();
    for edge in bare.edges_mut() {
        edge.args.clear();
    }
    bare.for_each_use(f);
}
