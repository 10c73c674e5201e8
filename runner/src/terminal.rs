//! The host's terminal while a guest has it: raw, so that every key is the guest's; and what WASI 0.2 has no words for, the window's
//! size and signals, as messages among what is typed ([`hoist_x86::boundary::terminal_input`]).

use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hoist_x86::boundary::terminal_input::{ESCAPE, SIGNAL, SIZE};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream};

/// So many signals end the run even if the guest takes no notice, as docker has it.
const PATIENCE: u32 = 3;

/// The terminal in raw mode; as it was before when this is dropped.
pub struct Terminal {
    before: Termios,
    input: Input,
    signals: Handle,
    size: [u16; 2],
}

impl Terminal {
    /// Takes standard input, if it is a terminal.
    ///
    /// # Errors
    /// Of the terminal.
    pub fn take() -> io::Result<Option<Terminal>> {
        let stdin = io::stdin();
        if !std::io::IsTerminal::is_terminal(&stdin) {
            return Ok(None);
        }
        let before = termios::tcgetattr(&stdin)?;
        let mut signals = Signals::new([SIGWINCH, SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        let input = Input::default();
        let terminal = Terminal { before: before.clone(), input: input.clone(), signals: handle, size: size()? };
        let typed = input.clone();
        std::thread::spawn(move || typed.copy_from(&mut io::stdin().lock()));
        std::thread::spawn(move || watch(&mut signals, &input, &before));
        Ok(Some(terminal))
    }

    /// `ROWSxCOLUMNS`, as the kernel is told at the start.
    pub fn size(&self) -> String {
        let [rows, columns] = self.size;
        format!("{rows}x{columns}")
    }

    /// What the guest reads.
    pub fn input(&self) -> Input {
        self.input.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signals.close();
        restore(&self.before);
    }
}

fn restore(before: &Termios) {
    // Of a terminal that is gone there is nothing to restore.
    let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
}

fn size() -> io::Result<[u16; 2]> {
    let size = termios::tcgetwinsize(io::stdin())?;
    Ok([size.ws_row, size.ws_col])
}

/// Tells the guest of signals.
fn watch(signals: &mut Signals, input: &Input, before: &Termios) {
    let mut ends = 0;
    for signal in signals.forever() {
        if signal == SIGWINCH {
            if let Ok([rows, columns]) = size() {
                let ([r1, r0], [c1, c0]) = (rows.to_be_bytes(), columns.to_be_bytes());
                input.put(&[ESCAPE, SIZE, r1, r0, c1, c0]);
            }
            continue;
        }
        ends += 1;
        if ends >= PATIENCE {
            restore(before);
            std::process::exit(128 + signal);
        }
        input.put(&[ESCAPE, SIGNAL, signal as u8]);
    }
}

/// Bytes on their way to the guest.
#[derive(Clone, Default)]
pub struct Input(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    ended: bool,
    waiting: Option<Waker>,
}

impl Input {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: &[u8]) {
        let mut queue = self.queue();
        queue.bytes.extend(bytes);
        if let Some(waiting) = queue.waiting.take() {
            waiting.wake();
        }
    }

    /// Copies what is typed until it ends.
    fn copy_from(&self, source: &mut impl Read) {
        let mut buffer = [0; 4096];
        loop {
            match source.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    let escaped: Vec<u8> = buffer[..count].iter().flat_map(|&byte| escaped(byte)).collect();
                    self.put(&escaped);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.queue().ended = true;
        self.put(&[]);
    }
}

fn escaped(byte: u8) -> impl Iterator<Item = u8> {
    std::iter::repeat_n(byte, if byte == ESCAPE { 2 } else { 1 })
}

impl AsyncRead for Input {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.queue();
        if queue.bytes.is_empty() && !queue.ended {
            queue.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = queue.bytes.len().min(buffer.remaining());
        let bytes: Vec<u8> = queue.bytes.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        true
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_messages_is_escaped() {
        let input = Input::default();
        input.copy_from(&mut &b"a\xffb"[..]);
        assert_eq!(input.queue().bytes, b"a\xff\xffb");
        assert!(input.queue().ended);
    }
}
