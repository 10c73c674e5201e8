//! FMA3 (SDM vol. 1, §14.5): VFMADD, VFMSUB, VFNMADD, VFNMSUB, VFMADDSUB, VFMSUBADD in the orders 132, 213 and 231.
//!
//! The digits name the operands: `132` is `op1 × op3 + op2`. Here to nearest; [`super::sse_exact`] asks MXCSR.

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::{Builder, Floats};
use crate::helper::Helper;
use crate::helpers::sse::{DOUBLE, NEGATE_EVEN, NEGATE_ODD, NEGATE_PRODUCT, SCALAR};
use crate::ir::{Shape, Value};
use crate::vector::parts;

/// Defines `row` from the six operations' names and signs.
macro_rules! operations {
    ($($signs:expr => $([$ps132:ident $pd132:ident $($ss132:ident $sd132:ident)?]
        [$ps213:ident $pd213:ident $($ss213:ident $sd213:ident)?]
        [$ps231:ident $pd231:ident $($ss231:ident $sd231:ident)?])*;)*) => {
        pub fn row(mnemonic: M) -> Option<Row> {
            Some(match mnemonic {
                $($(
                    M::$ps132 => |b, i| packed(b, i, Shape::F32x4, FORM_132, $signs),
                    M::$pd132 => |b, i| packed(b, i, Shape::F64x2, FORM_132, $signs),
                    M::$ps213 => |b, i| packed(b, i, Shape::F32x4, FORM_213, $signs),
                    M::$pd213 => |b, i| packed(b, i, Shape::F64x2, FORM_213, $signs),
                    M::$ps231 => |b, i| packed(b, i, Shape::F32x4, FORM_231, $signs),
                    M::$pd231 => |b, i| packed(b, i, Shape::F64x2, FORM_231, $signs),
                    $(M::$ss132 => |b, i| scalar(b, i, Shape::F32x4, FORM_132, $signs),
                    M::$sd132 => |b, i| scalar(b, i, Shape::F64x2, FORM_132, $signs),)?
                    $(M::$ss213 => |b, i| scalar(b, i, Shape::F32x4, FORM_213, $signs),
                    M::$sd213 => |b, i| scalar(b, i, Shape::F64x2, FORM_213, $signs),)?
                    $(M::$ss231 => |b, i| scalar(b, i, Shape::F32x4, FORM_231, $signs),
                    M::$sd231 => |b, i| scalar(b, i, Shape::F64x2, FORM_231, $signs),)?
                )*)*
                _ => return None,
            })
        }
    };
}

operations! {
    0 => [Vfmadd132ps Vfmadd132pd Vfmadd132ss Vfmadd132sd]
        [Vfmadd213ps Vfmadd213pd Vfmadd213ss Vfmadd213sd]
        [Vfmadd231ps Vfmadd231pd Vfmadd231ss Vfmadd231sd];
    NEGATE_EVEN | NEGATE_ODD => [Vfmsub132ps Vfmsub132pd Vfmsub132ss Vfmsub132sd]
        [Vfmsub213ps Vfmsub213pd Vfmsub213ss Vfmsub213sd]
        [Vfmsub231ps Vfmsub231pd Vfmsub231ss Vfmsub231sd];
    NEGATE_PRODUCT => [Vfnmadd132ps Vfnmadd132pd Vfnmadd132ss Vfnmadd132sd]
        [Vfnmadd213ps Vfnmadd213pd Vfnmadd213ss Vfnmadd213sd]
        [Vfnmadd231ps Vfnmadd231pd Vfnmadd231ss Vfnmadd231sd];
    NEGATE_PRODUCT | NEGATE_EVEN | NEGATE_ODD => [Vfnmsub132ps Vfnmsub132pd Vfnmsub132ss Vfnmsub132sd]
        [Vfnmsub213ps Vfnmsub213pd Vfnmsub213ss Vfnmsub213sd]
        [Vfnmsub231ps Vfnmsub231pd Vfnmsub231ss Vfnmsub231sd];
    NEGATE_EVEN => [Vfmaddsub132ps Vfmaddsub132pd]
        [Vfmaddsub213ps Vfmaddsub213pd]
        [Vfmaddsub231ps Vfmaddsub231pd];
    NEGATE_ODD => [Vfmsubadd132ps Vfmsubadd132pd]
        [Vfmsubadd213ps Vfmsubadd213pd]
        [Vfmsubadd231ps Vfmsubadd231pd];
}

/// Operands that are multiplied, and the one that is added.
type Form = [u32; 3];
const FORM_132: Form = [0, 2, 1];
const FORM_213: Form = [1, 0, 2];
const FORM_231: Form = [1, 2, 0];

/// These rows are the exact ones, too.
pub fn exact_row(mnemonic: M) -> Option<Row> {
    row(mnemonic)
}

fn fuse(b: &mut Builder<'_>, shape: Shape, form: Form, signs: u32, operands: [Value; 3]) -> Value {
    let (helper, format) = match (b.floats >= Floats::Masked, shape) {
        (true, Shape::F32x4) => (Helper::SseFused, 0),
        (true, _) => (Helper::SseFused, DOUBLE),
        (false, Shape::F32x4) => (Helper::FusedF32x4, 0),
        (false, _) => (Helper::FusedF64x2, 0),
    };
    let control = b.i32((signs | format) as i32);
    let [x, y, z] = form.map(|n| operands[n as usize]);
    b.helper(helper, &[x, y, z, control])
}

/// Before results are written.
fn finish(b: &mut Builder<'_>) {
    if b.floats >= Floats::Masked {
        super::sse_exact::finish(b);
    }
}

fn packed(b: &mut Builder<'_>, i: &Instruction, shape: Shape, form: Form, signs: u32) {
    let places = [b.vector_place(i, 0), b.vector_place(i, 1), b.vector_place(i, 2)];
    let mut results = [None; 2];
    for part in 0..parts(i) {
        let operands = places.map(|place| b.read_part(place, part));
        results[part as usize] = Some(fuse(b, shape, form, signs, operands));
    }
    finish(b);
    b.write_results(i, results);
}

/// Lane 0 only; the rest stays, as the destination is the first source.
fn scalar(b: &mut Builder<'_>, i: &Instruction, shape: Shape, form: Form, signs: u32) {
    let places = [b.vector_place(i, 0), b.vector_place(i, 1), b.vector_place(i, 2)];
    let operands = places.map(|place| b.read_part(place, 0));
    let result = fuse(b, shape, form, signs | SCALAR, operands);
    finish(b);
    let low = b.extract(shape, 0, result);
    let merged = b.replace(shape, 0, operands[0], low);
    b.write_vector(i, 0, merged, None);
}
