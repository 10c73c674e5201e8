//! Timers that are read: timerfd_create, timerfd_settime, timerfd_gettime.

use std::rc::Rc;

use crate::errno::Errno::EINVAL;
use crate::errno::SysResult;
use crate::fs::Result;
use crate::fs::timerfd::TimerFd;
use crate::fs::types::OpenFlags;
use crate::kernel::Kernel;
use crate::wasi::{Nanos, clock};

use super::path::{done, file};
use super::pipe::add_anonymous;
use super::time::{read_clock, read_timespec, write_timespec};

/// Bytes of `struct timespec`; `struct itimerspec` is the interval, then the value.
const TIMESPEC: u64 = 16;

/// Implements Linux syscall timerfd_create(2). A timer of CLOCK_REALTIME does not notice that the clock is set.
pub fn sys_timerfd_create(k: &mut Kernel, [clock, flags, ..]: [u64; 6]) -> SysResult {
    const REALTIME: u64 = 0;
    const MONOTONIC: u64 = 1;
    const BOOTTIME: u64 = 7;
    let flags = flags as u32;
    if flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 || ![REALTIME, MONOTONIC, BOOTTIME].contains(&clock) {
        return Err(EINVAL);
    }
    add_anonymous(k, TimerFd::new(clock), "anon_inode:[timerfd]", flags)
}

fn timer(k: &Kernel, fd: u64) -> Result<Rc<TimerFd>> {
    file(k, fd)?.as_object::<TimerFd>().ok_or(EINVAL)
}

fn write_value(addr: u64, (left, interval): (Nanos, Nanos)) -> Result<()> {
    write_timespec(addr, interval)?;
    write_timespec(addr + TIMESPEC, left)
}

/// Implements Linux syscall timerfd_settime(2), without TFD_TIMER_CANCEL_ON_SET.
pub fn sys_timerfd_settime(k: &mut Kernel, [fd, flags, new, old, ..]: [u64; 6]) -> SysResult {
    const TFD_TIMER_ABSTIME: u64 = 1;
    const TFD_TIMER_CANCEL_ON_SET: u64 = 2;
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(EINVAL);
    }
    let (interval, value) = (read_timespec(new)?, read_timespec(new + TIMESPEC)?);
    let timer = timer(k, fd)?;
    let before = timer.get();
    let now = clock::monotonic();
    let next = match value {
        0 => None,
        _ if flags & TFD_TIMER_ABSTIME == 0 => Some(now.saturating_add(value)),
        // As far from now on the monotonic clock as on the timer's own, be it past or to come.
        _ => {
            let shown = read_clock(k, timer.clock)?;
            Some(now.saturating_add(value.saturating_sub(shown)).saturating_sub(shown.saturating_sub(value)))
        }
    };
    timer.set(next, interval);
    if old != 0 {
        write_value(old, before)?;
    }
    Ok(0)
}

/// Implements Linux syscall timerfd_gettime(2).
pub fn sys_timerfd_gettime(k: &mut Kernel, [fd, value, ..]: [u64; 6]) -> SysResult {
    done(write_value(value, timer(k, fd)?.get()))
}
