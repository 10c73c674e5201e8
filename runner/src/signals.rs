//! Signals that the run gets are the guest's, as `docker run` has it. WASI 0.2 has no words for them, so standard input tells of them
//! ([`hoist_x86::boundary::signal_input`]).

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::select;
use hoist_x86::boundary::signal_input::SIGNAL_READ;
use signal_hook::consts::{SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};
use tokio::io::AsyncRead;
use tokio::sync::Notify;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// Signals that go on to the guest.
const PASSED_ON: [i32; 9] = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT, SIGWINCH];
/// So many SIGINT and SIGTERM end the run even if the guest takes no notice, as docker has it.
const PATIENCE: u32 = 3;

/// The signals of this process, caught while this lives.
pub struct Proxy {
    arrived: Arc<Arrived>,
    handle: Handle,
    /// Whether the guest reads this process's standard input.
    interactive: bool,
}

#[derive(Default)]
struct Arrived {
    signals: Mutex<VecDeque<u8>>,
    news: Notify,
}

impl Arrived {
    fn signals(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// Of sigaction(2).
    pub fn catch(interactive: bool) -> io::Result<Proxy> {
        let mut signals = Signals::new(PASSED_ON)?;
        let (arrived, handle) = (Arc::<Arrived>::default(), signals.handle());
        let to = arrived.clone();
        std::thread::spawn(move || watch(&mut signals, &to));
        Ok(Proxy { arrived, handle, interactive })
    }

    /// What the guest reads.
    pub fn input(&self) -> Input {
        Input { arrived: self.arrived.clone(), interactive: self.interactive }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn watch(signals: &mut Signals, to: &Arrived) {
    let mut ends = 0;
    for signal in signals.forever() {
        ends += u32::from(matches!(signal, SIGINT | SIGTERM));
        if ends >= PATIENCE {
            std::process::exit(128 + signal);
        }
        to.signals().push_back(signal as u8);
        // One waits at most, and if none does the next that does is told.
        to.news.notify_one();
    }
}

/// Standard input that tells of signals.
pub struct Input {
    arrived: Arc<Arrived>,
    interactive: bool,
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Of WASI 0.3, which knows no such reads.
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        let bytes = self.interactive.then(|| StdinStream::p2_stream(&io::stdin()));
        Box::new(Stream { arrived: self.arrived.clone(), bytes, only_signals: false })
    }
}

struct Stream {
    arrived: Arc<Arrived>,
    /// What is there to read; `None`: nothing, it has ended.
    bytes: Option<Box<dyn InputStream>>,
    /// The last read was one for a signal, and there was none.
    only_signals: bool,
}

#[async_trait]
impl InputStream for Stream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.only_signals = false;
        if size as u64 != SIGNAL_READ {
            return match &mut self.bytes {
                Some(bytes) => bytes.read(size),
                None => Err(StreamError::Closed),
            };
        }
        let signal = self.arrived.signals().pop_front();
        self.only_signals = signal.is_none();
        Ok(signal.into_iter().collect())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        if !self.arrived.signals().is_empty() {
            return;
        }
        let signal = self.arrived.news.notified();
        match &mut self.bytes {
            _ if self.only_signals => signal.await,
            Some(bytes) => drop(select(pin!(signal), bytes.ready()).await),
            None => {}
        }
    }
}
