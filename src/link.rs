//! Kernel + lifted functions + manifest + ROM → one component.
//!
//! [`Linker::new`] takes the kernel apart and fixes every index; [`Linker::layout`] tells the lifter; [`Linker::link`] checks that all
//! fits, and what it returns is written to a file from where its parts lie.

mod boundary;
mod component;
mod error;
mod kernel;
mod merge;
mod rom;
#[cfg(test)]
mod tests;
mod validate;

use std::io::Write;

use hoist_lifter::wasm::layout::{Layout, Lifted};
use hoist_vfs::Packed;

pub use error::LinkError;

use component::Skeleton;
use error::MAX_MODULE;
use kernel::Kernel;
use merge::{CoreModule, Parts};
use rom::{RomLayout, RomModule};
use wasm_encoder::reencode::Reencode;

/// The linker, with the kernel that it links.
pub struct Linker<'a> {
    kernel: Kernel<'a>,
    layout: Layout,
    skeleton: Skeleton,
}

/// By how much the merged module may grow, apart from the ROM's bytes, when the ROM is added: lengths and the code that finds a part.
const GROWTH: u64 = 1 << 12;

/// A component that is ready to be written.
pub struct Component<'a> {
    skeleton: &'a Skeleton,
    module: CoreModule<'a>,
    rom: Vec<RomModule<'a>>,
    /// Slots of its one table.
    pub table_size: u64,
}

impl<'a> Linker<'a> {
    /// # Errors
    /// The kernel does not fit this linker.
    pub fn new(kernel: &'a [u8]) -> Result<Linker<'a>, LinkError> {
        let kernel = Kernel::parse(kernel)?;
        Ok(Linker { layout: kernel.layout()?, skeleton: Skeleton::build(&kernel)?, kernel })
    }

    /// The indices that lifted code is to use.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Merges, and validates all but the ROM's bytes, which can be anything.
    ///
    /// # Errors
    /// `TooLarge`, `RomTooLarge`, `TooManyFunctions`; `Invalid` if the lifter made a function that is not valid.
    pub fn link<'l>(&'l self, lifted: &'l Lifted, manifest: &'l [u8], rom: &'l Packed<'l>) -> Result<Component<'l>, LinkError> {
        self.link_within(MAX_MODULE, lifted, manifest, rom)
    }

    /// [`Linker::link`] with core modules of so many bytes at most, if the ROM can be divided so.
    fn link_within<'l>(
        &'l self,
        module_limit: u64,
        lifted: &'l Lifted,
        manifest: &'l [u8],
        rom: &'l Packed<'l>,
    ) -> Result<Component<'l>, LinkError> {
        let parts =
            Parts { kernel: &self.kernel, layout: &self.layout, lifted, manifest, rom: None, rom_layout: RomLayout::empty() };
        let alone = CoreModule::merge(&parts)?;
        let mut without_rom = Vec::new();
        self.skeleton.write(&alone, &[], &[], &mut without_rom)?;
        validate::validate(&without_rom)?;
        let first_slot = merge::first_rom_slot(&self.layout, lifted.functions.len());
        let room = module_limit.saturating_sub(alone.len() + GROWTH);
        let rom_layout = RomLayout::new(rom.len(), room, module_limit, first_slot as u32)?;
        let kernel_memory = self.kernel.renumber().memory_type(self.kernel.memory)?;
        Ok(Component {
            skeleton: &self.skeleton,
            rom: RomModule::all(rom, &rom_layout, kernel_memory),
            table_size: first_slot + u64::from(rom_layout.slots()),
            module: CoreModule::merge(&Parts { rom: Some(rom), rom_layout, ..parts })?,
        })
    }
}

impl Component<'_> {
    /// Bytes of the core module that holds kernel, lifted functions and what fits of the ROM.
    pub fn core_module_len(&self) -> u64 {
        self.module.len()
    }

    /// Writes the component with custom sections (name and content) at its end.
    ///
    /// # Errors
    /// `Rom`, `Write`.
    pub fn write(&self, custom: &[(&str, &[u8])], out: &mut impl Write) -> Result<(), LinkError> {
        self.skeleton.write(&self.module, &self.rom, custom, out)
    }
}
