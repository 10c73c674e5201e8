//! What a component says about itself: its custom sections `hoist.config` and `hoist.info`.

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::units::Bytes;

/// Custom section with the image's config, as it came with the image but for what manifests or the command line say in its place (JSON).
pub const CONFIG_SECTION: &str = "hoist.config";
/// Custom section with an [`Info`] (JSON).
pub const INFO_SECTION: &str = "hoist.info";

/// What a component is made of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Version of hoist that made it.
    pub hoist: String,
    pub source: SourceInfo,
    /// Argument vector that starts when no other is given.
    pub command: Vec<String>,
    /// The ELF file that runs first; none if the image names no program.
    pub entry_point: Option<String>,
    pub elfs: Vec<ElfInfo>,
    /// ELF files that are interpreted because they have no load address of their own.
    pub not_placed: Vec<String>,
    pub rom: RomInfo,
    pub wasm: WasmInfo,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceInfo {
    pub image: String,
    /// Of the manifest for the platform.
    pub digest: String,
    pub platform: String,
    /// Digests of the layers, lowest first.
    pub layers: Vec<String>,
}

/// One ELF file of the image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ElfInfo {
    pub path: String,
    /// Its load address.
    pub base: u32,
    /// Functions lifted.
    pub functions: u32,
    /// Bytes of x86 code in them.
    pub x86_bytes: u64,
    /// Bytes of Wasm code that they became.
    pub wasm_bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RomInfo {
    pub bytes: u64,
    pub files: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WasmInfo {
    /// SHA-256 of the kernel before linking.
    pub kernel: String,
    /// Bytes of the core module that holds kernel, lifted code and ROM.
    pub core_module_bytes: u64,
    pub table_slots: u64,
}

/// Why a file tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    #[error("not a WebAssembly component")]
    NotWasm,
    #[error("compiled code; what is inside stands in the component that it was made from")]
    Compiled,
    #[error("not a WebAssembly component, or a damaged one: {0}")]
    Parse(#[from] wasmparser::Error),
    #[error("not a component that hoist made: it has no section {0:?}")]
    Missing(&'static str),
    #[error("its section {section:?} is damaged: {source}")]
    Damaged { section: &'static str, source: serde_json::Error },
}

/// A component's [`Info`] and its image's config.
///
/// # Errors
/// [`InfoError`]
pub fn read(component: &[u8]) -> Result<(Info, serde_json::Value), InfoError> {
    if !component.starts_with(b"\0asm") {
        return Err(if component.starts_with(b"\x7fELF") { InfoError::Compiled } else { InfoError::NotWasm });
    }
    let (mut info, mut config) = (None, None);
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 => match section.name() {
                INFO_SECTION => info = Some(json(INFO_SECTION, section.data())?),
                CONFIG_SECTION => config = Some(json(CONFIG_SECTION, section.data())?),
                _ => {}
            },
            _ => {}
        }
    }
    Ok((info.ok_or(InfoError::Missing(INFO_SECTION))?, config.ok_or(InfoError::Missing(CONFIG_SECTION))?))
}

fn json<T: serde::de::DeserializeOwned>(section: &'static str, data: &[u8]) -> Result<T, InfoError> {
    serde_json::from_slice(data).map_err(|source| InfoError::Damaged { section, source })
}

impl fmt::Display for Info {
    /// As `hoist inspect` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image        {}", self.source.image)?;
        writeln!(f, "digest       {}", self.source.digest)?;
        writeln!(f, "platform     {}", self.source.platform)?;
        writeln!(f, "command      {}", self.command.join(" "))?;
        writeln!(f, "entry point  {}", self.entry_point.as_deref().unwrap_or("none"))?;
        writeln!(f, "rom          {} in {} files", Bytes(self.rom.bytes), self.rom.files)?;
        writeln!(f, "core module  {}, {} table slots", Bytes(self.wasm.core_module_bytes), self.wasm.table_slots)?;
        writeln!(f, "kernel       sha256:{}", self.wasm.kernel)?;
        writeln!(f, "made by      hoist {}", self.hoist)?;
        writeln!(f, "\n{:>10} {:>9} {:>10} {:>10} {:>5}  ELF file", "address", "functions", "x86", "wasm", "ratio")?;
        let total = |sum: fn(&ElfInfo) -> u64| self.elfs.iter().map(sum).sum::<u64>();
        for elf in &self.elfs {
            let row = Row { functions: elf.functions.into(), x86: elf.x86_bytes, wasm: elf.wasm_bytes };
            writeln!(f, "{:#10x} {row}  {}", elf.base, elf.path)?;
        }
        let row = Row {
            functions: total(|elf| elf.functions.into()),
            x86: total(|elf| elf.x86_bytes),
            wasm: total(|elf| elf.wasm_bytes),
        };
        writeln!(f, "{:10} {row}  in {} file{}", "", self.elfs.len(), if self.elfs.len() == 1 { "" } else { "s" })?;
        self.not_placed.iter().try_for_each(|path| writeln!(f, "interpreted: no load address is left for {path}"))
    }
}

/// Functions lifted and their sizes.
struct Row {
    functions: u64,
    x86: u64,
    wasm: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9} {:>10} {:>10}", self.functions, Bytes(self.x86).to_string(), Bytes(self.wasm).to_string())?;
        match self.x86 {
            0 => write!(f, " {:>5}", "-"),
            x86 => write!(f, " {:>5.2}", self.wasm as f64 / x86 as f64),
        }
    }
}
