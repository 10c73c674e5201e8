//! A process: what its tasks share.

use std::cell::RefCell;
use std::rc::Rc;

use crate::cred::Credentials;
use crate::fs::boot::FsInfo;
use crate::fs::{FdTable, Location};
use crate::limits::Limits;
use crate::mm::AddressSpace;
use crate::signal::Actions;
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

/// ITIMER_REAL of setitimer(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RealTimer {
    /// When it goes off next, on the monotonic clock.
    pub next: Option<Nanos>,
    /// Nanoseconds between the times after that; 0: once.
    pub interval: Nanos,
}

/// One process.
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    pub cred: Credentials,
    /// Shared after clone(2) with CLONE_FILES.
    pub files: Rc<RefCell<FdTable>>,
    /// Root, working directory, umask; shared after clone(2) with CLONE_FS.
    pub fs: Rc<RefCell<FsInfo>>,
    pub mm: AddressSpace,
    pub actions: Actions,
    pub limits: Limits,
    pub timer: RealTimer,
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
}

impl Process {
    /// The first process, without a program yet.
    pub fn first(files: FdTable, fs: FsInfo, mm: AddressSpace, cred: Credentials) -> Process {
        Process {
            pid: 1,
            parent: 0,
            group: 1,
            session: 1,
            cred,
            files: Rc::new(RefCell::new(files)),
            fs: Rc::new(RefCell::new(fs)),
            mm,
            actions: Actions::default(),
            limits: Limits::default(),
            timer: RealTimer::default(),
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
        }
    }

    /// What execve(2) changes besides memory and registers.
    pub fn become_program(&mut self, exe: &Location) {
        // A table that other processes share stays theirs.
        let mut files = self.files.borrow().clone();
        drop(files.close_on_exec());
        self.files = Rc::new(RefCell::new(files));
        self.actions.become_program();
        self.exe = Some(exe.clone());
        self.keep_caps = false;
    }
}
