//! Equality of floats. x86 has no condition for it: UCOMISD sets PF for unordered and ZF for equal *or* unordered, so compilers
//! test both (`jp` and `jne`, `setnp` and `cmove`). Together they are one Wasm comparison.
//!
//! [`hoist_x86::flags`] writes "ordered" as `a ≥ b or a < b`, "differs" as `a < b or a > b`, and their negations with `eqz`.

use hoist_x86::ir::{BinOp, BlockId, Edge, Func, Inst, Term, UnOp, Value};

use crate::unit::Unit;

pub fn run(unit: &mut Unit) {
    let order = unit.reachable();
    let mut compares = false;
    for &block in &order {
        let mut insts = Vec::new();
        for value in std::mem::take(&mut unit.func.block_mut(block).insts) {
            let inst = *unit.func.inst(value);
            compares |= float_or(&unit.func, value).is_some();
            if let Some(equality) = combined(&unit.func, inst) {
                unit.func.insts[value.0 as usize] = equality;
            } else if let Some(above) = not_above(&unit.func, inst) {
                let above = unit.func.add_inst(above);
                insts.push(above);
                unit.func.insts[value.0 as usize] = Inst::Un(UnOp::I32Eqz, above);
            }
            insts.push(value);
        }
        unit.func.block_mut(block).insts = insts;
    }
    if compares {
        Branches::new(unit, &order).run(unit, &order);
    }
}

/// What two comparisons of the same operands say.
#[derive(Clone, Copy, PartialEq)]
enum Relation {
    Ordered,
    Unordered,
    Differs,
    /// Equal or unordered.
    Same,
}

/// A relation of `a` and `b`; `op` is one of its comparisons.
#[derive(Clone, Copy, PartialEq)]
struct Test {
    relation: Relation,
    double: bool,
    a: Value,
    b: Value,
}

impl Test {
    fn equality(self, equal: bool) -> Inst {
        let op = match (self.double, equal) {
            (true, true) => BinOp::F64Eq,
            (true, false) => BinOp::F64Ne,
            (false, true) => BinOp::F32Eq,
            (false, false) => BinOp::F32Ne,
        };
        Inst::Bin(op, self.a, self.b)
    }

    fn with(self, relation: Relation) -> Test {
        Test { relation, ..self }
    }
}

/// `value` as "ordered" or "differs".
fn float_or(func: &Func, value: Value) -> Option<Test> {
    let Inst::Bin(BinOp::I32Or, x, y) = *func.inst(func.resolve(value)) else { return None };
    let (Inst::Bin(first, a, b), Inst::Bin(second, c, d)) = (*func.inst(func.resolve(x)), *func.inst(func.resolve(y))) else {
        return None;
    };
    let [a, b, c, d] = [a, b, c, d].map(|v| func.resolve(v));
    let (relation, double) = match (first, second) {
        (BinOp::F64Ge, BinOp::F64Lt) => (Relation::Ordered, true),
        (BinOp::F32Ge, BinOp::F32Lt) => (Relation::Ordered, false),
        (BinOp::F64Lt, BinOp::F64Gt) => (Relation::Differs, true),
        (BinOp::F32Lt, BinOp::F32Gt) => (Relation::Differs, false),
        _ => return None,
    };
    ((a, b) == (c, d)).then_some(Test { relation, double, a, b })
}

/// `value` as any relation.
fn test(func: &Func, value: Value) -> Option<Test> {
    match *func.inst(func.resolve(value)) {
        Inst::Un(UnOp::I32Eqz, x) => float_or(func, x)
            .map(|test| test.with(if test.relation == Relation::Ordered { Relation::Unordered } else { Relation::Same })),
        _ => float_or(func, value),
    }
}

/// SETcc and CMOVcc: `ordered and same`, `unordered or differs`, `differs ? 0 : ordered`, `differs ? 1 : unordered`.
fn combined(func: &Func, inst: Inst) -> Option<Inst> {
    use Relation::*;
    let pair = |x, y| test(func, x).zip(test(func, y));
    let constant = |value: Value| match *func.inst(func.resolve(value)) {
        Inst::I32(c) => Some(c),
        _ => None,
    };
    let (first, relations, equal) = match inst {
        Inst::Bin(BinOp::I32And, x, y) => {
            let (p, q) = pair(x, y)?;
            (p, [(p, Ordered, q, Same), (q, Ordered, p, Same)], true)
        }
        Inst::Bin(BinOp::I32Or, x, y) => {
            let (p, q) = pair(x, y)?;
            (p, [(p, Unordered, q, Differs), (q, Unordered, p, Differs)], false)
        }
        Inst::Select { cond, yes, no } if constant(yes) == Some(0) => {
            let (p, q) = pair(cond, no)?;
            (p, [(p, Differs, q, Ordered), (p, Unordered, q, Same)], true)
        }
        Inst::Select { cond, yes, no } if constant(yes) == Some(1) => {
            let (p, q) = pair(cond, no)?;
            (p, [(p, Differs, q, Unordered), (p, Unordered, q, Differs)], false)
        }
        _ => return None,
    };
    let holds = relations.into_iter().any(|(p, wanted, q, other)| p.relation == wanted && q == p.with(other));
    holds.then(|| first.equality(equal))
}

/// `CF or ZF` out of their registers, "below or equal or unordered": the comparison that it is the negation of.
fn not_above(func: &Func, inst: Inst) -> Option<Inst> {
    let Inst::Bin(BinOp::I32Or, x, y) = inst else { return None };
    let Inst::Un(UnOp::I32Eqz, not_below) = *func.inst(func.resolve(x)) else { return None };
    let Inst::Bin(op @ (BinOp::F64Ge | BinOp::F32Ge), a, b) = *func.inst(func.resolve(not_below)) else { return None };
    let (a, b, double) = (func.resolve(a), func.resolve(b), op == BinOp::F64Ge);
    let same = Test { relation: Relation::Same, double, a, b };
    (test(func, y)? == same).then_some(Inst::Bin(if double { BinOp::F64Gt } else { BinOp::F32Gt }, a, b))
}

/// Two branches one after the other.
struct Branches {
    /// How many edges lead to each block; entries count, too.
    edges_to: Vec<u32>,
}

impl Branches {
    fn new(unit: &Unit, order: &[BlockId]) -> Branches {
        let mut edges_to = vec![0; unit.func.blocks.len()];
        for &block in order {
            for edge in unit.func.block(block).term.iter().flat_map(Term::edges) {
                edges_to[edge.to.0 as usize] += 1;
            }
        }
        for entry in &unit.entries {
            edges_to[entry.block.0 as usize] += 1;
        }
        Branches { edges_to }
    }

    fn run(&self, unit: &mut Unit, order: &[BlockId]) {
        for &block in order {
            if let Some((block, cond, term)) = self.merged(&unit.func, block) {
                let value = unit.func.add_inst(cond);
                let data = unit.func.block_mut(block);
                data.insts.push(value);
                let (yes, no) = term;
                data.term = Some(Term::Branch { cond: value, yes, no });
            }
        }
    }

    /// A block that tests for "ordered" and the next for "differs" of the same operands (or the other way round): the block whose
    /// branch changes, its condition and its edges. If both leave to one place it is the first, else the
    /// second, where one comparison is enough.
    fn merged(&self, func: &Func, block: BlockId) -> Option<(BlockId, Inst, (Edge, Edge))> {
        use Relation::*;
        let Some(Term::Branch { cond, yes, no }) = &func.block(block).term else { return None };
        let first = float_or(func, *cond)?;
        // Where equal floats go on.
        let (inner, leave) = if first.relation == Ordered { (yes, no) } else { (no, yes) };
        let next = func.block(inner.to);
        if self.edges_to[inner.to.0 as usize] != 1 {
            return None;
        }
        let Some(Term::Branch { cond, yes, no }) = &next.term else { return None };
        let second = float_or(func, *cond)?;
        if second.relation == first.relation || second != first.with(second.relation) {
            return None;
        }
        let (equal, differs) = if second.relation == Ordered { (yes, no) } else { (no, yes) };
        let one_place = next.insts.is_empty()
            && next.params.is_empty()
            && leave.to == differs.to
            && leave.args.iter().map(|&v| func.resolve(v)).eq(differs.args.iter().map(|&v| func.resolve(v)));
        let changed = if one_place { block } else { inner.to };
        Some((changed, first.equality(false), (differs.clone(), equal.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hoist_x86::builder::Builder;
    use hoist_x86::iced_x86::{Decoder, DecoderOptions};
    use hoist_x86::ir::{Exit, Target};
    use hoist_x86::reg::Reg;
    use hoist_x86::semantics::translate;

    use super::*;
    use crate::unit::Entry;

    /// The optimised conditions and goals of the branches and what rax becomes (without its extension), of code whose jumps lead to these addresses.
    fn optimised(code: &[u8], starts: &[u32]) -> (Vec<Inst>, Vec<(u32, u32)>, Option<Inst>) {
        let mut func = Func::new();
        let labels: BTreeMap<u32, BlockId> = starts.iter().map(|&pc| (pc, func.add_block(pc))).collect();
        let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        for &block in labels.values() {
            let end = starts.iter().copied().find(|&pc| pc > func.block(block).pc).unwrap_or(code.len() as u32);
            let mut builder = Builder::new(&mut func, block, &labels);
            while decoder.ip() < u64::from(end) && !builder.is_terminated() {
                assert!(translate(&mut builder, &decoder.decode()));
            }
            if !builder.is_terminated() {
                builder.exit(Exit::Jump(Target::Pc(end)));
            }
        }
        let entries = vec![Entry { pc: 0, block: labels[&0] }];
        let mut unit = Unit { entry_pc: 0, name: String::new(), func, entries, ..Unit::default() };
        crate::ssa::run(&mut unit, |_| crate::ssa::reg_set([Reg::RAX]));
        crate::opt::run(&mut unit);
        let (mut conditions, mut edges, mut rax) = (Vec::new(), Vec::new(), None);
        for block in unit.reachable() {
            let data = unit.func.block(block);
            if let Some(Term::Branch { cond, yes, no }) = &data.term {
                conditions.push(*unit.func.inst(unit.func.resolve(*cond)));
                edges.push((unit.func.block(yes.to).pc, unit.func.block(no.to).pc));
            }
            for &value in &data.insts {
                if let Inst::SetReg(Reg::RAX, result) = *unit.func.inst(value) {
                    let result = unit.func.resolve(result);
                    rax = Some(match *unit.func.inst(result) {
                        Inst::Un(UnOp::I64ExtendI32U, narrow) => *unit.func.inst(unit.func.resolve(narrow)),
                        other => other,
                    });
                }
            }
        }
        (conditions, edges, rax)
    }

    /// ucomisd xmm0, xmm1; jp 10; jne 10; nop; ret; at 10: ret.
    #[test]
    fn jp_and_jne_are_one_branch() {
        let code = [0x66, 0x0f, 0x2e, 0xc1, 0x7a, 0x04, 0x75, 0x02, 0x90, 0xc3, 0xc3];
        let (conditions, edges, _) = optimised(&code, &[0, 6, 8, 10]);
        assert!(matches!(conditions[..], [Inst::Bin(BinOp::F64Ne, ..)]), "{conditions:?}");
        assert_eq!(edges, [(10, 8)]);
    }

    /// The same with the jumps the other way round: jne 10; jp 10.
    #[test]
    fn jne_and_jp_are_one_branch() {
        let code = [0x66, 0x0f, 0x2e, 0xc1, 0x75, 0x04, 0x7a, 0x02, 0x90, 0xc3, 0xc3];
        let (conditions, edges, _) = optimised(&code, &[0, 6, 8, 10]);
        assert!(matches!(conditions[..], [Inst::Bin(BinOp::F64Ne, ..)]), "{conditions:?}");
        assert_eq!(edges, [(10, 8)]);
    }

    /// jp 9; je 10: unordered and different go to two places.
    #[test]
    fn two_places_stay_two_branches() {
        let code = [0x66, 0x0f, 0x2e, 0xc1, 0x7a, 0x03, 0x74, 0x02, 0x90, 0xc3, 0xc3];
        let (conditions, edges, _) = optimised(&code, &[0, 6, 8, 9, 10]);
        assert_eq!(conditions.len(), 2);
        assert!(conditions.iter().any(|inst| matches!(inst, Inst::Bin(BinOp::F64Ne, ..))), "{conditions:?}");
        assert!(edges.contains(&(8, 10)), "{edges:?}");
    }

    /// mov eax, 0; setnp al; mov edx, 0; cmovne eax, edx; ret, as gcc writes `a == b`.
    #[test]
    fn setnp_and_cmovne_are_one_comparison() {
        let code = [0xb8, 0, 0, 0, 0, 0xba, 0, 0, 0, 0, 0x66, 0x0f, 0x2e, 0xc1, 0x0f, 0x9b, 0xc0, 0x0f, 0x45, 0xc2, 0xc3];
        let (_, _, rax) = optimised(&code, &[0]);
        assert!(matches!(rax, Some(Inst::Bin(BinOp::F64Eq, ..))), "{rax:?}");
    }
}
