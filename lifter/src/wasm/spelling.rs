//! The IR's operations as Wasm instructions: the same names, so there is nothing to decide.

use hoist_x86::ops::{BinOp, LoadOp, Shape, StoreOp, UnOp};
use hoist_x86::{binary_ops, load_ops, store_ops, unary_ops};
use wasm_encoder::{Instruction, MemArg};

macro_rules! spell_unary {
    ($($name:ident: $a:ident -> $r:ident,)*) => {
        pub fn unary(op: UnOp) -> Instruction<'static> {
            match op { $(UnOp::$name => Instruction::$name,)* }
        }
    };
}
unary_ops!(spell_unary);

macro_rules! spell_binary {
    ($($name:ident: ($a:ident, $b:ident) -> $r:ident,)*) => {
        pub fn binary(op: BinOp) -> Instruction<'static> {
            match op { $(BinOp::$name => Instruction::$name,)* }
        }
    };
}
binary_ops!(spell_binary);

macro_rules! spell_load {
    ($($name:ident: $r:ident, $bytes:literal,)*) => {
        pub fn load(op: LoadOp, memory: MemArg) -> Instruction<'static> {
            match op { $(LoadOp::$name => Instruction::$name(memory),)* }
        }
    };
}
load_ops!(spell_load);

macro_rules! spell_store {
    ($($name:ident: $r:ident, $bytes:literal,)*) => {
        pub fn store(op: StoreOp, memory: MemArg) -> Instruction<'static> {
            match op { $(StoreOp::$name => Instruction::$name(memory),)* }
        }
    };
}
store_ops!(spell_store);

pub fn extract(shape: Shape, lane: u8) -> Instruction<'static> {
    match shape {
        Shape::I8x16 => Instruction::I8x16ExtractLaneU(lane),
        Shape::I16x8 => Instruction::I16x8ExtractLaneU(lane),
        Shape::I32x4 => Instruction::I32x4ExtractLane(lane),
        Shape::I64x2 => Instruction::I64x2ExtractLane(lane),
        Shape::F32x4 => Instruction::F32x4ExtractLane(lane),
        Shape::F64x2 => Instruction::F64x2ExtractLane(lane),
    }
}

pub fn replace(shape: Shape, lane: u8) -> Instruction<'static> {
    match shape {
        Shape::I8x16 => Instruction::I8x16ReplaceLane(lane),
        Shape::I16x8 => Instruction::I16x8ReplaceLane(lane),
        Shape::I32x4 => Instruction::I32x4ReplaceLane(lane),
        Shape::I64x2 => Instruction::I64x2ReplaceLane(lane),
        Shape::F32x4 => Instruction::F32x4ReplaceLane(lane),
        Shape::F64x2 => Instruction::F64x2ReplaceLane(lane),
    }
}
