//! Terminals: ioctl_tty(2), and reads and writes of processes in the background.

use std::rc::Rc;

use crate::cred;
use crate::errno::Errno::{EAGAIN, EINVAL, EIO, ENOTTY, EPERM, ESRCH};
use crate::errno::SysResult;
use crate::fs::boot;
use crate::fs::tty::pty::Master;
use crate::fs::tty::termios::{Termios, Termios2, cc, local};
use crate::fs::tty::{To, Tty, TtyFile};
use crate::fs::types::{OpenFlags, poll};
use crate::fs::uio::UserPieces;
use crate::fs::{Cred, File, Result};
use crate::kernel::{Kernel, host_events};
use crate::signal::number;
use crate::task::For;
use crate::user;
use crate::wasi::{Nanos, clock};

use super::path::{count, done, table, vfs};

/// Requests of ioctl_tty(2).
mod request {
    pub const TCGETS: u32 = 0x5401;
    pub const TCSETS: u32 = 0x5402;
    pub const TCSETSF: u32 = 0x5404;
    pub const TCSBRK: u32 = 0x5409;
    pub const TCXONC: u32 = 0x540a;
    pub const TCFLSH: u32 = 0x540b;
    pub const TIOCEXCL: u32 = 0x540c;
    pub const TIOCNXCL: u32 = 0x540d;
    pub const TIOCSCTTY: u32 = 0x540e;
    pub const TIOCGPGRP: u32 = 0x540f;
    pub const TIOCSPGRP: u32 = 0x5410;
    pub const TIOCOUTQ: u32 = 0x5411;
    pub const TIOCSTI: u32 = 0x5412;
    pub const TIOCGWINSZ: u32 = 0x5413;
    pub const TIOCSWINSZ: u32 = 0x5414;
    pub const FIONREAD: u32 = 0x541b;
    pub const TIOCPKT: u32 = 0x5420;
    pub const TIOCNOTTY: u32 = 0x5422;
    pub const TIOCSETD: u32 = 0x5423;
    pub const TIOCGETD: u32 = 0x5424;
    pub const TCSBRKP: u32 = 0x5425;
    pub const TIOCGSID: u32 = 0x5429;
    pub const TIOCVHANGUP: u32 = 0x5437;
    pub const TIOCGPTPEER: u32 = 0x5441;
    pub const TCGETS2: u32 = 0x802c_542a;
    pub const TCSETS2: u32 = 0x402c_542b;
    pub const TCSETSF2: u32 = 0x402c_542d;
    pub const TIOCGPTN: u32 = 0x8004_5430;
    pub const TIOCSPTLCK: u32 = 0x4004_5431;
    pub const TIOCSIG: u32 = 0x4004_5436;
    pub const TIOCGPKT: u32 = 0x8004_5438;
    pub const TIOCGPTLCK: u32 = 0x8004_5439;
}

/// Nanoseconds of VTIME's unit.
const TENTH: Nanos = 100_000_000;

// ---- Reading and writing

/// Reads from a terminal: termios(3) on canonical and noncanonical mode.
pub fn read_tty(k: &mut Kernel, file: &Rc<File>, tty: &Rc<Tty>, sink: &mut UserPieces) -> SysResult {
    k.check_foreground(tty, number::SIGTTIN)?;
    let room = sink.remaining();
    match file.read(sink) {
        Err(EAGAIN) => {}
        result => return count(result),
    }
    let termios = tty.termios();
    let there = tty.readable_bytes();
    let (min, time) = match termios.local(local::ICANON) {
        true => (1, 0),
        false => termios.min_and_time(),
    };
    if file.nonblocking() {
        return if there > 0 && !termios.local(local::ICANON) { count(tty.take(sink)) } else { Err(EAGAIN) };
    }
    let pause = Nanos::from(time) * TENTH;
    let deadline = match (min, time) {
        (_, 0) => None,
        // The time counts from the call on, or from the byte before.
        (0, _) => Some(k.task.deadline_after(pause)),
        _ if there == 0 => None,
        _ => Some(tty.last_typed().saturating_add(pause)),
    };
    if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
        return count(tty.take(sink));
    }
    let partly = there > 0 || min > room;
    let what = if partly { For::Anything } else { For::Files(vec![(file.clone(), poll::IN)]) };
    Err(k.block(&host_events(file, poll::IN), deadline, what))
}

/// Whether a process may write to a terminal: those in the background may not where TOSTOP is set.
///
/// # Errors
/// As [`Kernel::check_foreground`].
pub fn check_write(k: &mut Kernel, file: &Rc<File>) -> Result<()> {
    match file.as_object::<TtyFile>() {
        Some(file) if file.tty.termios().local(local::TOSTOP) => k.check_foreground(&file.tty, number::SIGTTOU),
        _ => Ok(()),
    }
}

/// After open(2): a terminal becomes that of a session's leader who has none, and a master's slave belongs to who opened it.
pub fn opened(k: &mut Kernel, file: &Rc<File>, noctty: bool) {
    if let Some(master) = file.as_object::<Master>() {
        master.set_owner(k.process.cred.fs.fsuid);
    }
    let Some(terminal) = file.as_object::<TtyFile>() else { return };
    let process = &k.process;
    let leads = process.session == process.pid && process.tty.is_none();
    if leads && !noctty && file.flags().readable() && terminal.tty.session() == 0 {
        k.set_terminal(&terminal.tty);
    }
}

// ---- ioctl

/// A terminal that a request is about.
struct Subject {
    tty: Rc<Tty>,
    /// Where the request came from its master.
    master: Option<Rc<Master>>,
}

/// The requests of terminals; `None` if the file is none.
pub fn ioctl(k: &mut Kernel, file: &Rc<File>, request: u32, arg: u64) -> Option<SysResult> {
    let subject = match (file.as_object::<TtyFile>(), file.as_object::<Master>()) {
        (Some(file), _) => Subject { tty: file.tty.clone(), master: None },
        (_, Some(master)) => Subject { tty: master.slave.clone(), master: Some(master) },
        _ => return None,
    };
    if subject.master.is_none() && subject.tty.is_hung_up() {
        return Some(Err(if request == request::TIOCSPGRP { ENOTTY } else { EIO }));
    }
    Some(match request {
        request::TIOCSCTTY => take(k, &subject, arg, file.flags().readable()),
        request::TIOCNOTTY => give_up(k, &subject),
        request::TIOCGPGRP | request::TIOCGSID => whose(k, &subject, request, arg),
        request::TIOCSPGRP => set_foreground(k, &subject, arg),
        request::TCSETS..=request::TCSETSF | request::TCSETS2..=request::TCSETSF2 => set(k, &subject, request, arg),
        request::TCSBRK | request::TCSBRKP | request::TCXONC | request::TCFLSH => control(k, &subject, request, arg),
        request::TIOCGPTPEER => open_peer(k, &subject, arg),
        request::TIOCSTI => type_in(k, &subject, arg),
        _ => plain(&subject, request, arg),
    })
}

/// What concerns nobody but the terminal.
fn plain(subject: &Subject, request: u32, arg: u64) -> SysResult {
    let tty = &subject.tty;
    match (request, &subject.master) {
        (request::TCGETS, _) => user::write(arg, &tty.termios())?,
        (request::TCGETS2, _) => user::write(arg, &tty.termios().with_speeds())?,
        (request::TIOCGWINSZ, _) => user::write(arg, &tty.size())?,
        (request::TIOCSWINSZ, _) => tty.set_size(user::read(arg)?),
        (request::FIONREAD, None) => user::write(arg, &(tty.readable_bytes() as i32))?,
        (request::FIONREAD, Some(master)) => user::write(arg, &(master.readable_bytes() as i32))?,
        (request::TIOCOUTQ, _) => user::write(arg, &0i32)?,
        (request::TIOCGETD, _) => user::write(arg, &0i32)?,
        (request::TIOCSETD, _) if user::read::<i32>(arg)? != 0 => return Err(EINVAL),
        (request::TIOCSETD | request::TIOCEXCL | request::TIOCNXCL, _) => {}
        (request::TIOCVHANGUP, None) => tty.hang_up(),
        (request::TIOCGPTN, Some(_)) => user::write(arg, &tty.number)?,
        (request::TIOCSPTLCK, Some(master)) => master.set_locked(user::read::<i32>(arg)? != 0),
        (request::TIOCGPTLCK, Some(master)) => user::write(arg, &i32::from(master.is_locked()))?,
        (request::TIOCPKT, Some(master)) => master.set_packets(user::read::<i32>(arg)? != 0),
        (request::TIOCGPKT, Some(master)) => user::write(arg, &i32::from(master.packets()))?,
        (request::TIOCSIG, Some(_)) => {
            const SENT: [u8; 3] = [number::SIGINT, number::SIGQUIT, number::SIGTSTP];
            let signal = SENT.into_iter().find(|&signal| u64::from(signal) == arg).ok_or(EINVAL)?;
            tty.post(To::Group(tty.group()), signal);
        }
        _ => return Err(ENOTTY),
    }
    Ok(0)
}

/// Whether the terminal is that of the current process.
fn is_own(k: &Kernel, tty: &Rc<Tty>) -> bool {
    k.process.tty.as_ref().is_some_and(|own| Rc::ptr_eq(own, tty))
}

/// TIOCSCTTY.
fn take(k: &mut Kernel, subject: &Subject, arg: u64, readable: bool) -> SysResult {
    let tty = &subject.tty;
    let leads = k.process.session == k.process.pid;
    let privileged = k.process.cred.capable(cred::CAP_SYS_ADMIN);
    if leads && tty.session() == k.process.session {
        return Ok(0);
    }
    if !leads || k.process.tty.is_some() || !readable && !privileged {
        return Err(EPERM);
    }
    if tty.session() != 0 {
        if arg != 1 || !privileged {
            return Err(EPERM);
        }
        k.clear_session(tty);
    }
    k.set_terminal(tty);
    Ok(0)
}

/// TIOCNOTTY.
fn give_up(k: &mut Kernel, subject: &Subject) -> SysResult {
    if !is_own(k, &subject.tty) {
        return Err(ENOTTY);
    }
    k.leave_terminal(false);
    Ok(0)
}

/// TIOCGPGRP, TIOCGSID.
fn whose(k: &Kernel, subject: &Subject, request: u32, arg: u64) -> SysResult {
    let tty = &subject.tty;
    if subject.master.is_none() && !is_own(k, tty) {
        return Err(ENOTTY);
    }
    let number = match request {
        request::TIOCGPGRP => tty.group(),
        _ if tty.session() == 0 => return Err(ENOTTY),
        _ => tty.session(),
    };
    done(user::write(arg, &number))
}

/// TIOCSPGRP.
fn set_foreground(k: &mut Kernel, subject: &Subject, arg: u64) -> SysResult {
    let tty = &subject.tty;
    match k.check_foreground(tty, number::SIGTTOU) {
        Err(EIO) => return Err(ENOTTY),
        result => result?,
    }
    if !is_own(k, tty) || tty.session() != k.process.session {
        return Err(ENOTTY);
    }
    let group: i32 = user::read(arg)?;
    if group < 0 {
        return Err(EINVAL);
    }
    let session = k.all_processes().find(|process| process.group == group).map(|process| process.session).ok_or(ESRCH)?;
    if session != k.process.session {
        return Err(EPERM);
    }
    tty.set_group(group);
    Ok(0)
}

/// TCSETS and its relatives. There is nothing to wait for: what was written is with the other side.
fn set(k: &mut Kernel, subject: &Subject, request: u32, arg: u64) -> SysResult {
    let tty = &subject.tty;
    if subject.master.is_none() {
        k.check_foreground(tty, number::SIGTTOU)?;
    }
    let new = match request {
        request::TCSETS..=request::TCSETSF => user::read::<Termios>(arg)?,
        _ => user::read::<Termios2>(arg)?.termios,
    };
    if matches!(request, request::TCSETSF | request::TCSETSF2) {
        tty.flush_input();
    }
    tty.set_termios(new);
    Ok(0)
}

/// TCSBRK, TCXONC, TCFLSH.
fn control(k: &mut Kernel, subject: &Subject, request: u32, arg: u64) -> SysResult {
    let Subject { tty, master } = subject;
    if master.is_none() {
        k.check_foreground(tty, number::SIGTTOU)?;
    }
    match (request, arg) {
        (request::TCSBRK | request::TCSBRKP, _) => {}
        (request::TCXONC, 0) => tty.stop(),
        (request::TCXONC, 1) => tty.start(),
        (request::TCXONC, 2 | 3) => {
            let place = if arg == 2 { cc::VSTOP } else { cc::VSTART };
            tty.send(tty.termios().cc[place]);
        }
        (request::TCFLSH, 0..=2) => {
            // What is input to one side is output of the other.
            if (arg == 0) == master.is_none() || arg == 2 {
                tty.flush_input();
            }
            if (arg == 1) == master.is_none() || arg == 2 {
                tty.flush_output();
            }
        }
        _ => return Err(EINVAL),
    }
    Ok(0)
}

/// TIOCGPTPEER: opens the slave.
fn open_peer(k: &mut Kernel, subject: &Subject, arg: u64) -> SysResult {
    if subject.master.is_none() {
        return Err(ENOTTY);
    }
    let flags = OpenFlags(arg as u32);
    let (cred, vfs) = (Cred::root(), vfs(k));
    let at = boot::walker(vfs, &cred).resolve(format!("/dev/pts/{}", subject.tty.number).as_bytes(), true)?;
    let file = vfs.open_found(&cred, at, flags)?;
    opened(k, &file, flags.has(OpenFlags::NOCTTY));
    let fd = table(k).borrow_mut().add(file, flags.has(OpenFlags::CLOEXEC))?;
    Ok(fd as u64)
}

/// TIOCSTI: as if it were typed.
fn type_in(k: &mut Kernel, subject: &Subject, arg: u64) -> SysResult {
    if !is_own(k, &subject.tty) && !k.process.cred.capable(cred::CAP_SYS_ADMIN) {
        return Err(EPERM);
    }
    let byte: u8 = user::read(arg)?;
    subject.tty.type_in(&[byte]);
    Ok(0)
}
