//! How tasks and processes end, and what their parents learn (kernel/exit.c, kernel/signal.c of Linux).

use std::cell::RefCell;
use std::rc::Rc;

use crate::fs::record_lock;
use crate::kernel::{Kernel, signal_name};
use crate::mm::AddressSpace;
use crate::process::{Change, End, Process, RealTimer};
use crate::signal::{self, Action, Info, number};
use crate::task::State;
use crate::user;

/// The process that gets the children of those that end before them.
pub const INIT: i32 = 1;

impl Kernel {
    /// Ends the current process with all its tasks; with process 1 everything ends.
    pub fn exit(&mut self, end: End) {
        if self.process.end.is_some() {
            return;
        }
        let pid = self.process.pid;
        if let (true, End::Signal(signal)) = (self.trace, end) {
            self.say(&format!("+++ killed by {} +++", signal_name(signal)));
        }
        self.release_all_locks();
        self.task.state = State::Ended;
        self.process.name = self.task.name.clone();
        self.process.end = Some(end);
        self.process.ended.set(true);
        self.process.timer = RealTimer::default();
        self.process.timers.clear();
        if pid == INIT {
            self.end = Some(end);
            self.others.clear();
            self.processes.clear();
            self.process.files = Rc::default();
            return;
        }
        self.leave_memory();
        self.ipc.end_of(pid);
        record_lock::free_process(pid);
        self.process.files = Rc::default();
        self.show(&self.process);
        self.leave_terminal(true);
        self.bequeath(pid);
        self.tell_parent(pid, Some(end));
    }

    /// Of all tasks of the current process.
    fn release_all_locks(&mut self) {
        let pid = self.process.pid;
        let lists: Vec<(i32, u64)> =
            self.tasks().filter(|task| task.pid == pid).map(|task| (task.tid, task.robust_list)).collect();
        // None of them is to be woken by another.
        self.others.retain(|task| task.pid != pid);
        lists.into_iter().for_each(|(tid, list)| self.release_locks(tid, list));
    }

    /// Gives its memory up: what it mapped shared is written, and who lent it gets it back.
    fn leave_memory(&mut self) {
        let mm = std::mem::replace(&mut self.process.mm, Rc::new(RefCell::new(AddressSpace::nothing())));
        if Rc::strong_count(&mm) == 1 {
            mm.borrow_mut().clear();
        }
        self.process.is_borrower = false;
    }

    /// Gives children of a process that ends to another: to an ancestor that asked for them, else to process 1.
    fn bequeath(&mut self, pid: i32) {
        let mut heir = self.process.parent;
        while heir != INIT && !self.process(heir).is_some_and(|process| process.is_subreaper && process.end.is_none()) {
            heir = self.process(heir).map_or(INIT, |process| process.parent);
        }
        let children = self.all_processes().filter(|process| process.parent == pid);
        let children: Vec<(i32, bool, i32)> = children.map(|child| (child.pid, child.end.is_some(), child.group)).collect();
        for &(child, ended, _) in &children {
            if let Some(child) = self.process_mut(child) {
                child.parent = heir;
                child.exit_signal = number::SIGCHLD;
            }
            if ended {
                let end = self.process(child).and_then(|child| child.end);
                self.tell_parent(child, end);
            }
        }
        // Stopped processes whom nobody could continue any more are woken.
        for (_, _, group) in children {
            let stopped = self.all_processes().any(|process| process.group == group && process.stopped.is_some());
            if stopped && self.is_group_orphaned(group) {
                self.signal_group(group, number::SIGHUP);
                self.signal_group(group, number::SIGCONT);
            }
        }
    }

    /// Whether no process of a group has a parent in another group of its session: setpgid(2).
    pub fn is_group_orphaned(&self, group: i32) -> bool {
        let members = self.all_processes().filter(|process| process.group == group && process.end.is_none());
        !members.into_iter().any(|process| {
            let parent = self.process(process.parent);
            parent.is_some_and(|parent| parent.group != group && parent.session == process.session)
        })
    }

    /// Sends a signal of the kernel's to all processes of a group.
    pub fn signal_group(&mut self, group: i32, signal: u8) {
        let members: Vec<i32> =
            self.all_processes().filter(|process| process.group == group).map(|process| process.pid).collect();
        for pid in members {
            signal::send(self, pid, Info { signal, code: Info::SI_KERNEL, ..Info::default() });
        }
    }

    /// Tells a process's parent what has become of it: its end, or else that it was stopped or goes on.
    fn tell_parent(&mut self, pid: i32, end: Option<End>) {
        let Some(process) = self.process(pid) else { return };
        let (parent, exit_signal, uid) = (process.parent, process.exit_signal, process.cred.uid.real);
        let (code, status) = match (end, process.change) {
            (Some(End::Exit(status)), _) => (Info::CLD_EXITED, status.into()),
            (Some(End::Signal(signal)), _) => (Info::CLD_KILLED, u64::from(signal)),
            (None, Some(Change::Stopped(signal))) => (Info::CLD_STOPPED, signal.into()),
            (None, _) => (Info::CLD_CONTINUED, number::SIGCONT.into()),
        };
        let Some(parent) = self.process_mut(parent) else { return };
        parent.child_news += 1;
        let quiet = end.is_none() && parent.actions.get(number::SIGCHLD).flags & Action::NO_CHILD_STOP != 0;
        let ignored = exit_signal == number::SIGCHLD && parent.actions.ignore_children();
        let parent = parent.pid;
        if end.is_some() && ignored {
            self.reap(pid);
        }
        let signal = if end.is_some() { exit_signal } else { number::SIGCHLD };
        if signal != 0 && !quiet {
            let words = [pid as u64 | u64::from(uid) << 32, status];
            signal::send(self, parent, Info { signal, code, errno: 0, words });
        }
    }

    /// Forgets a process that has ended.
    pub fn reap(&mut self, pid: i32) -> Option<Process> {
        self.vfs.processes().remove(pid);
        if pid == self.process.pid {
            self.process.is_reaped = true;
            return None;
        }
        self.processes.remove(&pid)
    }

    /// Ends the current task; the process, if it was the last one.
    pub fn exit_task(&mut self, status: u8) {
        let list = std::mem::take(&mut self.task.robust_list);
        self.release_locks(self.task.tid, list);
        let tid = std::mem::take(&mut self.task.clear_child_tid);
        // A bad address is nobody's loss any more.
        if tid != 0 && user::write(tid, &0u32).is_ok() {
            let futex = self.process.mm.borrow().futex_key(tid);
            self.wake(futex, u32::MAX, 1);
        }
        match self.others.iter().any(|task| task.pid == self.process.pid) {
            true => self.task.state = State::Ended,
            false => self.exit(End::Exit(status)),
        }
    }

    /// execve(2): the process has one task from now on, whose number is the process's.
    pub fn end_other_tasks(&mut self) {
        self.release_all_locks();
        self.task.tid = self.process.pid;
    }

    // ---- Stopping

    /// Stops the current process: its tasks do not run before it gets SIGCONT.
    pub fn stop(&mut self, signal: u8) {
        if self.trace {
            self.say(&format!("--- stopped by {} ---", signal_name(signal)));
        }
        self.process.stopped = Some(signal);
        self.process.change = Some(Change::Stopped(signal));
        self.tell_parent(self.process.pid, None);
    }

    /// Lets a process that was stopped go on.
    pub fn go_on(&mut self, pid: i32) {
        let Some(process) = self.process_mut(pid).filter(|process| process.stopped.is_some()) else { return };
        process.stopped = None;
        process.change = Some(Change::Continued);
        self.tell_parent(pid, None);
    }
}
