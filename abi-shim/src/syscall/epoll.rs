//! epoll(7): sets of files that are waited for.

use std::rc::Rc;

use crate::errno::Errno::{EBADF, EINVAL};
use crate::errno::SysResult;
use crate::fs::Result;
use crate::fs::epoll::{Epoll, Interest};
use crate::fs::types::{OpenFlags, poll};
use crate::kernel::Kernel;
use crate::user;
use crate::wasi::Nanos;

use super::path::{done, file};
use super::pipe::add_anonymous;
use super::poll::{block_signals, deadline, finish, millis, wait};
use super::time::read_timespec;

/// `struct epoll_event` is packed on x86-64.
const EVENT_SIZE: u64 = 12;

/// Implements Linux syscall epoll_create(2).
pub fn sys_epoll_create(k: &mut Kernel, [size, ..]: [u64; 6]) -> SysResult {
    if size as i32 <= 0 {
        return Err(EINVAL);
    }
    sys_epoll_create1(k, [0; 6])
}

/// Implements Linux syscall epoll_create1(2).
pub fn sys_epoll_create1(k: &mut Kernel, [flags, ..]: [u64; 6]) -> SysResult {
    if flags & !u64::from(OpenFlags::CLOEXEC) != 0 {
        return Err(EINVAL);
    }
    add_anonymous(k, Rc::new(Epoll::default()), "anon_inode:[eventpoll]", flags as u32)
}

fn set_of(k: &Kernel, epfd: u64) -> Result<Rc<Epoll>> {
    file(k, epfd)?.as_object::<Epoll>().ok_or(EINVAL)
}

fn read_event(event: u64) -> Result<Interest> {
    Ok(Interest { events: user::read(event)?, data: user::read(event + 4)? })
}

/// Implements Linux syscall epoll_ctl(2).
pub fn sys_epoll_ctl(k: &mut Kernel, [epfd, op, fd, event, ..]: [u64; 6]) -> SysResult {
    const ADD: u64 = 1;
    const DEL: u64 = 2;
    const MOD: u64 = 3;
    let interest = if op == DEL { None } else { Some(read_event(event)?) };
    file(k, epfd)?;
    let member = file(k, fd).map_err(|_| EBADF)?;
    let set = set_of(k, epfd)?;
    let fd = fd as i32;
    done(match (op, interest) {
        (ADD, Some(interest)) => set.add(fd, &member, interest),
        (MOD, Some(interest)) => set.modify(fd, &member, interest),
        (DEL, _) => set.remove(fd, &member),
        _ => Err(EINVAL),
    })
}

fn epoll_wait(k: &mut Kernel, [epfd, events, max]: [u64; 3], deadline: Option<Nanos>) -> SysResult {
    let max = usize::try_from(max as i32).ok().filter(|&max| max > 0).ok_or(EINVAL)?;
    let set = set_of(k, epfd)?;
    user::exists(events, max as u64 * EVENT_SIZE)?;
    let ready = set.ready(max);
    if ready.is_empty() {
        let file = file(k, epfd)?;
        wait(k, vec![(file, poll::IN)], deadline)?;
    }
    for (index, Interest { events: found, data }) in ready.iter().enumerate() {
        let at = events + index as u64 * EVENT_SIZE;
        user::write(at, found)?;
        user::write(at + 4, data)?;
    }
    Ok(ready.len() as u64)
}

/// Implements Linux syscall epoll_wait(2).
pub fn sys_epoll_wait(k: &mut Kernel, [epfd, events, max, timeout, ..]: [u64; 6]) -> SysResult {
    let deadline = deadline(k, millis(timeout));
    epoll_wait(k, [epfd, events, max], deadline)
}

/// Implements Linux syscall epoll_pwait(2).
pub fn sys_epoll_pwait(k: &mut Kernel, [epfd, events, max, timeout, set, size]: [u64; 6]) -> SysResult {
    let deadline = deadline(k, millis(timeout));
    block_signals(k, set, size)?;
    let result = epoll_wait(k, [epfd, events, max], deadline);
    finish(k, result)
}

/// Implements Linux syscall epoll_pwait2(2).
pub fn sys_epoll_pwait2(k: &mut Kernel, [epfd, events, max, timeout, set, size]: [u64; 6]) -> SysResult {
    let nanos = if timeout == 0 { None } else { Some(read_timespec(timeout)?) };
    let deadline = deadline(k, nanos);
    block_signals(k, set, size)?;
    let result = epoll_wait(k, [epfd, events, max], deadline);
    finish(k, result)
}
