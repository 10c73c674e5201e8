//! The programs of `tests/calls`: compiled, run on the real kernel, run on this one.

use std::path::{Path, PathBuf};
use std::process::Command;

use hoist_abi_shim::wasi::{Output, environment, stdio};
use hoist_abi_shim::{entry, machine};
use hoist_vfs::{Attrs, Content, InodeId, RootFs};

/// Where the programs work, on this kernel; natively a fresh directory.
const WORK: &str = "/tmp/work";

/// The two C libraries that programs are built with, and what the headers of Linux need with the second.
pub const LIBRARIES: [(&str, &[&str]); 2] =
    [("gcc", &[]), ("musl-gcc", &["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"])];

/// Compiles a program for a library.
pub fn compile(name: &str, (compiler, flags): (&str, &[&str]), dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls").join(name).with_extension("c");
    let program = dir.join("program");
    let status = Command::new(compiler).args(["-O1", "-w", "-static"]).args(flags).arg("-o").arg(&program).arg(&source).status();
    assert!(status.expect("the compiler runs").success(), "{name} does not compile with {compiler}");
    program
}

/// Standard output and exit status of a native run in an empty directory.
#[allow(dead_code)] // not every test asks the oracle
pub fn natively(program: &Path, work: &Path) -> (String, u32) {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    std::fs::create_dir(work).expect("a directory to work in");
    let mut native = Command::new(program);
    native.arg0("/program").current_dir(work).env_clear();
    let output = super::native::leading_a_session(&mut native).output().expect("it runs");
    let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8_lossy(&output.stdout).into_owned(), code.expect("a status") as u32)
}

/// Standard output, standard error and exit status on this kernel, with these variables of the host.
pub fn hoisted(program: &Path, variables: &[(&str, &str)]) -> (String, String, u32) {
    let mut tree = RootFs::new();
    let attrs = Attrs::with_mode(0o755);
    tree.create_dirs(WORK.as_bytes(), attrs).expect("a directory to work in");
    let etc = tree.mkdir(InodeId::ROOT, b"etc", attrs).expect("/etc");
    tree.create_file(etc, b"passwd", attrs, Content::bytes(*b"root:x:0:0::/root:/bin/sh\n")).expect("a file");
    let bytes = std::fs::read(program).expect("the program is readable");
    tree.create_file(InodeId::ROOT, b"program", attrs, Content::bytes(bytes)).expect("the program");
    let mut rom = Vec::new();
    hoist_vfs::pack(&tree, |_| None).expect("the image packs").write_to(&mut rom).expect("the ROM is written");
    machine::install(rom, Vec::new());
    environment::install(&["app", "/program"], &[&[("HOIST_CWD", WORK)], variables].concat());
    stdio::install(b"");
    let code = entry::run();
    let text = |output| String::from_utf8_lossy(&stdio::take(output)).into_owned();
    (text(Output::Stdout), text(Output::Stderr), code)
}

/// The names of all programs.
#[allow(dead_code)] // likewise
pub fn names() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls");
    let entries = std::fs::read_dir(dir).expect("the programs");
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".c")?.to_owned())).collect();
    names.sort();
    names
}
