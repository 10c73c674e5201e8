//! The instruction oracle, short: every instruction that can be encoded, and every form in busybox-static and libc.so.6, in a few states
//! each. `cargo run --release -p hoist-testsuite --bin oracle -- --all FILE…` is the long one.

use hoist_testsuite::machine::HostNans;
use hoist_testsuite::oracle::{self, forms};

#[test]
fn both_back_ends_agree_with_the_processor() {
    let mut samples = forms::Samples::new();
    forms::enumerate(&mut samples, forms::is_comparable);
    for (path, package) in [("/bin/busybox", "busybox-static"), ("/lib/x86_64-linux-gnu/libc.so.6", "libc6")] {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; install Debian's {package}"));
        forms::collect(&bytes, &mut samples).expect("a system's own file is an ELF file");
    }
    let report = oracle::compare(&samples, 16, 0, HostNans::X86).expect("the machine can be set up");
    println!("{report}");
    assert!(report.forms.len() > 3000, "only {} forms found", report.forms.len());
    assert!(report.is_clean(), "{report}");
}
