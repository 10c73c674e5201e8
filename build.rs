//! Builds the kernel (abi-shim) for wasm32 and hands its path to `src/kernel.rs`, which embeds it.
//!
//! The kernel gets a target directory of its own and flags of its own, so that it is the same however hoist itself is built: same
//! sources and compiler, same bytes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGE: &str = "hoist-abi-shim";
/// What the kernel is made of.
const SOURCES: [&str; 7] = ["abi-shim/src", "abi-shim/wit", "abi-shim/Cargo.toml", "lifter/x86", "vfs", "Cargo.lock", "build.rs"];
/// SIMD for v128 values, bulk memory for memcpy; both are in every host (WebAssembly 2.0).
const FEATURES: &str = "-Ctarget-feature=+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint";

fn main() -> ExitCode {
    SOURCES.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    match build() {
        Ok(kernel) => {
            println!("cargo::rustc-env=HOIST_KERNEL={}", kernel.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            error.lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<PathBuf, String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("kernel");
    provide_target()?;
    let home = env::var("CARGO_HOME").or_else(|_| variable("HOME").map(|home| format!("{home}/.cargo")))?;
    let flags = [
        FEATURES.to_owned(),
        // Panic messages name source files; they must not name this machine's directories.
        format!("--remap-path-prefix={}=/hoist", root.display()),
        format!("--remap-path-prefix={home}=/cargo"),
        format!("--remap-path-prefix={}=/target", target_dir.display()),
    ];
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(&root).args(["build", "--release", "--lib", "--package", PACKAGE, "--target", TARGET]);
    cargo.args(["--config", "profile.release.codegen-units=1", "--config", "profile.release.incremental=false"]);
    cargo.args(["--config", "profile.release.package.hoist-abi-shim.codegen-units=1"]);
    cargo.args(["--config", "profile.release.strip='debuginfo'", "--config", "profile.release.panic='abort'"]);
    cargo.arg("--target-dir").arg(&target_dir);
    // What cargo sets for this script and this build's user for theirs is not for the kernel.
    for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    run(&mut cargo).map_err(|output| format!("building the kernel for {TARGET} failed\n{output}"))?;
    let kernel = target_dir.join(TARGET).join("release").join(format!("{}.wasm", PACKAGE.replace('-', "_")));
    kernel.exists().then_some(kernel).ok_or_else(|| format!("cargo built no {PACKAGE} for {TARGET}"))
}

/// Makes sure that the compiler has a standard library for the target.
fn provide_target() -> Result<(), String> {
    let rustc = variable("RUSTC")?;
    let sysroot = run(Command::new(&rustc).args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    println!("cargo::warning=adding the Rust target {TARGET}, which hoist's kernel is built for: rustup target add {TARGET}");
    run(Command::new("rustup").args(["target", "add", TARGET])).map(drop).map_err(|output| {
        format!(
            "hoist's kernel needs the Rust target {TARGET}, and `rustup target add {TARGET}` failed; without rustup, install \
             your distribution's package for it (Debian: libstd-rust-dev-wasm32)\n{output}"
        )
    })
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: this script is to be run by cargo"))
}

/// Runs a command; its standard output, or on failure all that it said.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if output.status.success() { Ok(out) } else { Err(format!("{out}{err}")) }
}
