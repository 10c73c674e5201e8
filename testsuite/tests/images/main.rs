//! Commands of unmodified Debian packages, natively and hoisted: `cargo test --release -p hoist-testsuite --test images [-- FILTER]`.
//!
//! One test is one row of `tests/table/IMAGE.txt`, named `IMAGE:LINE PROGRAM ARGUMENTS`; a table is run in the image of its name.
//! Rows that take minutes, or whose image does, are ignored: `-- node: --ignored`.
//! `HOIST_LIFT=all` or `none` says how all images are converted, `HOIST_CPU=v2` or `v3` for which processor.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::{Hoist, Image, Invocation, Lift, run_natively};
use libtest_mimic::{Arguments, Failed, Trial};

/// Columns of a test's name.
const NAME_LENGTH: usize = 80;

/// Images that are interpreted, because their translation would take longer than all of their rows.
const INTERPRETED_IMAGES: [&str; 3] = ["debian", "java", "shells"];

/// An image of `testsuite/images`, built and converted when its first row runs.
struct Subject {
    name: String,
    variant: Variant,
    ready: OnceLock<Result<(Hoist, Image, PathBuf), String>>,
}

impl Subject {
    /// The image, and the component that it became.
    fn ready(&self) -> Result<&(Hoist, Image, PathBuf), String> {
        let prepare = || -> Result<_> {
            let hoist = Hoist::find()?;
            let hoist = if self.variant.wide { hoist.with_cpu("v3") } else { hoist };
            let image = Image::build(&self.name)?;
            let component = hoist.convert(&image, self.variant.lift)?;
            Ok((hoist, image, component))
        };
        self.ready.get_or_init(|| prepare().map_err(|error| format!("{error:#}"))).as_ref().map_err(String::clone)
    }

    fn check(&self, invocation: &Invocation) -> Result<(), Failed> {
        let (hoist, image, component) = self.ready()?;
        let native = run_natively(&image.rootfs, invocation).map_err(|error| format!("{error:#}"))?;
        let hoisted = hoist.run(image, component, invocation).map_err(|error| format!("{error:#}"))?;
        hoisted.difference(&native).map_or(Ok(()), |difference| Err(difference.into()))
    }
}

fn main() -> Result<()> {
    let mut trials = Vec::new();
    for (name, rows) in tables()? {
        let rows: Vec<Arc<table::Row>> = rows.into_iter().map(Arc::new).collect();
        for variant in variants(&name) {
            let subject = Arc::new(Subject { name: name.clone(), variant, ready: OnceLock::new() });
            trials.extend(rows.iter().map(|row| trial(&subject, row)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

/// A way to convert an image.
#[derive(Clone, Copy)]
struct Variant {
    lift: Lift,
    /// For x86-64-v3, so that libraries choose their functions with AVX2.
    wide: bool,
}

/// How an image is converted, if `$HOIST_LIFT` does not say. Programs that do much work are only translated.
fn variants(image: &str) -> Vec<Variant> {
    const LIFTED: Variant = Variant { lift: Lift::All, wide: false };
    const INTERPRETED: Variant = Variant { lift: Lift::None, wide: false };
    const WIDE: Variant = Variant { lift: Lift::All, wide: true };
    match std::env::var("HOIST_LIFT").as_deref() {
        Ok("none") => vec![INTERPRETED],
        Ok(_) => vec![LIFTED],
        Err(_) if image == "programs" => vec![LIFTED, INTERPRETED],
        Err(_) if image == "numerics" => vec![LIFTED, WIDE],
        Err(_) if INTERPRETED_IMAGES.contains(&image) => vec![INTERPRETED],
        Err(_) => vec![LIFTED],
    }
}

fn trial(subject: &Arc<Subject>, row: &Arc<table::Row>) -> Trial {
    let mut name = format!("{}:{} {}", subject.name, row.line, row.invocation.argv.join(" ").escape_default());
    if name.len() > NAME_LENGTH {
        name.truncate(NAME_LENGTH - 3);
        name.push_str("...");
    }
    let (subject, row) = (subject.clone(), row.clone());
    let kind = match subject.variant {
        Variant { lift: Lift::None, .. } => "interpreted",
        Variant { wide: true, .. } => "x86-64-v3",
        _ => "",
    };
    let ignored = row.on_request;
    Trial::test(name, move || subject.check(&row.invocation)).with_kind(kind).with_ignored_flag(ignored)
}

/// All tables by the image's name.
fn tables() -> Result<BTreeMap<String, Vec<table::Row>>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table");
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        tables.insert(name, table::parse(&text).with_context(|| path.display().to_string())?);
    }
    ensure!(!tables.is_empty(), "{}: no tables", dir.display());
    Ok(tables)
}
