//! Resource limits: getrlimit(2).

use crate::mm::STACK_SIZE;
use crate::user::Pod;

/// RLIM_INFINITY.
pub const INFINITY: u64 = u64::MAX;
/// RLIMIT_NLIMITS.
pub const COUNT: usize = 16;
/// Numbers of resources.
pub const CPU: usize = 0;
pub const FSIZE: usize = 1;
pub const DATA: usize = 2;
pub const STACK: usize = 3;
pub const NPROC: usize = 6;
pub const NOFILE: usize = 7;
pub const AS: usize = 9;
pub const SIGPENDING: usize = 11;
pub const MSGQUEUE: usize = 12;

/// `struct rlimit64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}
unsafe impl Pod for Limit {}

/// A number of seconds; `None` if there is no limit.
pub fn nanos(seconds: u64) -> Option<u64> {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    if seconds == INFINITY { None } else { Some(seconds.saturating_mul(NANOS_PER_SECOND)) }
}

/// The limits of a process, by resource number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits(pub [Limit; COUNT]);

impl Default for Limits {
    /// As in a container: descriptors and the stack are limited, little else.
    fn default() -> Limits {
        const fn limit(soft: u64, hard: u64) -> Limit {
            Limit { soft, hard }
        }
        let mut limits = [limit(INFINITY, INFINITY); COUNT];
        limits[STACK] = limit(STACK_SIZE, INFINITY);
        limits[4] = limit(0, INFINITY); // core
        limits[NOFILE] = limit(1024, 1 << 20);
        limits[8] = limit(64 << 10, 64 << 10); // locked memory
        limits[SIGPENDING] = limit(15000, 15000);
        limits[MSGQUEUE] = limit(819_200, 819_200);
        limits[13] = limit(0, 0); // nice
        limits[14] = limit(0, 0); // real-time priority
        Limits(limits)
    }
}
