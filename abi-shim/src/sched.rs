//! Waiting, and which task runs.
//!
//! Tasks are green: one runs until a call of its waits, it yields, or it has had its turn; the kernel sees that at system calls, in interpreted
//! code, on an empty Wasm stack, and where loops of lifted code count their rounds. When a call has to wait ([`crate::call`]), the dispatcher asks
//! [`Kernel::resume`] which task goes on, and where.
//!
//! Whether a task is ready is known without its process's memory ([`crate::task::For`]), since bringing that in may cost a swap.

use std::ops::Range;
use std::rc::Rc;

use crate::cpu;
use crate::errno::Errno;
use crate::fs::types::poll;
use crate::kernel::{Kernel, signal_name};
use crate::mm::{Futex, frames};
use crate::process::{End, Process};
use crate::signal::{self, Info, Interrupted, number};
use crate::task::{For, Restart, State, Task, Wait};
use crate::user::{self, access};
use crate::wasi::{self, Event, Nanos};
use hoist_x86::boundary::PC_RESCHEDULE;

/// System calls of a task before another of its process gets its turn, and before another process does, whose memory may have to come in.
const TURN: u32 = 128;
const PROCESS_TURN: u32 = 1024;
/// How long a task runs that makes no system calls.
const SLICE: Nanos = 10_000_000;
/// How often the kernel comes by in a loop of lifted code, and the rounds that a task makes in that time, which it finds out.
const VISIT: Nanos = SLICE / 2;
const ROUNDS: Range<u64> = 1 << 8..1 << 20;
/// How long the kernel sleeps at a time where nothing is expected.
const LONG: Nanos = 3_600_000_000_000;

impl Kernel {
    /// Looks after the task before it goes on at `pc` on an empty Wasm stack: timers, and whether its own stack has overflowed. The pc
    /// at which it goes on.
    pub fn look_after(&mut self, pc: u32) -> u32 {
        const SEGV_MAPERR: i32 = 1;
        self.renew_rounds();
        let rsp = cpu::get_register(cpu::RSP);
        let overflow = self.process.mm.borrow().is_stack_overflow(rsp);
        if overflow {
            return self.exception(pc, Info { signal: number::SIGSEGV, code: SEGV_MAPERR, errno: 0, words: [rsp, 0] });
        }
        self.run_timers();
        self.glance_at_terminal();
        self.relieve();
        if self.is_signal_due(&self.task) {
            let now = signal::deliver(self, pc, Interrupted::No);
            return self.or_reschedule(now);
        }
        if self.is_slice_over() {
            self.give_up_turn();
            self.task.go_on_at(pc);
            return PC_RESCHEDULE;
        }
        pc
    }

    /// Gives the task new rounds of loops, if it has made all that it had: as many as take it about [`VISIT`].
    fn renew_rounds(&mut self) {
        if cpu::get_register(cpu::ROUNDS) as i32 > 0 {
            return;
        }
        let now = wasi::clock::monotonic();
        if let Some(before) = self.rounds_began.replace(now) {
            let rounds = u64::from(self.rounds) * VISIT / now.saturating_sub(before).max(1);
            self.rounds = rounds.clamp(ROUNDS.start, ROUNDS.end) as u32;
        }
        cpu::set_register(cpu::ROUNDS, self.rounds.into());
        // Whoever computes without a system call may be told by ^C to stop.
        self.look_at_terminal();
    }

    /// Whether the task has run for its time, and there are others.
    fn is_slice_over(&mut self) -> bool {
        if self.others.is_empty() {
            return false;
        }
        let now = wasi::clock::monotonic();
        let over = now >= self.turn_ends;
        if over {
            self.turn_ends = now + SLICE;
        }
        over
    }

    // ---- Waiting

    /// For a call that cannot go on: it is made again when one of the host's events has come, or the time, or what else it waits for; see
    /// [`crate::syscall`].
    pub fn block(&mut self, events: &[Event], deadline: Option<Nanos>, what: For) -> Errno {
        let restarts = match what {
            For::Nothing | For::Signals(_) => Restart::Never,
            For::PiLock { .. } => Restart::Always,
            _ => Restart::IfAsked,
        };
        self.task.set_wait(Wait { events: events.to_vec(), deadline, what, restarts });
        Errno::ERESTARTSYS
    }

    /// As [`Kernel::block`], for a call that no handler's SA_RESTART makes again: poll(2) and its like.
    pub fn block_once(&mut self, events: &[Event], deadline: Option<Nanos>, what: For) -> Errno {
        let error = self.block(events, deadline, what);
        self.task.wait.restarts = Restart::Never;
        error
    }

    /// As [`Kernel::block`], for something that only the guest itself could bring about.
    pub fn block_forever(&mut self, what: For) -> Errno {
        self.block(&[], None, what)
    }

    /// Wakes at most `count` tasks that wait for a futex; how many there were.
    pub fn wake(&mut self, futex: Futex, bits: u32, count: usize) -> usize {
        let waits = |task: &Task| {
            let for_it = matches!(task.wait.what, For::Futex(its, for_bits) if its == futex && for_bits & bits != 0);
            task.state == State::Waiting && !task.woken && for_it
        };
        let waiting = self.others.iter_mut().filter(|task| waits(task)).take(count);
        waiting.map(|task| task.woken = true).count()
    }

    /// Makes at most `count` tasks that wait for one futex wait for another; how many there were.
    pub fn requeue(&mut self, from: Futex, to: Futex, count: usize) -> usize {
        let waiting = self.others.iter_mut().filter(|task| task.state == State::Waiting && !task.woken);
        let futexes = waiting.filter_map(|task| match &mut task.wait.what {
            For::Futex(futex, _) if *futex == from => Some(futex),
            _ => None,
        });
        futexes.take(count).map(|futex| *futex = to).count()
    }

    /// Sleeps until any task may be able to go on.
    pub fn sleep(&mut self) {
        let waited_for = self.tasks().flat_map(|task| task.wait.events.iter().copied());
        let mut events: Vec<Event> = waited_for.chain(self.terminal_event()).collect();
        let mut deadline = self.tasks().filter_map(|task| task.wait.deadline).chain(self.next_timer).min();
        if events.is_empty() && deadline.is_none() && self.may_be_woken() {
            deadline = Some(wasi::clock::monotonic() + LONG);
        }
        if events.is_empty() && deadline.is_none() {
            self.say("hoist: deadlock: every task waits for something that only a task could do; the process is killed");
            self.end = Some(End::Signal(number::SIGKILL));
            return;
        }
        if self.host_signals {
            events.push(Event::Signal);
        }
        let start = wasi::clock::monotonic();
        wasi::poll::wait(&events, deadline);
        self.slept += wasi::clock::monotonic().saturating_sub(start);
        self.look_at_terminal();
    }

    // ---- Tasks

    /// Which task goes on after [`PC_RESCHEDULE`], and where; `None` when everything has ended.
    pub fn resume(&mut self) -> Option<u32> {
        let pc = self.next_task();
        self.rounds_began = None;
        cpu::set_register(cpu::ROUNDS, self.rounds.into());
        pc
    }

    fn next_task(&mut self) -> Option<u32> {
        loop {
            if self.end.is_some() {
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
            if !self.is_ready(&self.task) {
                continue;
            }
            match self.task.state {
                State::Running | State::Elsewhere => {
                    self.task.state = State::Running;
                    return Some(self.task.pc);
                }
                State::Waiting => {
                    self.task.state = State::Running;
                    match self.perform(true) {
                        PC_RESCHEDULE => {}
                        pc => return Some(pc),
                    }
                }
                State::Ended => {}
            }
        }
    }

    /// Counts the task's calls, where there are others who want to run.
    pub fn is_turn_over(&mut self) -> bool {
        if self.others.is_empty() {
            return false;
        }
        self.turn += 1;
        self.turn > if self.others.iter().any(|task| task.pid == self.task.pid) { TURN } else { PROCESS_TURN }
    }

    /// The task has nothing to do before another had its turn: sched_yield(2).
    pub fn give_up_turn(&mut self) {
        self.turn = PROCESS_TURN;
    }

    /// Whether a signal ends the wait of a task.
    pub fn is_interrupted(&self, task: &Task) -> bool {
        !matches!(task.wait.what, For::Borrower(_)) && self.is_signal_due(task)
    }

    fn is_ready(&self, task: &Task) -> bool {
        let Some(process) = self.process(task.pid) else { return false };
        let killed = process.is_killed() || task.pending.set.has(number::SIGKILL);
        match task.state {
            State::Ended => false,
            _ if process.stopped.is_some() && !killed => false,
            State::Running | State::Elsewhere => true,
            State::Waiting => {
                let Wait { events, deadline, what, .. } = &task.wait;
                let late = || deadline.is_some_and(|deadline| wasi::clock::monotonic() >= deadline);
                task.woken
                    || self.is_interrupted(task)
                    || self.has_come(task, process, what)
                    || late()
                    || events.iter().any(|&event| wasi::poll::ready(event))
            }
        }
    }

    /// Whether what a task waits for has come, by other tasks' doing.
    fn has_come(&self, task: &Task, process: &Process, what: &For) -> bool {
        match what {
            For::Nothing | For::Futex(..) | For::PiLock { .. } => false,
            For::Anything => task.seen != self.activity,
            For::Files(files) => {
                files.iter().any(|(file, events)| file.poll() & (events | poll::ERR | poll::HUP | poll::NVAL) != 0)
            }
            For::Child(seen) => process.child_news != *seen,
            For::Borrower(child) => !self.process(*child).is_some_and(|child| child.is_borrower),
            For::Signals(set) => (task.pending.set.0 | process.pending.set.0) & set.0 != 0,
        }
    }

    /// Puts the first other task that can run in the place of the current one; false if there is none.
    fn switch(&mut self) -> bool {
        let Some(at) = (0..self.others.len()).find(|&at| self.is_ready(&self.others[at])) else { return false };
        let Some(next) = self.others.remove(at) else { return false };
        if self.process.pid != next.pid {
            self.switch_process(next.pid);
        }
        let mut before = std::mem::replace(&mut self.task, next);
        if before.state != State::Ended {
            cpu::with_registers(|cpu| before.cpu = cpu.clone());
            self.others.push_back(before);
        }
        cpu::replace(std::mem::take(&mut self.task.cpu));
        self.turn_ends = wasi::clock::monotonic() + SLICE;
        let tid = std::mem::take(&mut self.task.set_child_tid);
        if tid != 0 {
            // As Linux, which does not look whether it could be written.
            let _ = user::write(tid, &self.task.tid);
        }
        true
    }

    /// Puts another process in the place of the current one, with its memory.
    fn switch_process(&mut self, pid: i32) {
        let Some(next) = self.processes.remove(&pid) else { return };
        let now = self.busy_time();
        self.process.cpu_time += now.saturating_sub(self.turn_began);
        self.turn_began = now;
        if !Rc::ptr_eq(&self.process.mm, &next.mm) {
            let live = self.live_stack(&self.process.mm);
            self.process.mm.borrow().rest(live);
            // Between two processes the kernel works for itself.
            access::set_space(None);
            next.mm.borrow_mut().enter();
            access::set_space(Some(&next.mm));
            frames::count_switch();
        }
        self.show(&next);
        self.vfs.processes().set_current(next.pid);
        let before = std::mem::replace(&mut self.process, next);
        if !before.is_reaped {
            self.processes.insert(before.pid, before);
        }
        if frames::take_lost() {
            self.kill_lost();
        }
    }

    /// Says in a trace which signal comes.
    pub fn trace_signal(&self, signal: u8, pc: u32) {
        if self.trace {
            self.say(&format!("--- {} at {pc:#x} ---", signal_name(signal)));
        }
    }
}
