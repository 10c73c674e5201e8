//! wasi:cli's standard streams.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;

use hoist_x86::boundary::signal_input::SIGNAL_READ;

use super::Output;
use super::bindings::wasi::cli::{stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout};
use super::bindings::wasi::io::poll::Pollable;
use super::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::errno::Errno;

/// The streams; a second call of `get-stdin` would be a second stream with a buffer of its own.
struct Streams {
    stdin: InputStream,
    stdout: OutputStream,
    stderr: OutputStream,
}

/// What was read ahead where standard input tells of signals, so that no program's read is taken for a question after them.
#[derive(Default)]
struct Ahead {
    bytes: VecDeque<u8>,
    ended: bool,
    signals: VecDeque<u8>,
}

/// Bytes that are read ahead at a time.
const AHEAD: u64 = 1 << 16;

thread_local! {
    /// `None`: it does not tell of signals.
    static INPUT: RefCell<Option<Ahead>> = const { RefCell::new(None) };
    static STREAMS: OnceCell<Streams> = const { OnceCell::new() };
}

fn with<R>(f: impl FnOnce(&Streams) -> R) -> R {
    STREAMS.with(|streams| {
        f(streams.get_or_init(|| Streams {
            stdin: stdin::get_stdin(),
            stdout: stdout::get_stdout(),
            stderr: stderr::get_stderr(),
        }))
    })
}

impl Streams {
    fn output(&self, output: Output) -> &OutputStream {
        match output {
            Output::Stdout => &self.stdout,
            Output::Stderr => &self.stderr,
        }
    }
}

/// Reads what is there; 0 at the end of the stream.
///
/// # Errors
/// EAGAIN if nothing is there yet, EIO.
pub fn read(buffer: &mut [u8]) -> Result<usize, Errno> {
    if buffer.is_empty() {
        return Ok(0);
    }
    if let Some(result) = with_input(|input| input.read(buffer)) {
        return result;
    }
    match with(|streams| streams.stdin.read(buffer.len() as u64)) {
        Ok(bytes) if bytes.is_empty() => Err(Errno::EAGAIN),
        Ok(bytes) => {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
        Err(StreamError::Closed) => Ok(0),
        Err(StreamError::LastOperationFailed(_)) => Err(Errno::EIO),
    }
}

impl Ahead {
    /// Reads on, if everything was taken.
    fn fill(&mut self) -> Result<(), Errno> {
        if !self.bytes.is_empty() || self.ended {
            return Ok(());
        }
        match with(|streams| streams.stdin.read(AHEAD)) {
            Ok(bytes) => self.bytes.extend(bytes),
            Err(StreamError::Closed) => self.ended = true,
            Err(StreamError::LastOperationFailed(_)) => return Err(Errno::EIO),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.fill()?;
        if self.bytes.is_empty() {
            return if self.ended { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let len = buffer.len().min(self.bytes.len());
        buffer[..len].iter_mut().zip(self.bytes.drain(..len)).for_each(|(to, from)| *to = from);
        Ok(len)
    }

    fn ask_for_signals(&mut self) {
        while let Ok(bytes) = with(|streams| streams.stdin.read(SIGNAL_READ))
            && !bytes.is_empty()
        {
            self.signals.extend(bytes);
        }
    }
}

fn with_input<R>(f: impl FnOnce(&mut Ahead) -> R) -> Option<R> {
    INPUT.with_borrow_mut(|input| input.as_mut().map(f))
}

/// From now on standard input is read as [`hoist_x86::boundary::signal_input`] says.
pub fn expect_signals() {
    INPUT.set(Some(Ahead::default()));
}

pub(super) fn expects_signals() -> bool {
    INPUT.with_borrow(Option::is_some)
}

pub(super) fn is_readable() -> bool {
    with_input(|input| input.fill().is_err() || input.ended || !input.bytes.is_empty()).unwrap_or(false)
}

pub(super) fn has_signal() -> bool {
    with_input(|input| {
        input.ask_for_signals();
        !input.signals.is_empty()
    })
    .unwrap_or(false)
}

/// The next signal that the host has sent.
pub fn signal() -> Option<u8> {
    with_input(|input| {
        input.ask_for_signals();
        input.signals.pop_front()
    })?
}

/// Writes all of the bytes; waits while the host takes none.
///
/// # Errors
/// EPIPE if nobody reads the stream any more, EIO.
pub fn write(output: Output, mut bytes: &[u8]) -> Result<(), Errno> {
    with(|streams| {
        let stream = streams.output(output);
        while !bytes.is_empty() {
            let permitted = stream.check_write().map_err(errno)? as usize;
            if permitted == 0 {
                stream.subscribe().block();
                continue;
            }
            let (now, rest) = bytes.split_at(permitted.min(bytes.len()));
            stream.write(now).map_err(errno)?;
            bytes = rest;
        }
        stream.flush().map_err(errno)
    })
}

/// Waits until the host has taken everything that was written.
pub fn flush() {
    with(|streams| {
        // Nobody is left to be told of an error.
        let _ = streams.stdout.blocking_flush();
        let _ = streams.stderr.blocking_flush();
    });
}

/// Whether descriptor 0, 1 or 2 of the host is a terminal.
pub fn is_terminal(fd: u32) -> bool {
    match fd {
        0 => terminal_stdin::get_terminal_stdin().is_some(),
        1 => terminal_stdout::get_terminal_stdout().is_some(),
        2 => terminal_stderr::get_terminal_stderr().is_some(),
        _ => false,
    }
}

pub(super) fn subscribe_stdin() -> Pollable {
    with(|streams| streams.stdin.subscribe())
}

fn errno(error: StreamError) -> Errno {
    match error {
        StreamError::Closed => Errno::EPIPE,
        StreamError::LastOperationFailed(_) => Errno::EIO,
    }
}
