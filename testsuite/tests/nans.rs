//! The instruction oracle where the host's NaNs are not x86's : all instructions with SSE or AVX arithmetic.

use hoist_testsuite::alone;
use hoist_testsuite::machine::HostNans;
use hoist_testsuite::oracle::{self, forms};
use hoist_x86::builder::Floats;

/// On a host that has only one NaN, lifted code gives those of the processor, payloads and signs.
#[test]
fn nans_do_not_depend_on_the_host() {
    let mut samples = forms::Samples::new();
    forms::enumerate(&mut samples, forms::is_comparable);
    samples.retain(|_, sample| alone::translations(&sample.bytes).is_ok_and(|floats| floats.contains(&Floats::Portable)));
    let report = oracle::compare(&samples, 128, 0, HostNans::One).expect("the machine can be set up");
    println!("{report}");
    assert!(report.forms.len() > 150, "only {} forms found", report.forms.len());
    assert!(report.is_clean(), "{report}");
}
