//! `hoist cache`: what hoist keeps for the next time, and how to be rid of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use hoist_oci::BlobCache;

use super::{Failure, Format, OWN_FAILURE, cache_dir};
use crate::units::{self, Bytes};

/// Blobs of images, in the cache directory.
pub const BLOBS: &str = "blobs";

/// Show or clear what hoist keeps: blobs of images, and components that `run` made and compiled
#[derive(Args)]
pub struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what is kept
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Remove what is kept, the longest unused first
    Prune(Prune),
}

#[derive(Args)]
struct Ls {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args)]
struct Prune {
    /// Only what was not used for this time
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    older_than: Option<Duration>,

    /// Only until no more than this is left
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    keep: Option<u64>,
}

/// Something that is kept.
struct Item {
    kind: &'static str,
    name: String,
    /// Bytes.
    size: u64,
    used: SystemTime,
    path: PathBuf,
}

impl Item {
    /// How long it was not used; nothing for a time in the future.
    fn idle(&self) -> Duration {
        self.used.elapsed().unwrap_or_default()
    }
}

impl Cache {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let dir = cache_dir().ok_or_else(|| Failure::new(OWN_FAILURE, "neither XDG_CACHE_HOME nor HOME is set"))?;
        let blobs = BlobCache::at(dir.join(BLOBS));
        let mut items = items(&dir, &blobs).map_err(|error| Failure::new(OWN_FAILURE, format!("{}: {error}", dir.display())))?;
        items.sort_by(|a, b| (a.used, &a.name).cmp(&(b.used, &b.name)));
        match self.command {
            Command::Ls(options) => options.run(&items)?,
            Command::Prune(options) => options.run(&items, &blobs)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Ls {
    /// The longest unused first.
    fn run(&self, items: &[Item]) -> Result<(), Failure> {
        if self.format == Format::Json {
            let json = |item: &Item| {
                let used = item.used.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                serde_json::json!({"kind": item.kind, "name": item.name, "size": item.size, "used": used, "path": item.path})
            };
            println!("{}", serde_json::to_string_pretty(&items.iter().map(json).collect::<Vec<_>>())?);
            return Ok(());
        }
        println!("{:10} {:>10}  {:>14}  NAME", "KIND", "SIZE", "LAST USED");
        for item in items {
            println!("{:10} {:>10}  {:>14}  {}", item.kind, Bytes(item.size), ago(item.idle()), item.name);
        }
        println!("{:10} {:>10}", "total", Bytes(items.iter().map(|item| item.size).sum()));
        Ok(())
    }
}

impl Prune {
    fn run(&self, items: &[Item], blobs: &BlobCache) -> Result<(), Failure> {
        let mut left: u64 = items.iter().map(|item| item.size).sum();
        let mut reclaimed = blobs.remove_partial()?;
        for item in items {
            let is_old = self.older_than.is_none_or(|age| item.idle() >= age);
            if !is_old || self.keep.is_some_and(|keep| left <= keep) {
                continue;
            }
            match std::fs::remove_file(&item.path) {
                // Another process was faster.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::new(OWN_FAILURE, format!("{}: {error}", item.path.display()))),
                Ok(()) => {
                    println!("deleted: {}", item.name);
                    reclaimed += item.size;
                }
            }
            left -= item.size;
        }
        println!("Total reclaimed space: {}", Bytes(reclaimed));
        Ok(())
    }
}

fn items(dir: &Path, blobs: &BlobCache) -> std::io::Result<Vec<Item>> {
    let blob = |blob: hoist_oci::cache::CachedBlob| Item {
        kind: "blob",
        name: blob.digest.to_string(),
        size: blob.size,
        used: blob.used,
        path: blob.path,
    };
    let mut items: Vec<Item> = blobs.list()?.into_iter().map(blob).collect();
    for (kind, folder) in [("component", "components"), ("compiled", "compiled")] {
        let entries = match std::fs::read_dir(dir.join(folder)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                let (name, used) =
                    (entry.file_name().to_string_lossy().into_owned(), metadata.accessed()?.max(metadata.modified()?));
                items.push(Item { kind, name, size: metadata.len(), used, path: entry.path() });
            }
        }
    }
    Ok(items)
}

/// `5 minutes ago`, as docker says it.
fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}
