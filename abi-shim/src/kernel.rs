//! The kernel: everything it keeps, and the way of a system call through it.

use std::cell::RefCell;
use std::rc::Rc;

use hoist_x86::boundary::PC_RESCHEDULE;

use crate::errno::{Errno, to_rax};
use crate::fs::boot::FsInfo;
use crate::fs::console::ConsoleFile;
use crate::fs::epoll::Epoll;
use crate::fs::types::poll;
use crate::fs::{Cred, FdTable, File, Vfs};
use crate::process::{End, Process};
use crate::signal::{self, Info, Interrupted, number};
use crate::syscall::{self, strace};
use crate::task::{State, Task, Wait};
use crate::wasi::{self, Event, Nanos, Output};
use crate::{cpu, user};

/// The state of the machine. There is one process with one task.
pub struct Kernel {
    pub vfs: Rc<Vfs>,
    pub process: Process,
    pub task: Task,
    /// uname(2), sethostname(2).
    pub hostname: Vec<u8>,
    /// When the machine started, on the monotonic clock.
    pub booted: Nanos,
    /// Nanoseconds that the task slept: they are no CPU time.
    pub slept: Nanos,
    /// HOIST_TRACE=syscalls.
    pub trace: bool,
    /// The guest has been told that there are no new tasks.
    pub said_no_tasks: bool,
}

impl Kernel {
    /// Performs the system call that the registers hold and writes its result. `next` is the pc after it; the result is where to go on,
    /// [`PC_RESCHEDULE`] if that is for the dispatcher to find out.
    pub fn system_call(&mut self, next: u32) -> u32 {
        let number = cpu::get_register(cpu::RAX);
        let args = cpu::arguments();
        let trace = self.trace.then(|| strace::Call::begin(number, args));
        self.task.begin_call();
        let mut result = syscall::call(self, number, args);
        let mut interrupted = Interrupted::No;
        while result == Err(Errno::ERESTARTSYS) {
            self.sleep();
            self.run_timers();
            if self.task.state != State::Running {
                break;
            }
            if signal::is_due(self) {
                interrupted = Interrupted::Call { number };
                result = Err(Errno::EINTR);
            } else {
                result = syscall::call(self, number, args);
            }
        }
        if let Some(trace) = trace {
            let ended = self.task.state == State::Ended;
            self.say(&trace.end((!ended).then_some(result)));
        }
        match self.task.state {
            State::Ended => return PC_RESCHEDULE,
            // execve(2) and rt_sigreturn(2) have set all registers.
            State::Elsewhere => {}
            State::Running => cpu::set_register(cpu::RAX, to_rax(result)),
        }
        self.run_timers();
        if !signal::is_due(self) && self.task.saved_blocked.is_none() {
            return if self.task.state == State::Running { next } else { PC_RESCHEDULE };
        }
        let elsewhere = self.task.state == State::Elsewhere;
        let pc = if elsewhere { self.task.pc } else { next };
        let now = signal::deliver(self, pc, interrupted);
        match self.task.state {
            State::Ended => PC_RESCHEDULE,
            _ if now == pc && !elsewhere => next,
            _ => {
                self.task.go_on_at(now);
                PC_RESCHEDULE
            }
        }
    }

    /// Where the task goes on after [`PC_RESCHEDULE`]; `None` when it has ended.
    pub fn resume(&mut self) -> Option<u32> {
        match self.task.state {
            State::Ended => None,
            State::Running | State::Elsewhere => {
                self.task.state = State::Running;
                Some(self.task.pc)
            }
        }
    }

    /// Looks after the task before it goes on at `pc` on an empty Wasm stack: timers, and whether its own stack has overflowed. The pc
    /// at which it goes on.
    pub fn look_after(&mut self, pc: u32) -> u32 {
        const SEGV_MAPERR: i32 = 1;
        let rsp = cpu::get_register(cpu::RSP);
        if self.process.mm.is_stack_overflow(rsp) {
            return self.exception(pc, Info { signal: number::SIGSEGV, code: SEGV_MAPERR, errno: 0, words: [rsp, 0] });
        }
        self.run_timers();
        if !signal::is_due(self) {
            return pc;
        }
        let now = signal::deliver(self, pc, Interrupted::No);
        if self.task.state == State::Ended { PC_RESCHEDULE } else { now }
    }

    /// An instruction at `pc` raised a signal; where the task goes on.
    pub fn exception(&mut self, pc: u32, info: Info) -> u32 {
        if self.trace {
            self.say(&format!("--- {} at {pc:#x} ---", signal_name(info.signal)));
        }
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

    // ---- Waiting

    /// For a call that cannot go on: it is made again when one of the events has come, or the time; see [`crate::syscall`].
    pub fn block(&mut self, events: &[Event], deadline: Option<Nanos>) -> Errno {
        self.task.wait = Wait { events: events.to_vec(), deadline };
        Errno::ERESTARTSYS
    }

    /// As [`Kernel::block`], for something that only the guest itself could bring about.
    pub fn block_forever(&mut self) -> Errno {
        self.block(&[], None)
    }

    /// Waits for what the task waits for.
    fn sleep(&mut self) {
        let Wait { events, deadline } = std::mem::take(&mut self.task.wait);
        let deadline = [deadline, self.process.timer.next].into_iter().flatten().min();
        if events.is_empty() && deadline.is_none() {
            self.say("hoist: deadlock: the only task waits for something that only it could do; the process is killed");
            self.exit(End::Signal(number::SIGKILL));
            return;
        }
        let start = wasi::clock::monotonic();
        wasi::poll::wait(&events, deadline);
        self.slept += wasi::clock::monotonic().saturating_sub(start);
    }

    /// Sends SIGALRM if its time has come.
    fn run_timers(&mut self) {
        let Some(next) = self.process.timer.next else { return };
        let now = wasi::clock::monotonic();
        if now < next {
            return;
        }
        let interval = self.process.timer.interval;
        self.process.timer.next = (interval != 0).then(|| now.max(next) + interval);
        signal::send(self, Info { signal: number::SIGALRM, code: Info::SI_KERNEL, ..Info::default() });
    }

    /// CPU time since boot.
    pub fn cpu_time(&self) -> Nanos {
        wasi::clock::monotonic().saturating_sub(self.booted).saturating_sub(self.slept)
    }

    // ---- Ending

    /// Ends the process.
    pub fn exit(&mut self, end: End) {
        if self.process.end.is_some() {
            return;
        }
        self.process.end = Some(end);
        self.task.state = State::Ended;
        if self.task.clear_child_tid != 0 {
            // A bad address is nobody's loss any more.
            let _ = user::write(self.task.clear_child_tid, &0u32);
        }
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

fn signal_name(signal: u8) -> String {
    let name = syscall::flags::SIGNAL.iter().find(|(number, _)| *number == u64::from(signal));
    name.map_or_else(|| signal.to_string(), |(_, name)| (*name).to_owned())
}
