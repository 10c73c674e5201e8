//! The instruction oracle where the host's NaNs are not x86's (`convert --nans=x86`): all instructions with SSE or AVX arithmetic.

use hoist_lifter::lift::Nans;
use hoist_testsuite::alone;
use hoist_testsuite::oracle::{self, forms};

/// `--nans=x86`: on a host that has only one NaN, lifted code gives those of the processor, payloads and signs.
#[test]
fn nans_do_not_depend_on_the_host() {
    let mut samples = forms::Samples::new();
    forms::enumerate(&mut samples, forms::is_comparable);
    samples.retain(|_, sample| alone::depends_on_mxcsr(&sample.bytes));
    let report = oracle::compare(&samples, 128, 0, Nans::X86).expect("the machine can be set up");
    println!("{report}");
    assert!(report.forms.len() > 150, "only {} forms found", report.forms.len());
    assert!(report.is_clean(), "{report}");
}
