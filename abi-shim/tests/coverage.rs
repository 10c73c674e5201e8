//! `docs/system-calls.md` lists every system call there is, made from the table's rows and the functions' documentation. `BLESS=1`
//! writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use hoist_abi_shim::syscall::table::ROWS;

const HEAD: &str = "# System calls

Made from `abi-shim/src/syscall/` by `BLESS=1 cargo test -p hoist-abi-shim --test coverage`; do not edit. Numbers are those of Linux on x86-64;
a call that is not listed returns ENOSYS. `HOIST_TRACE=syscalls` (`hoist run --trace=syscalls`) shows the calls of a run.

| number | call | in | differs from the manual page |
| --- | --- | --- | --- |
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

#[test]
fn the_page_is_what_the_sources_say() {
    let functions = functions();
    let mut page = String::from(HEAD);
    for row in ROWS {
        let (file, doc) = functions.get(row.name).unwrap_or_else(|| panic!("sys_{} is not in src/syscall", row.name));
        let remark = remark(doc, row.name).unwrap_or_else(|| panic!("sys_{} does not say which call it implements", row.name));
        let _ = writeln!(page, "| {} | {} | {file} | {} |", row.number, row.name, remark.replace('|', "\\|"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/system-calls.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/system-calls.md is old; BLESS=1 writes it anew");
}
