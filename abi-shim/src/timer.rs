//! Timers of processes: setitimer(2), timer_create(2) (kernel/time of Linux).

use crate::kernel::Kernel;
use crate::limits;
use crate::process::{Notify, PosixTimer, Process};
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
        let cpu_time = self.process.next_cpu_timer().map(|next| (next, self.cpu_time())).filter(|(next, now)| now >= next);
        let now = self.next_timer.map(|next| (next, wasi::clock::monotonic())).filter(|(next, now)| now >= next);
        let mut due = Vec::new();
        if let Some((_, now)) = now {
            self.all_processes_mut().for_each(|process| expire(process, now, &mut due));
        }
        if let Some((_, now)) = cpu_time {
            expire_cpu_timers(&mut self.process, now, &mut due);
        }
        if now.is_none() && cpu_time.is_none() {
            return;
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
    for (id, timer) in process.timers.iter_mut().filter(|(_, timer)| !timer.counts_cpu_time()) {
        expire_posix(process.pid, *id, timer, now, due);
    }
}

/// Likewise those of CPU time, and RLIMIT_CPU: SIGXCPU each second from the soft limit on, which moves on with it as Linux has it, and SIGKILL
/// at the hard one.
fn expire_cpu_timers(process: &mut Process, now: wasi::Nanos, due: &mut Vec<(To, Info)>) {
    let limit = &mut process.limits.0[limits::CPU];
    let reached = |seconds| limits::nanos(seconds).is_some_and(|limit| now >= limit);
    let signal = match () {
        () if reached(limit.hard) => Some(number::SIGKILL),
        () if reached(limit.soft) => {
            limit.soft = limit.soft.saturating_add(1);
            Some(number::SIGXCPU)
        }
        () => None,
    };
    if let Some(signal) = signal {
        due.push((To::Process(process.pid), Info { signal, code: Info::SI_KERNEL, ..Info::default() }));
    }
    for (timer, signal) in process.cpu_timers.iter_mut().zip([number::SIGVTALRM, number::SIGPROF]) {
        if timer.expire(now) > 0 {
            due.push((To::Process(process.pid), Info { signal, code: Info::SI_KERNEL, ..Info::default() }));
        }
    }
    for (id, timer) in process.timers.iter_mut().filter(|(_, timer)| timer.counts_cpu_time()) {
        expire_posix(process.pid, *id, timer, now, due);
    }
}

fn expire_posix(pid: i32, id: i32, timer: &mut PosixTimer, now: wasi::Nanos, due: &mut Vec<(To, Info)>) {
    let times = timer.time.expire(now);
    if times == 0 {
        return;
    }
    timer.overrun = (times - 1).min(i32::MAX as u64) as u32;
    let words = [u64::from(id as u32) | u64::from(timer.overrun) << 32, timer.value];
    let info = |signal| Info { signal, code: Info::SI_TIMER, errno: 0, words };
    match timer.notify {
        Notify::Nothing => {}
        Notify::Process(signal) => due.push((To::Process(pid), info(signal))),
        Notify::Task(signal, tid) => due.push((To::Task(tid), info(signal))),
    }
}
