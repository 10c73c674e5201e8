//! containerd pulls from a registry what hoist pushed, and runs it with a Wasm shim: Debian's containerd with directories and a socket of
//! its own, and the shim of `testsuite/containerd-shim`, which cargo builds first. Needs root. Ignored, as that build takes many minutes:
//! `cargo test --release --test containerd -- --ignored`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hoist_testsuite::compare::{Hoist, Image};
use hoist_testsuite::registry::Registry;

/// How long containerd may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running containerd.
struct Containerd {
    process: Child,
    dir: tempfile::TempDir,
}

impl Containerd {
    /// One that finds the shim in `shims`, without what needs more of the machine: CRI, other filesystems.
    fn start(shims: &Path) -> Result<Containerd> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().display();
        let config = format!(
            "version = 2\nroot = '{path}/root'\nstate = '{path}/state'\ndisabled_plugins = ['io.containerd.grpc.v1.cri', \
             'io.containerd.internal.v1.opt']\n[grpc]\naddress = '{path}/socket'\n[ttrpc]\naddress = '{path}/socket.ttrpc'\n"
        );
        fs::write(dir.path().join("config.toml"), config)?;
        let log = fs::File::create(dir.path().join("log"))?;
        let variable = format!("{}:{}", shims.display(), std::env::var("PATH")?);
        let mut command = Command::new("containerd");
        command.arg("--config").arg(dir.path().join("config.toml")).env("PATH", variable);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().context("containerd")?;
        let mut containerd = Containerd { process, dir };
        let deadline = Instant::now() + PATIENCE;
        while !containerd.ctr(&["version"])?.status.success() {
            if containerd.process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("containerd: {}", containerd.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(containerd)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What a command of ctr(8) says.
    fn ctr(&self, args: &[&str]) -> Result<Output> {
        let socket = self.dir.path().join("socket");
        Ok(Command::new("ctr").arg("--address").arg(socket).args(args).stdin(Stdio::null()).output()?)
    }

    /// A command of ctr(8) that must succeed.
    fn must(&self, args: &[&str]) -> Result<String> {
        let output = self.ctr(args)?;
        ensure!(output.status.success(), "ctr {args:?}: {}\n{}", text(&output.stderr), self.log());
        Ok(text(&output.stdout))
    }

    /// A container of an image with the shim, until it ends.
    fn run(&self, image: &str, container: &str, args: &[&str]) -> Result<Output> {
        let runtime = ["run", "--rm", "--platform", PLATFORM, "--runtime", "io.containerd.hoist.v1"];
        self.ctr(&[&runtime[..], &["--env", "OF=container", image, container], args].concat())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Nobody could be told that it does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the image format is for.
const PLATFORM: &str = "wasi/wasm";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Builds the shim; gives the directory it is in.
fn shim() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("containerd-shim");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/containerd-shim");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(source.join("Cargo.toml"));
    let status = cargo.arg("--target-dir").arg(&target).status()?;
    ensure!(status.success(), "{cargo:?}: {status}");
    Ok(target.canonicalize()?.join("release"))
}

#[test]
#[ignore = "builds a shim, which takes many minutes; needs root"]
fn containerd_pulls_and_runs_what_was_pushed() -> Result<()> {
    let (registry, containerd, hoist) = (Registry::plain()?, Containerd::start(&shim()?)?, Hoist::find()?);
    let push = |source: &str, name: &str| -> Result<()> {
        let options = ["--push", name, "--format", "image", "--tls-verify=false", "--lift=none"];
        let output = hoist.command().args(["convert", source]).args(options).output()?;
        ensure!(output.status.success(), "hoist convert {source}: {}", text(&output.stderr));
        containerd.must(&["images", "pull", "--plain-http", "--platform", PLATFORM, name]).map(drop)
    };

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/image");
    let hello = format!("{}/hello:1", registry.address);
    push(&format!("oci:{}", example.display()), &hello)?;
    let output = containerd.run(&hello, "hello", &["/app.wasm", "first", "7"])?;
    let stdout = text(&output.stdout);
    let said = || format!("{}\n{stdout}{}\n{}", output.status, text(&output.stderr), containerd.log());
    ensure!(output.status.code() == Some(7), "{}", said());
    for line in ["Linux x86_64, process 1\n", "argument 1: first\nargument 2: 7\n", "environment: OF=container\n", "1.644933"] {
        ensure!(stdout.contains(line), "{line:?}: {}", said());
    }

    let busybox = format!("{}/busybox:1", registry.address);
    push(&format!("oci:{}", Image::build("busybox")?.layout.display()), &busybox)?;
    let script = "echo out; echo err >&2; test -e /app.wasm; echo $?; exit 42";
    let output = containerd.run(&busybox, "busybox", &["/app.wasm", "/bin/busybox", "sh", "-c", script])?;
    // The container's own root, which holds the component, is not the guest's.
    let said = || format!("{output:?}\n{}", containerd.log());
    ensure!(output.status.code() == Some(42) && output.stdout == b"out\n1\n" && output.stderr == b"err\n", "{}", said());
    Ok(())
}
