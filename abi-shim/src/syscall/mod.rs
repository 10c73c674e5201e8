//! System calls: one function a call, `fn sys_read(k: &mut Kernel, args: [u64; 6]) -> SysResult`, with Linux's name and argument order.
//!
//! | where | what |
//! | --- | --- |
//! | [`table`] | one row a call: number, function, how its arguments are shown |
//! | [`absent`] | the calls of Linux that have none, and why |
//! | [`strace`] | `HOIST_TRACE=syscalls`: calls in the notation of strace(1), from the rows |
//! | the other modules | the functions, a file a family |
//!
//! A call that cannot finish now returns `Err(k.block(…))`, which is `ERESTARTSYS`: the task sleeps, and once something it waits for has
//! happened the function is called again with the same arguments. So it must not have changed anything by then; a timeout
//! is kept in the task ([`crate::task::Task::deadline_after`]).

pub mod absent;
pub mod attr;
pub mod clone;
pub mod copy;
pub mod dir;
pub mod epoll;
pub mod fcntl;
pub mod fd;
pub mod flags;
pub mod futex;
pub mod inet;
pub mod inotify;
pub mod ioctl;
pub mod link;
pub mod memory;
pub mod message;
pub mod mount;
pub mod mqueue;
pub mod msg;
pub mod open;
pub mod path;
pub mod pidfd;
pub mod pipe;
pub mod poll;
pub mod proc;
pub mod proc_pid;
pub mod process;
pub mod read_write;
pub mod sem;
pub mod shm;
pub mod signal;
pub mod signalfd;
pub mod socket;
pub mod stat;
pub mod strace;
pub mod system;
pub mod table;
pub mod time;
pub mod timer;
pub mod timerfd;
pub mod tty;
pub mod wait;
pub mod xattr;

use crate::errno::{Errno, SysResult};
use crate::kernel::Kernel;

/// A system call's implementation.
pub type Function = fn(&mut Kernel, [u64; 6]) -> SysResult;

/// One system call of the table.
pub struct Row {
    /// In rax (arch/x86/entry/syscalls/syscall_64.tbl).
    pub number: u16,
    /// As section 2 of the manual calls it.
    pub name: &'static str,
    pub function: Function,
    pub args: &'static [strace::Arg],
}

/// The row of a call number.
pub fn row(number: u64) -> Option<&'static Row> {
    let index = *table::INDEX.get(usize::try_from(number).ok()?)?;
    table::ROWS.get(usize::from(index))
}

/// Performs a call, once; `ERESTARTSYS` if it has to wait.
///
/// # Errors
/// What the call's man page says; ENOSYS for a number without a row.
pub fn call(k: &mut Kernel, number: u64, args: [u64; 6]) -> SysResult {
    match row(number) {
        Some(row) => (row.function)(k, args),
        None => Err(Errno::ENOSYS),
    }
}
