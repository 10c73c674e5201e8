//! The way of a system call through the kernel, waiting, and which task runs.
//!
//! Tasks are green: one runs until a call of its waits, it yields, or it has had its turn; the kernel looks at nothing but system calls for
//! that. A call that waits leaves its task in [`State::Waiting`] and drains the Wasm stack; the dispatcher then asks [`Kernel::resume`]
//! which task goes on, and where. With one task all of this is a loop around the wait in the host's poll.

use crate::cpu;
use crate::errno::{Errno, SysResult, to_rax};
use crate::kernel::{Kernel, signal_name};
use crate::process::End;
use crate::signal::{self, Info, Interrupted, number};
use crate::syscall::{self, strace};
use crate::task::{State, Task, Wait};
use crate::user;
use crate::wasi::{self, Event, Nanos};
use hoist_x86::boundary::PC_RESCHEDULE;
use hoist_x86::state::CpuState;

/// System calls of a task before another gets its turn.
const TURN: u32 = 128;
/// RLIMIT_NPROC would be larger, but each task has a stack in the 4 GiB.
const MAX_TASKS: usize = 4096;

impl Kernel {
    /// Performs the system call that the registers hold and writes its result. `next` is the pc after it; the result is where to go on,
    /// [`PC_RESCHEDULE`] if that is for [`Kernel::resume`] to say.
    pub fn system_call(&mut self, next: u32) -> u32 {
        self.task.begin_call(next);
        if self.trace {
            self.task.trace = Some(strace::Call::begin(cpu::get_register(cpu::RAX), cpu::arguments()));
        }
        self.perform(false)
    }

    /// Makes the call that the registers hold, `again` if it has waited.
    fn perform(&mut self, mut again: bool) -> u32 {
        let number = cpu::get_register(cpu::RAX);
        let args = cpu::arguments();
        let mut interrupted = Interrupted::No;
        let result = loop {
            if again && self.task.is_signal_due() {
                interrupted = Interrupted::Call { number };
                break Err(Errno::EINTR);
            }
            match syscall::call(self, number, args) {
                Err(Errno::ERESTARTSYS) if self.task.state == State::Running => {}
                result => break result,
            }
            if !self.others.is_empty() {
                self.task.state = State::Waiting;
                self.task.seen = self.activity;
                return PC_RESCHEDULE;
            }
            self.sleep();
            self.run_timers();
            if self.task.state != State::Running {
                break Err(Errno::EINTR);
            }
            again = true;
        };
        self.activity += 1;
        self.finish(result, interrupted)
    }

    /// Gives a call's result to the guest, and signals that are due.
    fn finish(&mut self, result: SysResult, interrupted: Interrupted) -> u32 {
        if let Some(trace) = self.task.trace.take() {
            let ended = self.task.state == State::Ended;
            let line = trace.end((!ended).then_some(result));
            // As strace -f does it.
            let several = !self.others.is_empty() || self.next_tid > 2;
            self.say(&if several { format!("[pid {:>5}] {line}", self.task.tid) } else { line });
        }
        match self.task.state {
            State::Ended => return PC_RESCHEDULE,
            // execve(2) and rt_sigreturn(2) have set all registers.
            State::Elsewhere => {}
            State::Running | State::Waiting => cpu::set_register(cpu::RAX, to_rax(result)),
        }
        self.run_timers();
        let elsewhere = self.task.state == State::Elsewhere;
        let mut pc = if elsewhere { self.task.pc } else { self.task.next };
        let expected = if elsewhere { PC_RESCHEDULE } else { pc };
        if self.task.is_signal_due() || self.task.saved_blocked.is_some() {
            pc = signal::deliver(self, pc, interrupted);
            if self.task.state == State::Ended {
                return PC_RESCHEDULE;
            }
        }
        if pc == expected && !self.is_turn_over() {
            return pc;
        }
        self.task.go_on_at(pc);
        PC_RESCHEDULE
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
        if !self.task.is_signal_due() {
            return pc;
        }
        let now = signal::deliver(self, pc, Interrupted::No);
        if self.task.state == State::Ended { PC_RESCHEDULE } else { now }
    }

    // ---- Waiting

    /// For a call that cannot go on: it is made again when one of the events has come, or the time, or another task has done something;
    /// see [`crate::syscall`].
    pub fn block(&mut self, events: &[Event], deadline: Option<Nanos>) -> Errno {
        self.task.wait = Wait { events: events.to_vec(), deadline, futex: None };
        Errno::ERESTARTSYS
    }

    /// As [`Kernel::block`], for something that only the guest itself could bring about.
    pub fn block_forever(&mut self) -> Errno {
        self.block(&[], None)
    }

    /// As [`Kernel::block`], until [`Kernel::wake`] names this futex and one of these bits.
    pub fn block_on_futex(&mut self, addr: u64, bits: u32, deadline: Option<Nanos>) -> Errno {
        self.task.wait = Wait { events: Vec::new(), deadline, futex: Some((addr, bits)) };
        Errno::ERESTARTSYS
    }

    /// Wakes at most `count` tasks that wait for a futex; how many there were.
    pub fn wake(&mut self, addr: u64, bits: u32, count: usize) -> usize {
        let waits = |task: &Task| {
            let futex = task.wait.futex.is_some_and(|(its, for_bits)| its == addr && for_bits & bits != 0);
            task.state == State::Waiting && !task.woken && futex
        };
        let waiting = self.others.iter_mut().filter(|task| waits(task)).take(count);
        waiting.map(|task| task.woken = true).count()
    }

    /// Makes at most `count` tasks that wait for one futex wait for another; how many there were.
    pub fn requeue(&mut self, from: u64, to: u64, count: usize) -> usize {
        let waiting = self.others.iter_mut().filter(|task| task.state == State::Waiting && !task.woken);
        let futexes = waiting.filter_map(|task| task.wait.futex.as_mut()).filter(|(addr, _)| *addr == from).take(count);
        futexes.map(|(addr, _)| *addr = to).count()
    }

    /// Sleeps until any task may be able to go on.
    fn sleep(&mut self) {
        let tasks = || std::iter::once(&self.task).chain(&self.others).filter(|task| task.state != State::Ended);
        let events: Vec<Event> = tasks().flat_map(|task| task.wait.events.iter().copied()).collect();
        let deadline = tasks().filter_map(|task| task.wait.deadline).chain(self.process.timer.next).min();
        if events.is_empty() && deadline.is_none() {
            self.say("hoist: deadlock: every task waits for something that only a task could do; the process is killed");
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

    // ---- Tasks

    /// Which task goes on after [`PC_RESCHEDULE`], and where; `None` when the process has ended.
    pub fn resume(&mut self) -> Option<u32> {
        loop {
            if self.process.end.is_some() {
                return None;
            }
            let over = self.is_turn_over();
            if over || !self.is_ready(&self.task) {
                self.turn = 0;
                if !self.switch() && !over {
                    self.sleep();
                    self.run_timers();
                }
            }
            match self.task.state {
                State::Running | State::Elsewhere => {
                    self.task.state = State::Running;
                    return Some(self.task.pc);
                }
                State::Waiting if self.is_ready(&self.task) => {
                    self.task.state = State::Running;
                    match self.perform(true) {
                        PC_RESCHEDULE => {}
                        pc => return Some(pc),
                    }
                }
                State::Waiting | State::Ended => {}
            }
        }
    }

    /// Counts the task's calls, where there are others who want to run.
    fn is_turn_over(&mut self) -> bool {
        if self.others.is_empty() {
            return false;
        }
        self.turn += 1;
        self.turn > TURN
    }

    /// The task has nothing to do before another had its turn: sched_yield(2).
    pub fn give_up_turn(&mut self) {
        self.turn = TURN;
    }

    fn is_ready(&self, task: &Task) -> bool {
        match task.state {
            State::Running | State::Elsewhere => true,
            State::Ended => false,
            State::Waiting => {
                let Wait { events, deadline, futex } = &task.wait;
                let anything = futex.is_none() && task.seen != self.activity;
                let late = || deadline.is_some_and(|deadline| wasi::clock::monotonic() >= deadline);
                task.woken || task.is_signal_due() || anything || late() || events.iter().any(|&event| wasi::poll::ready(event))
            }
        }
    }

    /// Puts the first other task that can run in the place of the current one; false if there is none.
    fn switch(&mut self) -> bool {
        let Some(at) = (0..self.others.len()).find(|&at| self.is_ready(&self.others[at])) else { return false };
        let Some(next) = self.others.remove(at) else { return false };
        let mut before = std::mem::replace(&mut self.task, next);
        if before.state != State::Ended {
            cpu::with_registers(|cpu| before.cpu = cpu.clone());
            self.others.push_back(before);
        }
        cpu::replace(std::mem::take(&mut self.task.cpu));
        true
    }

    /// Adds a task that goes on after the system call with these registers, and gives its number.
    ///
    /// # Errors
    /// EAGAIN if there are too many.
    pub fn add_task(&mut self, cpu: CpuState) -> Result<&mut Task, Errno> {
        if self.others.len() >= MAX_TASKS {
            return Err(Errno::EAGAIN);
        }
        let mut task = Task::new(self.next_tid);
        self.next_tid += 1;
        task.cpu = cpu;
        task.blocked = self.task.blocked;
        task.name = self.task.name.clone();
        task.go_on_at(self.task.next);
        self.others.push_back(task);
        self.others.back_mut().ok_or(Errno::EAGAIN)
    }

    /// The task with a number.
    pub fn task_mut(&mut self, tid: i32) -> Option<&mut Task> {
        match tid == self.task.tid {
            true => Some(&mut self.task),
            false => self.others.iter_mut().find(|task| task.tid == tid),
        }
    }

    /// Ends the current task; the process, if it was the last one.
    pub fn exit_task(&mut self, status: u8) {
        let tid = std::mem::take(&mut self.task.clear_child_tid);
        // A bad address is nobody's loss any more.
        if tid != 0 && user::write(tid, &0u32).is_ok() {
            self.wake(tid, u32::MAX, 1);
        }
        match self.others.is_empty() {
            true => self.exit(End::Exit(status)),
            false => self.task.state = State::Ended,
        }
    }

    /// execve(2): the process has one task from now on, whose number is the process's.
    pub fn end_other_tasks(&mut self) {
        self.others.clear();
        self.task.tid = self.process.pid;
    }

    /// Says in a trace which signal comes.
    pub fn trace_signal(&self, signal: u8, pc: u32) {
        if self.trace {
            self.say(&format!("--- {} at {pc:#x} ---", signal_name(signal)));
        }
    }
}
