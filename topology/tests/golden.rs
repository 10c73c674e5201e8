//! One folder is one test: a compose file (`compose.yaml`, `compose.override.yaml`, …) or Kubernetes manifests (`*.k8s.yaml`), images'
//! configs in `image.json`, and what hoist makes of them beside it: `topology.json`, or `error.txt`, and for each platform that the file
//! `emit` names its output. `BLESS=1` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hoist_oci::{Digest, ImageConfig};
use hoist_topology::compose::{self, Environment};
use hoist_topology::emit::{Application, Artifact, Target, emit};
use hoist_topology::{Error, Manifests, Overrides, kubernetes, section};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // Messages name files as they are opened: relative to the tests.
    std::env::set_current_dir(&root).expect("the tests' directory");
    let mut trials = Vec::new();
    for kind in ["compose", "kubernetes", "errors"] {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(kind).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        folders.sort();
        for folder in folders {
            let name = folder.display().to_string();
            trials.push(Trial::test(name, move || test(&folder).map_err(|error| Failed::from(format!("{error:#}")))));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The values that no output may have: secrets' in all tests are marked so.
const SECRET: [&str; 3] = ["s3cr3t", "czNjcjN0", "hunter2"];

fn test(folder: &Path) -> Result<(), String> {
    let mut outputs: BTreeMap<String, String> = BTreeMap::new();
    match load(folder) {
        Ok(manifests) => results(folder, &manifests, &mut outputs)?,
        Err(error) => drop(outputs.insert("error.txt".into(), format!("{error}\n"))),
    }
    for (name, text) in &outputs {
        if let Some(secret) = SECRET.iter().find(|secret| text.contains(**secret)) {
            return Err(format!("{name} has the value of a secret, {secret}"));
        }
    }
    let bless = std::env::var_os("BLESS").is_some();
    let golden = |name: &str| ["topology.json", "error.txt", "warnings.txt"].contains(&name) || name.starts_with("out.");
    let old =
        fs::read_dir(folder).map_err(|error| error.to_string())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let old: BTreeSet<String> = old.filter(|name| golden(name)).collect();
    for name in old.iter().filter(|name| !outputs.contains_key(*name)) {
        if !bless {
            return Err(format!("{name} is no longer written"));
        }
        fs::remove_file(folder.join(name)).map_err(|error| error.to_string())?;
    }
    for (name, text) in outputs {
        let path = folder.join(&name);
        if bless {
            fs::write(&path, text).map_err(|error| error.to_string())?;
            continue;
        }
        let expected = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}; BLESS=1 writes it"))?;
        if expected != text {
            return Err(format!("{name} differs:\n{}", difference(&expected, &text)));
        }
    }
    Ok(())
}

/// The manifests of a folder, completed by its images.
fn load(folder: &Path) -> Result<Manifests, Error> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.display().to_string().ends_with(".k8s.yaml") && !path.ends_with("out.k8s.yaml"));
    files.sort();
    let mut manifests = if files.is_empty() {
        let files = ["compose.yaml", "compose.override.yaml"].map(|name| folder.join(name));
        let words = |name: &str| {
            fs::read_to_string(folder.join(name)).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let process = BTreeMap::from([("HOST_NAME".into(), "from-host".into()), ("HOST_PASSWORD".into(), "hunter2".into())]);
        compose::load(&compose::Options {
            files: files.into_iter().filter(|file| file.exists()).collect(),
            profiles: words("profiles"),
            services: words("services"),
            environment: Environment { process, ..Environment::default() },
            ..compose::Options::default()
        })?
    } else {
        kubernetes::load(&files)?
    };
    let config = fs::read(folder.join("image.json")).unwrap_or_else(|_| fs::read("image.json").expect("an image's config"));
    let blob = hoist_oci::Blob::Config(Digest::of(&config));
    let config = ImageConfig::parse(&blob, &config).expect("an image's config");
    let names: Vec<String> = manifests.topology.services.keys().cloned().collect();
    names.iter().for_each(|name| manifests.complete(name, &config, &Overrides::default()));
    manifests.finish();
    Ok(manifests)
}

fn results(folder: &Path, manifests: &Manifests, outputs: &mut BTreeMap<String, String>) -> Result<(), String> {
    let document = section::encode(&manifests.topology);
    if section::decode(&document).map_err(|error| error.to_string())? != manifests.topology {
        return Err("the document does not say what the topology was".into());
    }
    outputs.insert("topology.json".into(), String::from_utf8(document).map_err(|error| error.to_string())?);
    if !manifests.warnings.is_empty() {
        outputs.insert("warnings.txt".into(), manifests.warnings.join("\n") + "\n");
    }
    let artifact = |name: &String| {
        (name.clone(), Artifact { file: format!("{name}.wasm"), reference: format!("registry.example/app/{name}:1") })
    };
    let application = Application { manifests, artifacts: manifests.topology.services.keys().map(artifact).collect() };
    let golden = fs::read_to_string(folder.join("emit")).unwrap_or_default();
    for target in Target::ALL {
        // All are written and validated; those that the test is about are kept.
        let emitted = emit(target, &application).map_err(|error| error.to_string())?;
        for loss in &emitted.losses {
            // wasmCloud's two versions lose different things.
            if !emitted.files.iter().any(|(_, text)| text.contains(&loss.field)) {
                return Err(format!("{target} does not list the loss of {}", loss.field));
            }
        }
        for (suffix, text) in emitted.files {
            validate(suffix, &text).map_err(|error| format!("{suffix}: {error}\n{text}"))?;
            if let Some(secret) = SECRET.iter().find(|secret| text.contains(**secret)) {
                return Err(format!("{suffix} has the value of a secret, {secret}"));
            }
            if golden.split_whitespace().any(|name| name == target.name()) {
                outputs.insert(format!("out{suffix}"), text);
            }
        }
    }
    Ok(())
}

/// An output by the published types of its format.
fn validate(suffix: &str, text: &str) -> Result<(), String> {
    match suffix {
        ".k8s.yaml" | ".workload.yaml" => hoist_topology::yaml::parse(suffix, text)
            .map_err(|error| error.to_string())?
            .iter()
            .try_for_each(|object| schemas::kubernetes_object(object)),
        ".wadm.yaml" => schemas::wadm(text),
        ".spin.toml" => schemas::spin(text),
        ".compose.yaml" => schemas::compose(text),
        ".wasmtime.sh" => schemas::shell(text),
        _ => Err("a format that nothing validates".into()),
    }
}

mod schemas;

/// The first lines that differ.
fn difference(expected: &str, got: &str) -> String {
    let (mut expected, mut got) = (expected.lines(), got.lines());
    for line in 1.. {
        match (expected.next(), got.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => return format!("line {line}\n- {}\n+ {}", a.unwrap_or("(end)"), b.unwrap_or("(end)")),
        }
    }
    "in its line ends".into()
}
