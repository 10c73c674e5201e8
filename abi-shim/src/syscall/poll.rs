//! Waiting for files: poll, ppoll, select, pselect6.

use std::rc::Rc;

use crate::errno::Errno::{EBADF, EINVAL};
use crate::errno::{Errno, SysResult};
use crate::fs::types::poll;
use crate::fs::{File, Result};
use crate::kernel::{Kernel, host_events};
use crate::signal::SignalSet;
use crate::task::For;
use crate::user;
use crate::wasi::{Event, Nanos, clock};

use super::path::any_file;
use super::time::{read_timespec, read_timeval, write_timespec, write_timeval};

const NANOS_PER_MILLI: u64 = 1_000_000;
/// `sizeof(sigset_t)` in the kernel.
const SET_SIZE: u64 = 8;

/// When a call with a timeout is over; `None`: never. Counted from the first time the call was made.
pub fn deadline(k: &mut Kernel, timeout: Option<Nanos>) -> Option<Nanos> {
    timeout.map(|nanos| k.task.deadline_after(nanos))
}

/// A timeout in milliseconds; negative ones never end.
pub fn millis(timeout: u64) -> Option<Nanos> {
    u64::try_from(timeout as i32).ok().map(|millis| millis * NANOS_PER_MILLI)
}

/// Blocks other signals while the call waits, if it is given a set: ppoll(2), pselect(2), epoll_pwait(2).
///
/// # Errors
/// `EINVAL` for a set of another size, `EFAULT`.
pub fn block_signals(k: &mut Kernel, set: u64, size: u64) -> Result<()> {
    if set == 0 {
        return Ok(());
    }
    if size != SET_SIZE {
        return Err(EINVAL);
    }
    let set: SignalSet = user::read(set)?;
    if k.task.saved_blocked.is_none() {
        k.task.saved_blocked = Some(std::mem::replace(&mut k.task.blocked, set.blockable()));
    }
    Ok(())
}

/// The call is over without a signal: what was blocked before is blocked again.
pub fn unblock_signals(k: &mut Kernel) {
    if let Some(before) = k.task.saved_blocked.take() {
        k.task.blocked = before;
    }
}

/// Nothing is ready: whether the call is over nevertheless, or waits, for these files and what of them is asked for.
///
/// # Errors
/// `ERESTARTSYS` if it waits.
pub fn wait(k: &mut Kernel, files: Vec<(Rc<File>, u32)>, deadline: Option<Nanos>) -> Result<()> {
    if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
        return Ok(());
    }
    let events: Vec<Event> = files.iter().flat_map(|(file, asked)| host_events(file, *asked)).collect();
    // A file may become ready by itself: a timer.
    let deadline = files.iter().filter_map(|(file, _)| file.deadline()).chain(deadline).min();
    Err(k.block_once(&events, deadline, For::Files(files)))
}

/// Ends a call that [`block_signals`] may have begun.
pub fn finish(k: &mut Kernel, result: SysResult) -> SysResult {
    // A call that waits, or that a signal ends, keeps its set for the handler's frame.
    if !matches!(result, Err(Errno::ERESTARTSYS | Errno::EINTR)) {
        unblock_signals(k);
    }
    result
}

// ---- poll

/// `struct pollfd`: descriptor, events asked for and events found.
const POLLFD_SIZE: u64 = 8;
/// What is reported without being asked for.
const ALWAYS_REPORTED: u32 = poll::ERR | poll::HUP | poll::NVAL;

fn poll_fds(k: &mut Kernel, fds: u64, nfds: u64, deadline: Option<Nanos>) -> SysResult {
    if nfds > u64::from(k.files().borrow().limit) {
        return Err(EINVAL);
    }
    let mut ready = 0;
    let mut files = Vec::new();
    let mut found = Vec::new();
    for index in 0..nfds {
        let [fd, asked]: [u32; 2] = user::read(fds + index * POLLFD_SIZE)?;
        let asked = asked & 0xffff;
        let reported = match (fd as i32, any_file(k, fd.into())) {
            (..0, _) => 0,
            (_, Err(_)) => poll::NVAL,
            (_, Ok(file)) => {
                let state = file.poll();
                files.push((file, asked));
                state & (asked | ALWAYS_REPORTED)
            }
        };
        ready += u64::from(reported != 0);
        found.push(reported as u16);
    }
    if ready == 0 {
        wait(k, files, deadline)?;
    }
    for (index, reported) in found.into_iter().enumerate() {
        user::write(fds + index as u64 * POLLFD_SIZE + 6, &reported)?;
    }
    Ok(ready)
}

/// Implements Linux syscall poll(2).
pub fn sys_poll(k: &mut Kernel, [fds, nfds, timeout, ..]: [u64; 6]) -> SysResult {
    let deadline = deadline(k, millis(timeout));
    poll_fds(k, fds, nfds, deadline)
}

/// Implements Linux syscall ppoll(2).
pub fn sys_ppoll(k: &mut Kernel, [fds, nfds, timeout, set, size, _]: [u64; 6]) -> SysResult {
    let nanos = if timeout == 0 { None } else { Some(read_timespec(timeout)?) };
    let deadline = deadline(k, nanos);
    block_signals(k, set, size)?;
    let result = poll_fds(k, fds, nfds, deadline);
    if let (Some(deadline), false) = (deadline, result == Err(Errno::ERESTARTSYS)) {
        // What is left of the time goes back, as select(2) has it. A timeout in read-only memory is no error.
        let _ = write_timespec(timeout, deadline.saturating_sub(clock::monotonic()));
    }
    finish(k, result)
}

// ---- select

/// Which events of poll(2) make a descriptor readable, writable, exceptional: POLLIN_SET and its kin in fs/select.c.
const SETS: [u32; 3] = [
    poll::RDNORM | poll::RDBAND | poll::IN | poll::HUP | poll::ERR,
    poll::WRNORM | poll::WRBAND | poll::OUT | poll::ERR,
    poll::PRI,
];

/// The words of an fd_set that has room for `nfds` descriptors; none if the address is null.
fn read_set(addr: u64, nfds: u32) -> Result<Vec<u64>> {
    match addr {
        0 => Ok(Vec::new()),
        _ => user::read_array(addr, nfds.div_ceil(64) as usize),
    }
}

fn has(set: &[u64], fd: u32) -> bool {
    set.get(fd as usize / 64).is_some_and(|word| word >> (fd % 64) & 1 != 0)
}

fn select(k: &mut Kernel, nfds: u64, sets: [u64; 3], deadline: Option<Nanos>) -> SysResult {
    let nfds = u32::try_from(nfds as i32).map_err(|_| EINVAL)?;
    let nfds = nfds.min(k.files().borrow().limit.next_multiple_of(64));
    let [readable, writable, exceptional] = sets;
    let asked = [read_set(readable, nfds)?, read_set(writable, nfds)?, read_set(exceptional, nfds)?];
    let mut found = asked.clone().map(|set| vec![0u64; set.len()]);
    let mut ready = 0;
    let mut files = Vec::new();
    for fd in 0..nfds {
        if !asked.iter().any(|set| has(set, fd)) {
            continue;
        }
        let file: Rc<File> = any_file(k, fd.into()).map_err(|_| EBADF)?;
        let state = file.poll();
        for ((asked, found), bits) in asked.iter().zip(&mut found).zip(SETS) {
            if !has(asked, fd) {
                continue;
            }
            files.push((file.clone(), bits));
            if state & bits != 0 {
                found[fd as usize / 64] |= 1 << (fd % 64);
                ready += 1;
            }
        }
    }
    if ready == 0 {
        wait(k, files, deadline)?;
    }
    for (addr, found) in sets.into_iter().zip(&found) {
        for (index, word) in found.iter().enumerate() {
            user::write(addr + 8 * index as u64, word)?;
        }
    }
    Ok(ready)
}

/// Implements Linux syscall select(2).
pub fn sys_select(k: &mut Kernel, [nfds, readable, writable, exceptional, timeout, _]: [u64; 6]) -> SysResult {
    let nanos = if timeout == 0 { None } else { Some(read_timeval(timeout)?) };
    let deadline = deadline(k, nanos);
    let result = select(k, nfds, [readable, writable, exceptional], deadline);
    if let (Some(deadline), false) = (deadline, result == Err(Errno::ERESTARTSYS)) {
        let _ = write_timeval(timeout, deadline.saturating_sub(clock::monotonic()));
    }
    result
}

/// Implements Linux syscall pselect6(2).
pub fn sys_pselect6(k: &mut Kernel, [nfds, readable, writable, exceptional, timeout, sigmask]: [u64; 6]) -> SysResult {
    let nanos = if timeout == 0 { None } else { Some(read_timespec(timeout)?) };
    let deadline = deadline(k, nanos);
    if sigmask != 0 {
        let [set, size]: [u64; 2] = user::read(sigmask)?;
        block_signals(k, set, size)?;
    }
    let result = select(k, nfds, [readable, writable, exceptional], deadline);
    if let (Some(deadline), false) = (deadline, result == Err(Errno::ERESTARTSYS)) {
        let _ = write_timespec(timeout, deadline.saturating_sub(clock::monotonic()));
    }
    finish(k, result)
}
