//! Timers that send signals: setitimer, alarm, timer_create and its relatives.

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::process::{Notify, PosixTimer, RealTimer};
use crate::signal::number;
use crate::user::{self, Pod};
use crate::wasi::{Nanos, clock};

use super::time::{NANOS_PER_SECOND, Timespec, Timeval, read_clock, read_timespec, read_timeval};

const ITIMER_REAL: u64 = 0;

/// What ITIMER_REAL shows: `struct itimerval`, interval and time left.
fn timer_value(timer: RealTimer) -> [Timeval; 2] {
    let left = timer.next.map_or(0, |next| next.saturating_sub(clock::monotonic()).max(1000));
    [Timeval::from_nanos(timer.interval), Timeval::from_nanos(left)]
}

/// Sets ITIMER_REAL; a time of 0 stops it.
fn set_timer(k: &mut Kernel, nanos: Nanos, interval: Nanos) {
    let next = (nanos != 0).then(|| clock::monotonic().saturating_add(nanos));
    k.process.timer = RealTimer { next, interval };
    k.timers_changed();
}

/// Implements Linux syscall getitimer(2). The timers of CPU time never run.
pub fn sys_getitimer(k: &mut Kernel, [which, value, ..]: [u64; 6]) -> SysResult {
    let timer = match which {
        ITIMER_REAL => k.process.timer,
        1 | 2 => RealTimer::default(),
        _ => return Err(Errno::EINVAL),
    };
    user::write(value, &timer_value(timer))?;
    Ok(0)
}

/// Implements Linux syscall setitimer(2): ITIMER_REAL, whose signal comes at the next system call; the others are accepted and do not run.
pub fn sys_setitimer(k: &mut Kernel, [which, new, old, ..]: [u64; 6]) -> SysResult {
    if which > 2 {
        return Err(Errno::EINVAL);
    }
    let [interval, value] = if new == 0 { [0, 0] } else { [read_timeval(new)?, read_timeval(new + 16)?] };
    if old != 0 {
        sys_getitimer(k, [which, old, 0, 0, 0, 0])?;
    }
    if which == ITIMER_REAL {
        set_timer(k, value, interval);
    }
    Ok(0)
}

/// Implements Linux syscall alarm(2).
pub fn sys_alarm(k: &mut Kernel, [seconds, ..]: [u64; 6]) -> SysResult {
    let left = k.process.timer.next.map_or(0, |next| next.saturating_sub(clock::monotonic()));
    set_timer(k, (seconds as u32 as u64) * NANOS_PER_SECOND, 0);
    Ok(left.div_ceil(NANOS_PER_SECOND))
}

// ---- POSIX timers

/// `struct sigevent`, as far as the kernel reads it.
#[derive(Clone, Copy)]
#[repr(C)]
struct SigEvent {
    value: u64,
    signal: u32,
    notify: u32,
    tid: i32,
    padding: u32,
}
unsafe impl Pod for SigEvent {}

/// Timers that a process can have.
const TIMERS_MAX: i32 = 32_000;

/// Implements Linux syscall timer_create(2), on clocks of real time; those of CPU time are EINVAL.
pub fn sys_timer_create(k: &mut Kernel, [clock_id, event, timer_id, ..]: [u64; 6]) -> SysResult {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD_ID: u32 = 4;
    read_clock(k, clock_id)?;
    if matches!(clock_id as i32, 2 | 3 | ..0) {
        return Err(Errno::EINVAL);
    }
    let id = (0..TIMERS_MAX).find(|id| !k.process.timers.contains_key(id)).ok_or(Errno::EAGAIN)?;
    let default = SigEvent { value: id as u64, signal: number::SIGALRM.into(), notify: SIGEV_SIGNAL, tid: 0, padding: 0 };
    let event = if event == 0 { default } else { user::read(event)? };
    let signal = u8::try_from(event.signal).ok().filter(|signal| (1..=number::MAX).contains(signal));
    let notify = match event.notify {
        SIGEV_NONE => Notify::Nothing,
        SIGEV_SIGNAL => Notify::Process(signal.ok_or(Errno::EINVAL)?),
        SIGEV_THREAD_ID | 5 => {
            let own = k.process.pid;
            if k.task_mut(event.tid).is_none_or(|task| task.pid != own) {
                return Err(Errno::EINVAL);
            }
            Notify::Task(signal.ok_or(Errno::EINVAL)?, event.tid)
        }
        _ => return Err(Errno::EINVAL),
    };
    user::write(timer_id, &id)?;
    k.process
        .timers
        .insert(id, PosixTimer { time: RealTimer::default(), clock: clock_id, notify, value: event.value, overrun: 0 });
    Ok(0)
}

fn timer(k: &mut Kernel, id: u64) -> Result<&mut PosixTimer, Errno> {
    k.process.timers.get_mut(&(id as i32)).ok_or(Errno::EINVAL)
}

/// `struct itimerspec`: interval and time left.
fn left(time: RealTimer) -> [Timespec; 2] {
    let left = time.next.map_or(0, |next| next.saturating_sub(clock::monotonic()).max(1));
    [Timespec::from_nanos(time.interval), Timespec::from_nanos(left)]
}

/// Implements Linux syscall timer_settime(2).
pub fn sys_timer_settime(k: &mut Kernel, [id, flags, new, old, ..]: [u64; 6]) -> SysResult {
    const ABSOLUTE: u64 = 1;
    let PosixTimer { time, clock, .. } = *timer(k, id)?;
    let before = left(time);
    let (interval, value) = (read_timespec(new)?, read_timespec(new + 16)?);
    let since = if flags & ABSOLUTE != 0 { read_clock(k, clock)? } else { 0 };
    let next = (value != 0).then(|| clock::monotonic().saturating_add(value.saturating_sub(since)));
    let timer = timer(k, id)?;
    timer.time = RealTimer { next, interval };
    timer.overrun = 0;
    k.timers_changed();
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// Implements Linux syscall timer_gettime(2).
pub fn sys_timer_gettime(k: &mut Kernel, [id, value, ..]: [u64; 6]) -> SysResult {
    let time = timer(k, id)?.time;
    user::write(value, &left(time))?;
    Ok(0)
}

/// Implements Linux syscall timer_getoverrun(2).
pub fn sys_timer_getoverrun(k: &mut Kernel, [id, ..]: [u64; 6]) -> SysResult {
    timer(k, id).map(|timer| timer.overrun.into())
}

/// Implements Linux syscall timer_delete(2).
pub fn sys_timer_delete(k: &mut Kernel, [id, ..]: [u64; 6]) -> SysResult {
    k.process.timers.remove(&(id as i32)).ok_or(Errno::EINVAL)?;
    k.timers_changed();
    Ok(0)
}
