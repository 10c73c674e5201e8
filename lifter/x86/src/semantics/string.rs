//! String instructions and their repetition (SDM vol. 1, §7.3.9; vol. 2, REP/REPE/REPNE).
//!
//! A repeated instruction is a loop in the IR whose state is in the registers, as in the processor. REP MOVS and REP STOS upwards
//! are one memory.copy or memory.fill where those have the same result.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::builder::{Builder, Width};
use crate::flags::{Arith, Kind};
use crate::ir::{BinOp, BlockId, Inst, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        // SSE2 has a MOVSD and a CMPSD too: `translate` tells them apart.
        Movsb | Movsw | Movsd | Movsq => movs,
        Stosb | Stosw | Stosd | Stosq => stos,
        Lodsb | Lodsw | Lodsd | Lodsq => lods,
        Cmpsb | Cmpsw | Cmpsd | Cmpsq => cmps,
        Scasb | Scasw | Scasd | Scasq => scas,
        _ => return None,
    })
}

/// One string instruction: width of an element and of addresses.
#[derive(Clone, Copy)]
struct Form {
    width: Width,
    /// 67H: esi, edi and ecx count.
    narrow: bool,
    /// Is there a REP, REPE or REPNE prefix?
    repeated: bool,
}

fn form(instr: &Instruction) -> Form {
    let narrow = (0..instr.op_count()).any(|i| matches!(instr.op_kind(i), OpKind::MemoryESEDI | OpKind::MemorySegESI));
    Form {
        width: Width::from_bytes(instr.memory_size().size()).unwrap_or(Width::B8),
        narrow,
        repeated: instr.has_rep_prefix() || instr.has_repne_prefix(),
    }
}

impl Form {
    fn accumulator(self) -> Register {
        match self.width {
            Width::B8 => Register::AL,
            Width::B16 => Register::AX,
            Width::B32 => Register::EAX,
            Width::B64 => Register::RAX,
        }
    }

    fn set(self, b: &mut Builder<'_>, reg: Reg, value: Value) {
        let value = if self.narrow {
            let low = b.wrap(value);
            b.zero_extend_64(low)
        } else {
            value
        };
        b.set(reg, value);
    }

    /// rcx or ecx as an i64.
    fn count(self, b: &mut Builder<'_>) -> Value {
        let count = b.get(Reg::RCX);
        if self.narrow {
            let low = b.wrap(count);
            b.zero_extend_64(low)
        } else {
            count
        }
    }

    /// `step`, an i64: the element's size, negative if DF = 1.
    fn step(self, b: &mut Builder<'_>) -> Value {
        let direction = b.get(Reg::DF);
        let direction = b.zero_extend_64(direction);
        let shift = b.i64(i64::from(self.width.bytes().trailing_zeros()) + 1);
        let twice = b.bin(BinOp::I64Shl, direction, shift);
        let size = b.i64(i64::from(self.width.bytes()));
        b.bin(BinOp::I64Sub, size, twice)
    }

    fn advance(self, b: &mut Builder<'_>, reg: Reg, step: Value) {
        let old = b.get(reg);
        let new = b.bin(BinOp::I64Add, old, step);
        self.set(b, reg, new);
    }

    /// Counts down; is there more to do?
    fn count_down(self, b: &mut Builder<'_>) -> Value {
        let count = self.count(b);
        let minus_one = b.i64(-1);
        let count = b.bin(BinOp::I64Add, count, minus_one);
        self.set(b, Reg::RCX, count);
        b.is_nonzero(Width::B64, count)
    }

    /// Address of the source element: [rsi] in DS or the segment of a prefix.
    fn source(self, b: &mut Builder<'_>, instr: &Instruction) -> Value {
        let rsi = b.get(Reg::RSI);
        let addr = b.wrap(rsi);
        b.plus_segment(addr, instr)
    }

    /// Address of the destination element: [rdi] in ES, whose base is zero.
    fn destination(self, b: &mut Builder<'_>) -> Value {
        let rdi = b.get(Reg::RDI);
        b.wrap(rdi)
    }

    /// `rcx × size` in bytes as an i32; only where [`Form::is_short`].
    fn length(self, b: &mut Builder<'_>, count: Value) -> Value {
        let low = b.wrap(count);
        let shift = b.i32(self.width.bytes().trailing_zeros() as i32);
        b.bin(BinOp::I32Shl, low, shift)
    }

    /// DF = 0, and so few elements that their length in bytes fits 31 bits.
    fn is_short(self, b: &mut Builder<'_>, count: Value) -> Value {
        let limit = b.i64(1 << 28);
        let few = b.bin(BinOp::I64LtU, count, limit);
        let direction = b.get(Reg::DF);
        let upwards = b.un(UnOp::I32Eqz, direction);
        b.bin(BinOp::I32And, few, upwards)
    }

    /// After a fast path: the registers as the loop would leave them.
    fn finish(self, b: &mut Builder<'_>, regs: &[Reg], length: Value) {
        let length = b.zero_extend_64(length);
        for &reg in regs {
            self.advance(b, reg, length);
        }
        let zero = b.i64(0);
        b.set(Reg::RCX, zero);
    }
}

/// Writes `element` once, or rcx times in a loop that ends in `done`.
fn repeat(b: &mut Builder<'_>, form: Form, done: BlockId, element: impl FnOnce(&mut Builder<'_>)) {
    let count = form.count(b);
    let any = b.is_nonzero(Width::B64, count);
    let body = b.new_block();
    b.branch(any, body, done);
    b.switch_to(body);
    element(b);
    let more = form.count_down(b);
    b.branch(more, body, done);
}

fn movs(b: &mut Builder<'_>, instr: &Instruction) {
    let form = form(instr);
    let element = |b: &mut Builder<'_>| {
        let (from, to) = (form.source(b, instr), form.destination(b));
        let value = b.load(form.width, from, 0);
        b.store(form.width, to, 0, value);
        let step = form.step(b);
        form.advance(b, Reg::RSI, step);
        form.advance(b, Reg::RDI, step);
    };
    if !form.repeated {
        return element(b);
    }
    let (fast, slow, done) = (b.new_block(), b.new_block(), b.new_block());
    let count = form.count(b);
    let length = form.length(b, count);
    let short = form.is_short(b, count);
    let (from, to) = (form.source(b, instr), form.destination(b));
    // Element by element upwards is memmove unless the destination begins inside the source.
    let ahead = b.bin(BinOp::I32Sub, to, from);
    let clear = b.bin(BinOp::I32GeU, ahead, length);
    let same = b.bin(BinOp::I32And, short, clear);
    b.branch(same, fast, slow);
    b.switch_to(fast);
    b.inst(Inst::Copy { to, from, len: length });
    form.finish(b, &[Reg::RSI, Reg::RDI], length);
    b.jump(done);
    b.switch_to(slow);
    repeat(b, form, done, element);
    b.switch_to(done);
}

fn stos(b: &mut Builder<'_>, instr: &Instruction) {
    let form = form(instr);
    let element = |b: &mut Builder<'_>| {
        let to = form.destination(b);
        let value = b.read_gpr(form.accumulator());
        b.store(form.width, to, 0, value);
        let step = form.step(b);
        form.advance(b, Reg::RDI, step);
    };
    if !form.repeated {
        return element(b);
    }
    let (fast, slow, done) = (b.new_block(), b.new_block(), b.new_block());
    let count = form.count(b);
    let length = form.length(b, count);
    let short = form.is_short(b, count);
    let uniform = is_one_byte_repeated(b, form);
    let same = b.bin(BinOp::I32And, short, uniform);
    b.branch(same, fast, slow);
    b.switch_to(fast);
    let to = form.destination(b);
    let byte = b.read_gpr(Register::AL);
    b.inst(Inst::Fill { to, byte, len: length });
    form.finish(b, &[Reg::RDI], length);
    b.jump(done);
    b.switch_to(slow);
    repeat(b, form, done, element);
    b.switch_to(done);
}

/// Are all bytes of the accumulator equal, so that a fill with AL stores the same?
fn is_one_byte_repeated(b: &mut Builder<'_>, form: Form) -> Value {
    let width = form.width;
    if width == Width::B8 {
        return b.i32(1);
    }
    let value = b.read_gpr(form.accumulator());
    let count = b.count(width, 8);
    // Equal to itself turned by a byte.
    let turned = match width {
        Width::B16 => {
            let up = b.bin(BinOp::I32Shl, value, count);
            let down = b.bin(BinOp::I32ShrU, value, count);
            let both = b.bin(BinOp::I32Or, up, down);
            b.truncate(width, both)
        }
        _ => b.bin_w(width, BinOp::I32Rotl, BinOp::I64Rotl, value, count),
    };
    b.bin_w(width, BinOp::I32Eq, BinOp::I64Eq, value, turned)
}

fn lods(b: &mut Builder<'_>, instr: &Instruction) {
    let form = form(instr);
    let element = |b: &mut Builder<'_>| {
        let from = form.source(b, instr);
        let value = b.load(form.width, from, 0);
        b.write_gpr(form.accumulator(), value);
        let step = form.step(b);
        form.advance(b, Reg::RSI, step);
    };
    if !form.repeated {
        return element(b);
    }
    let done = b.new_block();
    repeat(b, form, done, element);
    b.switch_to(done);
}

/// CMPS compares the source element with the destination element.
fn cmps(b: &mut Builder<'_>, instr: &Instruction) {
    let form = form(instr);
    compare(b, instr, form, &[Reg::RSI, Reg::RDI], |b, back| {
        let (left, right) = (form.source(b, instr), form.destination(b));
        let (left, right) = (b.bin(BinOp::I32Sub, left, back), b.bin(BinOp::I32Sub, right, back));
        (b.load(form.width, left, 0), b.load(form.width, right, 0))
    });
}

/// SCAS compares the accumulator with the destination element.
fn scas(b: &mut Builder<'_>, instr: &Instruction) {
    let form = form(instr);
    compare(b, instr, form, &[Reg::RDI], |b, back| {
        let right = form.destination(b);
        let right = b.bin(BinOp::I32Sub, right, back);
        (b.read_gpr(form.accumulator()), b.load(form.width, right, 0))
    });
}

/// CMPS and SCAS. `operands` loads what stands `back` (i32) bytes before the current elements.
///
/// The loop only looks for its end; the flags come from loading the last pair again, so that they are computed once.
fn compare(
    b: &mut Builder<'_>,
    instr: &Instruction,
    form: Form,
    regs: &[Reg],
    operands: impl Fn(&mut Builder<'_>, Value) -> (Value, Value),
) {
    let width = form.width;
    let set_flags = |b: &mut Builder<'_>, left: Value, right: Value| {
        let res = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, left, right);
        let res = b.truncate(width, res);
        b.set_arith(Arith { kind: Kind::Cmp, width, a: left, b: right, res });
    };
    let advance = |b: &mut Builder<'_>| {
        let step = form.step(b);
        regs.iter().for_each(|&reg| form.advance(b, reg, step));
    };
    if !form.repeated {
        let here = b.i32(0);
        let (left, right) = operands(b, here);
        set_flags(b, left, right);
        return advance(b);
    }
    let (last, done) = (b.new_block(), b.new_block());
    let count = form.count(b);
    let any = b.is_nonzero(Width::B64, count);
    let body = b.new_block();
    b.branch(any, body, done);
    b.switch_to(body);
    let here = b.i32(0);
    let (left, right) = operands(b, here);
    let (op32, op64) = if instr.has_repne_prefix() { (BinOp::I32Ne, BinOp::I64Ne) } else { (BinOp::I32Eq, BinOp::I64Eq) };
    let goes_on = b.bin_w(width, op32, op64, left, right);
    advance(b);
    let more = form.count_down(b);
    let again = b.bin(BinOp::I32And, more, goes_on);
    b.branch(again, body, last);
    b.switch_to(last);
    let step = form.step(b);
    let back = b.wrap(step);
    let (left, right) = operands(b, back);
    set_flags(b, left, right);
    b.jump(done);
    b.switch_to(done);
}
