//! What native runs, the oracle, have in common.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The command leads a session, as a container's first process does: that of whoever tests may be out of sight in this PID namespace. No
/// signal is ignored, whatever who tests ignores.
pub fn leading_a_session(command: &mut Command) -> &mut Command {
    let begin = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the default action is no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: it takes nothing.
        if unsafe { libc::setsid() } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec there are system calls only.
    unsafe { command.pre_exec(begin) }
}
