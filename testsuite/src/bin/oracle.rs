//! Compares instructions on the real processor with both back ends:
//! `cargo run --release -p hoist-testsuite --bin oracle -- [--states N] [--seed N] [--only MNEMONIC] [--all] [FILE…]`
//!
//! `--all` takes every instruction that can be encoded, FILE those that occur in an ELF file.

use hoist_testsuite::oracle::{self, forms};

fn main() -> anyhow::Result<()> {
    let (mut states, mut seed, mut only, mut samples) = (2048u32, 0, None, forms::Samples::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--states" => states = args.next().unwrap_or_default().parse()?,
            "--seed" => seed = args.next().unwrap_or_default().parse()?,
            "--only" => only = args.next().map(|name| name.to_lowercase()),
            "--all" => forms::enumerate(&mut samples),
            file => forms::collect(&std::fs::read(file)?, &mut samples)?,
        }
    }
    if let Some(name) = only {
        samples.retain(|_, sample| format!("{:?}", sample.instr.mnemonic()).to_lowercase() == name);
    }
    let report = oracle::compare(&samples, states, seed)?;
    print!("{report}");
    anyhow::ensure!(report.is_clean(), "mismatches");
    Ok(())
}
