//! Commands of unmodified Debian packages, natively and hoisted: `cargo test --release -p hoist-testsuite --test images [-- FILTER]`.
//!
//! One test is one row of `tests/table/IMAGE.txt`, named `IMAGE:LINE PROGRAM ARGUMENTS`; a table is run in the image of its name.
//! `HOIST_LIFT=none` interprets everything instead.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::{Hoist, Image, Invocation, Lift, run_natively};
use libtest_mimic::{Arguments, Failed, Trial};

/// An image of `testsuite/images`, built and converted when its first row runs.
struct Subject {
    name: String,
    lift: Lift,
    ready: OnceLock<Result<(Hoist, Image, PathBuf), String>>,
}

impl Subject {
    /// The image, and the component that it became.
    fn ready(&self) -> Result<&(Hoist, Image, PathBuf), String> {
        let prepare = || -> Result<_> {
            let hoist = Hoist::find()?;
            let image = Image::build(&self.name)?;
            let component = hoist.convert(&image, self.lift)?;
            Ok((hoist, image, component))
        };
        self.ready.get_or_init(|| prepare().map_err(|error| format!("{error:#}"))).as_ref().map_err(String::clone)
    }

    fn check(&self, invocation: &Invocation) -> Result<(), Failed> {
        let (hoist, image, component) = self.ready()?;
        let native = run_natively(&image.rootfs, invocation).map_err(|error| format!("{error:#}"))?;
        let hoisted = hoist.run(component, invocation).map_err(|error| format!("{error:#}"))?;
        hoisted.difference(&native).map_or(Ok(()), |difference| Err(difference.into()))
    }
}

fn main() -> Result<()> {
    let lift = match std::env::var("HOIST_LIFT").as_deref() {
        Ok("none") => Lift::None,
        _ => Lift::All,
    };
    let mut trials = Vec::new();
    for (name, rows) in tables()? {
        let subject = Arc::new(Subject { name: name.clone(), lift, ready: OnceLock::new() });
        for row in rows {
            let subject = subject.clone();
            let command: String = row.invocation.argv.join(" ").escape_default().take(60).collect();
            let run = move || subject.check(&row.invocation);
            trials.push(Trial::test(format!("{name}:{} {command}", row.line), run));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
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
