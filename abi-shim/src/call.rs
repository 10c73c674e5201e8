//! The way of a system call through the kernel: from the registers to the result in them, with the waits and the signals in between.
//!
//! A call that waits leaves its task in [`State::Waiting`] and drains the Wasm stack; [`crate::sched`] then says which task goes on. With one task all
//! of this is a loop around the wait in the host's poll.

use crate::cpu;
use crate::errno::{Errno, SysResult, to_rax};
use crate::kernel::Kernel;
use crate::signal::{self, Interrupted};
use crate::syscall::{self, strace};
use crate::task::{State, Wait};
use hoist_x86::boundary::PC_RESCHEDULE;
use hoist_x86::state::CpuState;

/// Bytes of the syscall instruction.
const SYSCALL: u32 = 2;

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
    pub fn perform(&mut self, mut again: bool) -> u32 {
        let number = cpu::get_register(cpu::RAX);
        let args = cpu::arguments();
        let mut interrupted = Interrupted::No;
        let result = loop {
            if again && self.is_interrupted(&self.task) {
                if self.task.done > 0 {
                    break Ok(self.task.done as u64);
                }
                self.task.opening = None;
                interrupted = Interrupted::Call { number, restarts: self.task.wait.restarts };
                break Err(Errno::EINTR);
            }
            match syscall::call(self, number, args) {
                Err(Errno::ERESTARTSYS) if self.task.state == State::Running => {}
                result => break result,
            }
            if !self.others.is_empty() {
                // A FIFO that has been opened may be what another one waits for.
                self.activity += u64::from(!again);
                self.task.state = State::Waiting;
                self.task.seen = self.activity;
                return PC_RESCHEDULE;
            }
            again = true;
            // A mask that the call itself has set may have let a signal in that waited.
            if self.is_interrupted(&self.task) {
                continue;
            }
            self.sleep();
            self.run_timers();
            if self.end.is_some() {
                return PC_RESCHEDULE;
            }
        };
        // The wait holds files open that the task may close next.
        self.task.wait = Wait::default();
        self.activity += 1;
        self.send_posted();
        self.glance_at_terminal();
        self.relieve();
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
        if self.is_signal_due(&self.task) || self.task.saved_blocked.is_some() {
            let before = pc;
            pc = signal::deliver(self, pc, interrupted);
            if self.task.state == State::Ended {
                return PC_RESCHEDULE;
            }
            // A signal without a handler does not interrupt: the call is made again.
            if let (Interrupted::Call { number, .. }, true) = (interrupted, pc == before) {
                cpu::set_register(cpu::RAX, number);
                pc = pc.wrapping_sub(SYSCALL);
            }
        }
        // Plain code that is on the Wasm stack must not go on.
        let newly_exact = self.process.mm.borrow().reads_exceptions && self.follow_exceptions();
        if pc == expected && !newly_exact && self.process.stopped.is_none() && !self.is_turn_over() {
            return pc;
        }
        self.task.go_on_at(pc);
        PC_RESCHEDULE
    }

    /// From now on all tasks compute floating-point exception flags; false if they do so already.
    fn follow_exceptions(&mut self) -> bool {
        let follow = |cpu: &mut CpuState| {
            cpu.observes_flags = true;
            cpu.update_exact();
        };
        if cpu::with(|cpu| cpu.observes_flags) {
            return false;
        }
        cpu::with_registers(follow);
        let pid = self.task.pid;
        self.others.iter_mut().filter(|task| task.pid == pid).for_each(|task| follow(&mut task.cpu));
        true
    }
}
