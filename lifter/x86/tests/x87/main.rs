//! x87 against the processor that the tests run on: every encoding of opcodes D8H to DFH, random and special operands, all
//! rounding and precision modes, masked and unmasked exceptions. Registers, status, flags and memory must agree bit for bit.
#![cfg(target_arch = "x86_64")]

mod native;
mod oracle;
mod random;

use hoist_x86::iced_x86::Mnemonic;
use oracle::{Comparison, encodings};
use random::Random;

/// Results that are rounded from infinitely many digits: the processor is allowed an error of one unit in the last place.
fn is_transcendental(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, F2xm1 | Fyl2x | Fyl2xp1 | Fptan | Fpatan | Fsin | Fcos | Fsincos)
}

/// Their images hold pointers to the last instruction, which differ.
fn is_environment(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Fldenv | Fnstenv | Fnsave | Frstor)
}

fn rounds() -> u64 {
    std::env::var("X87_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)
}

#[test]
fn exact_instructions() {
    let mut failed = Vec::new();
    for (code, mnemonic) in encodings() {
        if is_transcendental(mnemonic) || is_environment(mnemonic) || hoist_x86::semantics::row(mnemonic).is_none() {
            continue;
        }
        let mut comparison = Comparison::new(&code);
        let mut random = Random::new(u64::from(code[0]) << 8 | u64::from(code[1]));
        let (mut wrong, mut first) = (0, String::new());
        for _ in 0..rounds() {
            let before = random.case();
            let (native, ours) = comparison.run(&before);
            if native != ours {
                wrong += 1;
                if wrong <= 2 {
                    first += &format!("\n  before {before:x?}\n  native {native:x?}\n  ours   {ours:x?}");
                }
            }
        }
        if wrong > 0 {
            failed.push(format!("{mnemonic:?} {code:02x?}: {wrong} of {}{first}", rounds()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
