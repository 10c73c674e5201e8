//! Runs hoisted components: wasmtime, embedded.
//!
//! | module | what |
//! | --- | --- |
//! | [`cache`] | compiled code by content |
//! | [`invocation`] | what a run is given: arguments, environment, directories, standard streams |
//! | [`fault`] | bad accesses of lifted code become signals |
//! | [`signals`] | signals of this process that are the guest's |
//! | [`terminal`] | the host's terminal while a guest has it |
//! | [`trap`] | what a trap means to a user |
//!
//! The engine is configured as the stock `wasmtime` command is (512 KiB of Wasm stack, 4 GiB reserved per memory), so that what runs here runs there.

use std::path::Path;

use wasmtime::component::{Component, Instance, Linker, ResourceTable};
use wasmtime::{Config, Engine, ProfilingStrategy, Store};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

pub mod cache;
mod fault;
pub mod invocation;
#[cfg(unix)]
pub mod signals;
#[cfg(unix)]
pub mod terminal;
pub mod trap;

pub use cache::{Cache, CacheError};
pub use invocation::{Invocation, Mount};
pub use trap::Trap;

/// Why a component did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("cannot mount {host}: {source}")]
    Mount { host: String, source: wasmtime::Error },
    #[error("signals cannot be caught: {0}")]
    Signals(std::io::Error),
    #[error("the terminal: {0}")]
    Terminal(std::io::Error),
    #[error("the WebAssembly engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    #[error("not a component that hoist can run: {0:#}")]
    Instantiate(wasmtime::Error),
    #[error(transparent)]
    Trap(#[from] Trap),
}

/// An engine with its settings.
#[derive(Clone)]
pub struct Runner {
    engine: Engine,
}

/// Which profiler learns about compiled functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profiler {
    #[default]
    None,
    /// `/tmp/perf-PID.map` for perf(1).
    PerfMap,
    /// `jit-PID.dump` for `perf inject`.
    JitDump,
}

impl Runner {
    /// # Errors
    /// `Engine`, on a host that wasmtime does not support.
    pub fn new(profiler: Profiler) -> Result<Runner, RunError> {
        let mut config = Config::new();
        // Lifted code says which of its paths are rare; the stock command needs `-W branch-hinting` to hear it.
        config.wasm_branch_hinting(true);
        // A trap then comes with the core instances, of which one is the guest's kernel; without a trap it costs nothing.
        config.coredump_on_trap(true);
        config.profiler(match profiler {
            Profiler::None => ProfilingStrategy::None,
            Profiler::PerfMap => ProfilingStrategy::PerfMap,
            Profiler::JitDump => ProfilingStrategy::JitDump,
        });
        Ok(Runner { engine: Engine::new(&config).map_err(RunError::Engine)? })
    }

    /// A component from a file, Wasm or compiled; compiled code is kept in the cache. `compiling` is called if it has to be compiled.
    ///
    /// # Errors
    /// `Cache`.
    pub fn load(&self, file: &Path, cache: &Cache, compiling: impl FnOnce()) -> Result<Component, RunError> {
        Ok(cache.load(&self.engine, file, compiling)?)
    }

    /// Compiles a component to a file that [`Runner::load`] takes. (The stock command compiles with other settings: `wasmtime compile`.)
    ///
    /// # Errors
    /// `Cache`.
    pub fn precompile(&self, file: &Path, output: &Path) -> Result<(), RunError> {
        Ok(cache::precompile(&self.engine, file, output)?)
    }

    /// Runs a component; returns its exit status as a shell's `$?` has it. `accesses` gives the content of its custom section
    /// [`hoist_x86::accesses::SECTION`], and is only asked for after a trap.
    ///
    /// # Errors
    /// `Mount`, `Signals`, `Terminal`, `Instantiate`, `Trap`.
    pub fn run(&self, component: &Component, invocation: &Invocation, accesses: &dyn Fn() -> Vec<u8>) -> Result<u8, RunError> {
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).map_err(RunError::Instantiate)?;
        // Other components' line editing and signals are the host's.
        #[cfg(unix)]
        let side = match component.get_export_index(None, STATUS) {
            Some(_) => Some(invocation.side()?),
            None => None,
        };
        let wasi = invocation.context(
            #[cfg(unix)]
            side.as_ref(),
        )?;
        let host = Host { wasi, table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, host);
        let instance = linker.instantiate(&mut store, component).map_err(RunError::Instantiate)?;
        let command = Command::new(&mut store, &instance).map_err(RunError::Instantiate)?;
        match command.wasi_cli_run().call_run(&mut store) {
            Ok(result) => Ok(exit_code(&mut store, &instance).unwrap_or(u8::from(result.is_err()))),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => Ok(exit.0 as u8),
                None => fault::mend(&mut store, error, accesses).map_err(RunError::Trap),
            },
        }
    }
}

/// What hoist's components export besides WASI's.
const STATUS: &str = "hoist:guest/status";

/// Asks the kernel how the program ended: WASI only tells success from failure. `None` for other components.
fn exit_code(store: &mut Store<Host>, instance: &Instance) -> Option<u8> {
    let interface = instance.get_export_index(&mut *store, None, STATUS)?;
    let function = instance.get_export_index(&mut *store, Some(&interface), "exit-code")?;
    let function = instance.get_typed_func::<(), (u32,)>(&mut *store, &function).ok()?;
    let (code,) = function.call(store, ()).ok()?;
    Some(code as u8)
}

/// What WASI's host functions need.
struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
