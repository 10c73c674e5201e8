//! What `hoist inspect --syscalls` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::calls::{Calls, treatment};

/// The kinds of treatment, in the order in which they are shown.
const KINDS: [&str; 4] = ["unsupported", "unknown", "partly", "supported"];

/// Number → path → functions.
type Makers<'a> = BTreeMap<u32, BTreeMap<&'a str, &'a BTreeSet<String>>>;

fn makers(files: &BTreeMap<String, Calls>) -> Makers<'_> {
    let mut makers = Makers::new();
    for (path, calls) in files {
        for (&number, functions) in &calls.known {
            makers.entry(number).or_default().insert(path, functions);
        }
    }
    makers
}

/// What is not supported first; then the sums.
pub fn table(files: &BTreeMap<String, Calls>) -> String {
    let makers = makers(files);
    let of_kind = |kind| makers.iter().filter(move |(number, _)| treatment(**number).1.kind() == kind);
    let mut text = format!("{:>6}  {:24} {:>5}  treatment\n", "number", "call", "files");
    for (number, files) in KINDS.into_iter().flat_map(of_kind) {
        let (name, treatment) = treatment(*number);
        let _ = writeln!(text, "{number:>6}  {name:24} {:>5}  {treatment}", files.len());
        if !matches!(treatment.kind(), "unsupported" | "unknown") {
            continue;
        }
        for (path, functions) in files {
            let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
            let _ = writeln!(text, "{:39}{path}: {}", "", functions.join(", "));
        }
    }
    text.push('\n');
    for kind in KINDS {
        let _ = writeln!(text, "{:>6}  {kind}", of_kind(kind).count());
    }
    for (path, calls) in files.iter().filter(|(_, calls)| !calls.unknown.is_empty()) {
        let functions: Vec<&str> = calls.unknown.iter().map(String::as_str).collect();
        let _ = writeln!(text, "{path}: of some calls in {} the number is not known", functions.join(", "));
    }
    text
}

pub fn json(files: &BTreeMap<String, Calls>) -> serde_json::Result<String> {
    let calls: Vec<_> = makers(files)
        .into_iter()
        .map(|(number, files)| {
            let (name, treatment) = treatment(number);
            let (kind, detail) = (treatment.kind(), treatment.remark());
            serde_json::json!({ "number": number, "name": name, "treatment": kind, "detail": detail, "files": files })
        })
        .collect();
    let unknown: BTreeMap<_, _> =
        files.iter().filter(|(_, calls)| !calls.unknown.is_empty()).map(|(path, calls)| (path, &calls.unknown)).collect();
    serde_json::to_string_pretty(&serde_json::json!({ "syscalls": calls, "unknown": unknown }))
}
