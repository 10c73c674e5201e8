//! The system calls: each program of `tests/calls` prints what calls gave, on the real kernel and on this one, and the texts must
//! be the same.

mod native;

use std::path::{Path, PathBuf};
use std::process::Command;

use hoist_abi_shim::wasi::{Output, environment, stdio};
use hoist_abi_shim::{entry, machine};
use hoist_vfs::{Attrs, Content, InodeId, RootFs};
use native::leading_a_session;

/// Where the programs work, on this kernel; natively a fresh directory.
const WORK: &str = "/tmp/work";

fn compile(name: &str, dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls").join(name).with_extension("c");
    let program = dir.join("program");
    let status = Command::new("gcc").args(["-O1", "-w", "-static", "-o"]).arg(&program).arg(&source).status();
    assert!(status.expect("gcc runs").success(), "{name} does not compile");
    program
}

/// Standard output and exit status of a native run in an empty directory.
fn natively(program: &Path, work: &Path) -> (String, u32) {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    std::fs::create_dir(work).expect("a directory to work in");
    let mut native = Command::new(program);
    native.arg0("/program").current_dir(work).env_clear();
    let output = leading_a_session(&mut native).output().expect("it runs");
    let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8_lossy(&output.stdout).into_owned(), code.expect("a status") as u32)
}

/// The same on this kernel.
fn hoisted(program: &Path) -> (String, u32) {
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
    environment::install(&["app", "/program"], &[("HOIST_CWD", WORK)]);
    stdio::install(b"");
    let code = entry::run();
    let text = |output| String::from_utf8_lossy(&stdio::take(output)).into_owned();
    // What the kernel says shows as a difference.
    (text(Output::Stdout) + &text(Output::Stderr), code)
}

fn same_as_linux(name: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let program = compile(name, dir.path());
    let (expected, expected_code) = natively(&program, &dir.path().join("work"));
    let (got, code) = hoisted(&program);
    let differences: Vec<String> = expected
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(got.lines().map(Some).chain(std::iter::repeat(None)))
        .take(expected.lines().count().max(got.lines().count()))
        .filter(|(expected, got)| expected != got)
        .map(|(expected, got)| format!("Linux: {}\nhere:  {}", expected.unwrap_or("—"), got.unwrap_or("—")))
        .collect();
    assert!(differences.is_empty(), "{name}.c:\n{}", differences.join("\n"));
    assert_eq!(code, expected_code, "{name}.c");
}

macro_rules! programs {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            same_as_linux(stringify!($name));
        })*

        #[test]
        fn every_program_has_a_test() {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls");
            let mut names: Vec<String> = std::fs::read_dir(dir)
                .expect("the programs")
                .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".c")?.to_owned()))
                .collect();
            names.sort();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

programs!(
    attributes,
    content,
    descriptors,
    directories,
    identity,
    internet,
    ipc,
    machine,
    memory,
    names,
    open,
    processes,
    signals,
    sockets,
    terminals,
    timers,
    waiting
);
