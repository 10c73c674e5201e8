//! What instructions have to do with NaNs.

use hoist_x86::ir::{BinOp, BlockId, Func, Inst, UnOp};

/// Operations whose result may be a NaN with any bits, and is one if an operand is.
pub fn makes_nans(inst: &Inst) -> bool {
    use BinOp::*;
    use UnOp::*;
    match inst {
        Inst::Bin(op, ..) => matches!(
            op,
            F32Add
                | F32Sub
                | F32Mul
                | F32Div
                | F64Add
                | F64Sub
                | F64Mul
                | F64Div
                | F32x4Add
                | F32x4Sub
                | F32x4Mul
                | F32x4Div
                | F64x2Add
                | F64x2Sub
                | F64x2Mul
                | F64x2Div
        ),
        Inst::Un(op, _) => matches!(
            op,
            F32Sqrt
                | F32Ceil
                | F32Floor
                | F32Trunc
                | F32Nearest
                | F64Sqrt
                | F64Ceil
                | F64Floor
                | F64Trunc
                | F64Nearest
                | F32DemoteF64
                | F64PromoteF32
                | F32x4Sqrt
                | F32x4Ceil
                | F32x4Floor
                | F32x4Trunc
                | F32x4Nearest
                | F64x2Sqrt
                | F64x2Ceil
                | F64x2Floor
                | F64x2Trunc
                | F64x2Nearest
                | F32x4DemoteF64x2Zero
                | F64x2PromoteLowF32x4
        ),
        _ => false,
    }
}

/// Does an instruction see of its operands no more than whether they are NaNs?
pub fn is_blind(inst: &Inst) -> bool {
    use BinOp::*;
    use UnOp::*;
    match inst {
        Inst::Bin(op, ..) => matches!(
            op,
            F32Eq
                | F32Ne
                | F32Lt
                | F32Gt
                | F32Le
                | F32Ge
                | F64Eq
                | F64Ne
                | F64Lt
                | F64Gt
                | F64Le
                | F64Ge
                | F32x4Eq
                | F32x4Ne
                | F32x4Lt
                | F32x4Gt
                | F32x4Le
                | F32x4Ge
                | F64x2Eq
                | F64x2Ne
                | F64x2Lt
                | F64x2Gt
                | F64x2Le
                | F64x2Ge
        ),
        Inst::Un(op, _) => matches!(
            op,
            I32TruncSatF32S
                | I32TruncSatF32U
                | I32TruncSatF64S
                | I32TruncSatF64U
                | I64TruncSatF32S
                | I64TruncSatF32U
                | I64TruncSatF64S
                | I64TruncSatF64U
                | I32x4TruncSatF32x4S
                | I32x4TruncSatF32x4U
                | I32x4TruncSatF64x2SZero
                | I32x4TruncSatF64x2UZero
        ),
        _ => false,
    }
}

/// Sizes (`abs`) that are only compared: conversions to integers test their range so.
pub fn only_compared(func: &Func, order: &[BlockId]) -> Vec<bool> {
    use UnOp::{F32Abs, F32x4Abs, F64Abs, F64x2Abs};
    let mut is = vec![false; func.insts.len()];
    for &block in order {
        for &value in &func.block(block).insts {
            is[value.0 as usize] = matches!(func.inst(value), Inst::Un(F32Abs | F64Abs | F32x4Abs | F64x2Abs, _));
        }
    }
    for &block in order {
        for &user in &func.block(block).insts {
            let inst = func.inst(user);
            if !is_blind(inst) {
                inst.for_each_use(|value| is[value.0 as usize] = false);
            }
        }
        func.block(block)
            .term
            .as_ref()
            .expect("blocks have terminators")
            .for_each_use(|value| is[func.resolve(value).0 as usize] = false);
    }
    is
}

/// Can a value be a NaN? Constants that are none and integers that were converted are not.
pub fn may_be_nan(inst: &Inst) -> bool {
    use UnOp::*;
    match *inst {
        Inst::F32(bits) => f32::from_bits(bits).is_nan(),
        Inst::F64(bits) => f64::from_bits(bits).is_nan(),
        Inst::Un(op, _) => !matches!(
            op,
            F32ConvertI32S
                | F32ConvertI32U
                | F32ConvertI64S
                | F32ConvertI64U
                | F64ConvertI32S
                | F64ConvertI32U
                | F64ConvertI64S
                | F64ConvertI64U
                | F32x4ConvertI32x4S
                | F32x4ConvertI32x4U
                | F64x2ConvertLowI32x4S
                | F64x2ConvertLowI32x4U
        ),
        _ => true,
    }
}

/// Is the result a NaN only if the operand is one?
pub fn only_passes_nans(inst: &Inst) -> bool {
    use UnOp::*;
    matches!(
        inst,
        Inst::Un(
            F32Ceil
                | F32Floor
                | F32Trunc
                | F32Nearest
                | F64Ceil
                | F64Floor
                | F64Trunc
                | F64Nearest
                | F32DemoteF64
                | F64PromoteF32
                | F32x4Ceil
                | F32x4Floor
                | F32x4Trunc
                | F32x4Nearest
                | F64x2Ceil
                | F64x2Floor
                | F64x2Trunc
                | F64x2Nearest
                | F32x4DemoteF64x2Zero
                | F64x2PromoteLowF32x4,
            _
        )
    )
}
