//! Every ELF file of an image, each at its home, through the lifter.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_lifter::discover;
use hoist_lifter::elf::{Elf, ElfError};
use hoist_lifter::lift::File;
use hoist_lifter::wasm::layout::{FileStats, Layout, Lifted};
use hoist_vfs::{InodeId, RootFs};
use hoist_x86::form::{Census, merge};

use crate::calls::{self, Calls};
use crate::homes::{self, Homes};
use crate::pipeline::path_text;
use crate::progress::Progress;

/// Where a shared library is thought to lie while its code is read and not lifted.
const HOME_FOR_READING: u32 = 0x1000_0000;

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
    let contents = homes.homes.iter().map(|home| content(rootfs, home.inode, &home.path)).collect::<Result<Vec<_>, _>>()?;
    let found = progress.stage("discover", || {
        in_parallel(homes.homes.len(), |number| {
            let elf = Elf::parse(&contents[number], homes.homes[number].bias)?;
            Ok::<_, ElfError>(File { program: discover::discover(&elf), elf, overlay: homes.homes[number].overlay })
        })
    });
    let (mut files, mut numbers) = (Vec::new(), Vec::new());
    for (number, file) in found.into_iter().enumerate() {
        match file {
            Ok(file) => {
                files.push(file);
                numbers.push(number);
            }
            Err(error) => progress.warn(&format!("{} is interpreted: {error}", path_text(&homes.homes[number].path))),
        }
    }
    let mut lifted = progress.stage("lift", || hoist_lifter::lift::lift(&files, layout, &|_| ()));
    let mut stats = vec![FileStats::default(); homes.homes.len()];
    for (file, number) in lifted.stats.files.iter().zip(numbers) {
        stats[number] = *file;
    }
    lifted.stats.files = stats;
    Ok(lifted)
}

/// The forms of instructions in every ELF file, those that get no home too, and how often each occurs. A file that the lifter cannot read has
/// none, and the user is told.
///
/// # Errors
/// `Read`.
pub fn census(rootfs: &RootFs, progress: &Progress) -> Result<Census, LiftError> {
    let files = homes::find(rootfs).into_iter().collect::<Vec<_>>();
    let contents = files.iter().map(|(inode, (path, _))| content(rootfs, *inode, path)).collect::<Result<Vec<_>, _>>()?;
    let found = progress.stage("discover", || {
        in_parallel(files.len(), |number| {
            let elf = Elf::parse(&contents[number], 0).or_else(|_| Elf::parse(&contents[number], HOME_FOR_READING))?;
            let mut census = Census::new();
            hoist_lifter::census::add(&elf, &discover::discover(&elf), &mut census);
            Ok::<_, ElfError>(census)
        })
    });
    let mut all = Census::new();
    for ((_, (path, _)), census) in files.iter().zip(found) {
        match census {
            Ok(census) => merge(&mut all, census),
            Err(error) => progress.warn(&format!("{} was not read: {error}", path_text(path))),
        }
    }
    Ok(all)
}

/// The system calls that each ELF file's code can make, by path; as for [`census`]. What a file calls by a name is looked for in all others.
///
/// # Errors
/// `Read`.
pub fn calls(rootfs: &RootFs, progress: &Progress) -> Result<BTreeMap<String, Calls>, LiftError> {
    let files = homes::find(rootfs).into_iter().collect::<Vec<_>>();
    let contents = files.iter().map(|(inode, (path, _))| content(rootfs, *inode, path)).collect::<Result<Vec<_>, _>>()?;
    let found = progress.stage("discover", || {
        in_parallel(files.len(), |number| {
            let elf = Elf::parse(&contents[number], 0).or_else(|_| Elf::parse(&contents[number], HOME_FOR_READING))?;
            let program = discover::discover(&elf);
            let calls = calls::find(&elf, &program, &BTreeMap::new());
            Ok::<_, ElfError>((elf, program, calls))
        })
    });
    let mut all = Vec::new();
    for ((_, (path, _)), file) in files.iter().zip(found) {
        match file {
            Ok(file) => all.push((path_text(path), file)),
            Err(error) => progress.warn(&format!("{} was not read: {error}", path_text(path))),
        }
    }
    let mut wrappers = BTreeMap::new();
    for (_, (_, _, calls)) in &all {
        calls.wrappers.iter().for_each(|(name, register)| _ = wrappers.entry(name.clone()).or_insert(*register));
    }
    let calls = in_parallel(all.len(), |number| calls::find(&all[number].1.0, &all[number].1.1, &wrappers));
    Ok(all.into_iter().map(|(path, _)| path).zip(calls).collect())
}

/// Calls `work` with 0, 1, … on all processors; the results are in that order.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count));
        numbers.map(|number| (number, work(number))).collect::<Vec<_>>()
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.flatten().collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

fn content(rootfs: &RootFs, inode: InodeId, path: &[u8]) -> Result<Arc<[u8]>, LiftError> {
    let content = rootfs.inode(inode).ok().and_then(|inode| inode.content()).cloned().unwrap_or_default();
    content.to_bytes().map_err(|source| LiftError::Read { path: path_text(path), source })
}
