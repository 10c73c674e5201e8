//! Components on hosts that know nothing of hoist: wasmtime as others configure it, with nothing but standard streams granted.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::{Hoist, Image, Lift};
use hoist_testsuite::layout::{Entry, Layout, tar};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::p2::bindings::sync;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// How often a start is measured: the fastest is printed, since the machine has other work, too.
const STARTS: usize = 20;
/// What the large image has in addition: so many layers of one file, a megabyte each, all different.
const FILES: usize = 400;
const MEGABYTE: usize = 1 << 20;

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The command's standard output, and whether it succeeded. No Wasm memory gets larger than `memory`.
fn run(engine: &Engine, component: &Path, args: &[&str], stdin: &[u8], memory: usize) -> wasmtime::Result<(String, bool)> {
    // SAFETY: `hoist compile` made the file.
    let component = unsafe { Component::deserialize_file(engine, component)? };
    run_loaded(engine, &component, args, stdin, memory)
}

fn run_loaded(
    engine: &Engine,
    component: &Component,
    args: &[&str],
    stdin: &[u8],
    memory: usize,
) -> wasmtime::Result<(String, bool)> {
    let stdout = MemoryOutputPipe::new(MEGABYTE);
    let mut wasi = WasiCtx::builder();
    wasi.args(args).stdin(MemoryInputPipe::new(stdin.to_vec())).stdout(stdout.clone());
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let limits = StoreLimitsBuilder::new().memory_size(memory).build();
    let mut store = Store::new(engine, Host { wasi: wasi.build(), table: ResourceTable::new(), limits });
    store.limiter(|host| &mut host.limits);
    let command = sync::Command::instantiate(&mut store, component, &linker)?;
    let result = command.wasi_cli_run().call_run(&mut store)?;
    Ok((String::from_utf8_lossy(&stdout.contents()).into_owned(), result.is_ok()))
}

fn busybox() -> Result<(Hoist, PathBuf)> {
    let hoist = Hoist::find()?;
    let component = hoist.convert(&Image::build("busybox")?, Lift::All)?;
    Ok((hoist, component.with_extension("cwasm")))
}

/// The pooling allocator with its default limits: one memory and one table defined per core module, 20,000 elements.
#[test]
fn standard_streams_are_enough_also_where_instances_are_pooled() -> wasmtime::Result<()> {
    let (_, component) = busybox().expect("a component of busybox");
    for strategy in [InstanceAllocationStrategy::OnDemand, InstanceAllocationStrategy::pooling()] {
        let mut config = Config::new();
        config.allocation_strategy(strategy);
        let engine = Engine::new(&config)?;
        let run = |args: &[&str], stdin| run(&engine, &component, args, stdin, usize::MAX);
        assert_eq!(run(&["app", "busybox", "tr", "a-z", "A-Z"], b"hello\n")?, ("HELLO\n".into(), true));
        assert_eq!(run(&["app", "busybox", "false"], b"")?, (String::new(), false));
    }
    Ok(())
}

fn message(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

/// Where the host's arithmetic has one NaN only, a program sees those of an x86 processor.
#[test]
fn nans_are_those_of_x86_on_a_host_with_others() -> Result<()> {
    let program = Image::build("numerics")?.rootfs.join("usr/local/bin/nans-static");
    let native = Command::new(&program).output()?;
    let layout = Layout::new([tar(&[("nans", Entry::File(&std::fs::read(&program)?))])], "amd64", r#"{"Entrypoint":["/nans"]}"#)?;
    let dir = tempfile::tempdir()?;
    let component = dir.path().join("nans.wasm");
    let mut convert = Hoist::find()?.command();
    let status = convert.args(["convert", "--quiet", "-o"]).arg(&component).arg(layout.reference()).status()?;
    ensure!(status.success(), "hoist convert: {status}");
    for one_nan in [false, true] {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(one_nan);
        let engine = Engine::new(&config).map_err(message)?;
        let component = Component::from_file(&engine, &component).map_err(message)?;
        let (stdout, succeeded) = run_loaded(&engine, &component, &["app"], b"", usize::MAX).map_err(message)?;
        ensure!(succeeded && stdout == String::from_utf8_lossy(&native.stdout), "one NaN only: {one_nan}: {stdout}");
    }
    Ok(())
}

/// Files in memory are in the kernel's own, as are the pages of processes that have others' addresses.
#[test]
fn a_kernel_that_gets_no_more_memory_says_so_to_its_programs() -> wasmtime::Result<()> {
    let (_, component) = busybox().expect("a component of busybox");
    let engine = Engine::default();
    let run = |script: &str| run(&engine, &component, &["app", "busybox", "sh", "-c", script], b"", 384 * MEGABYTE);
    let full = "for i in 1 2; do dd if=/dev/zero of=/tmp/f bs=1M 2>&1 | sed -n 's/.*f.: //p'; rm /tmp/f; done; echo still here";
    let said = "No space left on device\nNo space left on device\nstill here\n";
    assert_eq!(run(full)?, (said.into(), true));
    // Another five megabytes each, at one address; some get them, some do not, and all come to an end.
    let many = "mkfifo /tmp/fifo; a=$(yes 12345678 | head -c 5000000)
        for i in $(seq 100); do (a=${a#?}${i}; read -t 1 x <> /tmp/fifo; echo ${#a}) & done > /tmp/sizes 2>&1
        wait; unset a; echo still here";
    assert_eq!(run(many)?, ("still here\n".into(), true));
    Ok(())
}

/// What one run of a command took.
struct Cost {
    time: Duration,
    /// Peak of resident memory, in bytes.
    memory: usize,
}

fn cost(mut command: Command) -> Result<Cost> {
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut status = 0;
    // SAFETY: all zeros are a value of this structure, and wait4(2) fills it in.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as i32, &raw mut status, 0, &raw mut usage), usage)
    };
    let time = start.elapsed();
    ensure!(pid == child.id() as i32 && ExitStatus::from_raw(status).success(), "{command:?}: {status}");
    Ok(Cost { time, memory: usage.ru_maxrss as usize * 1024 })
}

/// The least that a command takes.
fn least(command: impl Fn() -> Command) -> Result<Cost> {
    let costs: Vec<Cost> = (0..STARTS).map(|_| cost(command())).collect::<Result<_>>()?;
    let time = costs.iter().map(|cost| cost.time).min().context("a time")?;
    let memory = costs.iter().map(|cost| cost.memory).min().context("a size")?;
    Ok(Cost { time, memory })
}

/// The image of busybox with 400 MB of files, compiled.
fn large(hoist: &Hoist, dir: &Path) -> Result<PathBuf> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // Marsaglia's xorshift: nothing that could be stored once, or as nothing.
    let mut word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let files = (0..FILES).map(|number| {
        let content: Vec<u8> = (0..MEGABYTE / 8).flat_map(&mut word).collect();
        tar(&[(&format!("data{number}"), Entry::File(&content))])
    });
    let busybox = std::fs::read(Image::build("busybox")?.rootfs.join("bin/busybox"))?;
    let layers = std::iter::once(tar(&[("bin/busybox", Entry::File(&busybox))])).chain(files);
    let layout = Layout::new(layers, "amd64", r#"{"Entrypoint":["/bin/busybox"]}"#)?;
    let (wasm, compiled) = (dir.join("large.wasm"), dir.join("large.cwasm"));
    for (args, input) in [
        (vec!["convert", "--quiet", "-o"], (&wasm, layout.reference())),
        (vec!["compile", "-o"], (&compiled, wasm.display().to_string())),
    ] {
        let status = hoist.command().args(&args).arg(input.0).arg(input.1).status()?;
        ensure!(status.success(), "hoist {args:?}: {status}");
    }
    Ok(compiled)
}

#[test]
fn start_up_takes_no_memory_for_the_image() -> Result<()> {
    let (hoist, small) = busybox()?;
    let dir = tempfile::tempdir()?;
    let large = large(&hoist, dir.path())?;
    let start = |component: &Path| {
        least(|| {
            let mut command = hoist.command();
            command.args(["run", "--entrypoint", "/bin/busybox"]).arg(component).arg("true");
            command
        })
    };
    let nothing = least(|| {
        let mut command = hoist.command();
        command.arg("--version");
        command
    })?;
    let small = start(&small)?;
    let large = start(&large)?;
    // Of time nothing is asserted: how long is for whoever looks (`--nocapture`).
    for (name, cost) in [("nothing", &nothing), ("busybox true", &small), ("with 400 MB more", &large)] {
        println!("{name}: {:?}, {} KiB", cost.time, cost.memory / 1024);
    }
    ensure!(
        large.memory < small.memory + 16 * MEGABYTE,
        "{} bytes for the large image, {} for the small one",
        large.memory,
        small.memory
    );
    Ok(())
}
