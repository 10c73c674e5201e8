//! What native runs, the oracle, have in common.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::null;

/// The command is the first process of a PID namespace, of which `/proc` tells, and leads a session, as in a container. No
/// signal is ignored and nothing is nice, whatever who tests ignores and is.
pub fn leading_a_session(command: &mut Command) -> &mut Command {
    let begin = || {
        // SAFETY: between fork and exec there is one thread.
        unsafe { become_first_process()? };
        let default = [0u64; 4];
        for signal in 1..=libc::SIGRTMAX() {
            // The system call, since the C library keeps two signals for itself. SIGKILL and SIGSTOP cannot be set.
            // SAFETY: four words are the kernel's `struct sigaction`; the default action is no code of ours.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), null::<u64>(), size_of::<u64>()) };
        }
        // SAFETY: they take numbers only.
        let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) == 0 && libc::setsid() >= 0 };
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec there are system calls only.
    unsafe { command.pre_exec(begin) }
}

/// Goes on as process 1 of a new PID namespace. The process that called only waits for it, and ends as a shell would say it did; if it is killed, so are
/// all of them.
///
/// # Safety
/// The process has one thread, and goes on to another program.
unsafe fn become_first_process() -> io::Result<()> {
    let check = |result: i32| if result >= 0 { Ok(result) } else { Err(io::Error::last_os_error()) };
    // SAFETY: system calls with numbers, one that fills a number here, and strings that end in zero bytes.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))?;
        let child = check(libc::fork())?;
        if child == 0 {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            check(libc::mount(null(), c"/".as_ptr(), null(), libc::MS_REC | libc::MS_PRIVATE, null()))?;
            check(libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, null()))?;
            return Ok(());
        }
        // Others wait until nobody has these open any more.
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) < 0 {}
        libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) })
    }
}
