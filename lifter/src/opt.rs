//! Optimisation of SSA: local rules, common subexpressions, dead code.

mod dead;
mod floats;
mod nans;
mod rules;
mod scalars;

pub use nans::{are_in_loops as nans_in_loops, run as fix_nans};

use crate::unit::Unit;

/// Simplifies a unit after [`crate::ssa`]. Two rounds, since what a parameter is shows only after the first.
pub fn run(unit: &mut Unit) {
    rules::run(unit);
    dead::run(unit);
    scalars::run(unit);
    floats::run(unit);
    rules::run(unit);
    dead::run(unit);
}
