//! `docs/syscalls.md` lists every system call there is, made from the table's rows and the functions' documentation. `BLESS=1`
//! writes it anew.

mod native;
mod programs_of_calls;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use hoist_abi_shim::syscall::absent::ABSENT;
use hoist_abi_shim::syscall::table::ROWS;

const HEAD: &str = "# System calls

Made from `abi-shim/src/syscall/` by `BLESS=1 cargo test -p hoist-abi-shim --test coverage`; do not edit. Numbers are those of Linux on x86-64;
a call that is in no file, or not listed, returns ENOSYS. `hoist inspect --syscalls IMAGE` says which calls an image can make. `HOIST_TRACE=syscalls` (`hoist run --trace=syscalls`) shows the calls of a run.

Cases are lines of the programs in `abi-shim/tests/calls` that make the call, with glibc or with musl, and say what it gave: counted in a trace.
`cargo test -p hoist-abi-shim --test calls` compares each with Linux.

| number | call | in | cases | differs from the manual page |
| --- | --- | --- | --- | --- |
";

/// Function → file, and what its documentation says after `Implements Linux syscall name(2)`.
fn functions() -> BTreeMap<String, (String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syscall");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("the sources").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut functions = BTreeMap::new();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a source file");
        let mut doc = String::new();
        for line in text.lines() {
            if let Some(more) = line.strip_prefix("///") {
                doc += more;
            } else if let Some(rest) = line.strip_prefix("pub fn sys_") {
                let function: String = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
                functions.insert(function, (name.clone(), std::mem::take(&mut doc)));
            } else {
                doc.clear();
            }
        }
    }
    functions
}

/// What follows the first sentence's beginning.
fn remark(doc: &str, name: &str) -> Option<String> {
    let start = format!(" Implements Linux syscall {name}(2)");
    let rest = doc.strip_prefix(&start)?.trim_start_matches([':', '.', ',', ' ']);
    Some(rest.split(" # Errors").next().unwrap_or(rest).trim().to_owned())
}

/// The line of a case that ends with this call, 0 where one begins: MARK of `say.h`.
fn mark(call: &str) -> Option<u32> {
    const MARK: i64 = 1_000_000;
    let descriptor: i64 = call.strip_prefix("close(-")?.split(')').next()?.parse().ok()?;
    u32::try_from(descriptor - MARK).ok()
}

/// Call → its cases: program and line.
fn cases() -> BTreeMap<String, BTreeSet<(String, u32)>> {
    let mut cases: BTreeMap<String, BTreeSet<(String, u32)>> = BTreeMap::new();
    for (name, library) in
        programs_of_calls::names().into_iter().flat_map(|name| programs_of_calls::LIBRARIES.map(|l| (name.clone(), l)))
    {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let program = programs_of_calls::compile(&name, library, dir.path());
        let (_, trace, _) = programs_of_calls::hoisted(&program, &[("HOIST_TRACE", "syscalls")]);
        // What each task called since the case began.
        let mut since: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in trace.lines() {
            let (process, call) = match line.strip_prefix("[pid") {
                Some(rest) => rest.split_once("] ").unwrap_or(("1", line)),
                None => ("1", line),
            };
            let Some((called, _)) = call.split_once('(') else { continue };
            match mark(call) {
                Some(0) => _ = since.remove(process.trim()),
                Some(number) => {
                    for called in since.remove(process.trim()).unwrap_or_default() {
                        cases.entry(called.to_owned()).or_default().insert((name.clone(), number));
                    }
                }
                None => _ = since.entry(process.trim()).or_default().insert(called),
            }
        }
    }
    cases
}

#[test]
fn the_page_is_what_the_sources_say() {
    let functions = functions();
    let cases = cases();
    let all: BTreeSet<&(String, u32)> = cases.values().flatten().collect();
    let tested = ROWS.iter().filter(|row| cases.contains_key(row.name)).count();
    assert!(all.len() >= 400 && tested >= 250, "{} cases over {tested} calls", all.len());
    let mut page = String::from(HEAD);
    page = page.replacen("\n| number", &format!("{} cases over {tested} calls.\n\n| number", all.len()), 1);
    let mut lines = BTreeMap::new();
    for row in ROWS {
        let (file, doc) = functions.get(row.name).unwrap_or_else(|| panic!("sys_{} is not in src/syscall", row.name));
        let remark = remark(doc, row.name).unwrap_or_else(|| panic!("sys_{} does not say which call it implements", row.name));
        let count = cases.get(row.name).map_or(0, BTreeSet::len);
        lines
            .insert(row.number, format!("| {} | {} | {file} | {count} | {} |", row.number, row.name, remark.replace('|', "\\|")));
    }
    for call in ABSENT {
        lines.insert(call.number, format!("| {} | {} |  | 0 | ENOSYS. {} |", call.number, call.name, call.why));
    }
    for line in lines.values() {
        let _ = writeln!(page, "{line}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/syscalls.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/syscalls.md is old; BLESS=1 writes it anew");
}
