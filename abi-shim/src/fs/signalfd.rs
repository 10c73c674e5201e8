//! Signals as a file: signalfd(2). What is pending is the kernel's to know; it is told here whether a read would find any.

use std::cell::Cell;
use std::rc::Rc;

use super::file::{FileObject, Seek};
use super::types::poll;
use super::{Result, Sink};
use crate::errno::Errno::EAGAIN;
use crate::signal::SignalSet;

/// A set of signals that reads take.
pub struct SignalFd {
    pub set: Cell<SignalSet>,
    /// The process that waits for it: who made it, or the last that read it.
    pub process: Cell<i32>,
    is_ready: Cell<bool>,
    /// Signals that made it ready.
    arrivals: Cell<u64>,
}

impl SignalFd {
    /// For signals of a set that a process gets.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(set: SignalSet, process: i32) -> Rc<SignalFd> {
        let (is_ready, arrivals) = Default::default();
        Rc::new(SignalFd { set: Cell::new(set), process: Cell::new(process), is_ready, arrivals })
    }

    /// What is pending for its process now.
    pub fn refresh(&self, pending: SignalSet) {
        let ready = pending.0 & self.set.get().0 != 0;
        self.arrivals.set(self.arrivals.get() + u64::from(ready));
        self.is_ready.set(ready);
    }
}

impl FileObject for SignalFd {
    fn read(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        // read(2) asks the kernel first; here there is nothing.
        Err(EAGAIN)
    }

    fn poll(&self) -> u32 {
        if self.is_ready.get() { poll::IN | poll::RDNORM } else { 0 }
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn activity(&self) -> u64 {
        self.arrivals.get()
    }

    fn fdinfo(&self) -> String {
        format!("sigmask:\t{:016x}\n", self.set.get().0)
    }
}
