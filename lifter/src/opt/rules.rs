//! Rewriting rules on single values, and common subexpressions within a block.
//!
//! The rules are few and each says which x86 habit it serves. They see operands already simplified, so they compose.

use hoist_x86::ir::{BinOp, BlockId, Func, Inst, LoadOp, Shape, StoreOp, Term, UnOp, Value};

use rustc_hash::FxHashMap;

use crate::unit::Unit;

pub fn run(unit: &mut Unit) {
    for block in unit.reachable() {
        let mut pass = Rules { func: &mut unit.func, out: Vec::new(), seen: FxHashMap::default() };
        pass.block(block);
    }
}

/// So many values are looked at to find how large one can be. The mixing of ciphers and hashes uses each value twice, so that there are 2ⁿ ways
/// through n steps of it.
const LOOKS: u32 = 64;

struct Rules<'f> {
    func: &'f mut Func,
    out: Vec<Value>,
    /// Pure operations of this block by their meaning.
    seen: FxHashMap<Key, Value>,
}

/// A pure instruction as a key: its text would do, this is cheaper.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Un(UnOp, Value),
    Bin(BinOp, Value, Value),
    Select(Value, Value, Value),
    Extract(Shape, u8, Value),
    Replace(Shape, u8, Value, Value),
}

fn key(inst: &Inst) -> Option<Key> {
    Some(match *inst {
        Inst::Un(op, a) => Key::Un(op, a),
        Inst::Bin(op, a, b) => Key::Bin(op, a, b),
        Inst::Select { cond, yes, no } => Key::Select(cond, yes, no),
        Inst::Extract { shape, lane, vector } => Key::Extract(shape, lane, vector),
        Inst::Replace { shape, lane, vector, value } => Key::Replace(shape, lane, vector, value),
        _ => return None,
    })
}

impl Rules<'_> {
    fn block(&mut self, block: BlockId) {
        for value in std::mem::take(&mut self.func.block_mut(block).insts) {
            let mut inst = *self.func.inst(value);
            inst.map_uses(|operand| self.func.resolve(operand));
            let inst = self.simplify(inst);
            if let Inst::Alias(_) = inst {
                self.func.insts[value.0 as usize] = inst;
                continue;
            }
            if let Some(key) = key(&inst) {
                if let Some(&same) = self.seen.get(&key) {
                    self.func.insts[value.0 as usize] = Inst::Alias(same);
                    continue;
                }
                self.seen.insert(key, value);
            }
            self.func.insts[value.0 as usize] = inst;
            self.out.push(value);
        }
        let mut term = self.func.block_mut(block).term.take().expect("blocks have terminators");
        term.map_uses(|value| self.func.resolve(value));
        self.term(&mut term);
        let data = self.func.block_mut(block);
        data.term = Some(term);
        data.insts = std::mem::take(&mut self.out);
    }

    fn add(&mut self, inst: Inst) -> Value {
        let inst = self.simplify(inst);
        if let Inst::Alias(value) = inst {
            return value;
        }
        if let Some(key) = key(&inst) {
            if let Some(&same) = self.seen.get(&key) {
                return same;
            }
            let value = self.func.add_inst(inst);
            self.seen.insert(key, value);
            self.out.push(value);
            return value;
        }
        let value = self.func.add_inst(inst);
        self.out.push(value);
        value
    }

    fn get(&self, value: Value) -> Inst {
        *self.func.inst(self.func.resolve(value))
    }

    fn i32(&self, value: Value) -> Option<i32> {
        match self.get(value) {
            Inst::I32(c) => Some(c),
            _ => None,
        }
    }

    fn i64(&self, value: Value) -> Option<i64> {
        match self.get(value) {
            Inst::I64(c) => Some(c),
            _ => None,
        }
    }

    /// A branch on `eqz(x)` is the other branch on `x`; one on `x != 0` is one on `x`; one on a constant is a jump.
    fn term(&mut self, term: &mut Term) {
        let Term::Branch { cond, yes, no } = term else { return };
        loop {
            match self.get(*cond) {
                Inst::Un(UnOp::I32Eqz, x) => {
                    *cond = self.func.resolve(x);
                    std::mem::swap(yes, no);
                }
                Inst::Bin(BinOp::I32Ne, x, zero) if self.i32(zero) == Some(0) => *cond = self.func.resolve(x),
                _ => break,
            }
        }
        if let Some(constant) = self.i32(*cond) {
            let edge = if constant != 0 { yes.clone() } else { no.clone() };
            *term = Term::Jump(edge);
        }
    }

    fn simplify(&mut self, inst: Inst) -> Inst {
        match inst {
            Inst::Un(op, a) => self.unary(op, a),
            Inst::Bin(op, a, b) => self.binary(op, a, b),
            Inst::Select { cond, yes, no } => self.select(cond, yes, no),
            Inst::Extract { shape, lane, vector } => self.extract(shape, lane, vector),
            Inst::Replace { shape, lane, vector, value } => self.replace(shape, lane, vector, value),
            Inst::Load { op, addr, disp } => {
                let (addr, disp) = self.fold_address(addr, disp);
                Inst::Load { op, addr, disp }
            }
            Inst::Store { op, addr, disp, value } => {
                let (addr, disp) = self.fold_address(addr, disp);
                let value = self.stored(op, value);
                Inst::Store { op, addr, disp, value }
            }
            other => other,
        }
    }

    /// `[x + c1] + c2` is `[x] + (c1 + c2)`: the stack pointer's arithmetic disappears into displacements.
    fn fold_address(&mut self, mut addr: Value, mut disp: i32) -> (Value, i32) {
        loop {
            match self.get(addr) {
                Inst::Bin(BinOp::I32Add, x, c) if self.i32(c).is_some() => {
                    disp = disp.wrapping_add(self.i32(c).unwrap_or(0));
                    addr = self.func.resolve(x);
                }
                Inst::Un(UnOp::I32WrapI64, sum) => match self.get(sum) {
                    Inst::Bin(BinOp::I64Add, x, c) if self.i64(c).is_some() => {
                        disp = disp.wrapping_add(self.i64(c).unwrap_or(0) as i32);
                        addr = self.add(Inst::Un(UnOp::I32WrapI64, x));
                    }
                    _ => break,
                },
                _ => break,
            }
        }
        (addr, disp)
    }

    /// A narrow store does not look at the bits that a mask or an extension changes.
    fn stored(&mut self, op: StoreOp, mut value: Value) -> Value {
        let bits = match op {
            StoreOp::I32Store8 => 8,
            StoreOp::I32Store16 => 16,
            _ => return value,
        };
        loop {
            match self.get(value) {
                Inst::Bin(BinOp::I32And, x, mask) if self.i32(mask).is_some_and(|m| covers(m as u32, bits)) => {
                    value = self.func.resolve(x)
                }
                Inst::Un(UnOp::I32Extend8S | UnOp::I32Extend16S, x) if bits == 8 => value = self.func.resolve(x),
                Inst::Un(UnOp::I32Extend16S, x) => value = self.func.resolve(x),
                _ => return value,
            }
        }
    }

    fn unary(&mut self, op: UnOp, a: Value) -> Inst {
        use UnOp::*;
        match (op, self.get(a)) {
            (_, Inst::I32(c)) => {
                if let Some(folded) = fold_unary_i32(op, c) {
                    return folded;
                }
            }
            (_, Inst::I64(c)) => {
                if let Some(folded) = fold_unary_i64(op, c) {
                    return folded;
                }
            }
            // 32-bit registers are halves of 64-bit ones.
            (I32WrapI64, Inst::Un(I64ExtendI32U | I64ExtendI32S, x)) => return Inst::Alias(x),
            // mov al, …; movzx eax, al: the wrapped mask and merge.
            (I32WrapI64, Inst::Bin(BinOp::I64Or, x, y)) => {
                if let (Inst::Bin(BinOp::I64And, kept, mask), Inst::Un(I64ExtendI32U, low)) = (self.get(x), self.get(y)) {
                    if let Some(mask) = self.i64(mask) {
                        let kept = self.add(Inst::Un(I32WrapI64, kept));
                        let mask = self.add(Inst::I32(mask as i32));
                        let kept = self.add(Inst::Bin(BinOp::I32And, kept, mask));
                        return self.binary(BinOp::I32Or, kept, low);
                    }
                }
            }
            (I64Eqz, Inst::Un(I64ExtendI32U | I64ExtendI32S, x)) => return self.unary(I32Eqz, x),
            (I32Extend8S, Inst::Bin(BinOp::I32And, x, mask)) if self.i32(mask).is_some_and(|m| covers(m as u32, 8)) => {
                return self.unary(I32Extend8S, x);
            }
            (I32Extend16S, Inst::Bin(BinOp::I32And, x, mask)) if self.i32(mask).is_some_and(|m| covers(m as u32, 16)) => {
                return self.unary(I32Extend16S, x);
            }
            (I32Eqz, Inst::Bin(cmp, x, y)) => {
                if let Some(inverse) = inverse(cmp) {
                    return self.binary(inverse, x, y);
                }
                match cmp {
                    BinOp::I32Xor | BinOp::I32Sub => return self.binary(BinOp::I32Eq, x, y),
                    _ => {}
                }
            }
            (I32Eqz, Inst::Un(I32Eqz, x)) if self.is_bool(x) => return Inst::Alias(x),
            (I64Eqz, Inst::Bin(BinOp::I64Xor, x, y)) => return self.binary(BinOp::I64Eq, x, y),
            _ => {}
        }
        Inst::Un(op, a)
    }

    fn binary(&mut self, op: BinOp, mut a: Value, mut b: Value) -> Inst {
        use BinOp::*;
        // Constants stand on the right.
        if is_commutative(op)
            && matches!(self.get(a), Inst::I32(_) | Inst::I64(_))
            && !matches!(self.get(b), Inst::I32(_) | Inst::I64(_))
        {
            std::mem::swap(&mut a, &mut b);
        }
        if let (Inst::I32(x), Inst::I32(y)) = (self.get(a), self.get(b)) {
            if let Some(folded) = fold_i32(op, x, y) {
                return Inst::I32(folded);
            }
        }
        if let (Inst::I64(x), Inst::I64(y)) = (self.get(a), self.get(b)) {
            if let Some(folded) = fold_i64(op, x, y) {
                return folded;
            }
        }
        if let Some(c) = self.i32(b) {
            if let Some(inst) = self.with_i32(op, a, c) {
                return inst;
            }
        }
        if let Some(c) = self.i64(b) {
            if let Some(inst) = self.with_i64(op, a, c) {
                return inst;
            }
        }
        match op {
            I32And | I32Or | I64And | I64Or if a == b => return Inst::Alias(a),
            I32Xor | I32Sub if a == b => return Inst::I32(0),
            I64Xor | I64Sub if a == b => return Inst::I64(0),
            V128Xor if a == b => return Inst::V128(0),
            V128And | V128Or if a == b => return Inst::Alias(a),
            // SF ^ OF, where OF is SF ^ less: the signed comparison (see hoist_x86::flags).
            I32Xor => {
                for (x, y) in [(a, b), (b, a)] {
                    if let Inst::Bin(I32Xor, p, q) = self.get(y) {
                        let (p, q) = (self.func.resolve(p), self.func.resolve(q));
                        if p == x {
                            return Inst::Alias(q);
                        }
                        if q == x {
                            return Inst::Alias(p);
                        }
                    }
                }
            }
            // "below or equal" and "less or equal" from two comparisons of the same operands.
            I32Or => {
                if let (Inst::Bin(p, x, y), Inst::Bin(q, z, w)) = (self.get(a), self.get(b)) {
                    let same = [x, y].map(|v| self.func.resolve(v)) == [z, w].map(|v| self.func.resolve(v));
                    if let (true, Some(merged)) = (same, or_equal(p, q)) {
                        return self.binary(merged, x, y);
                    }
                }
            }
            _ => {}
        }
        Inst::Bin(op, a, b)
    }

    fn with_i32(&mut self, op: BinOp, a: Value, c: i32) -> Option<Inst> {
        use BinOp::*;
        Some(match (op, c) {
            (I32Add | I32Sub | I32Or | I32Xor | I32Shl | I32ShrS | I32ShrU | I32Rotl | I32Rotr, 0) => Inst::Alias(a),
            (I32And, 0) => Inst::I32(0),
            (I32And, -1) => Inst::Alias(a),
            (I32And, _) => {
                let known = self.max_bits(a);
                if known < 32 && covers(c as u32, known) {
                    return Some(Inst::Alias(a));
                }
                if let Inst::Bin(I32And, x, mask) = self.get(a) {
                    let mask = self.i32(mask)?;
                    let mask = self.add(Inst::I32(mask & c));
                    return Some(Inst::Bin(I32And, x, mask));
                }
                return None;
            }
            (I32Eq, 0) => return Some(self.unary(UnOp::I32Eqz, a)),
            (I32Ne, 0) if self.is_bool(a) => Inst::Alias(a),
            (I32Sub, _) => {
                let negated = self.add(Inst::I32(c.wrapping_neg()));
                return Some(self.binary(I32Add, a, negated));
            }
            (I32Add, _) => {
                let Inst::Bin(I32Add, x, d) = self.get(a) else { return None };
                let sum = c.wrapping_add(self.i32(d)?);
                let sum = self.add(Inst::I32(sum));
                return Some(self.binary(I32Add, x, sum));
            }
            // Comparing a sign-extended byte that was loaded: leave; comparing a mask with its own bound is constant.
            (I32LtU, _) if self.max_bits(a) < 32 && (c as u32) > mask_of(self.max_bits(a)) => Inst::I32(1),
            _ => return None,
        })
    }

    fn with_i64(&mut self, op: BinOp, a: Value, c: i64) -> Option<Inst> {
        use BinOp::*;
        Some(match (op, c) {
            (I64Add | I64Sub | I64Or | I64Xor | I64Shl | I64ShrS | I64ShrU | I64Rotl | I64Rotr, 0) => Inst::Alias(a),
            (I64And, 0) => Inst::I64(0),
            (I64And, -1) => Inst::Alias(a),
            (I64Eq, 0) => return Some(self.unary(UnOp::I64Eqz, a)),
            (I64Sub, _) => {
                let negated = self.add(Inst::I64(c.wrapping_neg()));
                return Some(self.binary(I64Add, a, negated));
            }
            (I64Add, _) => {
                let Inst::Bin(I64Add, x, d) = self.get(a) else { return None };
                let sum = c.wrapping_add(self.i64(d)?);
                let sum = self.add(Inst::I64(sum));
                return Some(self.binary(I64Add, x, sum));
            }
            _ => return None,
        })
    }

    fn select(&mut self, cond: Value, yes: Value, no: Value) -> Inst {
        if yes == no {
            return Inst::Alias(yes);
        }
        match self.get(cond) {
            Inst::I32(c) => return Inst::Alias(if c != 0 { yes } else { no }),
            Inst::Un(UnOp::I32Eqz, x) => return self.select(self.func.resolve(x), no, yes),
            Inst::Bin(BinOp::I32Ne, x, zero) if self.i32(zero) == Some(0) => return self.select(self.func.resolve(x), yes, no),
            _ => {}
        }
        Inst::Select { cond, yes, no }
    }

    /// Scalar floating point: what was put into a lane comes out of it, and a scalar load is a scalar load.
    fn extract(&mut self, shape: Shape, lane: u8, vector: Value) -> Inst {
        match self.get(vector) {
            Inst::Replace { shape: s, lane: l, vector: rest, value } => {
                let (size, other) = (16 / shape.count(), 16 / s.count());
                if s == shape && l == lane && !matches!(shape, Shape::I8x16 | Shape::I16x8) {
                    return Inst::Alias(value);
                }
                let (start, other_start) = (u32::from(lane) * size, u32::from(l) * other);
                if start + size <= other_start || other_start + other <= start {
                    return self.extract(shape, lane, self.func.resolve(rest));
                }
                if size == other && start == other_start {
                    match (shape, s) {
                        (Shape::I64x2, Shape::F64x2) => return self.unary(UnOp::I64ReinterpretF64, value),
                        (Shape::F64x2, Shape::I64x2) => return self.unary(UnOp::F64ReinterpretI64, value),
                        (Shape::I32x4, Shape::F32x4) => return self.unary(UnOp::I32ReinterpretF32, value),
                        (Shape::F32x4, Shape::I32x4) => return self.unary(UnOp::F32ReinterpretI32, value),
                        _ => {}
                    }
                }
            }
            Inst::V128(bits) => match shape {
                Shape::I32x4 => return Inst::I32((bits >> (32 * lane)) as i32),
                Shape::I64x2 => return Inst::I64((bits >> (64 * lane)) as i64),
                Shape::F32x4 => return Inst::F32((bits >> (32 * lane)) as u32),
                Shape::F64x2 => return Inst::F64((bits >> (64 * lane)) as u64),
                _ => {}
            },
            _ => {}
        }
        Inst::Extract { shape, lane, vector }
    }

    /// A lane that is overwritten at once need not be written.
    fn replace(&mut self, shape: Shape, lane: u8, vector: Value, value: Value) -> Inst {
        let mut vector = vector;
        while let Inst::Replace { shape: s, lane: l, vector: under, .. } = self.get(vector) {
            if s != shape || l != lane {
                break;
            }
            vector = self.func.resolve(under);
        }
        // Putting back what was there.
        if let Inst::Extract { shape: s, lane: l, vector: from } = self.get(value) {
            if s == shape && l == lane && self.func.resolve(from) == vector {
                return Inst::Alias(vector);
            }
        }
        Inst::Replace { shape, lane, vector, value }
    }

    /// How many low bits of an i32 can be set.
    fn max_bits(&self, value: Value) -> u32 {
        self.bits(value, &mut { LOOKS })
    }

    fn bits(&self, value: Value, looks: &mut u32) -> u32 {
        let Some(left) = looks.checked_sub(1) else { return 32 };
        *looks = left;
        match self.get(value) {
            Inst::I32(c) => 32 - (c as u32).leading_zeros(),
            Inst::Load { op: LoadOp::I32Load8U, .. } => 8,
            Inst::Load { op: LoadOp::I32Load16U, .. } => 16,
            Inst::Extract { shape: Shape::I8x16, .. } => 8,
            Inst::Extract { shape: Shape::I16x8, .. } => 16,
            Inst::Bin(BinOp::I32And, a, b) => self.bits(a, looks).min(self.bits(b, looks)),
            Inst::Bin(BinOp::I32Or | BinOp::I32Xor, a, b) => self.bits(a, looks).max(self.bits(b, looks)),
            Inst::Bin(BinOp::I32ShrU, a, by) => match self.i32(by) {
                Some(by) => self.bits(a, looks).saturating_sub(by as u32 & 31),
                None => self.bits(a, looks),
            },
            Inst::Select { yes, no, .. } => self.bits(yes, looks).max(self.bits(no, looks)),
            _ if self.is_bool_within(value, looks) => 1,
            _ => 32,
        }
    }

    /// Is the i32 certainly 0 or 1?
    fn is_bool(&self, value: Value) -> bool {
        self.is_bool_within(value, &mut { LOOKS })
    }

    fn is_bool_within(&self, value: Value, looks: &mut u32) -> bool {
        let Some(left) = looks.checked_sub(1) else { return false };
        *looks = left;
        match self.get(value) {
            Inst::I32(c) => c == 0 || c == 1,
            Inst::Un(UnOp::I32Eqz | UnOp::I64Eqz, _) => true,
            Inst::Bin(op, a, b) => {
                is_comparison(op)
                    || matches!(op, BinOp::I32And | BinOp::I32Or | BinOp::I32Xor)
                        && self.is_bool_within(a, looks)
                        && self.is_bool_within(b, looks)
            }
            Inst::GetReg(reg) => reg.is_flag(),
            _ => false,
        }
    }
}

fn mask_of(bits: u32) -> u32 {
    if bits >= 32 { u32::MAX } else { (1 << bits) - 1 }
}

/// Does the mask keep all of the low `bits`?
fn covers(mask: u32, bits: u32) -> bool {
    mask & mask_of(bits) == mask_of(bits)
}

fn is_commutative(op: BinOp) -> bool {
    use BinOp::*;
    matches!(
        op,
        I32Add | I32Mul | I32And | I32Or | I32Xor | I32Eq | I32Ne | I64Add | I64Mul | I64And | I64Or | I64Xor | I64Eq | I64Ne
    )
}

fn is_comparison(op: BinOp) -> bool {
    use BinOp::*;
    inverse(op).is_some() || matches!(op, F32Lt | F32Gt | F32Le | F32Ge | F64Lt | F64Gt | F64Le | F64Ge)
}

/// The comparison that holds exactly when `op` does not; floating-point order has none, because of NaN.
fn inverse(op: BinOp) -> Option<BinOp> {
    use BinOp::*;
    Some(match op {
        I32Eq => I32Ne,
        I32Ne => I32Eq,
        I32LtS => I32GeS,
        I32GeS => I32LtS,
        I32LtU => I32GeU,
        I32GeU => I32LtU,
        I32GtS => I32LeS,
        I32LeS => I32GtS,
        I32GtU => I32LeU,
        I32LeU => I32GtU,
        I64Eq => I64Ne,
        I64Ne => I64Eq,
        I64LtS => I64GeS,
        I64GeS => I64LtS,
        I64LtU => I64GeU,
        I64GeU => I64LtU,
        I64GtS => I64LeS,
        I64LeS => I64GtS,
        I64GtU => I64LeU,
        I64LeU => I64GtU,
        F32Eq => F32Ne,
        F32Ne => F32Eq,
        F64Eq => F64Ne,
        F64Ne => F64Eq,
        _ => return None,
    })
}

fn or_equal(p: BinOp, q: BinOp) -> Option<BinOp> {
    use BinOp::*;
    Some(match (p, q) {
        (I32LtU, I32Eq) | (I32Eq, I32LtU) => I32LeU,
        (I32LtS, I32Eq) | (I32Eq, I32LtS) => I32LeS,
        (I64LtU, I64Eq) | (I64Eq, I64LtU) => I64LeU,
        (I64LtS, I64Eq) | (I64Eq, I64LtS) => I64LeS,
        _ => return None,
    })
}

fn fold_unary_i32(op: UnOp, c: i32) -> Option<Inst> {
    Some(match op {
        UnOp::I32Eqz => Inst::I32(i32::from(c == 0)),
        UnOp::I32Extend8S => Inst::I32(i32::from(c as i8)),
        UnOp::I32Extend16S => Inst::I32(i32::from(c as i16)),
        UnOp::I32Popcnt => Inst::I32(c.count_ones() as i32),
        UnOp::I64ExtendI32S => Inst::I64(i64::from(c)),
        UnOp::I64ExtendI32U => Inst::I64(i64::from(c as u32)),
        _ => return None,
    })
}

fn fold_unary_i64(op: UnOp, c: i64) -> Option<Inst> {
    Some(match op {
        UnOp::I64Eqz => Inst::I32(i32::from(c == 0)),
        UnOp::I32WrapI64 => Inst::I32(c as i32),
        UnOp::I64Extend32S => Inst::I64(i64::from(c as i32)),
        _ => return None,
    })
}

fn fold_i32(op: BinOp, x: i32, y: i32) -> Option<i32> {
    use BinOp::*;
    Some(match op {
        I32Add => x.wrapping_add(y),
        I32Sub => x.wrapping_sub(y),
        I32Mul => x.wrapping_mul(y),
        I32And => x & y,
        I32Or => x | y,
        I32Xor => x ^ y,
        I32Shl => x.wrapping_shl(y as u32),
        I32ShrU => (x as u32).wrapping_shr(y as u32) as i32,
        I32ShrS => x.wrapping_shr(y as u32),
        I32Eq => i32::from(x == y),
        I32Ne => i32::from(x != y),
        I32LtS => i32::from(x < y),
        I32LtU => i32::from((x as u32) < y as u32),
        _ => return None,
    })
}

fn fold_i64(op: BinOp, x: i64, y: i64) -> Option<Inst> {
    use BinOp::*;
    Some(match op {
        I64Add => Inst::I64(x.wrapping_add(y)),
        I64Sub => Inst::I64(x.wrapping_sub(y)),
        I64And => Inst::I64(x & y),
        I64Or => Inst::I64(x | y),
        I64Xor => Inst::I64(x ^ y),
        I64Shl => Inst::I64(x.wrapping_shl(y as u32)),
        I64Eq => Inst::I32(i32::from(x == y)),
        I64Ne => Inst::I32(i32::from(x != y)),
        I64LtS => Inst::I32(i32::from(x < y)),
        I64LtU => Inst::I32(i32::from((x as u64) < y as u64)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
