//! The whole way from an image reference to a component.

use std::path::Path;

use hoist_lifter::wasm::layout::{Lifted, Stats};
use hoist_oci::{Digest, Image, ImageConfig, PullOptions, Reference};
use hoist_topology::model::Topology;
use hoist_topology::section;
use hoist_vfs::{Kind, Packed, RootFs};
use hoist_x86::accesses;
use hoist_x86::boundary::code_map;
use hoist_x86::manifest::{self, Manifest};
use hoist_x86::processor::Level;

use crate::application::{Plan, effective_json};
use crate::entry::{self, Entry, EntryError};
use crate::homes::Homes;
use crate::info::{CONFIG_SECTION, ElfInfo, INFO_SECTION, Info, RomInfo, SourceInfo, WasmInfo};
use crate::kernel;
use crate::lift;
use crate::link::{LinkError, Linker};
use crate::output::{Output, OutputError};
use crate::progress::Progress;

/// Table slots that pooling hosts allow by default (wasmtime's `table_elements`).
const POOLED_TABLE_SLOTS: u64 = 20_000;

/// What to convert, and how.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub reference: Reference,
    pub pull: PullOptions,
    pub lift: Lift,
    /// What CPUID announces.
    pub cpu: Level,
    /// Refuse an image whose own command cannot start.
    pub needs_entry: bool,
}

/// How much machine code becomes Wasm functions; the rest is interpreted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Lift {
    /// All code that is found in ELF files.
    #[default]
    All,
    /// Nothing: everything is interpreted, slowly.
    None,
}

/// Why an image did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("{0}")]
    Pull(#[from] hoist_oci::Error),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Lift(#[from] lift::LiftError),
    #[error("the root filesystem cannot be packed: {0}")]
    Pack(#[from] hoist_vfs::PackError),
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the component's description cannot be written: {0}")]
    Info(#[from] serde_json::Error),
}

/// What a new component says of itself.
pub struct Converted {
    pub info: Info,
    pub topology: Topology,
}

/// Converts an image to a component in a file, which appears only when it is complete. The plan's service is completed by the image.
///
/// # Errors
/// [`ConvertError`]
pub fn convert(conversion: &Conversion, plan: &mut Plan, output: &Path, progress: &Progress) -> Result<Converted, ConvertError> {
    let image = progress.stage("pull", || hoist_oci::pull(&conversion.reference, &conversion.pull, progress))?;
    let config = plan.complete(&image.config);
    let topology = plan.topology();
    let entry = match entry::find(&image.rootfs, &config) {
        Err(error) if conversion.needs_entry => return Err(error.into()),
        entry => entry.ok(),
    };
    let homes = progress.stage("homes", || Homes::assign(&image.rootfs, entry.as_ref().map(|entry| entry.inode)));
    let linker = Linker::new(kernel::WASM)?;
    let lifted = match conversion.lift {
        Lift::All => lift::lift(&image.rootfs, &homes, linker.layout(), progress)?,
        Lift::None => Lifted::default(),
    };
    let numbers = homes.numbers();
    let rom = progress.stage("pack", || hoist_vfs::pack(&image.rootfs, |inode| numbers.get(&inode).copied()))?;
    let hostname = plan.process().and_then(|process| process.hostname.clone()).unwrap_or_default();
    let run = manifest::Config { hostname, ..self::config(&image.reference, &config, conversion.cpu) };
    let manifest = manifest(run, &homes, &lifted).encode()?;
    let component = progress.stage("link", || linker.link(&lifted, &manifest, &rom))?;
    if component.table_size > POOLED_TABLE_SLOTS {
        progress.warn(&pooling_advice(component.table_size));
    }
    let wasm =
        WasmInfo { kernel: kernel_digest(), core_module_bytes: component.core_module_len(), table_slots: component.table_size };
    let info = info(&image, &config, entry.as_ref(), &homes, &lifted.stats, &rom, wasm);
    progress.stage("write", || {
        let mut out = Output::create(output)?;
        let json = serde_json::to_vec(&info)?;
        let config = effective_json(&image.config_json, &image.config, &config);
        let document = section::encode(&topology);
        let accesses = accesses::encode(linker.layout().first_function, lifted.bodies().map(|function| &function.accesses));
        let sections: [(&str, &[u8]); 4] =
            [(CONFIG_SECTION, &config), (INFO_SECTION, &json), (section::NAME, &document), (accesses::SECTION, &accesses)];
        let written = component.write(&sections, &mut out);
        match written {
            Err(LinkError::Write(source)) => return Err(out.error(source).into()),
            written => written?,
        }
        out.finish()?;
        Ok(Converted { info, topology })
    })
}

/// What to tell whoever runs an instance pool.
fn pooling_advice(slots: u64) -> String {
    // wasmtime keeps 32 bytes for each function in a table (`VMFuncRef`); the rest of an instance is small.
    let instance_size = (slots * 32 + (128 << 10)).next_multiple_of(64 << 10);
    format!(
        "the component needs {slots} table slots; hosts that pool instances allow {POOLED_TABLE_SLOTS} by default (wasmtime: \
         -O pooling-table-elements={} -O pooling-max-core-instance-size={instance_size} \
         -O pooling-max-component-instance-size={instance_size})",
        slots.next_multiple_of(1000)
    )
}

/// SHA-256 of the kernel: with the version, what a component depends on apart from its image.
pub fn kernel_digest() -> String {
    Digest::of(kernel::WASM).hex().to_owned()
}

/// What the kernel is told.
pub fn manifest(config: manifest::Config, homes: &Homes, lifted: &Lifted) -> Manifest {
    let code = lifted
        .code_map
        .iter()
        .map(|entry| ((entry.overlay, entry.pc), code_map::entry(Lifted::slot(entry.function), entry.label)));
    Manifest {
        config,
        first_free: homes.first_free,
        elfs: homes.homes.iter().map(|home| home.manifest()).collect(),
        code: code.collect(),
    }
}

pub fn config(reference: &Reference, config: &ImageConfig, cpu: Level) -> manifest::Config {
    let ImageConfig { entrypoint, cmd, env, working_dir, user, stop_signal, .. } = config;
    manifest::Config {
        image: image_name(reference),
        entrypoint: entrypoint.clone(),
        cmd: cmd.clone(),
        env: env.clone(),
        working_dir: working_dir.clone().unwrap_or_default(),
        user: user.clone().unwrap_or_default(),
        hostname: String::new(),
        stop_signal: stop_signal.clone().unwrap_or_default(),
        cpu,
    }
}

/// What a component calls its image: a path of this machine has no place in it, a file's name has.
pub fn image_name(reference: &Reference) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match reference {
        Reference::Registry(name) => name.to_string(),
        Reference::OciLayout { dir: path, tag } | Reference::OciArchive { file: path, tag } => match tag {
            Some(tag) => format!("{}:{tag}", name(path)),
            None => name(path),
        },
        Reference::DockerArchive { file, .. } => name(file),
        Reference::Dir(dir) => name(dir),
        Reference::Stdin => "-".into(),
    }
}

fn info(
    image: &Image,
    config: &ImageConfig,
    entry: Option<&Entry>,
    homes: &Homes,
    stats: &Stats,
    rom: &Packed<'_>,
    wasm: WasmInfo,
) -> Info {
    let command: Vec<String> = config.entrypoint.iter().chain(&config.cmd).cloned().collect();
    let elf = |(number, home): (usize, &crate::homes::Home)| {
        let stats = stats.files.get(number).copied().unwrap_or_default();
        ElfInfo {
            path: path_text(&home.path),
            base: home.base,
            functions: stats.functions,
            x86_bytes: stats.x86_bytes,
            wasm_bytes: stats.wasm_bytes,
        }
    };
    Info {
        hoist: env!("CARGO_PKG_VERSION").into(),
        source: SourceInfo {
            image: image_name(&image.reference),
            digest: image.manifest_digest.to_string(),
            platform: config.platform().to_string(),
            layers: image.layers.iter().map(|layer| layer.digest.to_string()).collect(),
        },
        command,
        entry_point: entry.map(|entry| entry.path.clone()),
        elfs: homes.homes.iter().enumerate().map(elf).collect(),
        not_placed: homes.homeless.iter().map(|path| path_text(path)).collect(),
        rom: RomInfo { bytes: rom.len(), files: regular_files(&image.rootfs) },
        wasm,
    }
}

/// A path of the tree as people write it.
pub fn path_text(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn regular_files(rootfs: &RootFs) -> u64 {
    let is_regular = |inode| rootfs.inode(inode).is_ok_and(|inode| inode.kind() == Kind::Regular);
    rootfs.walk().filter(|(_, inode)| is_regular(*inode)).count() as u64
}
