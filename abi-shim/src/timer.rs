//! Timers of processes: setitimer(2), timer_create(2) (kernel/time of Linux).

use crate::kernel::Kernel;
use crate::process::{Notify, Process};
use crate::signal::{self, Info, number};
use crate::wasi;

/// What is due: to a process, or to one of its tasks.
enum To {
    Process(i32),
    Task(i32),
}

impl Kernel {
    /// The timers of a process have changed.
    pub fn timers_changed(&mut self) {
        self.next_timer = self.all_processes().filter_map(Process::next_timer).min();
    }

    /// Sends the signals of timers whose time has come.
    pub fn run_timers(&mut self) {
        let Some(next) = self.next_timer else { return };
        let now = wasi::clock::monotonic();
        if now < next {
            return;
        }
        let mut due = Vec::new();
        for process in self.all_processes_mut() {
            expire(process, now, &mut due);
        }
        self.timers_changed();
        for (to, info) in due {
            match to {
                To::Process(pid) => signal::send(self, pid, info),
                To::Task(tid) => _ = signal::send_to(self, tid, info),
            }
        }
    }
}

fn expire(process: &mut Process, now: wasi::Nanos, due: &mut Vec<(To, Info)>) {
    if process.timer.expire(now) > 0 {
        let info = Info { signal: number::SIGALRM, code: Info::SI_KERNEL, ..Info::default() };
        due.push((To::Process(process.pid), info));
    }
    for (&id, timer) in &mut process.timers {
        let times = timer.time.expire(now);
        if times == 0 {
            continue;
        }
        timer.overrun = (times - 1).min(i32::MAX as u64) as u32;
        let words = [u64::from(id as u32) | u64::from(timer.overrun) << 32, timer.value];
        let info = |signal| Info { signal, code: Info::SI_TIMER, errno: 0, words };
        match timer.notify {
            Notify::Nothing => {}
            Notify::Process(signal) => due.push((To::Process(process.pid), info(signal))),
            Notify::Task(signal, tid) => due.push((To::Task(tid), info(signal))),
        }
    }
}
