//! Comparisons: the predicates of CMPPS and VCMPPS, and the flags of UCOMISS and COMISS.

use core::cmp::Ordering;

use super::arithmetic::order;
use super::environment::{Environment, exception};
use super::number::{Format, is_nan, is_signaling};

/// How two numbers compare, `None` if one is a NaN. Quiet NaNs are invalid if `signaling`.
fn relation<F: Format>(env: &mut Environment, a: u64, b: u64, signaling: bool) -> Option<Ordering> {
    let (a, b) = (env.operand::<F>(a), env.operand::<F>(b));
    if is_nan::<F>(a) || is_nan::<F>(b) {
        if signaling || is_signaling::<F>(a) || is_signaling::<F>(b) {
            env.raise(exception::INVALID);
        }
        return None;
    }
    env.note_denormals::<F>(&[a, b]);
    Some(order::<F>(a).cmp(&order::<F>(b)))
}

/// One of the 32 predicates (SDM vol. 2, CMPPD, table 3-1): bits 2…0 the relation, bit 3 what it means for NaNs, bit 4 which NaNs signal.
pub fn holds<F: Format>(env: &mut Environment, a: u64, b: u64, predicate: u32) -> bool {
    // Less and less-or-equal, and their negations, are those that signal in the first half of the table.
    let signaling = matches!(predicate & 3, 1 | 2) != (predicate & 16 != 0);
    let order = relation::<F>(env, a, b, signaling);
    let is = |wanted: &[Ordering]| order.is_some_and(|order| wanted.contains(&order));
    use Ordering::{Equal, Greater, Less};
    match predicate & 15 {
        0 => is(&[Equal]),
        1 => is(&[Less]),
        2 => is(&[Less, Equal]),
        3 => order.is_none(),
        4 => !is(&[Equal]),
        5 => !is(&[Less]),
        6 => !is(&[Less, Equal]),
        7 => order.is_some(),
        8 => !is(&[Less, Greater]),
        9 => !is(&[Greater, Equal]),
        10 => !is(&[Greater]),
        11 => false,
        12 => is(&[Less, Greater]),
        13 => is(&[Greater, Equal]),
        14 => is(&[Greater]),
        _ => true,
    }
}

/// ZF, PF and CF as in RFLAGS' low byte, after UCOMISS, or COMISS if `signaling`.
pub fn flags<F: Format>(env: &mut Environment, a: u64, b: u64, signaling: bool) -> u32 {
    match relation::<F>(env, a, b, signaling) {
        Some(Ordering::Greater) => 0,
        Some(Ordering::Less) => 1,
        Some(Ordering::Equal) => 0x40,
        None => 0x45,
    }
}
