//! Validates the golden outputs in `topology/tests` by what others publish: wadm's by wadm-types' own validation, and by files that
//! are named on the command line compose's (the Compose specification's JSON Schema), WorkloadDeployments (wasmCloud's
//! CustomResourceDefinition), and Spin's (the JSON Schema of its manifest).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use jsonschema::Validator;
use serde::Deserialize as _;
use serde_json::Value;
use wadm_types::validation::{ValidationFailureLevel, validate_manifest_bytes};

/// What is published, by the option that names it.
struct Published {
    compose: Option<Validator>,
    crd: Option<Validator>,
    spin: Option<Validator>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let published = Published::from_arguments(std::env::args().skip(1))?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topology/tests");
    let (mut counts, mut wrong) = (BTreeMap::new(), Vec::new());
    for path in goldens(&tests)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(failures) = published.failures(name, &fs::read(&path)?).await? else { continue };
        *counts.entry(name.to_owned()).or_insert(0) += 1;
        wrong.extend(failures.into_iter().map(|failure| format!("{}: {failure}", path.display())));
    }
    wrong.iter().for_each(|line| eprintln!("{line}"));
    counts.iter().for_each(|(name, count)| println!("{count} {name}"));
    println!("{} failures", wrong.len());
    ensure!(wrong.is_empty() && counts.values().sum::<usize>() > 0, "not all are as published");
    Ok(())
}

impl Published {
    /// `--compose FILE --crd FILE --spin FILE`, each or none.
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Published> {
        let mut published = Published { compose: None, crd: None, spin: None };
        while let Some(option) = arguments.next() {
            let file = arguments.next().with_context(|| format!("{option}: which file?"))?;
            let text = fs::read_to_string(&file).with_context(|| file.clone())?;
            match option.as_str() {
                "--compose" => {
                    let mut schema: Value = serde_json::from_str(&text)?;
                    // Draft 7, which it spells with https, so that no validator knows it.
                    schema.as_object_mut().context("a schema is an object")?.remove("$schema");
                    published.compose = Some(jsonschema::draft7::new(&schema)?);
                }
                "--crd" => {
                    let crd: Value = serde_yaml::from_str(&text)?;
                    let version = crd["spec"]["versions"].get(0).context("a CustomResourceDefinition has versions")?;
                    let mut schema = version["schema"]["openAPIV3Schema"].clone();
                    close(&mut schema);
                    published.crd = Some(jsonschema::draft7::new(&schema)?);
                }
                "--spin" => published.spin = Some(jsonschema::draft202012::new(&serde_json::from_str(&text)?)?),
                _ => bail!("{option}: want --compose, --crd or --spin"),
            }
        }
        Ok(published)
    }

    /// What is wrong with an output; `None` for those that nothing here reads.
    async fn failures(&self, name: &str, bytes: &[u8]) -> Result<Option<Vec<String>>> {
        Ok(match (name, &self.compose, &self.crd, &self.spin) {
            ("out.wadm.yaml", ..) => Some(wadm(bytes).await?),
            ("out.compose.yaml", Some(schema), ..) => Some(by_schema(schema, &serde_yaml::from_slice(bytes)?)),
            ("out.workload.yaml", _, Some(schema), _) => {
                let mut failures = Vec::new();
                for document in serde_yaml::Deserializer::from_slice(bytes) {
                    let document = Value::deserialize(document)?;
                    if document["kind"] == "WorkloadDeployment" {
                        failures.extend(by_schema(schema, &document));
                    }
                }
                Some(failures)
            }
            ("out.spin.toml", .., Some(schema)) => Some(by_schema(schema, &toml::from_str(std::str::from_utf8(bytes)?)?)),
            _ => None,
        })
    }
}

/// Refuses fields that a schema does not name: Kubernetes drops them without a word.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".into(), Value::Bool(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// The files of all tests.
fn goldens(tests: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for kind in ["compose", "kubernetes"] {
        for test in fs::read_dir(tests.join(kind))? {
            for file in fs::read_dir(test?.path())? {
                let path = file?.path();
                // A service's configuration may be a directory.
                if path.is_file() {
                    files.push(path);
                }
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

fn by_schema(schema: &Validator, document: &Value) -> Vec<String> {
    schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path)).collect()
}
