//! New tasks and processes: clone(2), clone3(2), fork(2), vfork(2).

use std::cell::RefCell;
use std::rc::Rc;

use crate::errno::{Errno, SysResult};
use crate::fork::{CloneArgs, flag};
use crate::kernel::Kernel;
use crate::signal::number;
use crate::user::{self, Pod};

/// Makes the task; with CLONE_VFORK the call waits for it, and knows on later tries which it was.
fn clone(k: &mut Kernel, args: CloneArgs) -> SysResult {
    let tid = match k.task.borrower {
        Some(tid) => tid,
        None => k.copy_process(args)?,
    };
    if args.flags & flag::VFORK != 0 && args.flags & flag::THREAD == 0 {
        k.wait_for_borrower(tid)?;
    }
    Ok(tid as u64)
}

/// Implements Linux syscall clone(2): threads, which share everything, and processes. New namespaces are EPERM.
pub fn sys_clone(k: &mut Kernel, [flags, stack, parent_tid, child_tid, tls, _]: [u64; 6]) -> SysResult {
    const SIGNAL: u64 = 0xff;
    let flags = flags & u64::from(u32::MAX);
    if flags & flag::PIDFD != 0 && flags & flag::PARENT_SETTID != 0 {
        return Err(Errno::EINVAL);
    }
    let exit_signal = (flags & SIGNAL) as u8;
    if exit_signal > number::MAX {
        return Err(Errno::EINVAL);
    }
    clone(k, CloneArgs { flags: flags & !SIGNAL, exit_signal, stack, parent_tid, child_tid, tls, pidfd: parent_tid })
}

/// `struct clone_args`, as much of it as the first version had.
#[derive(Clone, Copy)]
#[repr(C)]
struct Args {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}
unsafe impl Pod for Args {}

/// Implements Linux syscall clone3(2), likewise; set_tid and cgroup are EINVAL.
pub fn sys_clone3(k: &mut Kernel, [args, size, ..]: [u64; 6]) -> SysResult {
    const FIRST_VERSION: u64 = 64;
    const SIGNAL: u64 = 0xff;
    const LARGEST: u64 = 4096;
    if size > LARGEST {
        return Err(Errno::E2BIG);
    }
    if size < FIRST_VERSION {
        return Err(Errno::EINVAL);
    }
    // What later versions added has to be zero.
    let rest = user::UserSlice::new(args + FIRST_VERSION, size - FIRST_VERSION, user::Access::Read)?;
    let Args { flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, .. } = user::read(args)?;
    let signal = u8::try_from(exit_signal).ok().filter(|&signal| signal <= number::MAX).ok_or(Errno::EINVAL)?;
    if flags & SIGNAL != 0 || (stack == 0) != (stack_size == 0) || rest.to_vec().iter().any(|&byte| byte != 0) {
        return Err(Errno::EINVAL);
    }
    let stack = stack.wrapping_add(stack_size);
    clone(k, CloneArgs { flags, exit_signal: signal, stack, parent_tid, child_tid, tls, pidfd })
}

/// Implements Linux syscall fork(2).
pub fn sys_fork(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    clone(k, CloneArgs { exit_signal: number::SIGCHLD, ..CloneArgs::default() })
}

/// Implements Linux syscall vfork(2).
pub fn sys_vfork(k: &mut Kernel, _: [u64; 6]) -> SysResult {
    clone(k, CloneArgs { flags: flag::VM | flag::VFORK, exit_signal: number::SIGCHLD, ..CloneArgs::default() })
}

/// Implements Linux syscall unshare(2), for descriptors and directories. New namespaces are EPERM.
pub fn sys_unshare(k: &mut Kernel, [flags, ..]: [u64; 6]) -> SysResult {
    const SYSVSEM: u64 = 0x4_0000;
    const ALONE: u64 = flag::VM | flag::SIGHAND | flag::THREAD;
    if flags & !(flag::FS | flag::FILES | SYSVSEM | ALONE | flag::NAMESPACES) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & flag::NAMESPACES != 0 {
        return Err(Errno::EPERM);
    }
    let tid = k.task.tid;
    let own = k.process.pid;
    if flags & ALONE != 0 && k.tasks().any(|task| task.pid == own && task.tid != tid) {
        return Err(Errno::EINVAL);
    }
    if flags & flag::FILES != 0 {
        let files = k.process.files.borrow().clone();
        k.process.files = Rc::new(RefCell::new(files));
    }
    if flags & flag::FS != 0 {
        let fs = k.process.fs.borrow().clone();
        k.process.fs = Rc::new(RefCell::new(fs));
    }
    Ok(0)
}

/// Implements Linux syscall setns(2): there are no other namespaces.
pub fn sys_setns(k: &mut Kernel, [fd, ..]: [u64; 6]) -> SysResult {
    k.files().borrow().get(fd as i32)?;
    Err(Errno::EINVAL)
}
