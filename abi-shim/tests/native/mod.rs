//! What native runs, the oracle, have in common.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The command leads a session, as a container's first process does: that of whoever tests may be out of sight in this PID namespace.
pub fn leading_a_session(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec there is one system call.
    unsafe { command.pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }) }
}
