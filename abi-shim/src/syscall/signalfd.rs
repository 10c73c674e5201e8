//! signalfd(2).

use std::rc::Rc;

use crate::errno::Errno::{EAGAIN, EINVAL};
use crate::errno::SysResult;
use crate::fs::File;
use crate::fs::signalfd::SignalFd;
use crate::fs::types::{OpenFlags, poll};
use crate::fs::uio::{Sink, UserPieces};
use crate::kernel::Kernel;
use crate::signal::{self, Info, SignalSet};
use crate::user;

use super::path::{file, or_wait};
use super::pipe::add_anonymous;

/// `sizeof(sigset_t)` in the kernel.
const SET_SIZE: u64 = 8;
/// `sizeof(struct signalfd_siginfo)`.
const INFO_SIZE: usize = 128;

/// Implements Linux syscall signalfd(2).
pub fn sys_signalfd(k: &mut Kernel, [fd, set, size, ..]: [u64; 6]) -> SysResult {
    sys_signalfd4(k, [fd, set, size, 0, 0, 0])
}

/// Implements Linux syscall signalfd4(2). What poll(2) reports is that of the process that made the descriptor or last read from it.
pub fn sys_signalfd4(k: &mut Kernel, [fd, set, size, flags, ..]: [u64; 6]) -> SysResult {
    let flags = flags as u32;
    if size != SET_SIZE || flags & !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK) != 0 {
        return Err(EINVAL);
    }
    let set: SignalSet = user::read::<SignalSet>(set)?.blockable();
    let result = match fd as i32 {
        -1 => {
            let object = SignalFd::new(set, k.process.pid);
            k.signal_fds.retain(|fd| fd.strong_count() > 0);
            k.signal_fds.push(Rc::downgrade(&object));
            add_anonymous(k, object, "anon_inode:[signalfd]", flags)
        }
        _ => {
            file(k, fd)?.as_object::<SignalFd>().ok_or(EINVAL)?.set.set(set);
            Ok(fd)
        }
    };
    signal::refresh_files(k);
    result
}

/// read(2) of such a file: as many signals as there is room for.
pub fn read_signals(k: &mut Kernel, file: &Rc<File>, fd: &SignalFd, sink: &mut UserPieces) -> SysResult {
    if sink.room() < INFO_SIZE {
        return Err(EINVAL);
    }
    fd.process.set(k.process.pid);
    let mut count = 0;
    while sink.room() >= INFO_SIZE {
        let Some(info) = signal::take(k, fd.set.get()) else { break };
        sink.put(&siginfo(info))?;
        count += INFO_SIZE;
    }
    let result = if count == 0 { Err(EAGAIN) } else { Ok(count as u64) };
    or_wait(k, file, poll::IN, result)
}

/// `struct signalfd_siginfo`.
fn siginfo(info: Info) -> [u8; INFO_SIZE] {
    const SI_QUEUE: i32 = -1;
    let [first, second] = info.words;
    let (low, high) = (first as u32, (first >> 32) as u32);
    let mut bytes = [0; INFO_SIZE];
    let mut put = |at: usize, word: u32| bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    put(0, info.signal.into());
    put(4, info.errno as u32);
    put(8, info.code as u32);
    match info.code {
        Info::SI_TIMER => {
            put(24, low);
            put(32, high);
            put(44, second as u32);
        }
        _ => {
            put(12, low);
            put(16, high);
            put(if info.code == SI_QUEUE { 44 } else { 40 }, second as u32);
        }
    }
    if matches!(info.code, Info::SI_TIMER | SI_QUEUE) {
        bytes[48..56].copy_from_slice(&second.to_le_bytes());
    }
    bytes
}
