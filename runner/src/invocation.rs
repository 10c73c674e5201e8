//! What a run is given.

use std::path::PathBuf;

#[cfg(unix)]
use hoist_x86::boundary::environment;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::RunError;
#[cfg(unix)]
use crate::signals::Proxy;
#[cfg(unix)]
use crate::terminal::Terminal;

/// What a run is given. Nothing but what stands here reaches the guest.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The component's name, then the program's arguments.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    /// Standard input is connected; otherwise it is at its end.
    pub interactive: bool,
    /// Terminals are seen as terminals; otherwise as pipes.
    pub tty: bool,
}

/// How signals, and the window's size, come to the guest.
#[cfg(unix)]
pub(crate) enum Side {
    Terminal(Terminal),
    Signals(Proxy),
}

/// A directory of the host that the guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub host: PathBuf,
    /// Absolute path in the guest.
    pub guest: String,
    pub read_only: bool,
}

impl Invocation {
    /// What comes in beside bytes: with the terminal, if the guest is to have it.
    #[cfg(unix)]
    pub(crate) fn side(&self) -> Result<Side, RunError> {
        let terminal = if self.interactive && self.tty { Terminal::take().map_err(RunError::Terminal)? } else { None };
        match terminal {
            Some(terminal) => Ok(Side::Terminal(terminal)),
            None => Proxy::catch(self.interactive).map(Side::Signals).map_err(RunError::Signals),
        }
    }

    pub(crate) fn context(&self, #[cfg(unix)] side: Option<&Side>) -> Result<WasiCtx, RunError> {
        let mut wasi = WasiCtx::builder();
        wasi.args(&self.args).envs(&self.env);
        // One guest has the thread to itself.
        wasi.allow_blocking_current_thread(true);
        if self.interactive {
            match self.tty {
                true => wasi.stdin(std::io::stdin()),
                false => wasi.stdin(Pipe(std::io::stdin())),
            };
        }
        match self.tty {
            true => wasi.stdout(std::io::stdout()).stderr(std::io::stderr()),
            false => wasi.stdout(Pipe(std::io::stdout())).stderr(Pipe(std::io::stderr())),
        };
        #[cfg(unix)]
        match side {
            Some(Side::Terminal(terminal)) => _ = wasi.stdin(terminal.input()).env(environment::TERMINAL, terminal.size()),
            Some(Side::Signals(proxy)) => _ = wasi.stdin(proxy.input()).env(environment::SIGNALS, "1"),
            None => {}
        }
        for mount in &self.mounts {
            let permissions = if mount.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            wasi.preopened_dir(&mount.host, &mount.guest, permissions)
                .map_err(|source| RunError::Mount { host: mount.host.display().to_string(), source })?;
        }
        Ok(wasi.build())
    }
}

/// A standard stream that does not say whether it is a terminal, as docker's are without `-t`.
struct Pipe<S>(S);

impl<S> IsTerminal for Pipe<S> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<S: StdinStream> StdinStream for Pipe<S> {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncRead + Send + Sync> {
        self.0.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::InputStream> {
        self.0.p2_stream()
    }
}

impl<S: StdoutStream> StdoutStream for Pipe<S> {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        self.0.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn wasmtime_wasi::p2::OutputStream> {
        self.0.p2_stream()
    }
}
