//! A shim for containerd: runs WASI 0.2 commands with wasmtime, as runwasi's own wasmtime shim does, which is not on crates.io.

use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Result, anyhow};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, WasmLayer};
use containerd_shim_wasm::shim::{Cli, Compiler, Shim};
use wasmtime::component::{Component, Instance, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

fn main() {
    HoistShim::run(None);
}

/// What containerd calls `io.containerd.hoist.v1`.
struct HoistShim;

impl Shim for HoistShim {
    type Sandbox = Wasmtime;

    fn name() -> &'static str {
        "hoist"
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(Wasmtime::default())
    }
}

/// The engine that compiles layers and runs them.
struct Wasmtime {
    engine: Engine,
}

impl Default for Wasmtime {
    fn default() -> Wasmtime {
        Wasmtime { engine: Engine::new(&Config::new()).expect("wasmtime supports this processor") }
    }
}

impl Compiler for Wasmtime {
    fn cache_key(&self) -> impl Hash {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        layers.iter().map(|layer| self.engine.precompile_component(&layer.layer).map(Some).map_err(whole)).collect()
    }
}

impl Sandbox for Wasmtime {
    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        let source = context.entrypoint().source;
        let (bytes, is_compiled) = (source.as_bytes()?, source.is_precompiled()?);
        let host = Host::new(context).map_err(whole)?;
        self.run(&bytes, is_compiled, host).await.map_err(whole)
    }
}

/// An error with its causes.
fn whole(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}

impl Wasmtime {
    /// Runs a component to its end; gives its exit status.
    async fn run(&self, bytes: &[u8], is_compiled: bool, host: Host) -> wasmtime::Result<i32> {
        let component = match is_compiled {
            // SAFETY: what `compile` made, and containerd has kept by digest in a store that only root writes.
            true => unsafe { Component::deserialize(&self.engine, bytes)? },
            false => Component::from_binary(&self.engine, bytes)?,
        };
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let mut store = Store::new(&self.engine, host);
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let command = Command::new(&mut store, &instance)?;
        match command.wasi_cli_run().call_run(&mut store).await {
            Ok(result) => Ok(exit_code(&mut store, &instance).await.unwrap_or(i32::from(result.is_err()))),
            Err(error) => error.downcast_ref::<I32Exit>().map(|exit| exit.0).ok_or(error),
        }
    }
}

/// Which status the program in a hoisted component ended with, where WASI says only whether it failed. `None` for other components.
async fn exit_code(store: &mut Store<Host>, instance: &Instance) -> Option<i32> {
    let interface = instance.get_export_index(&mut *store, None, "hoist:guest/status")?;
    let function = instance.get_export_index(&mut *store, Some(&interface), "exit-code")?;
    let function = instance.get_typed_func::<(), (u32,)>(&mut *store, &function).ok()?;
    let (code,) = function.call_async(store, ()).await.ok()?;
    i32::try_from(code).ok()
}

/// What WASI's host functions need.
struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Host {
    /// The container's arguments, environment, streams, network and root directory.
    fn new(context: &impl RuntimeContext) -> wasmtime::Result<Host> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(context.args()).inherit_stdio().inherit_network().allow_ip_name_lookup(true);
        for variable in context.envs() {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            wasi.env(name, value);
        }
        wasi.preopened_dir("/", "/", FsPerms::ReadWrite)?;
        Ok(Host { wasi: wasi.build(), table: ResourceTable::new() })
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
