//! Prints how fast hoisted programs run, as ratios to native, beside qemu-x86_64:
//! `cargo run --release -p hoist-testsuite --bin bench [-- NAME…]`
//!
//! A figure is the median of five runs' processor time (user and system, of the whole process), the three ways of running in turn. The
//! hoisted programs run from a compiled component, as at every run but the first.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::{Hoist, Image, Lift};

/// A row of the table: name, and the command within the image `bench`.
const ROWS: [(&str, &[&str]); 29] = [
    ("recursion (fib)", &["/usr/local/bin/fib"]),
    ("sieve", &["/usr/local/bin/sieve"]),
    ("quicksort, callback", &["/usr/local/bin/quicksort"]),
    ("CoreMark's mix", &["/usr/local/bin/mixed"]),
    ("matrix product, double", &["/usr/local/bin/matmul"]),
    ("matrix product, float", &["/usr/local/bin/matmul-float"]),
    ("n-body, double", &["/usr/local/bin/nbody"]),
    ("n-body, float", &["/usr/local/bin/nbody-float"]),
    ("spectral norm, double", &["/usr/local/bin/spectral"]),
    ("spectral norm, float", &["/usr/local/bin/spectral-float"]),
    ("Mandelbrot, double", &["/usr/local/bin/mandelbrot"]),
    ("Mandelbrot, float", &["/usr/local/bin/mandelbrot-float"]),
    ("FFT, double", &["/usr/local/bin/fft"]),
    ("FFT, float", &["/usr/local/bin/fft-float"]),
    ("copy, find with SSE2", &["/usr/local/bin/bytes"]),
    ("SHA-256 in C", &["/usr/local/bin/sha256"]),
    ("sha256sum, 64 MB", &["/usr/bin/sha256sum", "/usr/local/share/zeros"]),
    ("Lua, fib", &["/usr/bin/lua5.4", "/usr/local/share/fib.lua"]),
    ("sqlite, script", &["/usr/bin/sqlite3", ":memory:", ".read /usr/local/share/speed.sql"]),
    // System calls, and what programs do with several.
    ("kernel: getpid", &["/usr/local/bin/calls", "getpid", "5000000"]),
    ("kernel: lseek", &["/usr/local/bin/calls", "lseek", "5000000"]),
    ("kernel: fstat", &["/usr/local/bin/calls", "fstat", "3000000"]),
    ("kernel: stat", &["/usr/local/bin/calls", "stat", "500000"]),
    ("kernel: open+read+close", &["/usr/local/bin/calls", "open", "300000"]),
    ("kernel: 10,000 entries", &["/usr/local/bin/calls", "getdents", "100"]),
    ("kernel: 2 GB by pipe", &["/usr/local/bin/calls", "pipe", "32768"]),
    ("kernel: process switch", &["/usr/local/bin/calls", "switch", "50000"]),
    ("kernel: futex hand-over", &["/usr/local/bin/calls", "futex", "100000"]),
    ("kernel: fork+exec+wait", &["/usr/local/bin/calls", "exec", "300", TRUE]),
];
/// A program that does nothing. The one that emulates starts itself again for it, as binfmt_misc would.
const TRUE: &str = "/usr/bin/true";
const RUNS: usize = 5;
const QEMU: &str = "/usr/bin/qemu-x86_64";

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let hoist = Hoist::find()?;
    let image = Image::build("bench")?;
    let component = hoist.convert(&image, Lift::All)?;
    println!("{:24} {:>9} {:>7} {:>7}", "", "native", "hoist", "qemu");
    for (name, command) in ROWS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        let mut expected = None;
        // The first round fills caches and is not counted.
        for round in 0..=RUNS {
            for (way, times) in times.iter_mut().enumerate() {
                let run = match way {
                    0 => native(&image.rootfs, command),
                    1 => {
                        let mut run = hoist.command();
                        run.arg("run").arg("--entrypoint").arg(command[0]).arg(&component).args(&command[1..]);
                        run
                    }
                    _ => qemu(&image.rootfs, command),
                };
                let (seconds, output) = measure(run)?;
                ensure!(*expected.get_or_insert_with(|| output.clone()) == output, "{name}: the output differs");
                if round > 0 {
                    times.push(seconds);
                }
            }
        }
        let [native, hoist, qemu] = times.map(median);
        println!("{name:24} {native:>7.2} s {:>7.2} {:>7.2}", hoist / native, qemu / native);
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn native(rootfs: &Path, command: &[&str]) -> Command {
    in_root(rootfs, command[0], &command[1..])
}

/// Files that the program opens are looked for below `-L` first.
fn qemu(rootfs: &Path, command: &[&str]) -> Command {
    let mut run = Command::new(QEMU);
    run.arg("-L").arg(rootfs).arg(inside(rootfs, command[0]));
    for &arg in &command[1..] {
        if arg == TRUE {
            run.args([Path::new(QEMU), Path::new("-L"), rootfs, &inside(rootfs, TRUE)]);
        } else {
            run.arg(arg);
        }
    }
    run
}

/// A file of the image, in the host's tree.
fn inside(rootfs: &Path, path: &str) -> PathBuf {
    rootfs.join(path.trim_start_matches('/'))
}

fn in_root(rootfs: &Path, program: &str, args: &[&str]) -> Command {
    let mut run = Command::new(program);
    let root = std::ffi::CString::new(rootfs.as_os_str().as_encoded_bytes()).expect("paths have no NUL");
    run.args(args);
    // SAFETY: between fork and exec only two system calls are made.
    unsafe {
        run.pre_exec(move || {
            if libc::chroot(root.as_ptr()) != 0 || libc::chdir(c"/".as_ptr()) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    run
}

/// Processor seconds of a run, and what it printed.
fn measure(mut run: Command) -> Result<(f64, Vec<u8>)> {
    let before = children_seconds();
    let output = run.stdin(Stdio::null()).stderr(Stdio::inherit()).output().with_context(|| format!("{run:?}"))?;
    ensure!(output.status.success(), "{run:?}: {}", output.status);
    Ok((children_seconds() - before, output.stdout))
}

/// getrusage(2) of the children that were waited for.
fn children_seconds() -> f64 {
    // SAFETY: the structure is plain data, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
