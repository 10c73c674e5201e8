//! How long hoist takes to pull an image, against skopeo and umoci, in one run: `cargo run --release --example throughput REFERENCE`.
//!
//! What `hoist pull` does (fetch, verify and keep the blobs) against `skopeo copy`, which does the same; and the first half of
//! `hoist convert`, which uncompresses and verifies besides and makes a tree of it, against `skopeo copy` and umoci's unpacking. Medians
//! of five, wall-clock and processor time; without TLS where there is none.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hoist_oci::{BlobCache, PullOptions, Quiet, Reference, RegistryOptions};

const ROUNDS: usize = 5;

/// Seconds of a piece of work: on the clock, and of the processor.
type Times = (f64, f64);

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("which image?")?;
    let source = format!("docker://{name}");
    let mut all: [Vec<Times>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        let download = || Ok(drop(hoist_oci::download(&name.parse()?, &options(&dir.path().join("download")), &Quiet)?));
        all[0].push(timed(download)?);
        let skopeo = ["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", &source, "oci:layout:t"];
        let skopeo = timed(|| run(dir.path(), &skopeo))?;
        all[1].push(skopeo);
        let pull = || Ok(drop(hoist_oci::pull(&Reference::Registry(name.parse()?), &options(dir.path()), &Quiet)?));
        all[2].push(timed(pull)?);
        let umoci = timed(|| run(dir.path(), &["umoci", "raw", "unpack", "--rootless", "--image", "layout:t", "rootfs"]))?;
        all[3].push((skopeo.0 + umoci.0, skopeo.1 + umoci.1));
    }
    let [download, skopeo, pull, umoci] = all.each_ref().map(|times| median(times));
    for (names, hoist, others) in
        [(["hoist pull", "skopeo copy"], download, skopeo), (["and uncompressed", "and umoci unpack"], pull, umoci)]
    {
        for (name, times) in names.iter().zip([hoist, others]) {
            println!("{name:20} {:6.2} s  {:6.2} s of processor", times.0, times.1);
        }
        println!("{:20} {:6.2}    {:6.2}", "ratio", hoist.0 / others.0, hoist.1 / others.1);
    }
    Ok(())
}

fn options(dir: &Path) -> PullOptions {
    PullOptions {
        registry: RegistryOptions { tls_verify: false, ..RegistryOptions::default() },
        cache: Some(BlobCache::at(dir.join("cache"))),
        spool_dir: Some(dir.to_owned()),
        ..PullOptions::default()
    }
}

fn run(dir: &Path, command: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new(command[0]).args(&command[1..]).current_dir(dir).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Times, Box<dyn Error>> {
    let (start, before) = (Instant::now(), processor()?);
    work()?;
    Ok((start.elapsed().as_secs_f64(), processor()? - before))
}

/// Processor time of this process and of those it waited for: proc(5), /proc/pid/stat, in ticks of 10 ms.
fn processor() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks: f64 = fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn median(times: &[Times]) -> Times {
    let of = |pick: fn(&Times) -> f64| {
        let mut values: Vec<f64> = times.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (of(|times| times.0), of(|times| times.1))
}
