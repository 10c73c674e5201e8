//! How long hoist takes to pull an image, against skopeo and umoci, in one run: `cargo run --release --example throughput REFERENCE`.
//!
//! hoist fetches, verifies, keeps and uncompresses; `skopeo copy` fetches, verifies and keeps; with umoci's unpacking it has done
//! the same. Medians of three, wall-clock and processor time; without TLS where there is none.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hoist_oci::{BlobCache, PullOptions, Quiet, Reference, RegistryOptions};

const ROUNDS: usize = 3;

/// Seconds of a piece of work: on the clock, and of the processor.
type Times = (f64, f64);

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("which image?")?;
    let mut all: [Vec<Times>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        all[0].push(timed(|| pull(&name, dir.path()))?);
        let skopeo = timed(|| {
            run(
                dir.path(),
                &["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", &format!("docker://{name}"), "oci:layout:t"],
            )
        })?;
        let umoci = timed(|| run(dir.path(), &["umoci", "raw", "unpack", "--rootless", "--image", "layout:t", "rootfs"]))?;
        all[1].push(skopeo);
        all[2].push((skopeo.0 + umoci.0, skopeo.1 + umoci.1));
    }
    let names = ["hoist pull", "skopeo copy", "skopeo copy, umoci unpack"];
    let [hoist, ..] = all.each_ref().map(|times| median(times));
    for (name, times) in names.iter().zip(&all) {
        let (wall, processor) = median(times);
        println!(
            "{name:26} {wall:6.2} s  {processor:6.2} s of processor  hoist is {:4.2} and {:4.2} of it",
            hoist.0 / wall,
            hoist.1 / processor
        );
    }
    Ok(())
}

fn pull(name: &str, dir: &Path) -> Result<(), Box<dyn Error>> {
    let reference: Reference = name.parse()?;
    let options = PullOptions {
        registry: RegistryOptions { tls_verify: false, ..RegistryOptions::default() },
        cache: Some(BlobCache::at(dir.join("cache"))),
        spool_dir: Some(dir.to_owned()),
        ..PullOptions::default()
    };
    hoist_oci::pull(&reference, &options, &Quiet)?;
    Ok(())
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
