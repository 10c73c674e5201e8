//! Compares instructions on the real processor with both back ends:
//! `cargo run --release -p hoist-testsuite --bin oracle -- [--states N] [--only MNEMONIC] FILE…`

use std::collections::BTreeMap;

use hoist_testsuite::oracle::{self, forms};

fn main() -> anyhow::Result<()> {
    let (mut states, mut only, mut found) = (200u32, None, BTreeMap::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--states" => states = args.next().unwrap_or_default().parse()?,
            "--only" => only = args.next().map(|name| name.to_lowercase()),
            file => forms::collect(&std::fs::read(file)?, &mut found)?,
        }
    }
    let report = oracle::compare(&found, states, |sample| {
        only.as_ref().is_none_or(|name| format!("{:?}", sample.instr.mnemonic()).to_lowercase() == *name)
    })?;
    print!("{report}");
    anyhow::ensure!(report.is_clean(), "mismatches");
    Ok(())
}
