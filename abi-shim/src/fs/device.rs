//! Character devices: what stands behind the numbers of null(4), zero(4), full(4), random(4), tty(4).

use std::cell::RefCell;
use std::rc::Rc;

use hoist_vfs::{Device, Kind};

use super::file::{FileObject, Seek};
use super::tty::pty::Ptys;
use super::tty::{Posted, Tty, TtyFile};
use super::{Feed, Result, Sink};
use crate::errno::Errno::{ENOSPC, ENOTTY, ENXIO};
use crate::{user, wasi};

/// The devices of the machine.
pub struct Devices {
    /// The host's terminal, if it gives one.
    pub console: Option<Rc<Tty>>,
    pub ptys: Rc<Ptys>,
    /// Signals that terminals send.
    pub posted: Rc<Posted>,
    /// What `/dev/tty` is to the process that asks.
    pub controlling: RefCell<Option<Rc<Tty>>>,
}

/// `/dev` as devices(7) and containers have it: name, number, mode.
pub const NODES: [(&[u8], Device, u32); 8] = [
    (b"null", device(1, 3), 0o666),
    (b"zero", device(1, 5), 0o666),
    (b"full", device(1, 7), 0o666),
    (b"random", device(1, 8), 0o666),
    (b"urandom", device(1, 9), 0o666),
    (b"tty", device(5, 0), 0o666),
    (b"console", CONSOLE, 0o620),
    (b"ptmx", device(5, 2), 0o666),
];

/// The system's console.
pub const CONSOLE: Device = device(5, 1);

const fn device(major: u32, minor: u32) -> Device {
    Device { major, minor }
}

impl Devices {
    /// Opens the device with this number.
    ///
    /// # Errors
    /// `ENXIO` if there is none.
    pub fn open(&self, kind: Kind, number: Device) -> Result<Rc<dyn FileObject>> {
        if kind != Kind::CharDevice {
            return Err(ENXIO);
        }
        Ok(match (number.major, number.minor) {
            (1, 3) => Rc::new(Null),
            (1, 5) => Rc::new(Zero),
            (1, 7) => Rc::new(Full),
            (1, 8 | 9) => Rc::new(RandomFile),
            (5, 0) => TtyFile::new(self.controlling.borrow().as_ref().ok_or(ENXIO)?),
            (5, 1) => TtyFile::new(self.console.as_ref().ok_or(ENXIO)?),
            (5, 2) => self.ptys.open_master()?,
            _ => return Err(ENXIO),
        })
    }
}

/// Takes everything that a feed has and drops it.
fn swallow(feed: &mut dyn Feed) -> Result<usize> {
    // The null device does not look at the bytes, so a bad address is no error.
    Ok(feed.left())
}

/// Gives zeros until the sink is full.
fn zeros(sink: &mut dyn Sink) -> Result<usize> {
    let count = sink.room();
    sink.put_zeros(count)?;
    Ok(count)
}

/// `/dev/null`.
pub struct Null;

impl FileObject for Null {
    fn read(&self, _offset: u64, _sink: &mut dyn Sink) -> Result<usize> {
        Ok(0)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        swallow(feed)
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn pollable(&self) -> bool {
        false
    }
}

/// `/dev/zero`.
pub struct Zero;

impl FileObject for Zero {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        zeros(sink)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        swallow(feed)
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn pollable(&self) -> bool {
        false
    }
}

/// `/dev/full`.
pub struct Full;

impl FileObject for Full {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        zeros(sink)
    }

    fn write(&self, _offset: u64, _feed: &mut dyn Feed) -> Result<usize> {
        Err(ENOSPC)
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn pollable(&self) -> bool {
        false
    }
}

/// `/dev/random` and `/dev/urandom`, which are the same since Linux 5.18.
pub struct RandomFile;

/// `_IOR('R', 0, int)`: how many bits of entropy there are, random(4).
const RNDGETENTCNT: u32 = 0x8004_5200;

impl FileObject for RandomFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let total = sink.room();
        let mut buffer = vec![0; total.min(4096)];
        let mut done = 0;
        while done < total {
            let part = &mut buffer[..(total - done).min(4096)];
            wasi::random::fill(part);
            sink.put(part)?;
            done += part.len();
        }
        Ok(total)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        swallow(feed)
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            RNDGETENTCNT => user::write(arg, &256i32).map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}
