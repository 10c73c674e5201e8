//! What native runs, the oracle, have in common.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The command leads a session, as a container's first process does: that of whoever tests may be out of sight in this PID namespace. No
/// signal is ignored and nothing is nice, whatever who tests ignores and is.
pub fn leading_a_session(command: &mut Command) -> &mut Command {
    let begin = || {
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: the default action is no code of ours. Not all signals can be set.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: they take numbers only.
        let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) == 0 && libc::setsid() >= 0 };
        if done { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: between fork and exec there are system calls only.
    unsafe { command.pre_exec(begin) }
}
