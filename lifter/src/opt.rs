//! Optimisation of SSA: local rules, common subexpressions, dead code.

mod dead;
mod rules;

use crate::unit::Unit;

/// Simplifies a unit after [`crate::ssa`]. Two rounds, since parameters of loops are known only after the first.
pub fn run(unit: &mut Unit) {
    for _ in 0..2 {
        rules::run(unit);
        dead::run(unit);
    }
}
