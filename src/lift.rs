//! Every ELF file of an image, each at its home, through the lifter.

use std::io;
use std::sync::Arc;

use hoist_lifter::discover;
use hoist_lifter::elf::Elf;
use hoist_lifter::lift::File;
use hoist_lifter::wasm::layout::{FileStats, Layout, Lifted};
use hoist_vfs::RootFs;

use crate::homes::{Home, Homes};
use crate::pipeline::path_text;
use crate::progress::Progress;

/// Why an image could not be lifted.
#[derive(Debug, thiserror::Error)]
pub enum LiftError {
    #[error("{path}: {source}")]
    Read { path: String, source: io::Error },
}

/// Lifts what every home holds; the statistics are in the order of the homes. A file that the lifter cannot read is interpreted, and the
/// user told.
///
/// # Errors
/// `Read`.
pub fn lift(rootfs: &RootFs, homes: &Homes, layout: &Layout, progress: &Progress) -> Result<Lifted, LiftError> {
    let contents = homes.homes.iter().map(|home| content(rootfs, home)).collect::<Result<Vec<_>, _>>()?;
    let (mut files, mut numbers) = (Vec::new(), Vec::new());
    for (number, (home, bytes)) in homes.homes.iter().zip(&contents).enumerate() {
        match Elf::parse(bytes, home.bias) {
            Ok(elf) => {
                files.push(File { program: discover::discover(&elf), elf });
                numbers.push(number);
            }
            Err(error) => progress.warn(&format!("{} is interpreted: {error}", path_text(&home.path))),
        }
    }
    let mut lifted = hoist_lifter::lift::lift(&files, layout, &|_| ());
    let mut stats = vec![FileStats::default(); homes.homes.len()];
    for (file, number) in lifted.stats.files.iter().zip(numbers) {
        stats[number] = *file;
    }
    lifted.stats.files = stats;
    Ok(lifted)
}

fn content(rootfs: &RootFs, home: &Home) -> Result<Arc<[u8]>, LiftError> {
    let content = rootfs.inode(home.inode).ok().and_then(|inode| inode.content()).cloned().unwrap_or_default();
    content.to_bytes().map_err(|source| LiftError::Read { path: path_text(&home.path), source })
}
