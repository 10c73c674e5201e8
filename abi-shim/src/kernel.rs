//! The kernel: everything it keeps. How a system call goes through it is in [`crate::sched`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use hoist_x86::boundary::PC_RESCHEDULE;

use crate::errno::Errno;
use crate::fs::boot::FsInfo;
use crate::fs::console::ConsoleFile;
use crate::fs::epoll::Epoll;
use crate::fs::types::poll;
use crate::fs::{Cred, FdTable, File, Vfs};
use crate::process::{End, Process};
use crate::signal::{self, Info, Interrupted, number};
use crate::syscall;
use crate::task::{State, Task};
use crate::wasi::{self, Event, Nanos, Output};

/// The state of the machine. There is one process.
pub struct Kernel {
    pub vfs: Rc<Vfs>,
    pub process: Process,
    /// The task at work, whose registers are in the machine.
    pub task: Task,
    /// The others, in the order in which they get their turn.
    pub others: VecDeque<Task>,
    /// The number that the next task gets.
    pub next_tid: i32,
    /// System calls that were finished: what a task waits for may have happened when this has grown.
    pub activity: u64,
    /// System calls until another task gets its turn.
    pub turn: u32,
    /// uname(2), sethostname(2).
    pub hostname: Vec<u8>,
    /// When the machine started, on the monotonic clock.
    pub booted: Nanos,
    /// Nanoseconds that the task slept: they are no CPU time.
    pub slept: Nanos,
    /// HOIST_TRACE=syscalls.
    pub trace: bool,
    /// The user has been told that there are no new processes.
    pub said_no_processes: bool,
}

impl Kernel {
    /// An instruction at `pc` raised a signal; where the task goes on.
    pub fn exception(&mut self, pc: u32, info: Info) -> u32 {
        self.trace_signal(info.signal, pc);
        signal::force(self, info);
        let now = signal::deliver(self, pc, Interrupted::No);
        match self.task.state {
            State::Ended => PC_RESCHEDULE,
            _ => now,
        }
    }

    // ---- What calls on files need

    /// The tree.
    pub fn vfs(&self) -> Rc<Vfs> {
        self.vfs.clone()
    }

    /// The process's descriptors.
    pub fn files(&self) -> Rc<RefCell<FdTable>> {
        self.process.files.clone()
    }

    /// The process's root, working directory and umask.
    pub fn fs_info(&self) -> Rc<RefCell<FsInfo>> {
        self.process.fs.clone()
    }

    /// Who asks.
    pub fn cred(&self) -> Cred {
        self.process.cred.fs.clone()
    }

    /// Who asks, by real IDs: access(2).
    pub fn real_cred(&self) -> Cred {
        self.process.cred.real()
    }

    /// A write to a pipe that nobody reads.
    pub fn raise_sigpipe(&mut self) {
        let (pid, uid) = (self.process.pid as u64, u64::from(self.process.cred.uid.real));
        signal::send(self, Info { signal: number::SIGPIPE, code: Info::SI_USER, words: [pid | uid << 32, 0], errno: 0 });
    }

    /// For a call that cannot go on before a file is ready; `events` are those of poll(2).
    pub fn wait_for_file(&mut self, file: &Rc<File>, events: u32) -> Errno {
        let events = host_events(file, events);
        self.block(&events, file.deadline())
    }

    // ---- Time

    /// CPU time since boot.
    pub fn cpu_time(&self) -> Nanos {
        wasi::clock::monotonic().saturating_sub(self.booted).saturating_sub(self.slept)
    }

    // ---- Ending

    /// Ends the process with all its tasks.
    pub fn exit(&mut self, end: End) {
        if self.process.end.is_some() {
            return;
        }
        self.process.end = Some(end);
        self.task.state = State::Ended;
        self.others.clear();
        self.process.files = Rc::default();
        if let (true, End::Signal(signal)) = (self.trace, end) {
            self.say(&format!("+++ killed by {} +++", signal_name(signal)));
        }
    }

    /// Writes a line of the kernel's own to standard error.
    pub fn say(&self, line: &str) {
        say(line);
    }
}

/// What of the host's makes a file ready; nothing if only the guest can.
pub fn host_events(file: &File, events: u32) -> Vec<Event> {
    if events & poll::IN == 0 {
        return Vec::new();
    }
    if let Some(set) = file.as_object::<Epoll>() {
        return set.host_events();
    }
    file.as_object::<ConsoleFile>().map(|_| Event::Stdin).into_iter().collect()
}

/// Writes a line of the kernel's own to standard error.
pub fn say(line: &str) {
    // If nobody listens, nobody is told.
    let _ = wasi::stdio::write(Output::Stderr, format!("{line}\n").as_bytes());
}

/// As signal(7) writes it.
pub fn signal_name(signal: u8) -> String {
    let name = syscall::flags::SIGNAL.iter().find(|(number, _)| *number == u64::from(signal));
    name.map_or_else(|| signal.to_string(), |(_, name)| (*name).to_owned())
}
