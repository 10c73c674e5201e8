//! Integer arithmetic and logic (SDM vol. 1, §7.3.2 and §7.3.3).

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::boundary::Vector;
use crate::builder::{Builder, Width};
use crate::flags::{Arith, Kind};
use crate::helper::Helper;
use crate::ir::{BinOp, Inst, UnOp, Value};
use crate::reg::Reg;
use crate::semantics::Row;

pub fn row(mnemonic: Mnemonic) -> Option<Row> {
    use Mnemonic::*;
    Some(match mnemonic {
        Add => |b, i| add_sub(b, i, Kind::Add),
        Sub => |b, i| add_sub(b, i, Kind::Sub),
        Cmp => |b, i| add_sub(b, i, Kind::Cmp),
        Adc => adc,
        Sbb => sbb,
        Adcx => |b, i| add_with(b, i, Reg::CF),
        Adox => |b, i| add_with(b, i, Reg::OF),
        Inc => |b, i| step(b, i, Kind::Inc),
        Dec => |b, i| step(b, i, Kind::Dec),
        Neg => neg,
        And => |b, i| logic(b, i, BinOp::I32And, BinOp::I64And),
        Or => |b, i| logic(b, i, BinOp::I32Or, BinOp::I64Or),
        Xor => |b, i| logic(b, i, BinOp::I32Xor, BinOp::I64Xor),
        Test => test,
        Not => not,
        Mul => |b, i| multiply_accumulator(b, i, false),
        Imul => imul,
        Mulx => mulx,
        Div => div,
        Idiv => idiv,
        _ => return None,
    })
}

/// Do the two operands name one register?
fn same_register(instr: &Instruction) -> bool {
    instr.op_kind(0) == OpKind::Register && instr.op_kind(1) == OpKind::Register && instr.op_register(0) == instr.op_register(1)
}

/// ADD, SUB, CMP.
fn add_sub(b: &mut Builder<'_>, instr: &Instruction, kind: Kind) {
    let width = b.operand_width(instr, 0);
    if kind == Kind::Sub && same_register(instr) {
        return zero(b, instr, width);
    }
    let place = b.place(instr, 0);
    let left = b.read_place(place, width);
    let right = b.read_operand(instr, 1, width);
    let (op32, op64) = if kind == Kind::Add { (BinOp::I32Add, BinOp::I64Add) } else { (BinOp::I32Sub, BinOp::I64Sub) };
    let res = b.bin_w(width, op32, op64, left, right);
    let res = b.truncate(width, res);
    b.set_arith(Arith { kind, width, a: left, b: right, res });
    if kind != Kind::Cmp {
        b.write_place(place, width, res);
    }
}

/// XOR and SUB of a register with itself: zero, with the flags of zero.
fn zero(b: &mut Builder<'_>, instr: &Instruction, width: Width) {
    let res = b.int(width, 0);
    let (no, yes) = (b.i32(0), b.i32(1));
    for flag in [Reg::CF, Reg::AF, Reg::SF, Reg::OF] {
        b.set_flag(flag, no);
    }
    b.set_flag(Reg::ZF, yes);
    b.set_flag(Reg::PF, yes);
    b.write_operand(instr, 0, width, res);
}

/// A carry (0 or 1) in the type of the width.
fn carry(b: &mut Builder<'_>, width: Width, flag: Reg) -> Value {
    let carry = b.flag(flag);
    if width == Width::B64 { b.zero_extend_64(carry) } else { carry }
}

fn adc(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let left = b.read_place(place, width);
    let right = b.read_operand(instr, 1, width);
    let carry = carry(b, width, Reg::CF);
    let sum = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, left, right);
    let sum = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, sum, carry);
    let res = b.truncate(width, sum);
    b.set_arith(Arith { kind: Kind::Adc, width, a: left, b: right, res });
    b.write_place(place, width, res);
}

fn sbb(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    if same_register(instr) {
        return spread_carry(b, instr, width);
    }
    let place = b.place(instr, 0);
    let left = b.read_place(place, width);
    let right = b.read_operand(instr, 1, width);
    let carry = carry(b, width, Reg::CF);
    let difference = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, left, right);
    let difference = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, difference, carry);
    let res = b.truncate(width, difference);
    b.set_arith(Arith { kind: Kind::Sbb, width, a: left, b: right, res });
    b.write_place(place, width, res);
}

/// SBB of a register with itself: all bits become CF. CF stays; the parity of 00H and FFH is even.
fn spread_carry(b: &mut Builder<'_>, instr: &Instruction, width: Width) {
    let flag = b.flag(Reg::CF);
    let carry = carry(b, width, Reg::CF);
    let none = b.int(width, 0);
    let res = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, none, carry);
    let res = b.truncate(width, res);
    b.set_logic(width, res);
    let even = b.i32(1);
    b.set_flag(Reg::CF, flag);
    b.set_flag(Reg::AF, flag);
    b.set_flag(Reg::SF, flag);
    b.set_flag(Reg::PF, even);
    b.write_operand(instr, 0, width, res);
}

/// ADCX and ADOX: an addition whose carry goes in and out through one flag only.
fn add_with(b: &mut Builder<'_>, instr: &Instruction, flag: Reg) {
    let width = b.operand_width(instr, 0);
    let left = b.read_operand(instr, 0, width);
    let right = b.read_operand(instr, 1, width);
    let carry = carry(b, width, flag);
    let sum = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, left, right);
    let first = b.bin_w(width, BinOp::I32LtU, BinOp::I64LtU, sum, left);
    let res = b.bin_w(width, BinOp::I32Add, BinOp::I64Add, sum, carry);
    let second = b.bin_w(width, BinOp::I32LtU, BinOp::I64LtU, res, sum);
    let out = b.bin(BinOp::I32Or, first, second);
    b.set_flag(flag, out);
    b.write_operand(instr, 0, width, res);
}

/// INC and DEC.
fn step(b: &mut Builder<'_>, instr: &Instruction, kind: Kind) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let left = b.read_place(place, width);
    let one = b.int(width, 1);
    let (op32, op64) = if kind == Kind::Inc { (BinOp::I32Add, BinOp::I64Add) } else { (BinOp::I32Sub, BinOp::I64Sub) };
    let res = b.bin_w(width, op32, op64, left, one);
    let res = b.truncate(width, res);
    b.set_arith(Arith { kind, width, a: left, b: one, res });
    b.write_place(place, width, res);
}

fn neg(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let value = b.read_place(place, width);
    let zero = b.int(width, 0);
    let res = b.bin_w(width, BinOp::I32Sub, BinOp::I64Sub, zero, value);
    let res = b.truncate(width, res);
    b.set_arith(Arith { kind: Kind::Sub, width, a: zero, b: value, res });
    b.write_place(place, width, res);
}

fn not(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let place = b.place(instr, 0);
    let value = b.read_place(place, width);
    let ones = b.int(width, -1);
    let res = b.bin_w(width, BinOp::I32Xor, BinOp::I64Xor, value, ones);
    b.write_place(place, width, res);
}

/// AND, OR, XOR. AF, undefined, is cleared as hardware does.
fn logic(b: &mut Builder<'_>, instr: &Instruction, op32: BinOp, op64: BinOp) {
    let width = b.operand_width(instr, 0);
    if same_register(instr) {
        if op32 == BinOp::I32Xor {
            return zero(b, instr, width);
        }
        let value = b.read_operand(instr, 0, width);
        b.set_logic(width, value);
        // Only a 32-bit write changes anything: it clears the upper half.
        if width == Width::B32 {
            b.write_operand(instr, 0, width, value);
        }
        return;
    }
    let place = b.place(instr, 0);
    let left = b.read_place(place, width);
    let right = b.read_operand(instr, 1, width);
    let res = match (b.constant(right), op32) {
        (Some(0), BinOp::I32And) => right,
        (Some(-1), BinOp::I32Or) => right,
        _ => b.bin_w(width, op32, op64, left, right),
    };
    b.set_logic(width, res);
    b.write_place(place, width, res);
}

fn test(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let left = b.read_operand(instr, 0, width);
    let res = if same_register(instr) {
        left
    } else {
        let right = b.read_operand(instr, 1, width);
        b.bin_w(width, BinOp::I32And, BinOp::I64And, left, right)
    };
    b.set_logic(width, res);
}

/// A product: what goes to the destination, the upper half, and CF = OF (does the upper half say more than the lower?).
struct Product {
    low: Value,
    high: Value,
    overflow: Value,
}

fn product(b: &mut Builder<'_>, width: Width, signed: bool, left: Value, right: Value) -> Product {
    use BinOp::*;
    if width == Width::B64 {
        let low = b.bin(I64Mul, left, right);
        let high = b.helper(if signed { Helper::MulHighS } else { Helper::MulHighU }, &[left, right]);
        let fill = if signed {
            let count = b.i64(63);
            b.bin(I64ShrS, low, count)
        } else {
            b.i64(0)
        };
        let overflow = b.bin(I64Ne, high, fill);
        return Product { low, high, overflow };
    }
    let (left, right) = (b.resize(width, Width::B64, signed, left), b.resize(width, Width::B64, signed, right));
    let full = b.bin(I64Mul, left, right);
    let low = b.resize(Width::B64, width, false, full);
    let count = b.i64(i64::from(width.bits()));
    let high = b.bin(I64ShrU, full, count);
    let high = b.resize(Width::B64, width, false, high);
    let again = b.resize(width, Width::B64, signed, low);
    let overflow = b.bin(I64Ne, again, full);
    Product { low, high, overflow }
}

/// CF and OF of a multiplication. The others are undefined: SF and PF follow the lower half, ZF and AF are cleared, as in hardware.
fn set_product_flags(b: &mut Builder<'_>, width: Width, low: Value, overflow: Value) {
    b.set_logic(width, low);
    let no = b.i32(0);
    b.set_flag(Reg::ZF, no);
    b.set_flag(Reg::CF, overflow);
    b.set_flag(Reg::OF, overflow);
}

/// `(low, high)` registers of the double-width accumulator.
fn accumulator(width: Width) -> (Register, Register) {
    match width {
        Width::B8 => (Register::AL, Register::AH),
        Width::B16 => (Register::AX, Register::DX),
        Width::B32 => (Register::EAX, Register::EDX),
        Width::B64 => (Register::RAX, Register::RDX),
    }
}

/// MUL and one-operand IMUL: rdx:rax = rax × operand.
fn multiply_accumulator(b: &mut Builder<'_>, instr: &Instruction, signed: bool) {
    let width = b.operand_width(instr, 0);
    let (low, high) = accumulator(width);
    let right = b.read_operand(instr, 0, width);
    let left = b.read_gpr(low);
    let product = product(b, width, signed, left, right);
    b.write_gpr(low, product.low);
    b.write_gpr(high, product.high);
    set_product_flags(b, width, product.low, product.overflow);
}

fn imul(b: &mut Builder<'_>, instr: &Instruction) {
    if instr.op_count() == 1 {
        return multiply_accumulator(b, instr, true);
    }
    let width = b.operand_width(instr, 0);
    let first = if instr.op_count() == 3 { 1 } else { 0 };
    let left = b.read_operand(instr, first, width);
    let right = b.read_operand(instr, first + 1, width);
    // The result in one operation of its width; the full product serves CF and OF only and goes when nobody reads them.
    let low = b.bin_w(width, BinOp::I32Mul, BinOp::I64Mul, left, right);
    let low = b.truncate(width, low);
    let full = product(b, width, true, left, right);
    b.write_operand(instr, 0, width, low);
    set_product_flags(b, width, low, full.overflow);
}

/// MULX high, low, source: rdx × source without flags. If both destinations are one register it gets the upper half.
fn mulx(b: &mut Builder<'_>, instr: &Instruction) {
    let width = b.operand_width(instr, 0);
    let right = b.read_operand(instr, 2, width);
    let left = b.read_gpr(if width == Width::B64 { Register::RDX } else { Register::EDX });
    let product = product(b, width, false, left, right);
    b.write_operand(instr, 1, width, product.low);
    b.write_operand(instr, 0, width, product.high);
}

/// Writes quotient and remainder. The status flags, undefined, are left alone.
fn write_division(b: &mut Builder<'_>, width: Width, quotient: Value, remainder: Value) {
    let (low, high) = accumulator(width);
    let (quotient, remainder) = (b.truncate(width, quotient), b.truncate(width, remainder));
    b.write_gpr(low, quotient);
    b.write_gpr(high, remainder);
}

/// DIV: #DE when the divisor is zero or the quotient too large, both of which say: upper half of the dividend ≥ divisor.
fn div(b: &mut Builder<'_>, instr: &Instruction) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let divisor = b.read_operand(instr, 0, width);
    let (low, high) = accumulator(width);
    let narrow = width >= Width::B32 && upper_half_is(b, width, Extension::Zero);
    let low = b.read_gpr(low);
    if narrow {
        let by_zero = b.un(if width == Width::B64 { UnOp::I64Eqz } else { UnOp::I32Eqz }, divisor);
        b.exception_if(by_zero, Vector::DivideError);
        let quotient = b.bin_w(width, I32DivU, I64DivU, low, divisor);
        let remainder = b.bin_w(width, I32RemU, I64RemU, low, divisor);
        return write_division(b, width, quotient, remainder);
    }
    let high = b.read_gpr(high);
    let overflow = b.bin_w(width, I32GeU, I64GeU, high, divisor);
    b.exception_if(overflow, Vector::DivideError);
    if width == Width::B64 {
        return div_128(b, low, high, divisor);
    }
    let (low, high) = (b.zero_extend_64(low), b.zero_extend_64(high));
    let count = b.i64(i64::from(width.bits()));
    let high = b.bin(I64Shl, high, count);
    let dividend = b.bin(I64Or, high, low);
    let divisor = b.zero_extend_64(divisor);
    let quotient = b.bin(I64DivU, dividend, divisor);
    let remainder = b.bin(I64RemU, dividend, divisor);
    let (quotient, remainder) = (b.wrap(quotient), b.wrap(remainder));
    write_division(b, width, quotient, remainder);
}

/// 128 / 64 bits unsigned: 64-bit division when the upper half is zero, else the helpers'.
fn div_128(b: &mut Builder<'_>, low: Value, high: Value, divisor: Value) {
    let wide = b.is_nonzero(Width::B64, high);
    let (long, short, done) = (b.new_block(), b.new_block(), b.new_block());
    b.branch(wide, long, short);
    b.switch_to(short);
    let quotient = b.bin(BinOp::I64DivU, low, divisor);
    let remainder = b.bin(BinOp::I64RemU, low, divisor);
    write_division(b, Width::B64, quotient, remainder);
    b.jump(done);
    b.switch_to(long);
    let quotient = b.helper(Helper::DivU128, &[high, low, divisor]);
    let remainder = b.helper(Helper::RemU128, &[high, low, divisor]);
    write_division(b, Width::B64, quotient, remainder);
    b.jump(done);
    b.switch_to(done);
}

/// IDIV: #DE when the divisor is zero or the quotient does not fit.
fn idiv(b: &mut Builder<'_>, instr: &Instruction) {
    use BinOp::*;
    let width = b.operand_width(instr, 0);
    let divisor = b.read_operand(instr, 0, width);
    let (low_register, high_register) = accumulator(width);
    let narrow = width >= Width::B32 && upper_half_is(b, width, Extension::Sign);
    let low = b.read_gpr(low_register);
    if narrow {
        return idiv_same_width(b, width, low, divisor);
    }
    let high = b.read_gpr(high_register);
    if width == Width::B64 {
        return idiv_128(b, low, high, divisor);
    }
    // The dividend fits 64 bits; the most negative one by −1 would trap in Wasm, so the divisor is tested for that too.
    let low = b.zero_extend_64(low);
    let high = b.resize(width, Width::B64, true, high);
    let count = b.i64(i64::from(width.bits()));
    let high = b.bin(I64Shl, high, count);
    let dividend = b.bin(I64Or, high, low);
    let divisor = b.resize(width, Width::B64, true, divisor);
    let by_zero = b.un(UnOp::I64Eqz, divisor);
    let most_negative = b.i64(i64::MIN);
    let lowest = b.bin(I64Eq, dividend, most_negative);
    let overflow = b.bin(I32Or, by_zero, lowest);
    b.exception_if(overflow, Vector::DivideError);
    let quotient = b.bin(I64DivS, dividend, divisor);
    let remainder = b.bin(I64RemS, dividend, divisor);
    let low = b.resize(Width::B64, width, false, quotient);
    let again = b.resize(width, Width::B64, true, low);
    let overflow = b.bin(I64Ne, again, quotient);
    b.exception_if(overflow, Vector::DivideError);
    let remainder = b.wrap(remainder);
    write_division(b, width, low, remainder);
}

/// Signed division of a dividend that is no wider than the divisor: overflows only for MIN / −1.
fn idiv_same_width(b: &mut Builder<'_>, width: Width, dividend: Value, divisor: Value) {
    use BinOp::*;
    let by_zero = b.un(if width == Width::B64 { UnOp::I64Eqz } else { UnOp::I32Eqz }, divisor);
    let overflow = match b.constant(divisor) {
        Some(-1) | None => {
            let most_negative = if width == Width::B64 { b.i64(i64::MIN) } else { b.i32(i32::MIN) };
            let lowest = b.bin_w(width, I32Eq, I64Eq, dividend, most_negative);
            let minus_one = b.int(width, -1);
            let negates = b.bin_w(width, I32Eq, I64Eq, divisor, minus_one);
            let overflow = b.bin(I32And, lowest, negates);
            b.bin(I32Or, by_zero, overflow)
        }
        Some(_) => by_zero,
    };
    b.exception_if(overflow, Vector::DivideError);
    let quotient = b.bin_w(width, I32DivS, I64DivS, dividend, divisor);
    let remainder = b.bin_w(width, I32RemS, I64RemS, dividend, divisor);
    write_division(b, width, quotient, remainder);
}

/// 128 / 64 bits signed: 64-bit division when rdx is only the sign of rax, else the helpers'.
fn idiv_128(b: &mut Builder<'_>, low: Value, high: Value, divisor: Value) {
    let count = b.i64(63);
    let sign = b.bin(BinOp::I64ShrS, low, count);
    let wide = b.bin(BinOp::I64Ne, high, sign);
    let (long, short, done) = (b.new_block(), b.new_block(), b.new_block());
    b.branch(wide, long, short);
    b.switch_to(short);
    idiv_same_width(b, Width::B64, low, divisor);
    b.jump(done);
    b.switch_to(long);
    let overflow = b.helper(Helper::DivS128Overflows, &[high, low, divisor]);
    b.exception_if(overflow, Vector::DivideError);
    let quotient = b.helper(Helper::DivS128, &[high, low, divisor]);
    let remainder = b.helper(Helper::RemS128, &[high, low, divisor]);
    write_division(b, Width::B64, quotient, remainder);
    b.jump(done);
    b.switch_to(done);
}

/// How a dividend of one register is made into one of two.
#[derive(Clone, Copy, PartialEq)]
enum Extension {
    /// XOR edx, edx before DIV.
    Zero,
    /// CDQ, CQO before IDIV.
    Sign,
}

/// Does this block show that rdx only extends rax? Compilers write the extension right before the division; this finds it so that the
/// division has one width.
fn upper_half_is(b: &Builder<'_>, width: Width, extension: Extension) -> bool {
    let insts = &b.func.block(b.current_block()).insts;
    let Some(at) = insts.iter().rposition(|&v| matches!(b.func.inst(v), Inst::SetReg(Reg::RDX, _))) else { return false };
    let Inst::SetReg(_, value) = *b.func.inst(insts[at]) else { return false };
    let value = match *b.func.inst(value) {
        Inst::Un(UnOp::I64ExtendI32U, inner) => inner,
        _ => value,
    };
    if extension == Extension::Zero {
        return b.constant(value) == Some(0);
    }
    let source = match *b.func.inst(value) {
        Inst::Bin(BinOp::I64ShrS, full, count) if width == Width::B64 && b.constant(count) == Some(63) => full,
        Inst::Bin(BinOp::I32ShrS, half, count) if width == Width::B32 && b.constant(count) == Some(31) => {
            match *b.func.inst(half) {
                Inst::Un(UnOp::I32WrapI64, full) => full,
                _ => return false,
            }
        }
        _ => return false,
    };
    // rax as it is now: read, and not written since.
    let Some(read) = insts.iter().rposition(|&v| v == source) else { return false };
    matches!(b.func.inst(source), Inst::GetReg(Reg::RAX))
        && !insts[read..].iter().any(|&v| matches!(b.func.inst(v), Inst::SetReg(Reg::RAX, _)))
}
