//! Validates the golden outputs in `topology/tests`: wadm's by wadm-types' own validation, compose's by the Compose specification's
//! JSON Schema, whose file is the argument.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jsonschema::Validator;
use serde_json::Value;
use wadm_types::validation::{ValidationFailureLevel, validate_manifest_bytes};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let schema = std::env::args().nth(1).context("where is compose-spec.json?")?;
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(&schema).context(schema)?)?;
    // Draft 7, which it spells with https, so that no validator knows it.
    schema.as_object_mut().context("a schema is an object")?.remove("$schema");
    let compose = jsonschema::draft7::new(&schema)?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topology/tests");
    let (mut applications, mut projects, mut wrong) = (0, 0, Vec::new());
    for path in goldens(&tests)? {
        let failures = match path.file_name().and_then(|name| name.to_str()) {
            Some("out.wadm.yaml") => {
                applications += 1;
                wadm(&fs::read(&path)?).await?
            }
            Some("out.compose.yaml") => {
                projects += 1;
                by_schema(&compose, &fs::read(&path)?)?
            }
            _ => continue,
        };
        wrong.extend(failures.into_iter().map(|failure| format!("{}: {failure}", path.display())));
    }
    wrong.iter().for_each(|line| eprintln!("{line}"));
    println!("{applications} wadm applications, {projects} compose files, {} failures", wrong.len());
    ensure!(wrong.is_empty() && applications > 0 && projects > 0, "not all are as published");
    Ok(())
}

/// The files of all tests.
fn goldens(tests: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for kind in ["compose", "kubernetes"] {
        for test in fs::read_dir(tests.join(kind))? {
            for file in fs::read_dir(test?.path())? {
                files.push(file?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What wadm has against an application; warnings do not count.
async fn wadm(bytes: &[u8]) -> Result<Vec<String>> {
    let (_, failures) = validate_manifest_bytes(bytes).await?;
    let errors = failures.into_iter().filter(|failure| failure.level == ValidationFailureLevel::Error);
    Ok(errors.map(|failure| failure.msg).collect())
}

fn by_schema(schema: &Validator, bytes: &[u8]) -> Result<Vec<String>> {
    let document: Value = serde_yaml::from_slice(bytes)?;
    Ok(schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path)).collect())
}
