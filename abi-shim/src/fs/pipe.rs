//! Pipes: pipe(7).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::file::FileObject;
use super::types::{OpenFlags, poll};
use super::{Feed, Result, Sink};
use crate::errno::Errno::{EAGAIN, EBUSY, EINVAL, ENXIO, EPERM, EPIPE};
use crate::heap::Claim;
use crate::{heap, user};

/// Bytes a pipe holds unless F_SETPIPE_SZ says otherwise.
pub const PIPE_CAPACITY: usize = 65536;
/// The most that F_SETPIPE_SZ allows: `/proc/sys/fs/pipe-max-size`.
pub const PIPE_MAX_SIZE: usize = 1 << 20;
/// Writes up to this many bytes are not mixed with others': `PIPE_BUF`.
pub const PIPE_BUF: usize = 4096;

const FIONREAD: u32 = 0x541b;

/// The bytes under way, and how many ends are open.
pub struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    capacity: Cell<usize>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// Opening it waits for the other end.
    is_fifo: bool,
    /// How often an end of each kind was opened.
    reader_opens: Cell<u64>,
    writer_opens: Cell<u64>,
    /// Reads and writes that moved bytes.
    moves: Cell<u64>,
}

impl Pipe {
    /// The pipe of a FIFO, without ends.
    pub fn fifo() -> Rc<Pipe> {
        Pipe::new(true)
    }

    #[allow(clippy::new_ret_no_self)] // a pipe is shared by its ends, always
    fn new(is_fifo: bool) -> Rc<Pipe> {
        Rc::new(Pipe {
            is_fifo,
            bytes: RefCell::default(),
            capacity: Cell::new(PIPE_CAPACITY),
            readers: Cell::new(0),
            writers: Cell::new(0),
            reader_opens: Cell::new(0),
            writer_opens: Cell::new(0),
            moves: Cell::new(0),
        })
    }

    /// The read end and the write end of a new pipe.
    pub fn pair() -> (Rc<PipeEnd>, Rc<PipeEnd>) {
        let pipe = Pipe::new(false);
        (PipeEnd::new(&pipe, true, false), PipeEnd::new(&pipe, false, true))
    }

    /// Opens a FIFO.
    ///
    /// # Errors
    /// `ENXIO` for writing without a reader, if it must not wait: fifo(7).
    pub fn open(self: &Rc<Self>, flags: OpenFlags) -> Result<Rc<dyn FileObject>> {
        let (reads, writes) = (flags.readable(), flags.writable());
        if writes && !reads && flags.has(OpenFlags::NONBLOCK) && self.readers.get() == 0 {
            return Err(ENXIO);
        }
        Ok(PipeEnd::new(self, reads, writes))
    }

    fn free(&self) -> usize {
        self.capacity.get().saturating_sub(self.bytes.borrow().len())
    }
}

/// One end of a pipe; of a FIFO perhaps both.
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    reads: bool,
    writes: bool,
    /// How often ends of the other kind had been opened when this one was.
    seen: u64,
}

impl PipeEnd {
    fn new(pipe: &Rc<Pipe>, reads: bool, writes: bool) -> Rc<PipeEnd> {
        pipe.readers.set(pipe.readers.get() + usize::from(reads));
        pipe.writers.set(pipe.writers.get() + usize::from(writes));
        let seen = if reads { pipe.writer_opens.get() } else { pipe.reader_opens.get() };
        pipe.reader_opens.set(pipe.reader_opens.get() + u64::from(reads));
        pipe.writer_opens.set(pipe.writer_opens.get() + u64::from(writes));
        Rc::new(PipeEnd { pipe: pipe.clone(), reads, writes, seen })
    }

    /// Whether an end of the other kind is open, or was since this one has been: open(2) of a FIFO waits for that.
    pub fn is_connected(&self) -> bool {
        let (others, opens) = match self.reads {
            true => (self.pipe.writers.get(), self.pipe.writer_opens.get()),
            false => (self.pipe.readers.get(), self.pipe.reader_opens.get()),
        };
        others > 0 || opens != self.seen || !self.pipe.is_fifo
    }

    /// Writes what this end would read to another pipe, and leaves it: tee(2).
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`.
    pub fn tee(&self, to: &PipeEnd, len: usize) -> Result<usize> {
        let bytes = self.pipe.bytes.borrow();
        let count = bytes.len().min(len);
        if count == 0 {
            return if len == 0 || self.pipe.writers.get() == 0 { Ok(0) } else { Err(EAGAIN) };
        }
        if to.pipe.readers.get() == 0 {
            return Err(EPIPE);
        }
        let count = count.min(to.pipe.free());
        if count == 0 {
            return Err(EAGAIN);
        }
        let mut copies = to.pipe.bytes.borrow_mut();
        heap::fallible(Claim::Process, || copies.try_reserve(count))?;
        copies.extend(bytes.range(..count));
        to.pipe.moves.set(to.pipe.moves.get() + 1);
        Ok(count)
    }

    /// F_GETPIPE_SZ of fcntl(2).
    pub fn capacity(&self) -> usize {
        self.pipe.capacity.get()
    }

    /// F_SETPIPE_SZ of fcntl(2); the capacity it became.
    ///
    /// # Errors
    /// `EBUSY` if more bytes are under way, `EPERM` beyond [`PIPE_MAX_SIZE`], `EINVAL`.
    pub fn set_capacity(&self, wanted: u64) -> Result<usize> {
        if wanted == 0 || wanted > 1 << 31 {
            return Err(EINVAL);
        }
        let capacity = (wanted as usize).max(PIPE_BUF).next_power_of_two();
        if capacity > PIPE_MAX_SIZE {
            return Err(EPERM);
        }
        if capacity < self.pipe.bytes.borrow().len() {
            return Err(EBUSY);
        }
        self.pipe.capacity.set(capacity);
        Ok(capacity)
    }

    /// The pipe behind the end: both ends of one pipe give the same.
    pub fn pipe(&self) -> &Rc<Pipe> {
        &self.pipe
    }
}

impl FileObject for PipeEnd {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut bytes = self.pipe.bytes.borrow_mut();
        let count = sink.room().min(bytes.len());
        if count == 0 {
            return if self.pipe.writers.get() == 0 || sink.room() == 0 { Ok(0) } else { Err(EAGAIN) };
        }
        let (front, back) = bytes.as_slices();
        let first = front.len().min(count);
        sink.put(&front[..first])?;
        sink.put(&back[..count - first])?;
        bytes.drain(..count);
        self.pipe.moves.set(self.pipe.moves.get() + 1);
        Ok(count)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        if feed.left() == 0 {
            return Ok(0);
        }
        if self.pipe.readers.get() == 0 {
            return Err(EPIPE);
        }
        let free = self.pipe.free();
        // Up to PIPE_BUF bytes go as one or not at all.
        if free == 0 || feed.left() <= PIPE_BUF && free < feed.left() {
            return Err(EAGAIN);
        }
        let mut buffer = heap::zeroed(Claim::Process, feed.left().min(free))?;
        feed.take(&mut buffer)?;
        let len = buffer.len();
        let mut bytes = self.pipe.bytes.borrow_mut();
        if bytes.is_empty() {
            *bytes = buffer.into();
        } else {
            heap::fallible(Claim::Process, || bytes.try_reserve(len))?;
            bytes.extend(&buffer);
        }
        self.pipe.moves.set(self.pipe.moves.get() + 1);
        Ok(len)
    }

    fn poll(&self) -> u32 {
        let mut events = 0;
        if self.reads {
            if !self.pipe.bytes.borrow().is_empty() {
                events |= poll::IN | poll::RDNORM;
            }
            if self.pipe.writers.get() == 0 && self.is_connected() {
                events |= poll::HUP;
            }
        }
        if self.writes {
            if self.pipe.free() >= PIPE_BUF {
                events |= poll::OUT | poll::WRNORM;
            }
            if self.pipe.readers.get() == 0 {
                events |= poll::ERR;
            }
        }
        events
    }

    fn waits_for_room(&self) -> bool {
        true
    }

    fn activity(&self) -> u64 {
        self.pipe.moves.get()
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            FIONREAD => user::write(arg, &(self.pipe.bytes.borrow().len() as i32)).map(|()| 0),
            _ => Err(crate::errno::Errno::ENOTTY),
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.pipe.readers.set(self.pipe.readers.get() - usize::from(self.reads));
        self.pipe.writers.set(self.pipe.writers.get() - usize::from(self.writes));
    }
}
