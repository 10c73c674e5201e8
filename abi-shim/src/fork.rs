//! How tasks and processes begin: clone(2) (kernel/fork.c of Linux).

use std::cell::RefCell;
use std::rc::Rc;

use crate::cpu;
use crate::cred::{CAP_SYS_ADMIN, CAP_SYS_RESOURCE};
use crate::errno::Errno;
use crate::fs::procfs::Entry;
use crate::kernel::Kernel;
use crate::limits;
use crate::process::Process;
use crate::signal::AltStack;
use crate::syscall::pidfd;
use crate::task::{For, Task};
use crate::user::{self, access};

/// Flags of clone(2) and clone3(2).
pub mod flag {
    pub const VM: u64 = 0x100;
    pub const FS: u64 = 0x200;
    pub const FILES: u64 = 0x400;
    pub const SIGHAND: u64 = 0x800;
    pub const PIDFD: u64 = 0x1000;
    pub const VFORK: u64 = 0x4000;
    pub const PARENT: u64 = 0x8000;
    pub const THREAD: u64 = 0x1_0000;
    /// New namespaces: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    pub const NAMESPACES: u64 = 0x2_0000 | 0x7e00_0000;
    pub const SETTLS: u64 = 0x8_0000;
    pub const PARENT_SETTID: u64 = 0x10_0000;
    pub const CHILD_CLEARTID: u64 = 0x20_0000;
    pub const CHILD_SETTID: u64 = 0x100_0000;
    pub const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
}

/// RLIMIT_NPROC would be larger, but each task has a stack in the 4 GiB.
const MAX_TASKS: usize = 4096;

/// What clone(2) is asked for.
#[derive(Clone, Copy, Default, Debug)]
pub struct CloneArgs {
    pub flags: u64,
    pub exit_signal: u8,
    /// The new task's stack pointer; 0: as its parent's.
    pub stack: u64,
    pub parent_tid: u64,
    pub child_tid: u64,
    pub tls: u64,
    /// Where CLONE_PIDFD writes the descriptor.
    pub pidfd: u64,
}

impl Kernel {
    /// Makes a task, in this process or in a new one, that goes on after the system call; its number.
    ///
    /// # Errors
    /// EINVAL for flags that contradict each other, EPERM for new namespaces, EAGAIN if there are too many tasks, ENOMEM.
    pub fn copy_process(&mut self, args: CloneArgs) -> Result<i32, Errno> {
        let has = |flag: u64| args.flags & flag != 0;
        if has(flag::THREAD) && !has(flag::SIGHAND) || has(flag::SIGHAND) && !has(flag::VM) {
            return Err(Errno::EINVAL);
        }
        if has(flag::SIGHAND) && has(flag::CLEAR_SIGHAND) {
            return Err(Errno::EINVAL);
        }
        if has(flag::NAMESPACES) {
            return Err(Errno::EPERM);
        }
        if has(flag::PIDFD) && has(flag::THREAD) {
            return Err(Errno::EINVAL);
        }
        if self.others.len() >= MAX_TASKS {
            return Err(Errno::EAGAIN);
        }
        let cred = &self.process.cred;
        let privileged = cred.uid.real == 0 || cred.capable(CAP_SYS_RESOURCE) || cred.capable(CAP_SYS_ADMIN);
        if !privileged {
            let mine = |task: &&Task| self.process(task.pid).is_some_and(|process| process.cred.uid.real == cred.uid.real);
            if self.tasks().filter(mine).count() as u64 >= self.process.limits.0[limits::NPROC].soft {
                return Err(Errno::EAGAIN);
            }
        }
        let tid = self.next_tid;
        let mut task = self.copy_task(tid, &args);
        if !has(flag::THREAD) {
            task.pid = tid;
            let process = self.copy_memory_and_files(tid, &args)?;
            self.show(&process);
            self.processes.insert(tid, process);
        }
        self.next_tid += 1;
        if has(flag::PIDFD) {
            let fd = pidfd::open(self, tid, 0).inspect_err(|_| drop(self.processes.remove(&tid)))?;
            user::write(args.pidfd, &(fd as i32))?;
        }
        if has(flag::PARENT_SETTID) {
            // As Linux, which does not look whether it could be written.
            let _ = user::write(args.parent_tid, &tid);
        }
        self.others.push_back(task);
        Ok(tid)
    }

    fn copy_task(&mut self, tid: i32, args: &CloneArgs) -> Task {
        let has = |flag: u64| args.flags & flag != 0;
        let mut cpu = cpu::with_registers(|cpu| cpu.clone());
        cpu.int[usize::from(cpu::RAX)] = 0;
        if args.stack != 0 {
            cpu.int[usize::from(cpu::RSP)] = args.stack;
        }
        if has(flag::SETTLS) {
            cpu.int[usize::from(cpu::FS_BASE)] = args.tls;
        }
        let mut task = Task::new(tid, self.process.pid);
        task.cpu = cpu;
        task.blocked = self.task.blocked;
        task.name = self.task.name.clone();
        // A new stack in the same memory is no place for the parent's handlers.
        task.alt_stack = if has(flag::VM) && !has(flag::VFORK) { AltStack::default() } else { self.task.alt_stack };
        task.clear_child_tid = if has(flag::CHILD_CLEARTID) { args.child_tid } else { 0 };
        task.set_child_tid = if has(flag::CHILD_SETTID) { args.child_tid } else { 0 };
        task.go_on_at(self.task.next);
        task
    }

    fn copy_memory_and_files(&mut self, pid: i32, args: &CloneArgs) -> Result<Process, Errno> {
        let has = |flag: u64| args.flags & flag != 0;
        let mm = match has(flag::VM) {
            true => self.process.mm.clone(),
            false => {
                let data = self.process.mm.borrow().data();
                if self.memory.is_some_and(|memory| self.data() + data > memory) {
                    return Err(Errno::ENOMEM);
                }
                let mm = self.process.mm.borrow();
                mm.rest(self.live_stack(&self.process.mm));
                let copy = mm.fork();
                mm.awake();
                Rc::new(RefCell::new(copy?))
            }
        };
        let mut process = self.process.fork(pid, mm);
        process.exit_signal = args.exit_signal;
        process.is_borrower = has(flag::VFORK);
        if has(flag::PARENT) {
            (process.parent, process.exit_signal) = (self.process.parent, self.process.exit_signal);
        }
        if has(flag::FILES) {
            process.files = self.process.files.clone();
        }
        if has(flag::FS) {
            process.fs = self.process.fs.clone();
        }
        if has(flag::CLEAR_SIGHAND) {
            process.actions = self.process.actions.without_handlers();
        }
        if has(flag::SIGHAND) {
            process.actions = self.process.actions.share();
        }
        Ok(process)
    }

    /// For vfork(2): waits until the child has gone on to another program or has ended.
    pub fn wait_for_borrower(&mut self, child: i32) -> Result<(), Errno> {
        self.task.borrower = Some(child);
        match self.process(child).is_some_and(|process| process.is_borrower) {
            true => Err(self.block(&[], None, For::Borrower(child))),
            false => Ok(()),
        }
    }

    /// Tells `/proc` how a process stands.
    pub fn show(&self, process: &Process) {
        let (files, fs, exe) = (process.files.clone(), process.fs.clone(), process.exe.clone());
        let entry = Entry { files, fs, exe, uid: process.cred.uid.effective, gid: process.cred.gid.effective };
        self.vfs.processes().put(process.pid, entry);
    }

    // ---- Memory

    /// Gives the process memory of its own with nothing in it: execve(2).
    pub fn renew_memory(&mut self) {
        if Rc::strong_count(&self.process.mm) > 1 {
            let live = self.live_stack(&self.process.mm);
            self.process.mm.borrow().rest(live);
        }
        let new = {
            let mut mm = self.process.mm.borrow_mut();
            if Rc::strong_count(&self.process.mm) == 1 {
                mm.clear();
            }
            mm.anew()
        };
        self.process.mm = Rc::new(RefCell::new(new));
        access::set_space(Some(&self.process.mm));
        self.process.is_borrower = false;
    }

    /// The lowest address of the stack that tasks of an address space still need; `None` if that is not known, since the first one is on
    /// another stack.
    pub fn live_stack(&self, mm: &Rc<RefCell<crate::mm::AddressSpace>>) -> Option<u64> {
        /// Bytes below rsp that leaf functions use (System V ABI AMD64, §3.2.2).
        const RED_ZONE: u64 = 128;
        let space = mm.try_borrow().ok()?;
        let mut lowest = None;
        let mut first_is_there = false;
        for task in self.tasks() {
            if !self.process(task.pid).is_some_and(|process| Rc::ptr_eq(&process.mm, mm)) {
                continue;
            }
            let rsp = if task.tid == self.task.tid { cpu::get_register(cpu::RSP) } else { task.cpu.int[usize::from(cpu::RSP)] };
            let rsp = rsp.wrapping_sub(RED_ZONE);
            let here = space.is_on_stack(rsp);
            if task.tid == task.pid {
                if !here {
                    return None;
                }
                first_is_there = true;
            }
            if here {
                lowest = Some(lowest.map_or(rsp, |lowest: u64| lowest.min(rsp)));
            }
        }
        lowest.filter(|_| first_is_there)
    }
}
