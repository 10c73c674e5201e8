//! wasi:clocks.

use super::Nanos;
use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};

/// Nanoseconds since some moment in the past; never goes back.
pub fn monotonic() -> Nanos {
    monotonic_clock::now()
}

/// Seconds since 1970-01-01T00:00Z, and nanoseconds.
pub fn realtime() -> (u64, u32) {
    let now = wall_clock::now();
    (now.seconds, now.nanoseconds)
}
