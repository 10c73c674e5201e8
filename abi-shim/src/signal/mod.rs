//! Signals: signal(7). What is sent to the task waits in [`Pending`] until the kernel is about to go back to the guest; [`deliver`]
//! then ends the process, or enters a handler on a frame that [`frame`] builds.

mod frame;

pub use frame::sigreturn;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::backtrace;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::limits;
use crate::process::{End, Process};
use crate::task::{Restart, State};
use crate::user::Pod;

/// Numbers of signals.
pub mod number {
    pub const SIGHUP: u8 = 1;
    pub const SIGINT: u8 = 2;
    pub const SIGQUIT: u8 = 3;
    pub const SIGILL: u8 = 4;
    pub const SIGTRAP: u8 = 5;
    pub const SIGABRT: u8 = 6;
    pub const SIGBUS: u8 = 7;
    pub const SIGFPE: u8 = 8;
    pub const SIGKILL: u8 = 9;
    pub const SIGSEGV: u8 = 11;
    pub const SIGPIPE: u8 = 13;
    pub const SIGALRM: u8 = 14;
    pub const SIGCHLD: u8 = 17;
    pub const SIGCONT: u8 = 18;
    pub const SIGSTOP: u8 = 19;
    pub const SIGTSTP: u8 = 20;
    pub const SIGTTIN: u8 = 21;
    pub const SIGTTOU: u8 = 22;
    pub const SIGURG: u8 = 23;
    pub const SIGXCPU: u8 = 24;
    pub const SIGXFSZ: u8 = 25;
    pub const SIGVTALRM: u8 = 26;
    pub const SIGPROF: u8 = 27;
    pub const SIGWINCH: u8 = 28;
    pub const SIGSYS: u8 = 31;
    /// The first that queues.
    pub const SIGRTMIN: u8 = 32;
    /// The highest.
    pub const MAX: u8 = 64;
}
use number::*;

/// A set of signals; bit `n - 1` is signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct SignalSet(pub u64);
unsafe impl Pod for SignalSet {}

impl SignalSet {
    pub const EMPTY: SignalSet = SignalSet(0);
    /// Those that nothing blocks: SIGKILL, SIGSTOP.
    const UNBLOCKABLE: u64 = 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1);

    pub const fn bit(signal: u8) -> u64 {
        1 << (signal - 1)
    }

    pub fn has(self, signal: u8) -> bool {
        self.0 & Self::bit(signal) != 0
    }

    pub fn add(&mut self, signal: u8) {
        self.0 |= Self::bit(signal);
    }

    pub fn remove(&mut self, signal: u8) {
        self.0 &= !Self::bit(signal);
    }

    /// Without what cannot be blocked.
    pub fn blockable(self) -> SignalSet {
        SignalSet(self.0 & !Self::UNBLOCKABLE)
    }
}

/// The kernel's `struct sigaction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Action {
    /// SIG_DFL, SIG_IGN, or the handler's address.
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: SignalSet,
}
unsafe impl Pod for Action {}

impl Action {
    /// The default action.
    pub const NONE: Action = Action { handler: Action::DEFAULT, flags: 0, restorer: 0, mask: SignalSet::EMPTY };
    pub const DEFAULT: u64 = 0;
    pub const IGNORE: u64 = 1;
    /// Flags of sigaction(2).
    pub const ONSTACK: u64 = 0x0800_0000;
    /// SA_NOCLDSTOP, SA_NOCLDWAIT.
    pub const NO_CHILD_STOP: u64 = 1;
    pub const NO_CHILD_WAIT: u64 = 2;
    pub const RESTART: u64 = 0x1000_0000;
    pub const NODEFER: u64 = 0x4000_0000;
    pub const RESETHAND: u64 = 0x8000_0000;
}

/// What a process does with each signal, at `number - 1`. A clone has its own.
#[derive(PartialEq, Eq, Debug)]
pub struct Actions(Rc<[Cell<Action>; MAX as usize]>);

impl Default for Actions {
    fn default() -> Actions {
        Actions(Rc::new([const { Cell::new(Action::NONE) }; MAX as usize]))
    }
}

impl Clone for Actions {
    fn clone(&self) -> Actions {
        Actions(Rc::new((*self.0).clone()))
    }
}

impl Actions {
    /// The same actions, of two processes: CLONE_SIGHAND of clone(2).
    pub fn share(&self) -> Actions {
        Actions(self.0.clone())
    }

    pub fn get(&self, signal: u8) -> Action {
        self.0[usize::from(signal) - 1].get()
    }

    pub fn set(&self, signal: u8, action: Action) {
        self.0[usize::from(signal) - 1].set(action);
    }

    /// What stays where handlers are gone, as by execve(2): what is ignored.
    pub fn without_handlers(&self) -> Actions {
        let actions = self.clone();
        for action in &*actions.0 {
            let handler = if action.get().handler == Action::IGNORE { Action::IGNORE } else { Action::DEFAULT };
            action.set(Action { handler, ..Action::NONE });
        }
        actions
    }

    /// The signals with this handler, or all that have a handler of the program's: `/proc/PID/status`.
    pub fn with_handler(&self, handler: Option<u64>) -> SignalSet {
        let own = |its: u64| its != Action::DEFAULT && its != Action::IGNORE;
        let asked = |action: Action| handler.map_or(own(action.handler), |handler| action.handler == handler);
        let signals = self.0.iter().zip(1..).filter(|(action, _)| asked(action.get()));
        SignalSet(signals.map(|(_, signal)| SignalSet::bit(signal)).fold(0, |set, bit| set | bit))
    }

    /// Whether a signal has no effect at all.
    pub fn ignores(&self, signal: u8) -> bool {
        match self.get(signal).handler {
            Action::IGNORE => true,
            Action::DEFAULT => !is_fatal(signal) && !STOPS.has(signal),
            _ => false,
        }
    }

    /// Whether children that end are nobody's business: sigaction(2) on SIGCHLD.
    pub fn ignore_children(&self) -> bool {
        let action = self.get(SIGCHLD);
        action.handler == Action::IGNORE || action.flags & Action::NO_CHILD_WAIT != 0
    }
}

/// Signals whose default action is to stop the process.
pub const STOPS: SignalSet =
    SignalSet(SignalSet::bit(SIGSTOP) | SignalSet::bit(SIGTSTP) | SignalSet::bit(SIGTTIN) | SignalSet::bit(SIGTTOU));

/// The default action is to end the process.
fn is_fatal(signal: u8) -> bool {
    !matches!(signal, SIGCHLD | SIGCONT | SIGURG | SIGWINCH) && !STOPS.has(signal)
}

/// Where a signal comes from: the fields of `siginfo_t` that matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Info {
    pub signal: u8,
    /// `si_code`: SI_USER, SI_TKILL, FPE_INTDIV, …
    pub code: i32,
    pub errno: i32,
    /// The words after that: `si_pid` and `si_uid`, or `si_addr`; then `si_value`.
    pub words: [u64; 2],
}

impl Info {
    pub const SI_USER: i32 = 0;
    /// `si_code` of SIGCHLD.
    pub const CLD_EXITED: i32 = 1;
    pub const CLD_KILLED: i32 = 2;
    pub const CLD_STOPPED: i32 = 5;
    pub const CLD_CONTINUED: i32 = 6;
    pub const SI_KERNEL: i32 = 0x80;
    pub const SI_TIMER: i32 = -2;
    pub const SI_TKILL: i32 = -6;
    pub const SIZE: usize = 128;

    /// `siginfo_t` as it lies in memory.
    pub fn to_bytes(self) -> [u8; Info::SIZE] {
        let mut bytes = [0; Info::SIZE];
        bytes[0..4].copy_from_slice(&i32::from(self.signal).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.errno.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.code.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.words[0].to_le_bytes());
        bytes[24..32].copy_from_slice(&self.words[1].to_le_bytes());
        bytes
    }
}

/// Signals that were sent and not yet delivered. Of each number one waits, of real-time signals all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    pub set: SignalSet,
    infos: VecDeque<Info>,
}

impl Pending {
    /// Adds a signal, unless it waits already; real-time signals queue.
    pub fn add(&mut self, info: Info) {
        if info.signal >= SIGRTMIN || !self.set.has(info.signal) {
            self.set.add(info.signal);
            self.infos.push_back(info);
        }
    }

    /// How many wait: what RLIMIT_SIGPENDING counts.
    pub fn len(&self) -> usize {
        self.infos.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// Takes the lowest signal of a set.
    pub fn take(&mut self, of: SignalSet) -> Option<Info> {
        let waiting = self.set.0 & of.0;
        let signal = (waiting != 0).then(|| waiting.trailing_zeros() as u8 + 1)?;
        let index = self.infos.iter().position(|info| info.signal == signal)?;
        let info = self.infos.remove(index)?;
        if !self.infos.iter().any(|info| info.signal == signal) {
            self.set.remove(signal);
        }
        Some(info)
    }

    /// Forgets all of a set.
    pub fn forget_all(&mut self, set: SignalSet) {
        self.set.0 &= !set.0;
        self.infos.retain(|info| !set.has(info.signal));
    }

    /// Forgets a signal: it is ignored from now on.
    pub fn forget(&mut self, signal: u8) {
        self.set.remove(signal);
        self.infos.retain(|info| info.signal != signal);
    }
}

/// sigaltstack(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AltStack {
    pub start: u64,
    pub size: u64,
    pub flags: u32,
}

impl AltStack {
    pub const ONSTACK: u32 = 1;
    pub const DISABLE: u32 = 2;
    pub const AUTODISARM: u32 = 1 << 31;

    pub fn contains(&self, rsp: u64) -> bool {
        self.flags & AltStack::DISABLE == 0 && rsp > self.start && rsp - self.start <= self.size
    }
}

impl Default for AltStack {
    fn default() -> AltStack {
        AltStack { start: 0, size: 0, flags: AltStack::DISABLE }
    }
}

/// Whether one more real-time signal may wait for a process: RLIMIT_SIGPENDING, of all signals that wait for its user's processes. Others always may.
///
/// # Errors
/// EAGAIN if not, to who says more with the signal than kill(2) does; with that the signal is only lost: signal(7).
pub fn may_queue(k: &Kernel, pid: i32, info: &Info) -> Result<bool, Errno> {
    let Some(process) = k.process(pid).filter(|_| info.signal >= SIGRTMIN) else { return Ok(true) };
    let user = process.cred.uid.real;
    let of_user = |pid: i32| k.process(pid).is_some_and(|process| process.cred.uid.real == user);
    let shared: usize = k.all_processes().filter(|process| of_user(process.pid)).map(|process| process.pending.len()).sum();
    let own: usize = k.tasks().filter(|task| of_user(task.pid)).map(|task| task.pending.len()).sum();
    match ((shared + own) as u64) < process.limits.0[limits::SIGPENDING].soft {
        true => Ok(true),
        false if info.code == Info::SI_USER => Ok(!process.pending.set.has(info.signal)),
        false => Err(Errno::EAGAIN),
    }
}

/// Sends a signal to a process: whichever of its tasks does not block it takes it. One that is ignored and not blocked leaves no trace.
pub fn send(k: &mut Kernel, pid: i32, info: Info) {
    stop_or_continue(k, pid, info.signal);
    let blocked = k.tasks().filter(|task| task.pid == pid).all(|task| task.blocked.has(info.signal));
    let Some(process) = k.process_mut(pid).filter(|process| process.end.is_none()) else { return };
    let ignored = !blocked && process.actions.ignores(info.signal) || is_kept_from(process, blocked, &info);
    if !ignored {
        process.pending.add(info);
        refresh_files(k);
    }
}

/// Sends a signal to a task; false if there is no such.
pub fn send_to(k: &mut Kernel, tid: i32, info: Info) -> bool {
    let Some(pid) = k.task_mut(tid).map(|task| task.pid) else { return false };
    stop_or_continue(k, pid, info.signal);
    let Some((process, task)) = k.process(pid).zip(k.tasks().find(|task| task.tid == tid)) else { return false };
    let blocked = task.blocked.has(info.signal);
    let ignored = !blocked && process.actions.ignores(info.signal) || is_kept_from(process, blocked, &info);
    if let (false, Some(task)) = (ignored, k.task_mut(tid)) {
        task.pending.add(info);
        refresh_files(k);
    }
    true
}

/// The first process gets no signal that it has no handler for, and of SIGKILL and SIGSTOP only the kernel's own: pid_namespaces(7).
fn is_kept_from(process: &Process, blocked: bool, info: &Info) -> bool {
    let is_default = process.actions.get(info.signal).handler == Action::DEFAULT;
    let forced = info.code == Info::SI_KERNEL && SignalSet(SignalSet::UNBLOCKABLE).has(info.signal);
    process.is_unkillable && !blocked && is_default && !forced
}

/// Tells the files of signalfd(2) what is pending for their processes, after it has changed.
pub fn refresh_files(k: &Kernel) {
    for fd in k.signal_fds.iter().filter_map(std::rc::Weak::upgrade) {
        let pid = fd.process.get();
        let shared = k.process(pid).map_or(0, |process| process.pending.set.0);
        let own = k.tasks().filter(|task| task.pid == pid).fold(0, |set, task| set | task.pending.set.0);
        fd.refresh(SignalSet(shared | own));
    }
}

/// What SIGCONT and the signals that stop do when they are sent, whoever blocks or ignores them: they cancel each other.
fn stop_or_continue(k: &mut Kernel, pid: i32, signal: u8) {
    let cancelled = match signal {
        SIGCONT => STOPS,
        _ if STOPS.has(signal) => SignalSet(SignalSet::bit(SIGCONT)),
        _ => return,
    };
    k.tasks_mut().filter(|task| task.pid == pid).for_each(|task| task.pending.forget_all(cancelled));
    if let Some(process) = k.process_mut(pid) {
        process.pending.forget_all(cancelled);
    }
    if signal == SIGCONT {
        k.go_on(pid);
    }
}

/// Sends a signal that an instruction raised: it cannot be blocked or ignored.
pub fn force(k: &mut Kernel, info: Info) {
    let mut action = k.process.actions.get(info.signal);
    if k.task.blocked.has(info.signal) || action.handler == Action::IGNORE {
        action = Action::NONE;
        k.process.actions.set(info.signal, action);
        k.task.blocked.remove(info.signal);
    }
    // Not even the first process goes on from there.
    if action.handler == Action::DEFAULT {
        k.process.is_unkillable = false;
    }
    k.task.pending.add(info);
}

/// Takes the lowest signal of a set that waits for the current task.
pub fn take(k: &mut Kernel, of: SignalSet) -> Option<Info> {
    let taken = k.task.pending.take(of).or_else(|| k.process.pending.take(of));
    refresh_files(k);
    taken
}

/// How a system call that was interrupted goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupted {
    /// It was not.
    No,
    /// It has waited, and its number was this.
    Call { number: u64, restarts: Restart },
}

/// Delivers what is due before the task goes on at `pc`; gives the pc at which it goes on instead.
pub fn deliver(k: &mut Kernel, mut pc: u32, mut interrupted: Interrupted) -> u32 {
    while let Some(info) = take(k, SignalSet(!k.task.blocked.0)) {
        let action = k.process.actions.get(info.signal);
        match action.handler {
            Action::IGNORE => {}
            // It was blocked when it came.
            Action::DEFAULT if k.process.is_unkillable && !SignalSet(SignalSet::UNBLOCKABLE).has(info.signal) => {}
            Action::DEFAULT if is_fatal(info.signal) => {
                backtrace::say(k, info.signal, pc);
                k.exit(End::Signal(info.signal));
                return pc;
            }
            Action::DEFAULT if STOPS.has(info.signal) => {
                // Of a group that nobody looks after only SIGSTOP stops: setpgid(2).
                if info.signal == SIGSTOP || !k.is_group_orphaned(k.process.group) {
                    k.stop(info.signal);
                    return pc;
                }
            }
            Action::DEFAULT => {}
            // Of several the last is on top, as in Linux: its handler runs first.
            _ => {
                pc = enter_handler(k, pc, info, action, interrupted);
                interrupted = Interrupted::No;
                if k.task.state == State::Ended {
                    return pc;
                }
            }
        }
    }
    if let Some(blocked) = k.task.saved_blocked.take() {
        k.task.blocked = blocked;
    }
    pc
}

fn enter_handler(k: &mut Kernel, pc: u32, info: Info, action: Action, interrupted: Interrupted) -> u32 {
    let old = k.task.saved_blocked.take().unwrap_or(k.task.blocked);
    match frame::push(k, pc, info, action, old, interrupted) {
        Ok(handler) => {
            k.task.blocked.0 |= action.mask.blockable().0;
            if action.flags & Action::NODEFER == 0 {
                k.task.blocked.add(info.signal);
            }
            if action.flags & Action::RESETHAND != 0 {
                k.process.actions.set(info.signal, Action::default());
            }
            handler
        }
        Err(_) => {
            // No room for the frame: as in Linux, SIGSEGV without a handler.
            backtrace::say(k, SIGSEGV, pc);
            k.exit(End::Signal(SIGSEGV));
            pc
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_signals_come_lowest_first_and_once() {
        let mut pending = Pending::default();
        for signal in [15, 10, 15, 2] {
            pending.add(Info { signal, ..Info::default() });
        }
        let mut take = |set| pending.take(SignalSet(set)).map(|info| info.signal);
        assert_eq!(take(!SignalSet::bit(2)), Some(10));
        assert_eq!(take(u64::MAX), Some(2));
        assert_eq!(take(u64::MAX), Some(15));
        assert_eq!(take(u64::MAX), None);
    }

    #[test]
    fn execve_keeps_only_what_is_ignored() {
        let actions = Actions::default();
        actions.set(2, Action { handler: Action::IGNORE, ..Action::default() });
        actions.set(15, Action { handler: 0x1234, flags: Action::RESTART, ..Action::default() });
        assert!(actions.ignores(2) && actions.ignores(SIGCHLD) && !actions.ignores(15));
        let actions = actions.without_handlers();
        assert!(actions.ignores(2));
        assert_eq!(actions.get(15), Action::default());
    }
}
