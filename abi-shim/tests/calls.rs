//! The system calls: each program of `tests/calls` prints what calls gave, on the real kernel and on this one, with glibc and with musl,
//! and the texts must be the same.

mod native;
mod programs_of_calls;

use programs_of_calls::{LIBRARIES, compile, hoisted, natively};

fn same_as_linux(name: &str) {
    LIBRARIES.into_iter().for_each(|library| same_with(name, library));
}

fn same_with(name: &str, library: (&str, &[&str])) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let program = compile(name, library, dir.path());
    let (expected, expected_code) = natively(&program, &dir.path().join("work"));
    let (got, said, code) = hoisted(&program, &[]);
    // What the kernel says shows as a difference.
    let got = got + &said;
    let differences: Vec<String> = expected
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(got.lines().map(Some).chain(std::iter::repeat(None)))
        .take(expected.lines().count().max(got.lines().count()))
        .filter(|(expected, got)| expected != got)
        .map(|(expected, got)| format!("Linux: {}\nhere:  {}", expected.unwrap_or("—"), got.unwrap_or("—")))
        .collect();
    assert!(differences.is_empty(), "{name}.c, {}:\n{}", library.0, differences.join("\n"));
    assert_eq!(code, expected_code, "{name}.c, {}", library.0);
}

macro_rules! programs {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            same_as_linux(stringify!($name));
        })*

        #[test]
        fn every_program_has_a_test() {
            assert_eq!(programs_of_calls::names(), [$(stringify!($name)),*]);
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
    limits,
    locks,
    machine,
    maps,
    memory,
    names,
    notify,
    open,
    permissions,
    processes,
    queues,
    signals,
    sockets,
    terminals,
    timers,
    waiting
);
