//! A process: what its tasks share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::cred::Credentials;
use crate::fs::boot::FsInfo;
use crate::fs::tty::Tty;
use crate::fs::{FdTable, Location};
use crate::limits::{self, Limits};
use crate::mm::AddressSpace;
use crate::signal::{Actions, Pending, number};
use crate::wasi::Nanos;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// exit(2), the low eight bits of the status.
    Exit(u8),
    /// Killed by this signal.
    Signal(u8),
}

impl End {
    /// As a shell's `$?` and docker's exit code.
    pub fn code(self) -> u32 {
        match self {
            End::Exit(status) => status.into(),
            End::Signal(signal) => 128 + u32::from(signal),
        }
    }
}

/// What a parent can learn of a child that has not ended: wait4(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// By this signal.
    Stopped(u8),
    Continued,
}

/// A timer's times: of ITIMER_REAL of setitimer(2), and of others. Those of CPU time count that of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RealTimer {
    /// When it goes off next, on the monotonic clock or in the process's CPU time.
    pub next: Option<Nanos>,
    /// Nanoseconds between the times after that; 0: once.
    pub interval: Nanos,
}

impl RealTimer {
    /// How often it has gone off by now; from then on the next time counts.
    pub fn expire(&mut self, now: Nanos) -> u64 {
        let Some(next) = self.next.filter(|&next| now >= next) else { return 0 };
        if self.interval == 0 {
            self.next = None;
            return 1;
        }
        let times = (now - next) / self.interval + 1;
        self.next = Some(next + times * self.interval);
        times
    }
}

/// What a timer does when it goes off: `struct sigevent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    Nothing,
    /// This signal, to the process.
    Process(u8),
    /// This signal, to one of its tasks.
    Task(u8, i32),
}

/// A timer of timer_create(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PosixTimer {
    pub time: RealTimer,
    /// The clock that absolute times are of.
    pub clock: u64,
    pub notify: Notify,
    /// `sigev_value`.
    pub value: u64,
    /// Times that it went off beyond the one that its last signal told of.
    pub overrun: u32,
}

impl PosixTimer {
    /// Whether it counts CPU time: CLOCK_PROCESS_CPUTIME_ID, and CLOCK_THREAD_CPUTIME_ID, which is the same here; also as the negative
    /// numbers that clock_getcpuclockid(3) gives.
    pub fn counts_cpu_time(&self) -> bool {
        matches!(self.clock as i32, 2 | 3 | ..0)
    }
}

/// One process.
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Its controlling terminal.
    pub tty: Option<Rc<Tty>>,
    /// The foreground group of its terminal, if that is gone and it led the session.
    pub old_foreground: i32,
    pub cred: Credentials,
    /// Shared after clone(2) with CLONE_FILES.
    pub files: Rc<RefCell<FdTable>>,
    /// Root, working directory, umask; shared after clone(2) with CLONE_FS.
    pub fs: Rc<RefCell<FsInfo>>,
    /// Shared after clone(2) with CLONE_VM.
    pub mm: Rc<RefCell<AddressSpace>>,
    pub actions: Actions,
    /// Signals that any of its tasks may take.
    pub pending: Pending,
    /// What its parent gets when it ends; 0: nothing.
    pub exit_signal: u8,
    /// Its tasks do not run: it was stopped by this signal.
    pub stopped: Option<u8>,
    /// What of that the parent has not been told by wait4(2).
    pub change: Option<Change>,
    /// Counts what happened to its children.
    pub child_news: u64,
    /// Its parent waits until it has memory of its own, or none: vfork(2).
    pub is_borrower: bool,
    /// PR_SET_CHILD_SUBREAPER of prctl(2): its descendants' children become its own, not those of process 1.
    pub is_subreaper: bool,
    /// Signals whose action is the default do nothing: SIGNAL_UNKILLABLE of Linux.
    pub is_unkillable: bool,
    /// It has executed a program since it was made.
    pub has_executed: bool,
    /// Nobody will wait for it.
    pub is_reaped: bool,
    /// CPU time that it used in the turns that are over, and what children used that were waited for.
    pub cpu_time: Nanos,
    pub children_cpu_time: Nanos,
    pub limits: Limits,
    pub timer: RealTimer,
    /// ITIMER_VIRTUAL and ITIMER_PROF, both in CPU time: what the kernel does for a process is not told apart.
    pub cpu_timers: [RealTimer; 2],
    /// Those of timer_create(2), by number.
    pub timers: BTreeMap<i32, PosixTimer>,
    /// Its first task's name, when that has ended.
    pub name: Vec<u8>,
    /// The program's file.
    pub exe: Option<Location>,
    /// First address and length of the strings that `/proc/self/cmdline` shows.
    pub arguments: (u64, u64),
    pub environment: (u64, u64),
    /// Likewise of the auxiliary vector.
    pub auxv: (u64, u64),
    /// PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_SET_KEEPCAPS of prctl(2).
    pub no_new_privs: bool,
    pub dumpable: bool,
    pub keep_caps: bool,
    pub nice: i32,
    /// When it started, on the monotonic clock.
    pub started: Nanos,
    pub end: Option<End>,
    /// Whether it has, for files that stand for it.
    pub ended: Rc<Cell<bool>>,
}

impl Process {
    /// Whether SIGKILL waits for it: it will not go on.
    pub fn is_killed(&self) -> bool {
        self.pending.set.has(number::SIGKILL)
    }

    /// The first process, without a program yet.
    pub fn first(files: FdTable, fs: FsInfo, mm: AddressSpace, cred: Credentials) -> Process {
        Process {
            pid: 1,
            parent: 0,
            group: 1,
            session: 1,
            tty: None,
            old_foreground: 0,
            cred,
            files: Rc::new(RefCell::new(files)),
            fs: Rc::new(RefCell::new(fs)),
            mm: Rc::new(RefCell::new(mm)),
            actions: Actions::default(),
            pending: Pending::default(),
            exit_signal: 0,
            stopped: None,
            change: None,
            child_news: 0,
            is_borrower: false,
            is_subreaper: false,
            is_unkillable: true,
            has_executed: false,
            is_reaped: false,
            cpu_time: 0,
            children_cpu_time: 0,
            limits: Limits::default(),
            timer: RealTimer::default(),
            cpu_timers: Default::default(),
            timers: BTreeMap::new(),
            name: Vec::new(),
            exe: None,
            arguments: (0, 0),
            environment: (0, 0),
            auxv: (0, 0),
            no_new_privs: false,
            dumpable: true,
            keep_caps: false,
            nice: 0,
            started: crate::wasi::clock::monotonic(),
            end: None,
            ended: Rc::default(),
        }
    }

    /// A child as fork(2) makes it, with memory that is given.
    pub fn fork(&self, pid: i32, mm: Rc<RefCell<AddressSpace>>) -> Process {
        let files = Rc::new(RefCell::new(self.files.borrow().clone()));
        let fs = Rc::new(RefCell::new(self.fs.borrow().clone()));
        Process {
            pid,
            parent: self.pid,
            tty: self.tty.clone(),
            old_foreground: 0,
            cred: self.cred.clone(),
            files,
            fs,
            mm,
            actions: self.actions.clone(),
            limits: self.limits.clone(),
            name: Vec::new(),
            exe: self.exe.clone(),
            pending: Pending::default(),
            exit_signal: 0,
            stopped: None,
            change: None,
            child_news: 0,
            is_borrower: false,
            is_subreaper: false,
            is_unkillable: false,
            has_executed: false,
            is_reaped: false,
            cpu_time: 0,
            children_cpu_time: 0,
            timer: RealTimer::default(),
            cpu_timers: Default::default(),
            timers: BTreeMap::new(),
            started: crate::wasi::clock::monotonic(),
            end: None,
            ended: Rc::default(),
            ..*self
        }
    }

    /// When its first timer goes off, of those that real time drives.
    pub fn next_timer(&self) -> Option<Nanos> {
        let posix = self.timers.values().filter(|timer| !timer.counts_cpu_time()).map(|timer| timer.time);
        posix.chain([self.timer]).filter_map(|timer| timer.next).min()
    }

    /// At which CPU time its first other timer goes off.
    pub fn next_cpu_timer(&self) -> Option<Nanos> {
        let posix = self.timers.values().filter(|timer| timer.counts_cpu_time()).map(|timer| timer.time);
        let limit = self.limits.0[limits::CPU];
        let limits = [limit.soft, limit.hard].map(limits::nanos);
        posix.chain(self.cpu_timers).filter_map(|timer| timer.next).chain(limits.into_iter().flatten()).min()
    }

    /// What execve(2) changes besides memory and registers.
    pub fn become_program(&mut self, exe: &Location) {
        // A table that other processes share stays theirs.
        let mut files = self.files.borrow().clone();
        drop(files.close_on_exec());
        self.files = Rc::new(RefCell::new(files));
        self.actions = self.actions.without_handlers();
        self.timers.clear();
        self.exe = Some(exe.clone());
        self.has_executed = true;
        self.keep_caps = false;
    }
}
