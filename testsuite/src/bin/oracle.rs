//! Compares instructions on the real processor with both back ends:
//! `cargo run --release -p hoist-testsuite --bin oracle -- [--states N] [--seed N] [--only MNEMONIC] [--foreign-nans] [--all] [--record] [[LABEL=]FILE…]`
//!
//! With `--foreign-nans` the host is one that has other NaNs than x86. `--all` takes every instruction that can be encoded, FILE those that occur in an ELF file. `--record` writes what came of it, and how the files'
//! instructions are treated, to `testsuite/oracle/`, from which the coverage page is made.

use std::collections::BTreeMap;

use hoist_testsuite::coverage::{self, Recorded};
use hoist_testsuite::machine::HostNans;
use hoist_testsuite::oracle::{self, forms};

fn main() -> anyhow::Result<()> {
    let (mut states, mut seed, mut only, mut record, mut samples) = (2048u32, 0, None, false, forms::Samples::new());
    let (mut files, mut nans) = (Vec::new(), HostNans::X86);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--states" => states = args.next().unwrap_or_default().parse()?,
            "--seed" => seed = args.next().unwrap_or_default().parse()?,
            "--only" => only = args.next().map(|name| name.to_lowercase()),
            "--all" => forms::enumerate(&mut samples, forms::is_comparable),
            "--foreign-nans" => nans = HostNans::One,
            "--record" => record = true,
            file => files.push(file.to_owned()),
        }
    }
    let (mut table, mut counts) = (String::from(coverage::FILES_HEAD), BTreeMap::new());
    for file in &files {
        let (label, path) = file.split_once('=').unwrap_or((file, file));
        let bytes = std::fs::read(path)?;
        forms::collect(&bytes, &mut samples)?;
        if record {
            let (row, census) = coverage::file_row(label, &bytes)?;
            table += &(row + "\n");
            census.into_iter().for_each(|(form, count)| *counts.entry(form).or_insert(0) += count);
        }
    }
    if let Some(name) = only {
        samples.retain(|_, sample| format!("{:?}", sample.instr.mnemonic()).to_lowercase() == name);
    }
    let report = oracle::compare(&samples, states, seed, nans)?;
    print!("{report}");
    if record {
        let mut forms: coverage::Record =
            counts.into_iter().map(|(form, count)| (coverage::key(form), Recorded { count, ..Recorded::default() })).collect();
        for (form, result) in &report.forms {
            let recorded = forms.entry(coverage::key(*form)).or_default();
            (recorded.variants, recorded.states) = (result.variants, result.states);
        }
        coverage::write_record(&forms)?;
        std::fs::write(coverage::directory().join("files.md"), table)?;
    }
    anyhow::ensure!(report.is_clean(), "mismatches");
    Ok(())
}
