//! The instruction oracle, short: every form in busybox-static and libc.so.6, in a few states each.
//! `cargo run --release -p hoist-testsuite --bin oracle -- --states 2000 FILE…` is the long one.

use std::collections::BTreeMap;

use hoist_testsuite::oracle::{self, forms};

#[test]
fn both_back_ends_agree_with_the_processor() {
    let mut found = BTreeMap::new();
    for (path, package) in [("/bin/busybox", "busybox-static"), ("/lib/x86_64-linux-gnu/libc.so.6", "libc6")] {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; install Debian's {package}"));
        forms::collect(&bytes, &mut found).expect("a system's own file is an ELF file");
    }
    let report = oracle::compare(&found, 20, |_| true).expect("the machine can be set up");
    println!("{report}");
    assert!(report.forms > 900, "only {} forms found", report.forms);
    assert!(report.is_clean(), "{report}");
}
