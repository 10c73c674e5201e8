//! Who ends when the kernel's own memory ([`crate::heap`]) is used up.

use crate::heap;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{self, Info, number};

impl Kernel {
    /// Ends a process if the kernel's own memory is nearly used up: the one that has most of it, if it is to be had, else the current one.
    pub fn relieve(&mut self) {
        heap::restore();
        if !heap::is_low() {
            return;
        }
        let found = self.process.mm.borrow().reclaim();
        match found {
            true => self.kill_lost(),
            false => self.kill_for_memory(self.process.pid),
        }
    }

    /// Ends the processes of which pages are gone.
    pub fn kill_lost(&mut self) {
        let lost = |process: &Process| process.end.is_none() && !process.is_killed() && process.mm.borrow().is_lost();
        let pids: Vec<i32> = self.processes.values().filter(|process| lost(process)).map(|process| process.pid).collect();
        pids.into_iter().for_each(|pid| self.kill_for_memory(pid));
    }

    /// Ends a process because there is no memory for it.
    fn kill_for_memory(&mut self, pid: i32) {
        self.say(&format!("hoist: out of memory: the host gives the kernel no more; process {pid} is killed"));
        signal::send(self, pid, Info { signal: number::SIGKILL, code: Info::SI_KERNEL, ..Info::default() });
    }
}
