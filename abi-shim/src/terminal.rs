//! What terminals have to do with processes: sessions, foreground and background, signals (drivers/tty/tty_jobctrl.c of Linux).

use std::rc::Rc;

use crate::errno::Errno;
use crate::fs::notify::Inotify;
use crate::fs::tty::{To, Tty};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{self, Action, Info, SignalSet, number};
use crate::task::{For, Task};
use crate::wasi::{self, Event};

/// System calls after which the kernel looks whether something was typed, since ^C may be among it.
const LOOK_EVERY: u32 = 64;

impl Kernel {
    /// Delivers the signals that terminals have sent.
    pub fn send_posted(&mut self) {
        if self.vfs.devices().posted.is_empty() {
            return;
        }
        let posted = self.vfs.devices().posted.take();
        for (to, signal) in posted {
            match to {
                To::Group(group) => self.signal_group(group, signal),
                To::Process(pid) => self.signal_from_kernel(pid, signal),
                To::Session { session, group } => self.hang_up(session, group),
            }
        }
    }

    fn signal_from_kernel(&mut self, pid: i32, signal: u8) {
        signal::send(self, pid, Info { signal, code: Info::SI_KERNEL, ..Info::default() });
    }

    /// A session's terminal is gone: its leader is told, and the foreground group when that ends.
    fn hang_up(&mut self, session: i32, group: i32) {
        for process in self.all_processes_mut().filter(|process| process.session == session) {
            process.tty = None;
            if process.pid == session {
                process.old_foreground = group;
            }
        }
        self.signal_from_kernel(session, number::SIGHUP);
        self.signal_from_kernel(session, number::SIGCONT);
    }

    // ---- The host's terminal

    /// What of the host's has to wake the kernel, whoever waits for what.
    pub fn terminal_event(&self) -> Option<Event> {
        self.vfs.devices().console.as_ref().filter(|tty| tty.wants_pump())?.host_event()
    }

    /// Takes the signals that the host has sent to the first process.
    fn take_host_signals(&mut self) {
        const FIRST: i32 = 1;
        while let Some(signal) = wasi::stdio::signal() {
            self.activity += 1;
            self.signal_from_kernel(FIRST, signal);
        }
    }

    /// Whether something may come from outside that no event of the host's announces, so that waiting for ever is no deadlock: a signal
    /// that somebody waits for, or news of files, which programs wait for that have nothing else to do.
    pub fn may_be_woken(&self) -> bool {
        let listens = |task: &Task| match &task.wait.what {
            For::Nothing | For::Signals(_) => self.host_signals,
            For::Files(files) => files.iter().any(|(file, _)| file.as_object::<Inotify>().is_some()),
            _ => false,
        };
        let handles = |process: &Process| process.actions.with_handler(None) != SignalSet::EMPTY;
        self.tasks().any(listens) || self.host_signals && self.process(1).is_some_and(handles)
    }

    /// Takes what was typed at the host's terminal.
    pub fn look_at_terminal(&mut self) {
        self.looked_at_terminal = 0;
        if self.host_signals {
            self.take_host_signals();
        }
        let Some(tty) = self.vfs.devices().console.clone().filter(|tty| tty.wants_pump()) else { return };
        if tty.pump() {
            self.activity += 1;
            self.send_posted();
        }
    }

    /// Likewise, but not after every call.
    pub fn glance_at_terminal(&mut self) {
        self.looked_at_terminal += 1;
        if self.looked_at_terminal >= LOOK_EVERY {
            self.look_at_terminal();
        }
    }

    // ---- The controlling terminal

    /// Makes a terminal that of the current process's session.
    pub fn set_terminal(&mut self, tty: &Rc<Tty>) {
        tty.give_to(self.process.session, self.process.group);
        self.process.tty = Some(tty.clone());
    }

    /// Takes a terminal from its session.
    pub fn clear_session(&mut self, tty: &Rc<Tty>) {
        let is_it = |its: &Option<Rc<Tty>>| its.as_ref().is_some_and(|its| Rc::ptr_eq(its, tty));
        self.all_processes_mut().filter(|process| is_it(&process.tty)).for_each(|process| process.tty = None);
        tty.give_to(0, 0);
    }

    /// The process has no terminal any more. If it leads the session, nobody there has, and the foreground group is told.
    pub fn leave_terminal(&mut self, exits: bool) {
        let terminal = self.process.tty.take();
        let old = std::mem::take(&mut self.process.old_foreground);
        if self.process.session != self.process.pid {
            return;
        }
        match terminal {
            Some(tty) => {
                let group = tty.group();
                self.clear_session(&tty);
                self.signal_if_any(group, number::SIGHUP);
                if !exits {
                    self.signal_if_any(group, number::SIGCONT);
                }
            }
            None if exits => {
                self.signal_if_any(old, number::SIGHUP);
                self.signal_if_any(old, number::SIGCONT);
            }
            None => {}
        }
    }

    fn signal_if_any(&mut self, group: i32, signal: u8) {
        if group != 0 {
            self.signal_group(group, signal);
        }
    }

    /// Whether the current process may use its terminal: a group in the background is stopped by `signal`, SIGTTIN or SIGTTOU.
    ///
    /// # Errors
    /// `EIO` if nobody would continue it, or SIGTTIN is ignored; `ERESTARTSYS` once the signal has been sent.
    pub fn check_foreground(&mut self, tty: &Rc<Tty>, signal: u8) -> Result<(), Errno> {
        let process = &self.process;
        let is_own = process.tty.as_ref().is_some_and(|own| Rc::ptr_eq(own, tty));
        if !is_own || matches!(tty.group(), 0) || tty.group() == process.group {
            return Ok(());
        }
        let ignored = self.task.blocked.has(signal) || process.actions.get(signal).handler == Action::IGNORE;
        let group = process.group;
        match () {
            () if ignored && signal == number::SIGTTIN => Err(Errno::EIO),
            () if ignored => Ok(()),
            () if self.is_group_orphaned(group) => Err(Errno::EIO),
            () => {
                self.signal_group(group, signal);
                Err(self.block_forever(For::Anything))
            }
        }
    }
}
