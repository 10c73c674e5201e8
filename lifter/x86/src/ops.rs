//! The operations of the IR: one row each, named as Wasm's instructions are (WebAssembly core specification 2.0, §4.3 and §4.4).
//!
//! The lists are macros that take a macro, so that the type table here, the interpreter and the Wasm back end all
//! derive from the one row and cannot disagree.

use crate::ir::Type;

/// Calls `$with! { … }` with every unary operation as `Name: Operand -> Result`.
#[macro_export]
macro_rules! unary_ops {
    ($with:ident) => {
        $with! {
            I32Clz: I32 -> I32,
            I32Ctz: I32 -> I32,
            I32Popcnt: I32 -> I32,
            I32Extend8S: I32 -> I32,
            I32Extend16S: I32 -> I32,
            I32Eqz: I32 -> I32,
            I64Clz: I64 -> I64,
            I64Ctz: I64 -> I64,
            I64Popcnt: I64 -> I64,
            I64Extend8S: I64 -> I64,
            I64Extend16S: I64 -> I64,
            I64Eqz: I64 -> I32,
            I64Extend32S: I64 -> I64,
            I32WrapI64: I64 -> I32,
            I64ExtendI32S: I32 -> I64,
            I64ExtendI32U: I32 -> I64,
            F32Abs: F32 -> F32,
            F32Neg: F32 -> F32,
            F32Sqrt: F32 -> F32,
            F32Ceil: F32 -> F32,
            F32Floor: F32 -> F32,
            F32Trunc: F32 -> F32,
            F32Nearest: F32 -> F32,
            I32TruncSatF32S: F32 -> I32,
            F32ConvertI32S: I32 -> F32,
            I32TruncSatF32U: F32 -> I32,
            F32ConvertI32U: I32 -> F32,
            I64TruncSatF32S: F32 -> I64,
            F32ConvertI64S: I64 -> F32,
            I64TruncSatF32U: F32 -> I64,
            F32ConvertI64U: I64 -> F32,
            F64Abs: F64 -> F64,
            F64Neg: F64 -> F64,
            F64Sqrt: F64 -> F64,
            F64Ceil: F64 -> F64,
            F64Floor: F64 -> F64,
            F64Trunc: F64 -> F64,
            F64Nearest: F64 -> F64,
            I32TruncSatF64S: F64 -> I32,
            F64ConvertI32S: I32 -> F64,
            I32TruncSatF64U: F64 -> I32,
            F64ConvertI32U: I32 -> F64,
            I64TruncSatF64S: F64 -> I64,
            F64ConvertI64S: I64 -> F64,
            I64TruncSatF64U: F64 -> I64,
            F64ConvertI64U: I64 -> F64,
            F32DemoteF64: F64 -> F32,
            F64PromoteF32: F32 -> F64,
            I32ReinterpretF32: F32 -> I32,
            I64ReinterpretF64: F64 -> I64,
            F32ReinterpretI32: I32 -> F32,
            F64ReinterpretI64: I64 -> F64,
            I8x16Splat: I32 -> V128,
            I16x8Splat: I32 -> V128,
            I32x4Splat: I32 -> V128,
            I64x2Splat: I64 -> V128,
            F32x4Splat: F32 -> V128,
            F64x2Splat: F64 -> V128,
            V128Not: V128 -> V128,
            V128AnyTrue: V128 -> I32,
            I8x16Abs: V128 -> V128,
            I8x16Neg: V128 -> V128,
            I8x16AllTrue: V128 -> I32,
            I8x16Bitmask: V128 -> I32,
            I16x8Abs: V128 -> V128,
            I16x8Neg: V128 -> V128,
            I16x8AllTrue: V128 -> I32,
            I16x8Bitmask: V128 -> I32,
            I32x4Abs: V128 -> V128,
            I32x4Neg: V128 -> V128,
            I32x4AllTrue: V128 -> I32,
            I32x4Bitmask: V128 -> I32,
            I64x2Abs: V128 -> V128,
            I64x2Neg: V128 -> V128,
            I64x2AllTrue: V128 -> I32,
            I64x2Bitmask: V128 -> I32,
            I8x16Popcnt: V128 -> V128,
            I16x8ExtendLowI8x16S: V128 -> V128,
            I16x8ExtendLowI8x16U: V128 -> V128,
            I16x8ExtendHighI8x16S: V128 -> V128,
            I16x8ExtendHighI8x16U: V128 -> V128,
            I32x4ExtendLowI16x8S: V128 -> V128,
            I32x4ExtendLowI16x8U: V128 -> V128,
            I32x4ExtendHighI16x8S: V128 -> V128,
            I32x4ExtendHighI16x8U: V128 -> V128,
            I64x2ExtendLowI32x4S: V128 -> V128,
            I64x2ExtendLowI32x4U: V128 -> V128,
            I64x2ExtendHighI32x4S: V128 -> V128,
            I64x2ExtendHighI32x4U: V128 -> V128,
            I16x8ExtAddPairwiseI8x16S: V128 -> V128,
            I16x8ExtAddPairwiseI8x16U: V128 -> V128,
            I32x4ExtAddPairwiseI16x8S: V128 -> V128,
            I32x4ExtAddPairwiseI16x8U: V128 -> V128,
            F32x4Ceil: V128 -> V128,
            F32x4Floor: V128 -> V128,
            F32x4Trunc: V128 -> V128,
            F32x4Nearest: V128 -> V128,
            F32x4Abs: V128 -> V128,
            F32x4Neg: V128 -> V128,
            F32x4Sqrt: V128 -> V128,
            F64x2Ceil: V128 -> V128,
            F64x2Floor: V128 -> V128,
            F64x2Trunc: V128 -> V128,
            F64x2Nearest: V128 -> V128,
            F64x2Abs: V128 -> V128,
            F64x2Neg: V128 -> V128,
            F64x2Sqrt: V128 -> V128,
            I32x4TruncSatF32x4S: V128 -> V128,
            I32x4TruncSatF32x4U: V128 -> V128,
            F32x4ConvertI32x4S: V128 -> V128,
            F32x4ConvertI32x4U: V128 -> V128,
            I32x4TruncSatF64x2SZero: V128 -> V128,
            I32x4TruncSatF64x2UZero: V128 -> V128,
            F64x2ConvertLowI32x4S: V128 -> V128,
            F64x2ConvertLowI32x4U: V128 -> V128,
            F32x4DemoteF64x2Zero: V128 -> V128,
            F64x2PromoteLowF32x4: V128 -> V128,
        }
    };
}

/// Calls `$with! { … }` with every binary operation as `Name: (Left, Right) -> Result`.
#[macro_export]
macro_rules! binary_ops {
    ($with:ident) => {
        $with! {
            I32Add: (I32, I32) -> I32,
            I32Sub: (I32, I32) -> I32,
            I32Mul: (I32, I32) -> I32,
            I32And: (I32, I32) -> I32,
            I32Or: (I32, I32) -> I32,
            I32Xor: (I32, I32) -> I32,
            I32Shl: (I32, I32) -> I32,
            I32ShrS: (I32, I32) -> I32,
            I32ShrU: (I32, I32) -> I32,
            I32Rotl: (I32, I32) -> I32,
            I32Rotr: (I32, I32) -> I32,
            I32DivS: (I32, I32) -> I32,
            I32DivU: (I32, I32) -> I32,
            I32RemS: (I32, I32) -> I32,
            I32RemU: (I32, I32) -> I32,
            I32Eq: (I32, I32) -> I32,
            I32Ne: (I32, I32) -> I32,
            I32LtS: (I32, I32) -> I32,
            I32LtU: (I32, I32) -> I32,
            I32GtS: (I32, I32) -> I32,
            I32GtU: (I32, I32) -> I32,
            I32LeS: (I32, I32) -> I32,
            I32LeU: (I32, I32) -> I32,
            I32GeS: (I32, I32) -> I32,
            I32GeU: (I32, I32) -> I32,
            I64Add: (I64, I64) -> I64,
            I64Sub: (I64, I64) -> I64,
            I64Mul: (I64, I64) -> I64,
            I64And: (I64, I64) -> I64,
            I64Or: (I64, I64) -> I64,
            I64Xor: (I64, I64) -> I64,
            I64Shl: (I64, I64) -> I64,
            I64ShrS: (I64, I64) -> I64,
            I64ShrU: (I64, I64) -> I64,
            I64Rotl: (I64, I64) -> I64,
            I64Rotr: (I64, I64) -> I64,
            I64DivS: (I64, I64) -> I64,
            I64DivU: (I64, I64) -> I64,
            I64RemS: (I64, I64) -> I64,
            I64RemU: (I64, I64) -> I64,
            I64Eq: (I64, I64) -> I32,
            I64Ne: (I64, I64) -> I32,
            I64LtS: (I64, I64) -> I32,
            I64LtU: (I64, I64) -> I32,
            I64GtS: (I64, I64) -> I32,
            I64GtU: (I64, I64) -> I32,
            I64LeS: (I64, I64) -> I32,
            I64LeU: (I64, I64) -> I32,
            I64GeS: (I64, I64) -> I32,
            I64GeU: (I64, I64) -> I32,
            F32Add: (F32, F32) -> F32,
            F32Sub: (F32, F32) -> F32,
            F32Mul: (F32, F32) -> F32,
            F32Div: (F32, F32) -> F32,
            F32Min: (F32, F32) -> F32,
            F32Max: (F32, F32) -> F32,
            F32Copysign: (F32, F32) -> F32,
            F32Eq: (F32, F32) -> I32,
            F32Ne: (F32, F32) -> I32,
            F32Lt: (F32, F32) -> I32,
            F32Gt: (F32, F32) -> I32,
            F32Le: (F32, F32) -> I32,
            F32Ge: (F32, F32) -> I32,
            F64Add: (F64, F64) -> F64,
            F64Sub: (F64, F64) -> F64,
            F64Mul: (F64, F64) -> F64,
            F64Div: (F64, F64) -> F64,
            F64Min: (F64, F64) -> F64,
            F64Max: (F64, F64) -> F64,
            F64Copysign: (F64, F64) -> F64,
            F64Eq: (F64, F64) -> I32,
            F64Ne: (F64, F64) -> I32,
            F64Lt: (F64, F64) -> I32,
            F64Gt: (F64, F64) -> I32,
            F64Le: (F64, F64) -> I32,
            F64Ge: (F64, F64) -> I32,
            V128And: (V128, V128) -> V128,
            V128AndNot: (V128, V128) -> V128,
            V128Or: (V128, V128) -> V128,
            V128Xor: (V128, V128) -> V128,
            I8x16Swizzle: (V128, V128) -> V128,
            I8x16Eq: (V128, V128) -> V128,
            I8x16Ne: (V128, V128) -> V128,
            I8x16LtS: (V128, V128) -> V128,
            I8x16LtU: (V128, V128) -> V128,
            I8x16GtS: (V128, V128) -> V128,
            I8x16GtU: (V128, V128) -> V128,
            I8x16LeS: (V128, V128) -> V128,
            I8x16LeU: (V128, V128) -> V128,
            I8x16GeS: (V128, V128) -> V128,
            I8x16GeU: (V128, V128) -> V128,
            I8x16MinS: (V128, V128) -> V128,
            I8x16MinU: (V128, V128) -> V128,
            I8x16MaxS: (V128, V128) -> V128,
            I8x16MaxU: (V128, V128) -> V128,
            I8x16Add: (V128, V128) -> V128,
            I8x16Sub: (V128, V128) -> V128,
            I16x8Eq: (V128, V128) -> V128,
            I16x8Ne: (V128, V128) -> V128,
            I16x8LtS: (V128, V128) -> V128,
            I16x8LtU: (V128, V128) -> V128,
            I16x8GtS: (V128, V128) -> V128,
            I16x8GtU: (V128, V128) -> V128,
            I16x8LeS: (V128, V128) -> V128,
            I16x8LeU: (V128, V128) -> V128,
            I16x8GeS: (V128, V128) -> V128,
            I16x8GeU: (V128, V128) -> V128,
            I16x8MinS: (V128, V128) -> V128,
            I16x8MinU: (V128, V128) -> V128,
            I16x8MaxS: (V128, V128) -> V128,
            I16x8MaxU: (V128, V128) -> V128,
            I16x8Add: (V128, V128) -> V128,
            I16x8Sub: (V128, V128) -> V128,
            I32x4Eq: (V128, V128) -> V128,
            I32x4Ne: (V128, V128) -> V128,
            I32x4LtS: (V128, V128) -> V128,
            I32x4LtU: (V128, V128) -> V128,
            I32x4GtS: (V128, V128) -> V128,
            I32x4GtU: (V128, V128) -> V128,
            I32x4LeS: (V128, V128) -> V128,
            I32x4LeU: (V128, V128) -> V128,
            I32x4GeS: (V128, V128) -> V128,
            I32x4GeU: (V128, V128) -> V128,
            I32x4MinS: (V128, V128) -> V128,
            I32x4MinU: (V128, V128) -> V128,
            I32x4MaxS: (V128, V128) -> V128,
            I32x4MaxU: (V128, V128) -> V128,
            I32x4Add: (V128, V128) -> V128,
            I32x4Sub: (V128, V128) -> V128,
            I64x2Eq: (V128, V128) -> V128,
            I64x2Ne: (V128, V128) -> V128,
            I64x2LtS: (V128, V128) -> V128,
            I64x2GtS: (V128, V128) -> V128,
            I64x2LeS: (V128, V128) -> V128,
            I64x2GeS: (V128, V128) -> V128,
            I64x2Add: (V128, V128) -> V128,
            I64x2Sub: (V128, V128) -> V128,
            I64x2Mul: (V128, V128) -> V128,
            I8x16AddSatS: (V128, V128) -> V128,
            I8x16AddSatU: (V128, V128) -> V128,
            I8x16SubSatS: (V128, V128) -> V128,
            I8x16SubSatU: (V128, V128) -> V128,
            I8x16AvgrU: (V128, V128) -> V128,
            I16x8AddSatS: (V128, V128) -> V128,
            I16x8AddSatU: (V128, V128) -> V128,
            I16x8SubSatS: (V128, V128) -> V128,
            I16x8SubSatU: (V128, V128) -> V128,
            I16x8AvgrU: (V128, V128) -> V128,
            I16x8Mul: (V128, V128) -> V128,
            I32x4Mul: (V128, V128) -> V128,
            I16x8Q15MulrSatS: (V128, V128) -> V128,
            I32x4DotI16x8S: (V128, V128) -> V128,
            I8x16NarrowI16x8S: (V128, V128) -> V128,
            I8x16NarrowI16x8U: (V128, V128) -> V128,
            I16x8NarrowI32x4S: (V128, V128) -> V128,
            I16x8NarrowI32x4U: (V128, V128) -> V128,
            I16x8ExtMulLowI8x16S: (V128, V128) -> V128,
            I16x8ExtMulLowI8x16U: (V128, V128) -> V128,
            I16x8ExtMulHighI8x16S: (V128, V128) -> V128,
            I16x8ExtMulHighI8x16U: (V128, V128) -> V128,
            I32x4ExtMulLowI16x8S: (V128, V128) -> V128,
            I32x4ExtMulLowI16x8U: (V128, V128) -> V128,
            I32x4ExtMulHighI16x8S: (V128, V128) -> V128,
            I32x4ExtMulHighI16x8U: (V128, V128) -> V128,
            I64x2ExtMulLowI32x4S: (V128, V128) -> V128,
            I64x2ExtMulLowI32x4U: (V128, V128) -> V128,
            I64x2ExtMulHighI32x4S: (V128, V128) -> V128,
            I64x2ExtMulHighI32x4U: (V128, V128) -> V128,
            I8x16Shl: (V128, I32) -> V128,
            I8x16ShrS: (V128, I32) -> V128,
            I8x16ShrU: (V128, I32) -> V128,
            I16x8Shl: (V128, I32) -> V128,
            I16x8ShrS: (V128, I32) -> V128,
            I16x8ShrU: (V128, I32) -> V128,
            I32x4Shl: (V128, I32) -> V128,
            I32x4ShrS: (V128, I32) -> V128,
            I32x4ShrU: (V128, I32) -> V128,
            I64x2Shl: (V128, I32) -> V128,
            I64x2ShrS: (V128, I32) -> V128,
            I64x2ShrU: (V128, I32) -> V128,
            F32x4Eq: (V128, V128) -> V128,
            F32x4Ne: (V128, V128) -> V128,
            F32x4Lt: (V128, V128) -> V128,
            F32x4Gt: (V128, V128) -> V128,
            F32x4Le: (V128, V128) -> V128,
            F32x4Ge: (V128, V128) -> V128,
            F32x4Add: (V128, V128) -> V128,
            F32x4Sub: (V128, V128) -> V128,
            F32x4Mul: (V128, V128) -> V128,
            F32x4Div: (V128, V128) -> V128,
            F32x4Min: (V128, V128) -> V128,
            F32x4Max: (V128, V128) -> V128,
            F32x4PMin: (V128, V128) -> V128,
            F32x4PMax: (V128, V128) -> V128,
            F64x2Eq: (V128, V128) -> V128,
            F64x2Ne: (V128, V128) -> V128,
            F64x2Lt: (V128, V128) -> V128,
            F64x2Gt: (V128, V128) -> V128,
            F64x2Le: (V128, V128) -> V128,
            F64x2Ge: (V128, V128) -> V128,
            F64x2Add: (V128, V128) -> V128,
            F64x2Sub: (V128, V128) -> V128,
            F64x2Mul: (V128, V128) -> V128,
            F64x2Div: (V128, V128) -> V128,
            F64x2Min: (V128, V128) -> V128,
            F64x2Max: (V128, V128) -> V128,
            F64x2PMin: (V128, V128) -> V128,
            F64x2PMax: (V128, V128) -> V128,
        }
    };
}

/// Calls `$with! { … }` with every load as `Name: Result, bytes`.
#[macro_export]
macro_rules! load_ops {
    ($with:ident) => {
        $with! {
            I32Load8U: I32, 1,
            I32Load8S: I32, 1,
            I32Load16U: I32, 2,
            I32Load16S: I32, 2,
            I32Load: I32, 4,
            I64Load8U: I64, 1,
            I64Load8S: I64, 1,
            I64Load16U: I64, 2,
            I64Load16S: I64, 2,
            I64Load32U: I64, 4,
            I64Load32S: I64, 4,
            I64Load: I64, 8,
            F32Load: F32, 4,
            F64Load: F64, 8,
            V128Load32Zero: V128, 4,
            V128Load64Zero: V128, 8,
            V128Load: V128, 16,
        }
    };
}

/// Calls `$with! { … }` with every store as `Name: Operand, bytes`.
#[macro_export]
macro_rules! store_ops {
    ($with:ident) => {
        $with! {
            I32Store8: I32, 1,
            I32Store16: I32, 2,
            I32Store: I32, 4,
            I64Store8: I64, 1,
            I64Store16: I64, 2,
            I64Store32: I64, 4,
            I64Store: I64, 8,
            F32Store: F32, 4,
            F64Store: F64, 8,
            V128Store: V128, 16,
        }
    };
}

/// Calls `$with! { … }` with every lane access as `Name: Lane type, lanes`: the shape, whose lanes `Extract` reads
/// (8- and 16-bit lanes zero-extended) and `Replace` writes.
#[macro_export]
macro_rules! shapes {
    ($with:ident) => {
        $with! {
            I8x16: I32, 16,
            I16x8: I32, 8,
            I32x4: I32, 4,
            I64x2: I64, 2,
            F32x4: F32, 4,
            F64x2: F64, 2,
        }
    };
}

macro_rules! define_unary {
    ($($name:ident: $a:ident -> $r:ident,)*) => {
        /// An operation with one operand.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum UnOp { $($name,)* }

        impl UnOp {
            pub const ALL: &'static [UnOp] = &[$(UnOp::$name,)*];
            pub const fn operand(self) -> Type {
                match self { $(UnOp::$name => Type::$a,)* }
            }
            pub const fn result(self) -> Type {
                match self { $(UnOp::$name => Type::$r,)* }
            }
        }
    };
}
unary_ops!(define_unary);

macro_rules! define_binary {
    ($($name:ident: ($a:ident, $b:ident) -> $r:ident,)*) => {
        /// An operation with two operands. Division by zero and overflow of signed division trap, as in Wasm:
        /// whoever writes one tests for them first.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum BinOp { $($name,)* }

        impl BinOp {
            pub const ALL: &'static [BinOp] = &[$(BinOp::$name,)*];
            pub const fn operands(self) -> (Type, Type) {
                match self { $(BinOp::$name => (Type::$a, Type::$b),)* }
            }
            pub const fn result(self) -> Type {
                match self { $(BinOp::$name => Type::$r,)* }
            }
        }
    };
}
binary_ops!(define_binary);

macro_rules! define_access {
    ($(#[$doc:meta])* $op:ident, $ty:ident, $($name:ident: $r:ident, $bytes:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $op { $($name,)* }

        impl $op {
            /// The Wasm type of the value.
            pub const fn $ty(self) -> Type {
                match self { $($op::$name => Type::$r,)* }
            }
            /// How many bytes of memory are accessed; for a shape, how many lanes there are.
            pub const fn count(self) -> u32 {
                match self { $($op::$name => $bytes,)* }
            }
        }
    };
}
macro_rules! define_load { ($($row:tt)*) => { define_access! { /// A load.
    LoadOp, result, $($row)* } } }
macro_rules! define_store { ($($row:tt)*) => { define_access! { /// A store.
    StoreOp, operand, $($row)* } } }
macro_rules! define_shape { ($($row:tt)*) => { define_access! { /// How 128 bits are divided into lanes.
    Shape, lane, $($row)* } } }
load_ops!(define_load);
store_ops!(define_store);
shapes!(define_shape);
