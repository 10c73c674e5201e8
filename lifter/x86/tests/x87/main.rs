//! x87 against the processor that the tests run on: every encoding of opcodes D8H to DFH, random and special operands, all
//! rounding and precision modes, masked and unmasked exceptions. Registers, status, flags and memory must agree bit for bit.
//! Likewise MMX. Where the SDM leaves a result open, ours is that of Intel's processors.
#![cfg(target_arch = "x86_64")]

#[path = "../common/mod.rs"]
mod common;
mod native;
mod oracle;
mod random;

use hoist_x86::iced_x86::Mnemonic;
use oracle::{Case, Comparison, encodings, mmx_encodings};
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

/// Cases for each instruction.
fn rounds() -> u64 {
    std::env::var("X87_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)
}

/// Runs one instruction on many cases; describes what differs.
fn disagreement(code: &[u8], rounds: u64, mut case: impl FnMut(&mut Random) -> Case) -> Option<String> {
    let mut comparison = Comparison::new(code);
    let mut random = Random::new(code.iter().fold(0, |seed, &byte| seed << 8 | u64::from(byte)));
    let (mut wrong, mut first) = (0, String::new());
    for _ in 0..rounds {
        let before = case(&mut random);
        let (native, ours) = comparison.run(&before);
        if native != ours {
            wrong += 1;
            if wrong <= 2 {
                first += &format!("\n  before {before:x?}\n  native {native:x?}\n  ours   {ours:x?}");
            }
        }
    }
    (wrong > 0).then(|| format!("{code:02x?}: {wrong} of {rounds}{first}"))
}

#[test]
fn exact_instructions() {
    let failed: Vec<String> = encodings()
        .filter(|&(_, mnemonic)| !is_transcendental(mnemonic) && !is_environment(mnemonic))
        .filter_map(|(code, mnemonic)| Some(format!("{mnemonic:?} {}", disagreement(&code, rounds(), Random::case)?)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Do two outcomes differ only in the last place of a register, and in C1, which says to which side it was rounded?
fn is_near(a: &Case, b: &Case) -> bool {
    const C1: u16 = 1 << 9;
    let order = |x: &Case, n: usize| i128::from(x.x87.sign_exponent[n]) << 63 | i128::from(x.x87.significand[n] & !(1 << 63));
    let near = (0..8).all(|n| (order(a, n) - order(b, n)).abs() <= 1);
    let mut same = a.clone();
    same.x87.significand = b.x87.significand;
    same.x87.sign_exponent = b.x87.sign_exponent;
    same.x87.status = same.x87.status & !C1 | b.x87.status & C1;
    near && same == *b
}

#[test]
fn transcendental_instructions() {
    let mut report = String::new();
    let mut failed = false;
    for (code, mnemonic) in encodings().filter(|&(_, mnemonic)| is_transcendental(mnemonic)) {
        let mut comparison = Comparison::new(&code);
        let mut random = Random::new(u64::from(code[1]));
        let (mut near, mut wrong) = (0, 0);
        for _ in 0..rounds() {
            let before = random.case();
            let (native, ours) = comparison.run(&before);
            if native == ours {
                continue;
            }
            if is_near(&native, &ours) {
                near += 1;
            } else {
                wrong += 1;
                if wrong <= 5 {
                    report += &format!("\n  before {before:x?}\n  native {native:x?}\n  ours   {ours:x?}");
                }
            }
        }
        report += &format!("\n{mnemonic:?}: {near} near, {wrong} wrong of {}", rounds());
        failed |= wrong != 0;
    }
    assert!(!failed, "{report}");
    println!("{report}");
}

/// FNSTENV, FLDENV, FNSAVE, FRSTOR in both formats, FXSAVE and FXRSTOR, on [rsi].
#[test]
fn images() {
    const CODES: [&[u8]; 12] = [
        &[0xd9, 0x36],
        &[0x66, 0xd9, 0x36],
        &[0xd9, 0x26],
        &[0x66, 0xd9, 0x26],
        &[0xdd, 0x36],
        &[0x66, 0xdd, 0x36],
        &[0xdd, 0x26],
        &[0x66, 0xdd, 0x26],
        &[0x0f, 0xae, 0x06],
        &[0x48, 0x0f, 0xae, 0x06],
        &[0x0f, 0xae, 0x0e],
        &[0x48, 0x0f, 0xae, 0x0e],
    ];
    let failed: Vec<String> = CODES.iter().filter_map(|code| disagreement(code, rounds(), Random::image_case)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Every instruction with an MMX register, EMMS, and MASKMOVQ with rdi for the address.
#[test]
fn mmx_instructions() {
    const MASKMOVQ: &[u8] = &[0x48, 0x87, 0xfe, 0x0f, 0xf7, 0xc1, 0x48, 0x87, 0xfe];
    let codes = mmx_encodings().chain([MASKMOVQ.to_vec(), vec![0x0f, 0x77]]);
    let failed: Vec<String> = codes.filter_map(|code| disagreement(&code, rounds() / 8, Random::mmx_case)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
