//! What becomes of children: wait4(2), waitid(2).

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;
use crate::process::{Change, End, Process};
use crate::signal::{Info, number};
use crate::task::For;
use crate::user;

use super::time::write_usage;

/// Options of wait4(2) and waitid(2).
const WNOHANG: u32 = 1;
const WUNTRACED: u32 = 2;
const WSTOPPED: u32 = 2;
const WEXITED: u32 = 4;
const WCONTINUED: u32 = 8;
const WNOWAIT: u32 = 0x100_0000;
/// __WNOTHREAD, __WALL, __WCLONE: children made by clone(2) are like others here.
const IGNORED: u32 = 0xe000_0000;

/// Which children a call is about.
#[derive(Clone, Copy)]
enum Which {
    All,
    Process(i32),
    Group(i32),
}

impl Which {
    fn has(self, process: &Process) -> bool {
        match self {
            Which::All => true,
            Which::Process(pid) => process.pid == pid,
            Which::Group(group) => process.group == group,
        }
    }
}

/// What happened to a child.
#[derive(Clone, Copy)]
enum Event {
    Ended(End),
    Changed(Change),
}

impl Event {
    /// As wait4(2) writes it.
    fn status(self) -> u32 {
        match self {
            Event::Ended(End::Exit(status)) => u32::from(status) << 8,
            Event::Ended(End::Signal(signal)) => signal.into(),
            Event::Changed(Change::Stopped(signal)) => 0x7f | u32::from(signal) << 8,
            Event::Changed(Change::Continued) => 0xffff,
        }
    }

    /// `si_code` and `si_status`.
    fn code_and_status(self) -> (i32, u8) {
        match self {
            Event::Ended(End::Exit(status)) => (Info::CLD_EXITED, status),
            Event::Ended(End::Signal(signal)) => (Info::CLD_KILLED, signal),
            Event::Changed(Change::Stopped(signal)) => (Info::CLD_STOPPED, signal),
            Event::Changed(Change::Continued) => (Info::CLD_CONTINUED, number::SIGCONT),
        }
    }
}

/// The child with news of a kind that is asked for, and the news; `None` if there is none yet.
///
/// # Errors
/// ECHILD if there is no such child at all.
fn find(k: &Kernel, which: Which, options: u32) -> Result<Option<(i32, Event)>, Errno> {
    let own = k.process.pid;
    let mut any = false;
    for child in k.processes.values().filter(|child| child.parent == own && which.has(child)) {
        any = true;
        let event = match (child.end, child.change) {
            (Some(end), _) if options & WEXITED != 0 => Event::Ended(end),
            (None, Some(change @ Change::Stopped(_))) if options & WSTOPPED != 0 => Event::Changed(change),
            (None, Some(change @ Change::Continued)) if options & WCONTINUED != 0 => Event::Changed(change),
            _ => continue,
        };
        return Ok(Some((child.pid, event)));
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

/// Takes the news from a child: one that ended is gone. What CPU time it used.
fn take(k: &mut Kernel, child: i32, event: Event) -> u64 {
    match event {
        Event::Ended(_) => {
            let gone = k.reap(child);
            let used = gone.map_or(0, |gone| gone.cpu_time + gone.children_cpu_time);
            k.process.children_cpu_time += used;
            used
        }
        Event::Changed(_) => {
            let Some(child) = k.process_mut(child) else { return 0 };
            child.change = None;
            child.cpu_time
        }
    }
}

/// Finds a child with news, or waits for one; `None` if the call is not to wait.
fn wait(k: &mut Kernel, which: Which, options: u32) -> Result<Option<(i32, Event)>, Errno> {
    match find(k, which, options)? {
        None if options & WNOHANG == 0 => {
            let seen = k.process.child_news;
            Err(k.block_forever(For::Child(seen)))
        }
        found => Ok(found),
    }
}

/// Implements Linux syscall wait4(2).
pub fn sys_wait4(k: &mut Kernel, [pid, status, options, usage, ..]: [u64; 6]) -> SysResult {
    let options = options as u32;
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | IGNORED) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match pid as i32 {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Which::All,
        0 => Which::Group(k.process.group),
        pid @ 1.. => Which::Process(pid),
        group => Which::Group(-group),
    };
    let Some((child, event)) = wait(k, which, options & !IGNORED | WEXITED)? else { return Ok(0) };
    let used = take(k, child, event);
    if status != 0 {
        user::write(status, &event.status())?;
    }
    if usage != 0 {
        write_usage(usage, used, 0)?;
    }
    Ok(child as u64)
}

/// Implements Linux syscall waitid(2).
pub fn sys_waitid(k: &mut Kernel, [id_type, id, info, options, usage, _]: [u64; 6]) -> SysResult {
    let options = options as u32;
    let what = WEXITED | WSTOPPED | WCONTINUED;
    if options & !(what | WNOHANG | WNOWAIT | IGNORED) != 0 || options & what == 0 {
        return Err(Errno::EINVAL);
    }
    let id = id as i32;
    let which = match id_type as i32 {
        0 => Which::All,
        1 if id > 0 => Which::Process(id),
        3 => Which::Process(super::pidfd::process_of(k, id as u64)?),
        2 if id == 0 => Which::Group(k.process.group),
        2 if id > 0 => Which::Group(id),
        _ => return Err(Errno::EINVAL),
    };
    let found = wait(k, which, options)?;
    let mut bytes = [0; Info::SIZE];
    let mut used = 0;
    if let Some((child, event)) = found {
        let (code, status) = event.code_and_status();
        let uid = k.process(child).map_or(0, |child| child.cred.uid.real);
        let words = [child as u64 | u64::from(uid) << 32, status.into()];
        bytes = Info { signal: number::SIGCHLD, code, errno: 0, words }.to_bytes();
        if options & WNOWAIT == 0 {
            used = take(k, child, event);
        }
    }
    if info != 0 {
        user::copy_to_user(info, &bytes)?;
    }
    if usage != 0 {
        write_usage(usage, used, 0)?;
    }
    Ok(0)
}
