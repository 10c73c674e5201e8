//! Timers that are read: timerfd_create(2).

use std::cell::Cell;
use std::rc::Rc;

use super::file::{FileObject, Seek};
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EAGAIN, EINVAL};
use crate::wasi::{Nanos, clock};

/// A timer.
pub struct TimerFd {
    /// The clock of its absolute times, by number.
    pub clock: u64,
    /// When it goes off next, on the monotonic clock.
    next: Cell<Option<Nanos>>,
    /// Nanoseconds between the times after that; 0: once.
    interval: Cell<Nanos>,
    /// How often it was set: edge-triggered waiters see each time anew.
    settings: Cell<u64>,
}

impl TimerFd {
    /// One that is not set.
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(clock: u64) -> Rc<TimerFd> {
        Rc::new(TimerFd { clock, next: Cell::new(None), interval: Cell::new(0), settings: Cell::new(0) })
    }

    /// Nanoseconds until it goes off, 0 if it does not, and the interval.
    pub fn get(&self) -> (Nanos, Nanos) {
        let now = clock::monotonic();
        let left = self.next.get().map_or(0, |next| match (next.checked_sub(now), self.interval.get()) {
            (Some(left), _) => left.max(1),
            (None, 0) => 0,
            (None, interval) => interval - (now - next) % interval,
        });
        (left, self.interval.get())
    }

    /// Sets it to go off at a time, or not at all.
    pub fn set(&self, next: Option<Nanos>, interval: Nanos) {
        self.next.set(next);
        self.interval.set(interval);
        self.settings.set(self.settings.get() + 1);
    }

    /// How often it has gone off since it was read.
    fn expirations(&self, now: Nanos) -> u64 {
        let late = self.next.get().and_then(|next| now.checked_sub(next));
        late.map_or(0, |late| 1 + late.checked_div(self.interval.get()).unwrap_or(0))
    }
}

impl FileObject for TimerFd {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        if sink.room() < 8 {
            return Err(EINVAL);
        }
        let count = self.expirations(clock::monotonic());
        if count == 0 {
            return Err(EAGAIN);
        }
        sink.put(&count.to_le_bytes())?;
        let interval = self.interval.get();
        let next = self.next.get().filter(|_| interval != 0).map(|next| next + count * interval);
        self.next.set(next);
        Ok(8)
    }

    fn write(&self, _offset: u64, _feed: &mut dyn Feed) -> Result<usize> {
        Err(EINVAL)
    }

    fn poll(&self) -> u32 {
        if self.expirations(clock::monotonic()) > 0 { poll::IN | poll::RDNORM } else { 0 }
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn activity(&self) -> u64 {
        self.settings.get() + self.expirations(clock::monotonic())
    }

    fn deadline(&self) -> Option<Nanos> {
        self.next.get()
    }
}
