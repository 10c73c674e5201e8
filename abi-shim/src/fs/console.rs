//! Standard input, output and error: the streams that the host gives, where they are no terminal.

use std::rc::Rc;

use super::file::FileObject;
use super::types::poll;
use super::{Feed, Result, Sink};
use crate::errno::Errno::ENOTTY;
use crate::user;
use crate::wasi::{Event, Output, poll as host, stdio};

/// One of the three streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    In,
    Out,
    Err,
}

/// Bytes that go to the host in one piece.
const CHUNK: usize = 64 * 1024;

const FIONREAD: u32 = 0x541b;

/// A stream, open.
pub struct ConsoleFile {
    /// Where writes go.
    output: Output,
}

impl ConsoleFile {
    /// Standard input, output or error.
    pub fn stream(stream: Stdio) -> Rc<ConsoleFile> {
        let output = if stream == Stdio::Err { Output::Stderr } else { Output::Stdout };
        Rc::new(ConsoleFile { output })
    }
}

impl FileObject for ConsoleFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut buffer = vec![0; sink.room().min(CHUNK)];
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = stdio::read(&mut buffer)?;
        sink.put(&buffer[..count])?;
        Ok(count)
    }

    fn write(&self, _offset: u64, feed: &mut dyn Feed) -> Result<usize> {
        let total = feed.left();
        let mut buffer = vec![0; total.min(CHUNK)];
        let mut done = 0;
        while done < total {
            let part = &mut buffer[..(total - done).min(CHUNK)];
            let result = feed.take(part).and_then(|()| stdio::write(self.output, part));
            match result {
                Ok(()) => done += part.len(),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn poll(&self) -> u32 {
        let readable = if host::ready(Event::Stdin) { poll::IN | poll::RDNORM } else { 0 };
        poll::OUT | poll::WRNORM | readable
    }

    fn ioctl(&self, request: u32, arg: u64) -> Result<u64> {
        match request {
            FIONREAD => user::write(arg, &0i32).map(|()| 0),
            _ => Err(ENOTTY),
        }
    }
}
