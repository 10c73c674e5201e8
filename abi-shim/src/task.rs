//! A task: one thread of the guest.

use hoist_x86::state::CpuState;

use std::rc::Rc;

use crate::fs::File;
use crate::mm::Futex;
use crate::signal::{AltStack, Pending, SignalSet};
use crate::syscall::strace;
use crate::wasi::{Event, Nanos};

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs.
    Running,
    /// It goes on at [`Task::pc`]: after execve(2), rt_sigreturn(2), or when another task had its turn.
    Elsewhere,
    /// Its system call waits and is made again.
    Waiting,
    /// It has ended.
    Ended,
}

/// What, beside signals, time and the host, lets a task go on.
#[derive(Clone, Default)]
pub enum For {
    /// Nothing.
    #[default]
    Nothing,
    /// Whatever another task does.
    Anything,
    /// FUTEX_WAKE for this futex ([`crate::mm::AddressSpace::futex_key`]) and one of these bits.
    Futex(Futex, u32),
    /// Its turn to hold a lock with priority inheritance, and who holds that now.
    PiLock { futex: Futex, owner: i32 },
    /// One of these files is ready for what stands with it: events of poll(2).
    Files(Vec<(Rc<File>, u32)>),
    /// One of its children ended, stopped or went on: more of that than this had happened.
    Child(u64),
    /// This process has memory of its own, or none. Signals have to wait.
    Borrower(i32),
    /// One of these signals, blocked or not.
    Signals(SignalSet),
}

/// What becomes of a call that waits when a handler has run: signal(7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Restart {
    /// It fails with EINTR.
    #[default]
    Never,
    /// After one with SA_RESTART it is made again.
    IfAsked,
    /// It is made again.
    Always,
}

/// What a task that cannot go on waits for; any of it wakes the task.
#[derive(Clone, Default)]
pub struct Wait {
    /// Of the host's.
    pub events: Vec<Event>,
    /// On the monotonic clock.
    pub deadline: Option<Nanos>,
    pub what: For,
    pub restarts: Restart,
}

/// One thread.
pub struct Task {
    pub tid: i32,
    /// Its process.
    pub pid: i32,
    pub state: State,
    /// Where it goes on, when `state` is `Elsewhere`.
    pub pc: u32,
    /// Signals that are blocked.
    pub blocked: SignalSet,
    /// The set to block again once a handler has been entered: sigsuspend(2).
    pub saved_blocked: Option<SignalSet>,
    pub pending: Pending,
    pub alt_stack: AltStack,
    /// General-purpose registers that are not the interrupted code's in what happens now, bit `n` for register `n`: [`crate::fault`]. All, if its
    /// pc is not known.
    pub unknown: u16,
    /// Where the task writes its number when it first runs: CLONE_CHILD_SETTID of clone(2).
    pub set_child_tid: u64,
    /// The child that has this process's memory: vfork(2).
    pub borrower: Option<i32>,
    /// set_tid_address(2).
    pub clear_child_tid: u64,
    /// set_robust_list(2).
    pub robust_list: u64,
    /// PR_SET_NAME of prctl(2), at most 15 bytes.
    pub name: Vec<u8>,
    /// What the call that returned `ERESTARTSYS` waits for.
    pub wait: Wait,
    /// FUTEX_WAKE has come, or the lock.
    pub woken: bool,
    /// The lock comes from a holder that ended.
    pub inherits: bool,
    /// How much other tasks had done when it began to wait: [`crate::kernel::Kernel::activity`].
    pub seen: u64,
    /// The pc after the system call that it makes.
    pub next: u32,
    /// The call, where calls are traced.
    pub trace: Option<strace::Call>,
    /// The registers, while another task runs.
    pub cpu: CpuState,
    /// How much of it the call has done that waits now: a write to a pipe.
    pub done: usize,
    /// The end of a FIFO that open(2) opens, while it waits for the other end.
    pub opening: Option<Rc<File>>,
    /// Messages that sendmmsg(2) or recvmmsg(2) is done with, while it waits.
    pub messages: u64,
    /// The call that is being made has waited.
    waited: bool,
    /// When the call that is being made times out; kept while it is made again.
    deadline: Option<Nanos>,
}

impl Task {
    pub fn new(tid: i32, pid: i32) -> Task {
        Task {
            tid,
            pid,
            state: State::Running,
            pc: 0,
            blocked: SignalSet::EMPTY,
            saved_blocked: None,
            pending: Pending::default(),
            alt_stack: AltStack::default(),
            unknown: 0,
            set_child_tid: 0,
            borrower: None,
            clear_child_tid: 0,
            robust_list: 0,
            name: Vec::new(),
            wait: Wait::default(),
            woken: false,
            inherits: false,
            seen: 0,
            next: 0,
            trace: None,
            cpu: CpuState::default(),
            done: 0,
            opening: None,
            messages: 0,
            waited: false,
            deadline: None,
        }
    }

    /// Whether the call that is being made has waited before.
    pub fn has_waited(&self) -> bool {
        self.waited
    }

    /// The call that is being made waits.
    pub fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
        self.waited = true;
    }

    /// What execve(2) resets.
    pub fn become_program(&mut self) {
        self.alt_stack = AltStack::default();
        self.clear_child_tid = 0;
        self.robust_list = 0;
    }

    /// Makes the task go on at a pc that its code does not expect.
    pub fn go_on_at(&mut self, pc: u32) {
        (self.state, self.pc) = (State::Elsewhere, pc);
    }

    /// When a call that may take `nanos` times out: counted from the first time the call was made.
    pub fn deadline_after(&mut self, nanos: Nanos) -> Nanos {
        *self.deadline.get_or_insert_with(|| crate::wasi::clock::monotonic().saturating_add(nanos))
    }

    /// A new call begins; `next` is the pc after it.
    pub fn begin_call(&mut self, next: u32) {
        self.next = next;
        self.deadline = None;
        self.waited = false;
        self.messages = 0;
        self.done = 0;
        self.opening = None;
        self.woken = false;
        self.inherits = false;
        self.borrower = None;
    }
}
