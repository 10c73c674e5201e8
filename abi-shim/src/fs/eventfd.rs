//! Event counters: eventfd(2).

use std::cell::Cell;
use std::rc::Rc;

use super::file::{FileObject, Seek};
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EAGAIN, EINVAL};

/// A counter that reads take and writes add to.
pub struct EventFd {
    count: Cell<u64>,
    /// Reads take 1 and not all: EFD_SEMAPHORE.
    semaphore: bool,
    writes: Cell<u64>,
}

impl EventFd {
    /// A counter with a first value.
    #[allow(clippy::new_ret_no_self)] // it is made to be shared
    pub fn new(count: u32, semaphore: bool) -> Rc<EventFd> {
        Rc::new(EventFd { count: Cell::new(count.into()), semaphore, writes: Cell::new(0) })
    }
}

impl FileObject for EventFd {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let count = self.count.get();
        if sink.room() < 8 {
            return Err(EINVAL);
        }
        if count == 0 {
            return Err(EAGAIN);
        }
        let taken = if self.semaphore { 1 } else { count };
        sink.put(&taken.to_le_bytes())?;
        self.count.set(count - taken);
        Ok(8)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        if feed.left() < 8 {
            return Err(EINVAL);
        }
        let mut bytes = [0; 8];
        feed.take(&mut bytes)?;
        let added = u64::from_le_bytes(bytes);
        if added == u64::MAX {
            return Err(EINVAL);
        }
        let sum = self.count.get().checked_add(added).filter(|&sum| sum < u64::MAX);
        self.count.set(sum.ok_or(EAGAIN)?);
        self.writes.set(self.writes.get() + 1);
        Ok(8)
    }

    fn poll(&self) -> u32 {
        let readable = if self.count.get() > 0 { poll::IN | poll::RDNORM } else { 0 };
        let writable = if self.count.get() < u64::MAX - 1 { poll::OUT | poll::WRNORM } else { 0 };
        readable | writable
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn activity(&self) -> u64 {
        self.writes.get()
    }

    fn fdinfo(&self) -> String {
        format!("eventfd-count: {:16x}\n", self.count.get())
    }
}
