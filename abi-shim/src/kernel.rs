//! The kernel: everything it keeps. How a system call goes through it is in [`crate::sched`].

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use hoist_x86::boundary::PC_RESCHEDULE;

use crate::errno::Errno;
use crate::fs::boot::FsInfo;
use crate::fs::console::ConsoleFile;
use crate::fs::epoll::Epoll;
use crate::fs::inet::Ports;
use crate::fs::signalfd::SignalFd;
use crate::fs::socket::Socket;
use crate::fs::tty::TtyFile;
use crate::fs::types::poll;
use crate::fs::{Cred, FdTable, File, Vfs};
use crate::ipc::Ipc;
use crate::mm::AddressSpace;
use crate::process::{End, Process};
use crate::signal::{self, Info, Interrupted, number};
use crate::syscall;
use crate::task::{For, State, Task};
use crate::wasi::{self, Event, Nanos, Output};

/// The state of the machine.
pub struct Kernel {
    pub vfs: Rc<Vfs>,
    /// The process of the task at work, whose memory is the user memory.
    pub process: Process,
    /// The others, by number; also those that ended and that nobody has waited for.
    pub processes: BTreeMap<i32, Process>,
    /// The task at work, whose registers are in the machine.
    pub task: Task,
    /// The others, in the order in which they get their turn.
    pub others: VecDeque<Task>,
    /// The number that the next task or process gets.
    pub next_tid: i32,
    /// How process 1 ended, and with it everything.
    pub end: Option<End>,
    /// When the first timer of a process goes off.
    pub next_timer: Option<Nanos>,
    /// When the current process got its turn: [`Kernel::uptime`].
    pub turn_began: Nanos,
    /// System calls that were finished: what a task waits for may have happened when this has grown.
    pub activity: u64,
    /// System calls since somebody looked whether something was typed at the host's terminal.
    pub looked_at_terminal: u32,
    /// System calls of the task's turn, and when the turn ends even without any.
    pub turn: u32,
    pub turn_ends: Nanos,
    /// How many rounds of loops a task makes before the kernel looks after it, and when it began with them, if that is known.
    pub rounds: u32,
    pub rounds_began: Option<Nanos>,
    /// Descriptors of signalfd(2) that are open.
    pub signal_fds: Vec<Weak<SignalFd>>,
    /// Sockets bound to names that are not in the tree: unix(7).
    pub abstract_sockets: BTreeMap<Vec<u8>, Weak<Socket>>,
    /// Ports of ip(7).
    pub ports: Ports,
    /// What processes share by number: sysvipc(7).
    pub ipc: Ipc,
    /// Bytes that programs may have to write to, all together; `None`: as many as there is room for.
    pub memory: Option<u64>,
    /// The host sends signals to the first process.
    pub host_signals: bool,
    /// uname(2), sethostname(2).
    pub hostname: Vec<u8>,
    /// setdomainname(2).
    pub domain_name: Vec<u8>,
    /// When the machine started, on the monotonic clock.
    pub booted: Nanos,
    /// Nanoseconds that the task slept: they are no CPU time.
    pub slept: Nanos,
    /// HOIST_BACKTRACE.
    pub backtraces: bool,
    /// HOIST_EXACT: all programs compute floating-point exception flags.
    pub exact_floats: bool,
    /// The host's arithmetic makes other NaNs than SSE's.
    pub foreign_nans: bool,
    /// HOIST_TRACE=syscalls.
    pub trace: bool,
}

impl Kernel {
    /// An instruction at `pc` raised a signal; where the task goes on.
    pub fn exception(&mut self, pc: u32, info: Info) -> u32 {
        self.trace_signal(info.signal, pc);
        signal::force(self, info);
        let now = signal::deliver(self, pc, Interrupted::No);
        self.or_reschedule(now)
    }

    /// Where the current task goes on: at `pc`, unless it cannot now.
    pub fn or_reschedule(&mut self, pc: u32) -> u32 {
        match self.task.state {
            State::Ended => PC_RESCHEDULE,
            _ if self.process.stopped.is_some() => {
                self.task.go_on_at(pc);
                PC_RESCHEDULE
            }
            _ => pc,
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
        let info = self.info_of_sender(number::SIGPIPE, Info::SI_USER);
        signal::send_to(self, self.task.tid, info);
    }

    /// A file would be larger than RLIMIT_FSIZE allows.
    pub fn too_large(&mut self) -> Errno {
        signal::send_to(self, self.task.tid, Info { signal: number::SIGXFSZ, code: Info::SI_USER, ..Info::default() });
        Errno::EFBIG
    }

    /// A signal from the current process.
    pub fn info_of_sender(&self, signal: u8, code: i32) -> Info {
        let (pid, uid) = (self.process.pid as u64, u64::from(self.process.cred.uid.real));
        Info { signal, code, errno: 0, words: [pid | uid << 32, 0] }
    }

    /// For a call that cannot go on before a file is ready; `events` are those of poll(2). `EAGAIN` if it has waited as long as it may.
    pub fn wait_for_file(&mut self, file: &Rc<File>, events: u32) -> Errno {
        let host = host_events(file, events);
        let timeout = file.as_object::<Socket>().and_then(|socket| socket.timeout(events));
        let deadline = timeout.map(|nanos| self.task.deadline_after(nanos));
        if deadline.is_some_and(|deadline| wasi::clock::monotonic() >= deadline) {
            return Errno::EAGAIN;
        }
        self.block(&host, deadline.or(file.deadline()), For::Files(vec![(file.clone(), events)]))
    }

    // ---- Time

    /// CPU time since boot.
    pub fn busy_time(&self) -> Nanos {
        wasi::clock::monotonic().saturating_sub(self.booted).saturating_sub(self.slept)
    }

    /// CPU time of the current process.
    pub fn cpu_time(&self) -> Nanos {
        self.process.cpu_time + self.busy_time().saturating_sub(self.turn_began)
    }

    // ---- Processes and tasks

    /// All processes, those among them that ended and that nobody has waited for.
    pub fn all_processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.process).chain(self.processes.values())
    }

    pub fn all_processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        std::iter::once(&mut self.process).chain(self.processes.values_mut())
    }

    pub fn process(&self, pid: i32) -> Option<&Process> {
        if pid == self.process.pid { Some(&self.process) } else { self.processes.get(&pid) }
    }

    pub fn process_mut(&mut self, pid: i32) -> Option<&mut Process> {
        if pid == self.process.pid { Some(&mut self.process) } else { self.processes.get_mut(&pid) }
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        std::iter::once(&self.task).filter(|task| task.state != State::Ended).chain(&self.others)
    }

    pub fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        std::iter::once(&mut self.task).filter(|task| task.state != State::Ended).chain(&mut self.others)
    }

    /// The task with a number.
    pub fn task_mut(&mut self, tid: i32) -> Option<&mut Task> {
        self.tasks_mut().find(|task| task.tid == tid)
    }

    /// Whether a signal waits that would interrupt a task's call.
    pub fn is_signal_due(&self, task: &Task) -> bool {
        let shared = self.process(task.pid).map_or(0, |process| process.pending.set.0);
        (task.pending.set.0 | shared) & !task.blocked.0 != 0
    }

    /// Bytes that all processes have to write to.
    pub fn data(&self) -> u64 {
        let mut spaces: Vec<&Rc<RefCell<AddressSpace>>> = Vec::new();
        for process in self.all_processes() {
            if !spaces.iter().any(|known| Rc::ptr_eq(known, &process.mm)) {
                spaces.push(&process.mm);
            }
        }
        spaces.into_iter().map(|mm| mm.borrow().data()).sum()
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
    let of_terminal = || file.as_object::<TtyFile>().filter(|file| file.tty.waits_for_host()).map(|_| Event::Stdin);
    file.as_object::<ConsoleFile>().map(|_| Event::Stdin).or_else(of_terminal).into_iter().collect()
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
