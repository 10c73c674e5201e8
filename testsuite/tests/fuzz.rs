//! Random bytes as code, short. `cargo run --release -p hoist-testsuite --bin fuzz -- --seconds 600` is the long one.

use hoist_testsuite::fuzz::{Fuzzer, Programs};
use hoist_testsuite::oracle::Rng;

#[test]
fn both_back_ends_end_in_the_same_way() {
    let (programs, mut rng, mut fuzzer) = (Programs::new(), Rng::new(7), Fuzzer::new().expect("a machine"));
    for _ in 0..10 {
        fuzzer.batch(&programs, &mut rng).unwrap_or_else(|error| panic!("{error:?}"));
    }
    assert!(fuzzer.tally.same > 300, "{:?}", fuzzer.tally);
}
