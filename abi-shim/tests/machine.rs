//! Whole programs on the kernel as a native program: an image in memory, the interpreter for the processor. The same programs run on the
//! real kernel first, so that what is expected is what Linux does.

mod native;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hoist_abi_shim::wasi::{Output, environment, stdio};
use hoist_abi_shim::{entry, machine};
use hoist_vfs::{Attrs, Content, InodeId, RootFs};
use hoist_x86::boundary::code_map;
use hoist_x86::manifest::{Config, Elf, Manifest, Segment};
use native::leading_a_session;

/// What a run left behind.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    code: u32,
    stdout: String,
    stderr: String,
}

/// A program from `tests/programs`, compiled once.
fn program(name: &str, flags: &[&str]) -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| tempfile::tempdir().expect("a temporary directory"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name);
    let out = dir.path().join(format!("{name}{}", flags.concat().replace('/', "_")));
    let status = Command::new("gcc").args(["-O1", "-w"]).args(flags).arg("-o").arg(&out).arg(&source).status();
    assert!(status.expect("gcc runs").success(), "{name} does not compile");
    out
}

/// A library that the compiler links with, as the dynamic linker finds it.
fn library(name: &str) -> Vec<u8> {
    let out = Command::new("gcc").arg(format!("-print-file-name={name}")).output().expect("gcc runs");
    std::fs::read(String::from_utf8_lossy(&out.stdout).trim()).expect("the library is readable")
}

/// An image with these files, all of them executable.
fn image(files: &[(&str, Vec<u8>)]) -> RootFs {
    let mut fs = RootFs::new();
    let attrs = Attrs::with_mode(0o755);
    fs.mkdir(InodeId::ROOT, b"tmp", Attrs::with_mode(0o1777)).expect("/tmp");
    for (path, bytes) in files {
        let (dir, name) = path.rsplit_once('/').expect("absolute paths");
        let dir = fs.create_dirs(dir.as_bytes(), attrs).expect("directories");
        fs.create_file(dir, name.as_bytes(), attrs, Content::bytes(bytes.clone())).expect("a file");
    }
    fs
}

/// Runs an image's command with these variables of the host.
fn run(fs: &RootFs, command: &[&str], variables: &[(&str, &str)], input: &str) -> Outcome {
    run_lifted(fs, command, variables, input, &[], Manifest { first_free: 0x100_0000, ..Manifest::default() })
}

/// Likewise, with the files of `elfs` as the ELF files of a manifest.
fn run_lifted(
    fs: &RootFs,
    command: &[&str],
    variables: &[(&str, &str)],
    input: &str,
    elfs: &[&str],
    mut manifest: Manifest,
) -> Outcome {
    let inodes: Vec<_> = elfs.iter().map(|path| fs.resolve(path.as_bytes()).expect("an ELF file")).collect();
    let number = |inode| inodes.iter().position(|&elf| elf == inode).map(|index| index as u32);
    let packed = hoist_vfs::pack(fs, number).expect("the image packs");
    let mut rom = Vec::new();
    packed.write_to(&mut rom).expect("the ROM is written");
    manifest.config = Config { cmd: command.iter().map(|&text| text.into()).collect(), ..Config::default() };
    machine::install(rom, manifest.encode().expect("the manifest is small"));
    environment::install(&["app"], variables);
    stdio::install(input.as_bytes());
    let code = entry::run();
    let text = |output| String::from_utf8_lossy(&stdio::take(output)).into_owned();
    Outcome { code, stdout: text(Output::Stdout), stderr: text(Output::Stderr) }
}

/// Runs a program natively and on the kernel: code, standard output and error must agree.
fn same_as_linux(name: &str, flags: &[&str], args: &[&str]) {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    let path = program(name, flags);
    let mut native = Command::new(&path);
    native.arg0("/program").args(args).env_clear();
    let native = leading_a_session(&mut native).output().expect("it runs natively");
    let code = native.status.code().or_else(|| native.status.signal().map(|signal| 128 + signal)).expect("a status");
    let native = Outcome {
        code: code as u32,
        stdout: String::from_utf8_lossy(&native.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&native.stderr).into_owned(),
    };
    let bytes = std::fs::read(&path).expect("the program is readable");
    let command: Vec<&str> = [&["/program"], args].concat();
    let mut here = run(&image(&[("/program", bytes)]), &command, &[], "");
    // What the kernel says of a bad access, where Linux has a core file to look at.
    if let Some(said) = here.stderr.find("hoist: segmentation fault at address 0x") {
        assert!(native.code == 139 && here.stderr[said..].contains("pc 0x"), "{name} {args:?}: {}", here.stderr);
        here.stderr.truncate(said);
    }
    assert_eq!(here, native, "{name} {flags:?} {args:?}");
}

const BARE: &[&str] = &["-static", "-nostdlib", "-fno-stack-protector"];

#[test]
fn a_program_without_libc_writes_and_exits() {
    same_as_linux("bare.c", BARE, &[]);
    same_as_linux("bare.c", &["-static-pie", "-nostdlib", "-fno-stack-protector"], &["a", "b"]);
}

#[test]
fn programs_with_libc_are_as_on_linux() {
    for test in TESTS {
        same_as_linux("libc.c", &["-static"], &[test]);
    }
    same_as_linux("libc.c", &["-static-pie"], &["memory"]);
}

#[test]
fn threads_take_turns() {
    same_as_linux("threads.c", &["-static", "-pthread"], &[]);
}

#[test]
fn tasks_that_spin_do_not_keep_others_from_running() {
    same_as_linux("spin.c", &["-static"], &[]);
}

/// Names that `libc.c` knows.
const TESTS: &[&str] = &[
    "memory",
    "signals",
    "files",
    "abort",
    "raise",
    "segv",
    "divide",
    "illegal",
    "jump",
    "time",
    "exit7",
    "ids",
    "jit",
    "overflow",
    "overflow_handled",
    "busy",
];

#[test]
fn scripts_start_their_interpreters() {
    let bytes = std::fs::read(program("bare.c", BARE)).expect("the program is readable");
    let script = b"#!/bin/echoargs  -x y \nignored\n".to_vec();
    let outer = b"#!/bin/script\n".to_vec();
    let fs = image(&[
        ("/bin/echoargs", bytes),
        ("/bin/script", script),
        ("/bin/outer", outer),
        ("/bin/loop", b"#!/bin/loop\n".to_vec()),
    ]);
    let outcome = run(&fs, &["outer", "1"], &[], "");
    assert_eq!(outcome.stdout, "/bin/echoargs\n-x y\n/bin/script\n/bin/outer\n1\n");
    let outcome = run(&fs, &["loop"], &[], "");
    assert_eq!((outcome.code, outcome.stderr.contains("Too many levels of symbolic links")), (126, true), "{outcome:?}");
}

#[test]
fn what_cannot_start_is_said_and_coded_as_docker_does() {
    let machine = |class: u8, machine: u8| {
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0".to_vec();
        (elf[4], elf[18]) = (class, machine);
        elf
    };
    let files = [
        ("/bin/arm", machine(2, 183)),
        ("/bin/i386", machine(1, 3)),
        ("/bin/short", machine(2, 62)),
        ("/bin/text", b"hello\n".to_vec()),
        ("/bin/none", b"#!/bin/missing\n".to_vec()),
        ("/bin/dir/x", vec![]),
    ];
    let fs = image(&files);
    for (command, code, message) in [
        ("nowhere", 127, "hoist: exec: \"nowhere\": executable file not found in $PATH\n"),
        ("/nowhere", 127, "hoist: exec: \"/nowhere\": No such file or directory\n"),
        ("/bin/dir", 126, "hoist: exec: \"/bin/dir\": Permission denied\n"),
        ("arm", 126, "hoist: exec: \"arm\": exec format error: it is a program for arm64; only x86-64 is supported\n"),
        ("i386", 126, "hoist: exec: \"i386\": exec format error: it is a 32-bit program; only x86-64 is supported\n"),
        ("short", 126, "hoist: exec: \"short\": exec format error: its ELF headers are damaged: the file is too short\n"),
        ("text", 126, "hoist: exec: \"text\": exec format error: it is neither an ELF file nor a script that begins with #!\n"),
        ("none", 127, "hoist: exec: \"none\": its interpreter /bin/missing: No such file or directory\n"),
    ] {
        let outcome = run(&fs, &[command], &[], "");
        assert_eq!((outcome.code, outcome.stderr.as_str()), (code, message), "{command}");
    }
    let outcome = run(&fs, &["arm"], &[("HOIST_USER", "nobody")], "");
    assert_eq!(outcome.code, 125);
    assert_eq!(outcome.stderr, "hoist: unable to find user nobody: no matching entries in passwd file\n");
}

#[test]
fn who_called_whom_is_said_where_core_would_be_dumped() {
    for flags in [&["-static", "-O2"][..], &["-static-pie", "-O2", "-fno-omit-frame-pointer"]] {
        let bytes = std::fs::read(program("backtrace.c", flags)).expect("the program is readable");
        let fs = image(&[("/program", bytes)]);
        for how in ["plain", "handler"] {
            let Outcome { code, stdout, stderr } = run(&fs, &["/program", how], &[("HOIST_BACKTRACE", "1")], "");
            // The first process does not get SIGABRT, which has no handler: abort(3) then executes what faults.
            assert_eq!(code, 139, "{stderr}");
            let mut lines = stderr.lines();
            assert_eq!(lines.next(), Some("hoist: process 1 ends by SIGSEGV"));
            let frames: Vec<&str> = lines.collect();
            let pcs: Vec<&str> = frames.iter().filter_map(|frame| frame.split_whitespace().nth(1)).collect();
            let expected: Vec<&str> = stdout.lines().collect();
            assert!(expected.len() > 6 && pcs.ends_with(&expected), "{flags:?} {how}: {stderr}\n{stdout}");
            let own = &frames[..frames.len() - expected.len()];
            assert!(own.iter().any(|frame| frame.contains(" <abort+0x")), "{stderr}");
            assert!(
                own.last().is_some_and(|frame| frame.contains(" <give_up+0x") && frame.ends_with("> in /program")),
                "{stderr}"
            );
        }
        let Outcome { stderr, .. } = run(&fs, &["/program"], &[], "");
        assert_eq!(stderr, "");
    }
}

#[test]
fn traces_and_statistics_are_written() {
    let bytes = std::fs::read(program("bare.c", BARE)).expect("the program is readable");
    let outcome = run(&image(&[("/p", bytes)]), &["/p"], &[("HOIST_TRACE", "syscalls"), ("HOIST_STATS", "1")], "");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(
        lines[..4],
        [r#"execve("/p", ["/p"]) = 0"#, r#"write(1, "/p", 2) = 2"#, r#"write(1, "\n", 1) = 1"#, "exit_group(1) = ?",]
    );
    assert!(lines[4].starts_with("hoist: interpreted "), "{lines:?}");
}

/// The executable segment and the span of an ELF file at a home, by the words of its program headers.
fn at_home(file: &[u8], base: u32) -> Elf {
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
    let (first, count) = (word(32) as usize, usize::from(u16::from_le_bytes([file[56], file[57]])));
    let loads = (0..count).map(|index| first + 56 * index).filter(|&at| word(at) as u32 == 1);
    let (mut span, mut segments) = (0, vec![]);
    for at in loads {
        let (flags, offset, vaddr, size) = (word(at) >> 32, word(at + 8), word(at + 16) as u32, word(at + 40) as u32);
        span = (vaddr + size).next_multiple_of(0x1000);
        if flags & 1 != 0 {
            segments.push(Segment { start: base + vaddr, len: size.next_multiple_of(0x1000), file_offset: offset });
        }
    }
    Elf { base, span, overlay: 0, segments, reads_exceptions: false }
}

#[test]
fn elf_files_are_mapped_at_their_homes_and_their_code_is_active() {
    let linker = "/lib64/ld-linux-x86-64.so.2";
    let files = [
        ("/bin/where", std::fs::read(program("where.c", &["-pie"])).expect("the program is readable")),
        ("/lib/x86_64-linux-gnu/libc.so.6", library("libc.so.6")),
        (linker, std::fs::read(linker).expect("the dynamic linker is readable")),
    ];
    let bases = [0x200_0000, 0x300_0000, 0x400_0000];
    let elfs: Vec<Elf> = files.iter().zip(bases).map(|((_, file), base)| at_home(file, base)).collect();
    // Every byte of the program's code claims to be an entry point, so that what is active shows.
    let code = &elfs[0].segments[0];
    let code = (code.start..code.start + code.len).map(|pc| ((0, pc), code_map::entry(code_map::FIRST_FREE_SLOT, 0))).collect();
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let fs = image(&files);
    let manifest = Manifest { elfs, code, first_free: 0x500_0000, ..Manifest::default() };
    let outcome = run_lifted(&fs, &["/bin/where"], &[], "", &paths, manifest.clone());
    assert_eq!(outcome.stdout, "program 2000000\nlibc 3000000\nlinker 4000000\n", "{}", outcome.stderr);
    assert!(!hoist_abi_shim::code_map::is_lifted(0x200_1000), "at the end all maps are gone");
    // As the linker's program, the dynamic linker is at its home and the program where ld.so maps it: at home, too.
    let outcome = run_lifted(&fs, &[linker, "/bin/where"], &[], "", &paths, manifest);
    assert_eq!(outcome.stdout, "program 2000000\nlibc 3000000\nlinker 0\n", "{}", outcome.stderr);
}
