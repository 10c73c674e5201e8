//! Timers that send signals: setitimer, alarm, timer_create and its relatives.

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::process::{Notify, PosixTimer, RealTimer};
use crate::signal::number;
use crate::user::{self, Pod};
use crate::wasi::{Nanos, clock};

use super::time::{NANOS_PER_SECOND, Timespec, Timeval, read_clock, read_timespec, read_timeval};

const ITIMER_REAL: u64 = 0;
const ITIMER_VIRTUAL: u64 = 1;
const ITIMER_PROF: u64 = 2;

/// A timer of setitimer(2), and what time it is on its clock.
fn interval_timer(k: &mut Kernel, which: u64) -> Result<(&mut RealTimer, Nanos), Errno> {
    let cpu_time = k.cpu_time();
    match which {
        ITIMER_REAL => Ok((&mut k.process.timer, clock::monotonic())),
        ITIMER_VIRTUAL | ITIMER_PROF => Ok((&mut k.process.cpu_timers[(which - ITIMER_VIRTUAL) as usize], cpu_time)),
        _ => Err(Errno::EINVAL),
    }
}

/// Sets ITIMER_REAL; a time of 0 stops it.
fn set_timer(k: &mut Kernel, nanos: Nanos, interval: Nanos) {
    let next = (nanos != 0).then(|| clock::monotonic().saturating_add(nanos));
    k.process.timer = RealTimer { next, interval };
    k.timers_changed();
}

/// Implements Linux syscall getitimer(2).
pub fn sys_getitimer(k: &mut Kernel, [which, value, ..]: [u64; 6]) -> SysResult {
    let (timer, now) = interval_timer(k, which)?;
    let left = timer.next.map_or(0, |next| next.saturating_sub(now).max(1000));
    user::write(value, &[Timeval::from_nanos(timer.interval), Timeval::from_nanos(left)])?;
    Ok(0)
}

/// Implements Linux syscall setitimer(2). ITIMER_VIRTUAL counts what the kernel does for the process too.
pub fn sys_setitimer(k: &mut Kernel, [which, new, old, ..]: [u64; 6]) -> SysResult {
    interval_timer(k, which)?;
    let [interval, value] = if new == 0 { [0, 0] } else { [read_timeval(new)?, read_timeval(new + 16)?] };
    if old != 0 {
        sys_getitimer(k, [which, old, 0, 0, 0, 0])?;
    }
    let (timer, now) = interval_timer(k, which)?;
    *timer = RealTimer { next: (value != 0).then(|| now.saturating_add(value)), interval };
    k.timers_changed();
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

/// Implements Linux syscall timer_create(2), on clocks of real time and the process's own CPU time.
pub fn sys_timer_create(k: &mut Kernel, [clock_id, event, timer_id, ..]: [u64; 6]) -> SysResult {
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD_ID: u32 = 4;
    read_clock(k, clock_id)?;
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

/// What time it is for a timer.
fn now(k: &Kernel, timer: &PosixTimer) -> Nanos {
    if timer.counts_cpu_time() { k.cpu_time() } else { clock::monotonic() }
}

/// `struct itimerspec`: interval and time left.
fn left(time: RealTimer, now: Nanos) -> [Timespec; 2] {
    let left = time.next.map_or(0, |next| next.saturating_sub(now).max(1));
    [Timespec::from_nanos(time.interval), Timespec::from_nanos(left)]
}

/// Implements Linux syscall timer_settime(2).
pub fn sys_timer_settime(k: &mut Kernel, [id, flags, new, old, ..]: [u64; 6]) -> SysResult {
    const ABSOLUTE: u64 = 1;
    let its = *timer(k, id)?;
    let now = now(k, &its);
    let before = left(its.time, now);
    let (interval, value) = (read_timespec(new)?, read_timespec(new + 16)?);
    let since = if flags & ABSOLUTE != 0 { read_clock(k, its.clock)? } else { 0 };
    let next = (value != 0).then(|| now.saturating_add(value.saturating_sub(since)));
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
    let its = *timer(k, id)?;
    user::write(value, &left(its.time, now(k, &its)))?;
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
