//! Time: clocks, sleeping, timers.

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::task::For;
use crate::user::{self, Pod};
use crate::wasi::{Nanos, clock};

pub const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// USER_HZ: units of times(2).
const TICKS_PER_SECOND: u64 = 100;
/// Nanoseconds of a tick of the coarse clocks: CONFIG_HZ=250.
const COARSE: u64 = 4_000_000;

/// `struct timespec`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(super) struct Timespec {
    seconds: i64,
    nanos: i64,
}
unsafe impl Pod for Timespec {}

/// `struct timeval`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Timeval {
    seconds: i64,
    micros: i64,
}
unsafe impl Pod for Timeval {}

impl Timeval {
    pub(super) fn from_nanos(nanos: Nanos) -> Timeval {
        Timeval { seconds: (nanos / NANOS_PER_SECOND) as i64, micros: (nanos % NANOS_PER_SECOND / 1000) as i64 }
    }

    fn to_nanos(self) -> Result<Nanos, Errno> {
        if self.seconds < 0 || !(0..1_000_000).contains(&self.micros) {
            return Err(Errno::EINVAL);
        }
        Ok((self.seconds as u64).saturating_mul(NANOS_PER_SECOND).saturating_add(self.micros as u64 * 1000))
    }
}

impl Timespec {
    pub(super) fn from_nanos(nanos: Nanos) -> Timespec {
        Timespec { seconds: (nanos / NANOS_PER_SECOND) as i64, nanos: (nanos % NANOS_PER_SECOND) as i64 }
    }

    fn to_nanos(self) -> Result<Nanos, Errno> {
        if self.seconds < 0 || !(0..NANOS_PER_SECOND as i64).contains(&self.nanos) {
            return Err(Errno::EINVAL);
        }
        Ok((self.seconds as u64).saturating_mul(NANOS_PER_SECOND).saturating_add(self.nanos as u64))
    }
}

/// Reads a `struct timespec` that is a length of time.
///
/// # Errors
/// EFAULT; EINVAL if it is negative or has too many nanoseconds.
pub fn read_timespec(addr: u64) -> Result<Nanos, Errno> {
    user::read::<Timespec>(addr)?.to_nanos()
}

/// Reads a `struct timeval` that is a length of time.
///
/// # Errors
/// As [`read_timespec`].
pub fn read_timeval(addr: u64) -> Result<Nanos, Errno> {
    user::read::<Timeval>(addr)?.to_nanos()
}

/// Writes a length of time as a `struct timespec`.
///
/// # Errors
/// EFAULT.
pub fn write_timespec(addr: u64, nanos: Nanos) -> Result<(), Errno> {
    user::write(addr, &Timespec::from_nanos(nanos))
}

/// Writes a length of time as a `struct timeval`.
///
/// # Errors
/// EFAULT.
pub fn write_timeval(addr: u64, nanos: Nanos) -> Result<(), Errno> {
    user::write(addr, &Timeval::from_nanos(nanos))
}

fn realtime() -> Nanos {
    let (seconds, nanos) = clock::realtime();
    seconds * NANOS_PER_SECOND + u64::from(nanos)
}

/// What a clock shows, in nanoseconds.
///
/// # Errors
/// EINVAL if there is no such clock.
pub fn read_clock(k: &Kernel, id: u64) -> Result<Nanos, Errno> {
    Ok(match id as i32 {
        0 | 8 | 11 => realtime(),
        5 => realtime() / COARSE * COARSE,
        1 | 4 | 7 | 9 => clock::monotonic(),
        6 => clock::monotonic() / COARSE * COARSE,
        2 | 3 => k.cpu_time(),
        // Dynamic clocks of processes and threads (clock_getcpuclockid(3)): `~pid << 3 | kind`.
        id if id < 0 && matches!(!(id >> 3), pid if pid == 0 || pid == k.process.pid || pid == k.task.tid) => k.cpu_time(),
        _ => return Err(Errno::EINVAL),
    })
}

/// Implements Linux syscall clock_gettime(2).
pub fn sys_clock_gettime(k: &mut Kernel, [id, time, ..]: [u64; 6]) -> SysResult {
    let now = read_clock(k, id)?;
    user::write(time, &Timespec::from_nanos(now))?;
    Ok(0)
}

/// Implements Linux syscall clock_getres(2).
pub fn sys_clock_getres(k: &mut Kernel, [id, resolution, ..]: [u64; 6]) -> SysResult {
    read_clock(k, id)?;
    if resolution != 0 {
        let nanos = if matches!(id, 5 | 6) { COARSE } else { 1 };
        user::write(resolution, &Timespec::from_nanos(nanos))?;
    }
    Ok(0)
}

/// Implements Linux syscall clock_settime(2): a container may not set clocks.
pub fn sys_clock_settime(k: &mut Kernel, [id, time, ..]: [u64; 6]) -> SysResult {
    read_clock(k, id)?;
    read_timespec(time)?;
    Err(Errno::EPERM)
}

/// Implements Linux syscall settimeofday(2): a container may not set clocks.
pub fn sys_settimeofday(_: &mut Kernel, [time, zone, ..]: [u64; 6]) -> SysResult {
    if time != 0 {
        read_timeval(time)?;
    }
    if zone != 0 {
        user::read::<[i32; 2]>(zone)?;
    }
    Err(Errno::EPERM)
}

/// Implements Linux syscall gettimeofday(2).
pub fn sys_gettimeofday(_: &mut Kernel, [time, zone, ..]: [u64; 6]) -> SysResult {
    if time != 0 {
        user::write(time, &Timeval::from_nanos(realtime()))?;
    }
    if zone != 0 {
        user::write(zone, &[0i32; 2])?;
    }
    Ok(0)
}

/// Implements Linux syscall time(2).
pub fn sys_time(_: &mut Kernel, [time, ..]: [u64; 6]) -> SysResult {
    let (seconds, _) = clock::realtime();
    if time != 0 {
        user::write(time, &seconds)?;
    }
    Ok(seconds)
}

/// Implements Linux syscall times(2).
pub fn sys_times(k: &mut Kernel, [buffer, ..]: [u64; 6]) -> SysResult {
    let ticks = |nanos: Nanos| nanos / (NANOS_PER_SECOND / TICKS_PER_SECOND);
    if buffer != 0 {
        // User and system time, then those of children that were waited for.
        user::write(buffer, &[ticks(k.cpu_time()), 0, ticks(k.process.children_cpu_time), 0])?;
    }
    Ok(ticks(clock::monotonic()))
}

/// Writes a `struct rusage` of a process that used this much CPU time.
///
/// # Errors
/// EFAULT.
pub fn write_usage(usage: u64, cpu: Nanos, kilobytes: u64) -> Result<(), Errno> {
    let zero = Timeval::from_nanos(0);
    user::write(usage, &Usage { user: Timeval::from_nanos(cpu), system: zero, max_rss: kilobytes, rest: [0; 13] })
}

/// `struct rusage`: user time, system time, and fourteen counts.
#[derive(Clone, Copy)]
#[repr(C)]
struct Usage {
    user: Timeval,
    system: Timeval,
    max_rss: u64,
    rest: [u64; 13],
}
unsafe impl Pod for Usage {}

/// Implements Linux syscall getrusage(2): times and the largest size; other counts are zero.
pub fn sys_getrusage(k: &mut Kernel, [who, usage, ..]: [u64; 6]) -> SysResult {
    const SELF: i32 = 0;
    const CHILDREN: i32 = -1;
    const THREAD: i32 = 1;
    let (cpu, size) = match who as i32 {
        SELF | THREAD => (k.cpu_time(), k.process.mm.borrow().total() / 1024),
        CHILDREN => (k.process.children_cpu_time, k.process.mm.borrow().total() / 1024),
        _ => return Err(Errno::EINVAL),
    };
    write_usage(usage, cpu, size)?;
    Ok(0)
}

// ---- Sleeping

/// Sleeps until a deadline; writes what is left to `remaining` if a signal comes first.
fn sleep_until(k: &mut Kernel, deadline: Nanos, remaining: u64) -> SysResult {
    let left = deadline.saturating_sub(clock::monotonic());
    if left == 0 {
        return Ok(0);
    }
    if remaining != 0 {
        user::write(remaining, &Timespec::from_nanos(left))?;
    }
    Err(k.block(&[], Some(deadline), For::Nothing))
}

/// Implements Linux syscall nanosleep(2).
pub fn sys_nanosleep(k: &mut Kernel, [request, remaining, ..]: [u64; 6]) -> SysResult {
    let nanos = read_timespec(request)?;
    let deadline = k.task.deadline_after(nanos);
    sleep_until(k, deadline, remaining)
}

/// Implements Linux syscall clock_nanosleep(2).
pub fn sys_clock_nanosleep(k: &mut Kernel, [id, flags, request, remaining, ..]: [u64; 6]) -> SysResult {
    const ABSOLUTE: u64 = 1;
    const THREAD_CPUTIME: u64 = 3;
    if id == THREAD_CPUTIME {
        return Err(Errno::EINVAL);
    }
    let now = read_clock(k, id)?;
    let wanted = read_timespec(request)?;
    let absolute = flags & ABSOLUTE != 0;
    let nanos = if absolute { wanted.saturating_sub(now) } else { wanted };
    let deadline = k.task.deadline_after(nanos);
    sleep_until(k, deadline, if absolute { 0 } else { remaining })
}
