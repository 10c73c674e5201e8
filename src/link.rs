//! Kernel + lifted functions + manifest + ROM → one component.
//!
//! [`Linker::new`] takes the kernel apart and fixes every index; [`Linker::layout`] tells the lifter; [`Linker::link`] checks that all
//! fits, and what it returns is written to a file from where its parts lie.

mod boundary;
mod component;
mod error;
mod kernel;
mod merge;
#[cfg(test)]
mod tests;
mod validate;

use std::io::Write;

use hoist_lifter::wasm::layout::{Layout, Lifted};
use hoist_vfs::Packed;

pub use error::LinkError;

use component::Skeleton;
use kernel::Kernel;
use merge::{CoreModule, Parts};

/// The linker, with the kernel that it links.
pub struct Linker<'a> {
    kernel: Kernel<'a>,
    layout: Layout,
    skeleton: Skeleton,
}

/// A component that is ready to be written.
pub struct Component<'a> {
    skeleton: &'a Skeleton,
    module: CoreModule<'a>,
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
    /// `TooLarge`, `TooManyFunctions`; `Invalid` if the lifter made a function that is not valid.
    pub fn link<'l>(&'l self, lifted: &'l Lifted, manifest: &'l [u8], rom: &'l Packed<'l>) -> Result<Component<'l>, LinkError> {
        let parts = Parts { kernel: &self.kernel, layout: &self.layout, lifted, manifest, rom: None };
        let mut without_rom = Vec::new();
        self.skeleton.write(&CoreModule::merge(&parts)?, &[], &mut without_rom)?;
        validate::validate(&without_rom)?;
        Ok(Component {
            skeleton: &self.skeleton,
            module: CoreModule::merge(&Parts { rom: Some(rom), ..parts })?,
            table_size: merge::table_size(&self.layout, lifted.functions.len()),
        })
    }
}

impl Component<'_> {
    /// Bytes of the core module that holds kernel, lifted functions and ROM.
    pub fn core_module_len(&self) -> u64 {
        self.module.len()
    }

    /// Writes the component with custom sections (name and content) at its end.
    ///
    /// # Errors
    /// `Rom`, `Write`.
    pub fn write(&self, custom: &[(&str, &[u8])], out: &mut impl Write) -> Result<(), LinkError> {
        self.skeleton.write(&self.module, custom, out)
    }
}
