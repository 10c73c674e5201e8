//! A task: one thread of the guest.

use hoist_x86::state::CpuState;

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

/// What a task that cannot go on waits for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Wait {
    /// Any of these wakes it.
    pub events: Vec<Event>,
    /// On the monotonic clock.
    pub deadline: Option<Nanos>,
    /// Address of a futex and the bits of FUTEX_WAKE_BITSET that it wakes for; if there is none, anything that another task does may be
    /// what it waits for.
    pub futex: Option<(u64, u32)>,
}

/// One thread.
pub struct Task {
    pub tid: i32,
    pub state: State,
    /// Where it goes on, when `state` is `Elsewhere`.
    pub pc: u32,
    /// Signals that are blocked.
    pub blocked: SignalSet,
    /// The set to block again once a handler has been entered: sigsuspend(2).
    pub saved_blocked: Option<SignalSet>,
    pub pending: Pending,
    pub alt_stack: AltStack,
    /// set_tid_address(2).
    pub clear_child_tid: u64,
    /// set_robust_list(2).
    pub robust_list: u64,
    /// PR_SET_NAME of prctl(2), at most 15 bytes.
    pub name: Vec<u8>,
    /// What the call that returned `ERESTARTSYS` waits for.
    pub wait: Wait,
    /// FUTEX_WAKE has come.
    pub woken: bool,
    /// How much other tasks had done when it began to wait: [`crate::kernel::Kernel::activity`].
    pub seen: u64,
    /// The pc after the system call that it makes.
    pub next: u32,
    /// The call, where calls are traced.
    pub trace: Option<strace::Call>,
    /// The registers, while another task runs.
    pub cpu: CpuState,
    /// When the call that is being made times out; kept while it is made again.
    deadline: Option<Nanos>,
}

impl Task {
    pub fn new(tid: i32) -> Task {
        Task {
            tid,
            state: State::Running,
            pc: 0,
            blocked: SignalSet::EMPTY,
            saved_blocked: None,
            pending: Pending::default(),
            alt_stack: AltStack::default(),
            clear_child_tid: 0,
            robust_list: 0,
            name: Vec::new(),
            wait: Wait::default(),
            woken: false,
            seen: 0,
            next: 0,
            trace: None,
            cpu: CpuState::default(),
            deadline: None,
        }
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
        self.woken = false;
    }

    /// Whether a signal waits that would interrupt a call.
    pub fn is_signal_due(&self) -> bool {
        self.pending.set.0 & !self.blocked.0 != 0
    }
}
