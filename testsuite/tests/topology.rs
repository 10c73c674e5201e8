//! From a compose file to components and back: what is embedded, what is beside it, what runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::Hoist;
use hoist_testsuite::registry::Registry;
use hoist_topology::model::Topology;
use hoist_topology::section;

const SECRET: &str = "correct horse battery staple";

/// The example's compose file in a directory, and the command.
struct Project {
    dir: tempfile::TempDir,
    hoist: Hoist,
}

impl Project {
    fn new() -> Result<Project> {
        let dir = tempfile::tempdir()?;
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/image");
        std::os::unix::fs::symlink(image.canonicalize()?, dir.path().join("image"))?;
        fs::write(dir.path().join("key.txt"), SECRET)?;
        fs::write(
            dir.path().join("compose.yaml"),
            "name: demo\nservices:\n  one:\n    image: oci:image\n    command: [first, \"0\"]\n    environment: {GREETING: \"${WORD}\", FROM_HOST: }\n    \
             ports: [\"8080:80\"]\n    secrets: [key]\n    depends_on: {two: {condition: service_completed_successfully}}\n    cap_add: [SYS_PTRACE]\n  \
             two:\n    image: oci:image\n    command: [second, \"7\"]\nsecrets:\n  key: {file: key.txt}\n",
        )?;
        Ok(Project { dir, hoist: Hoist::find()? })
    }

    fn hoist(&self, args: &[&str]) -> Result<Output> {
        let mut command: Command = self.hoist.command();
        Ok(command.current_dir(self.dir.path()).env("WORD", "hello").args(args).output()?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn topology(&self, component: &str) -> Result<Topology> {
        section::read(&fs::read(self.path(component))?)?.context("a component without a topology")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn several_services_become_components_and_an_index() -> Result<()> {
    let project = Project::new()?;
    let output = project.hoist(&["convert", "--compose", "compose.yaml", "-o", "out"])?;
    let stderr = text(&output.stderr);
    ensure!(output.status.success() && stderr.contains("compose.yaml:10: one: cap_add is ignored"), "{stderr}");
    let index: Topology = section::decode(&fs::read(project.path("out/topology.json"))?)?;
    let files: BTreeMap<_, _> = index.services.iter().map(|(name, service)| (name.clone(), service.component.clone())).collect();
    ensure!(files.keys().eq(["one", "two"]) && index.name.as_deref() == Some("demo"), "{index:?}");
    for (name, component) in files {
        let component = component.context("a service without a component")?;
        ensure!(component.file == format!("{name}.wasm"), "{component:?}");
        let sum = Command::new("sha256sum").arg(project.path("out").join(&component.file)).output()?;
        let sum = text(&sum.stdout);
        ensure!(component.digest == sum.split(' ').next().map(|sum| format!("sha256:{sum}")), "{component:?}: {sum}");
        let own = project.topology(&format!("out/{name}.wasm"))?;
        let beside = section::decode(&fs::read(project.path(&format!("out/{name}.topology.json")))?)?;
        ensure!(own == beside && own.services.keys().eq([&name]), "{own:?}");
    }
    // No file has the secret's value.
    for entry in fs::read_dir(project.path("out"))? {
        let path = entry?.path();
        let found = fs::read(&path)?.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        ensure!(!found, "{} has the value of a secret", path.display());
    }
    let two = project.hoist(&["run", "out/two.wasm"])?;
    ensure!(two.status.code() == Some(7) && text(&two.stdout).contains("argument 1: second\n"), "{two:?}");
    Ok(())
}

#[test]
fn several_services_are_pushed_to_one_repository_with_an_index() -> Result<()> {
    let (project, registry) = (Project::new()?, Registry::plain()?);
    let name = format!("{}/team/shop:v1", registry.address);
    let more = ["-o", "out", "--tls-verify=false", "--emit", "compose"];
    let output = project.hoist(&[&["convert", "--compose", "compose.yaml", "--push", &name], &more[..]].concat())?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    // The index's digest is all there is on standard output.
    let digest = text(&output.stdout);
    let digest = digest.strip_suffix('\n').context("no line")?;
    let index = registry.inspect(&format!("team/shop@{digest}"))?;
    ensure!(index == registry.inspect("team/shop:v1")?, "{index}");
    ensure!(index["artifactType"] == "application/vnd.hoist.application.v1+json", "{index}");
    ensure!(index["annotations"]["org.opencontainers.image.title"] == "demo", "{index}");
    let topology: Topology = section::decode(&fs::read(project.path("out/topology.json"))?)?;
    let manifests = index["manifests"].as_array().context("no manifests")?;
    ensure!(manifests.len() == 2, "{index}");
    let emitted = fs::read_to_string(project.path("out/demo.compose.yaml"))?;
    for (service, entry) in ["one", "two"].into_iter().zip(manifests) {
        ensure!(entry["annotations"]["org.opencontainers.image.title"] == service, "{entry}");
        let digest = entry["digest"].as_str().context("no digest")?;
        let manifest = registry.inspect(&format!("team/shop@{digest}"))?;
        ensure!(manifest == registry.inspect(&format!("team/shop:v1-{service}"))?, "{manifest}");
        let component = topology.services[service].component.as_ref().context("no component")?;
        ensure!(manifest["layers"][0]["digest"].as_str() == component.digest.as_deref(), "{manifest} {component:?}");
        ensure!(component.reference == Some(format!("{name}-{service}@{digest}")), "{component:?}");
        ensure!(emitted.contains(&format!("image: {name}-{service}\n")), "{emitted}");
    }
    // All that is known of the application refers to the index.
    let referrers = registry.inspect(&format!("team/shop:{}", digest.replace(':', "-")))?;
    ensure!(referrers["manifests"][0]["artifactType"] == section::MEDIA_TYPE, "{referrers}");
    let by_digest = format!("{}/team/shop@{digest}", registry.address);
    let refused = project.hoist(&["convert", "--compose", "compose.yaml", "--push", &by_digest])?;
    ensure!(refused.status.code() == Some(2) && text(&refused.stderr).contains("has a digest"), "{refused:?}");
    Ok(())
}

#[test]
fn the_command_line_counts_more_than_the_manifest_and_that_more_than_the_image() -> Result<()> {
    let project = Project::new()?;
    let args = ["convert", "--compose", "compose.yaml", "--service", "one", "-o", "one.wasm", "-e", "MORE=1", "--label", "l=v"];
    let emits =
        ["--emit", "wasmtime", "--emit", "k8s=objects.yaml", "--emit", "wasmcloud", "--emit", "spin", "--emit", "compose=-"];
    let output = project.hoist(&[&args[..], &emits].concat())?;
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{stderr}");
    ensure!(stdout.contains("platform: wasi/wasm\n") && stdout.contains("image: localhost/one:latest\n"), "{stdout}");
    ensure!(stderr.contains("k8s: not expressed: one: links[0]:"), "{stderr}");
    for file in ["one.wasmtime.sh", "objects.yaml", "one.workload.yaml", "one.wadm.yaml", "spin.toml", "one.topology.json"] {
        let text = fs::read_to_string(project.path(file)).with_context(|| file.to_owned())?;
        ensure!(!text.contains(SECRET), "{file} has the value of a secret");
    }
    let topology = project.topology("one.wasm")?;
    let service = &topology.services["one"];
    let value =
        |name: &str| service.process.env.iter().find(|variable| variable.name == name).and_then(|one| one.value.as_deref());
    ensure!(value("GREETING") == Some("hello") && value("MORE") == Some("1") && value("FROM_HOST").is_none(), "{service:?}");
    ensure!(service.labels["l"] == "v" && service.process.cmd == ["first", "0"], "{service:?}");
    let inspected = text(&project.hoist(&["inspect", "one.wasm"])?.stdout);
    let lines = [
        "service      one: ",
        "  ports      8080:80/tcp\n",
        "  mounts     secret key:/run/secrets/key:ro\n",
        "  links      two (completed)\n",
    ];
    ensure!(lines.iter().all(|line| inspected.contains(line)), "{inspected}");
    // The component starts so by itself.
    let run = project.hoist(&["run", "one.wasm"])?;
    let out = text(&run.stdout);
    ensure!(run.status.code() == Some(0) && out.contains("argument 1: first\nargument 2: 0\n"), "{run:?}");
    ensure!(out.contains("environment: GREETING=hello\n") && out.contains("environment: MORE=1\n"), "{out}");
    Ok(())
}

#[test]
fn what_is_wrong_says_where() -> Result<()> {
    let project = Project::new()?;
    let fails = |args: &[&str], status: i32, message: &str| -> Result<()> {
        let output = project.hoist(args)?;
        let stderr = text(&output.stderr);
        ensure!(output.status.code() == Some(status) && stderr.contains(message), "{args:?}: {}\n{stderr}", output.status);
        Ok(())
    };
    fs::write(project.path("bad.yaml"), "services:\n  web:\n    imagee: a\n")?;
    fails(
        &["convert", "--compose", "bad.yaml", "-o", "out"],
        125,
        "bad.yaml:3:5: services.web: additional property \"imagee\" is not allowed",
    )?;
    fails(
        &["convert", "--compose", "compose.yaml", "--service", "three", "-o", "out"],
        125,
        "no service \"three\"; there are: one, two",
    )?;
    fails(&["convert", "oci:image", "--compose", "compose.yaml", "-o", "out"], 2, "choose one with --service")?;
    fails(&["convert", "oci:image", "-o", "a.wasm", "--emit", "nomad"], 2, "there are wasmtime, k8s, wasmcloud, spin, compose")?;
    fails(&["convert", "-o", "a.wasm"], 2, "IMAGE")
}
