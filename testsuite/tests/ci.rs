//! The examples for continuous integration in docs/registries.md, as they stand: their shell steps in order, against a registry with
//! passwords on the loopback. What only the platform does (logging in, caches) is put in place beforehand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::Hoist;
use hoist_testsuite::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;

/// The example below a heading.
fn example(heading: &str) -> Result<Value> {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/registries.md"))?;
    let (_, section) = docs.split_once(&format!("\n## {heading}\n")).with_context(|| heading.to_owned())?;
    let (_, block) = section.split_once("```yaml\n").context("a block")?;
    let (yaml, _) = block.split_once("```").context("its end")?;
    let documents = hoist_topology::yaml::parse(heading, yaml)?;
    Ok(documents.first().context("a document")?.to_json())
}

/// A machine of a platform: a registry with the example's image as `team/hello:v1`, a home, and a working directory.
struct Machine {
    registry: Registry,
    dir: TempDir,
    variables: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Result<Machine> {
        let (registry, dir) = (Registry::start()?, tempfile::tempdir()?);
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/image");
        registry.push(dir.path(), &format!("oci:{}", image.display()), "team/hello:v1")?;
        let hoist = Hoist::find()?.command();
        let hoist = Path::new(hoist.get_program()).canonicalize()?;
        let path = format!("{}:{}", hoist.parent().context("a directory")?.display(), std::env::var("PATH")?);
        let authority = registry.certificates().join("ca.crt").display().to_string();
        let home = dir.path().display().to_string();
        let variables =
            [("PATH", path), ("HOME", home), ("SSL_CERT_FILE", authority), ("CONTAINERS_REGISTRIES_CONF", "/nonexistent".into())];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Machine { registry, dir, variables })
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// Runs a step as both platforms do.
    fn run(&self, script: &str) -> Result<()> {
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(self.dir.path());
        let output = bash.env_clear().envs(&self.variables).output()?;
        ensure!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// That a component was pushed, with the digest that a step left in a file.
    fn check(&self, digest: &str) -> Result<()> {
        let manifest = self.registry.inspect(&format!("team/hello/wasm@{digest}"))?;
        ensure!(manifest["layers"][0]["mediaType"] == "application/wasm", "{manifest}");
        ensure!(self.registry.inspect("team/hello/wasm:v1")? == manifest);
        Ok(())
    }
}

#[test]
fn github_actions() -> Result<()> {
    let (workflow, mut machine) = (example("GitHub Actions")?, Machine::new()?);
    // What docker/login-action leaves.
    fs::create_dir(machine.dir.path().join(".docker"))?;
    fs::copy(machine.registry.authfile(), machine.dir.path().join(".docker/config.json"))?;
    machine.set("GITHUB_REPOSITORY", "team/hello");
    machine.set("GITHUB_REF_NAME", "v1");
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        machine.set(name, machine.dir.path().join(name).display().to_string());
    }
    let mut outputs: BTreeMap<String, String> = BTreeMap::new();
    for step in workflow["jobs"]["component"]["steps"].as_array().context("steps")? {
        let Some(script) = step["run"].as_str() else { continue };
        let mut script = script.replace("ghcr.io", &machine.registry.address);
        for (name, value) in &outputs {
            script = script.replace(&format!("${{{{ {name} }}}}"), value);
        }
        ensure!(!script.contains("${{"), "{script}");
        machine.run(&script)?;
        if let Some(id) = step["id"].as_str() {
            let text = fs::read_to_string(machine.dir.path().join("GITHUB_OUTPUT"))?;
            let lines = text.lines().filter_map(|line| line.split_once('='));
            outputs.extend(lines.map(|(name, value)| (format!("steps.{id}.outputs.{name}"), value.to_owned())));
        }
    }
    let digest = &outputs["steps.push.outputs.digest"];
    let summary = fs::read_to_string(machine.dir.path().join("GITHUB_STEP_SUMMARY"))?;
    ensure!(summary == format!("{}/team/hello/wasm@{digest}\n", machine.registry.address), "{summary}");
    machine.check(digest)
}

#[test]
fn gitlab() -> Result<()> {
    let (pipeline, mut machine) = (example("GitLab")?, Machine::new()?);
    let project = machine.dir.path().display().to_string();
    machine.set("CI_PROJECT_DIR", &project);
    machine.set("CI_REGISTRY_IMAGE", format!("{}/team/hello", machine.registry.address));
    machine.set("CI_COMMIT_TAG", "v1");
    machine.set("CI_REGISTRY_USER", "user");
    machine.set("CI_REGISTRY_PASSWORD", "secret");
    let job = &pipeline["component"];
    for (name, value) in job["variables"].as_object().context("variables")? {
        machine.set(name, value.as_str().context("text")?.replace("$CI_PROJECT_DIR", &project));
    }
    for script in job["script"].as_array().context("a script")? {
        machine.run(script.as_str().context("text")?)?;
    }
    // What the job keeps is where it says.
    for kept in job["artifacts"]["paths"].as_array().into_iter().chain(job["cache"]["paths"].as_array()).flatten() {
        let kept = kept.as_str().context("a path")?;
        ensure!(machine.dir.path().join(kept).exists(), "{kept}");
    }
    machine.check(fs::read_to_string(machine.dir.path().join("digest.txt"))?.trim_end())
}
