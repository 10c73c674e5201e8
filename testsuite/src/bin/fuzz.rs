//! Random bytes as code, in both back ends: `cargo run --release -p hoist-testsuite --bin fuzz -- [--seconds N] [--seed N] [--code HEX]`
//!
//! The programs depend on the seed only; `--code` tries one program, in other states. It ends at the first difference or panic, and names the bytes.

use std::time::{Duration, Instant};

use hoist_testsuite::fuzz::{Fuzzer, Programs};
use hoist_testsuite::oracle::Rng;

fn main() -> anyhow::Result<()> {
    let (mut seconds, mut seed, mut code) = (60, 1, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_default();
        match arg.as_str() {
            "--seconds" => seconds = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--code" => code = Some(bytes(&value)?),
            _ => anyhow::bail!("usage: fuzz [--seconds N] [--seed N] [--code HEX]"),
        }
    }
    let programs = code.map_or_else(Programs::new, Programs::only);
    let (mut rng, mut fuzzer) = (Rng::new(seed), Fuzzer::new()?);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        fuzzer.batch(&programs, &mut rng)?;
    }
    let tally = fuzzer.tally;
    println!(
        "{} programs: {} runs the same ({} ended by exceptions), {} left (wild accesses, endless loops)",
        tally.programs, tally.same, tally.exceptions, tally.left
    );
    Ok(())
}

/// Bytes from hexadecimal digits; anything between them is left out.
fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len() / 2).map(|n| Ok(u8::from_str_radix(&digits[2 * n..2 * n + 2], 16)?)).collect()
}
