//! wasi:cli's standard streams.

use std::cell::OnceCell;

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

thread_local! {
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
