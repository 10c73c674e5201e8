//! Registries from end to end: Debian's docker-registry with TLS of a private authority and passwords, images that umoci, buildah and
//! skopeo made from Debian's packages. What hoist unpacks is compared with what umoci unpacks, entry for entry; what it pushes
//! is taken back by others.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use hoist_oci::{BlobCache, Credentials, PullOptions, Quiet, RegistryOptions};
use hoist_testsuite::compare::{Hoist, Image};
use hoist_testsuite::registry::{CREDENTIALS, Registry};
use hoist_testsuite::tree;
use serde_json::Value;
use tempfile::TempDir;

/// Runs a command that must succeed, and gives its standard output.
fn sh(dir: &Path, script: &str, variables: &[(&str, &str)]) -> Result<String> {
    let mut command = Command::new("sh");
    command.args(["-euc", script]).current_dir(dir).envs(variables.iter().copied());
    let output = command.output()?;
    ensure!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn pull_options(registry: &Registry, cache: &Path) -> Result<PullOptions> {
    let credentials: Credentials = CREDENTIALS.parse()?;
    let registry = RegistryOptions {
        credentials: Some(credentials),
        cert_dir: Some(registry.certificates()),
        registries_conf: false,
        ..RegistryOptions::default()
    };
    Ok(PullOptions { registry, cache: Some(BlobCache::at(cache)), ..PullOptions::default() })
}

/// Pulls an image and compares it with what umoci makes of the tag of a layout.
fn compare(registry: &Registry, name: &str, dir: &Path, tag: &str) -> Result<()> {
    let unpacked = TempDir::new_in(dir)?;
    let target = unpacked.path().join("rootfs");
    sh(dir, "umoci raw unpack --image layout:$TAG $TARGET", &[("TAG", tag), ("TARGET", &target.to_string_lossy())])?;
    let cache = dir.join("cache");
    // Twice: from the registry and from the cache.
    for _ in 0..2 {
        let image = hoist_oci::pull(&format!("{}/{name}", registry.address).parse()?, &pull_options(registry, &cache)?, &Quiet)?;
        tree::ensure_same(&image.rootfs, &target).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Layers over a Debian package's files: everything that a layer can say.
const LAYERS: &str = r#"
umoci init --layout layout; umoci new --image layout:base
umoci unpack --image layout:base bundle
cp -a "$ROOTFS/." bundle/rootfs/
cd bundle/rootfs
mkdir -p special/dir special/opaque etc; mknod special/char c 5 1; mknod special/block b 7 300; mkfifo special/fifo
echo one > special/one; ln special/one special/two; ln -s ../special/one special/link; ln -s /no/such special/dangling
echo capable > special/capable; setcap cap_net_bind_service+ep special/capable
setfattr -n user.name -v value special/one; setfattr -n user.binary -v 0x000a00ff special/dir
chown 1000:2000 special/one; chmod 4711 special/capable; chmod 1777 special/dir; chown -h 12:34 special/link
echo gone > special/gone; echo old > special/opaque/old; touch -d '1999-01-01 00:00:01.5' special/gone; head -c 3000000 /dev/zero > special/zeros
cd ../..
umoci repack --image layout:base bundle
umoci unpack --image layout:base second
cd second/rootfs
rm special/gone special/two; rm -r special/dir; echo file-now > special/dir; chmod 600 special/capable
echo three > special/three; touch -d @1600000000 special/three; mkdir special/new; chown 70000:70000 special/new; rm special/fifo
cd ../..
umoci repack --image layout:base second
# A hard link to a file of a lower layer, and an opaque directory: GNU tar. The link's entry says of the file what it is: what
# counts where it says something else, docker and umoci do not agree on. Without tar's padding, which skopeo 1.9 loses on the way
# to zstd:chunked, so that the layer is no longer the one that the config names.
mkdir -p third/special/opaque; cp -a second/rootfs/special/three third/special/
touch third/special/opaque/.wh..wh..opq; echo new > third/special/opaque/new; ln third/special/three third/special/four
tar -C third -b 1 -cf third.tar special/opaque/.wh..wh..opq special/opaque/new special/three special/four
tar -b 1 --delete -f third.tar special/three
umoci raw add-layer --image layout:base third.tar
rm -rf bundle second third third.tar
"#;

#[test]
fn the_same_tree_as_umoci_from_every_kind_of_image() -> Result<()> {
    let (registry, dir) = (Registry::start()?, tempfile::tempdir()?);
    let image = Image::build("busybox")?;
    let rootfs = image.rootfs.to_string_lossy().into_owned();
    sh(dir.path(), LAYERS, &[("ROOTFS", &rootfs)])?;
    // As umoci compressed it, as docker has it; and compressed otherwise, where skopeo has to begin with what is not compressed.
    let script = r#"
        skopeo --insecure-policy copy --dest-decompress oci:layout:base dir:plain
        for how in zstd zstd:chunked; do
            skopeo --insecure-policy copy --format oci --dest-compress --dest-compress-format $how dir:plain oci:${how#zstd:}:base
        done"#;
    sh(dir.path(), script, &[])?;
    for (tag, source, media_type) in [
        ("oci", "oci:layout:base --format oci", "oci.image.layer.v1.tar+gzip"),
        ("schema2", "oci:layout:base --format v2s2", "docker.image.rootfs.diff.tar.gzip"),
        ("zstd", "oci:zstd:base --preserve-digests", "oci.image.layer.v1.tar+zstd"),
        ("chunked", "oci:chunked:base --preserve-digests", "oci.image.layer.v1.tar+zstd"),
        ("plain", "dir:plain --preserve-digests", "oci.image.layer.v1.tar"),
    ] {
        registry.push(dir.path(), source, &format!("team/app:{tag}"))?;
        let manifest = registry.inspect(&format!("team/app:{tag}"))?;
        let found = &manifest["layers"][0]["mediaType"];
        ensure!(*found == format!("application/vnd.{media_type}"), "{tag}: {found}");
        compare(&registry, &format!("team/app:{tag}"), dir.path(), "base")?;
    }
    let plain = hoist_oci::pull(&format!("dir:{}/plain", dir.path().display()).parse()?, &PullOptions::default(), &Quiet)?;
    ensure!(plain.layers.len() == 3, "{:?}", plain.layers);
    Ok(())
}

#[test]
fn the_same_tree_as_umoci_from_buildah() -> Result<()> {
    let (registry, dir) = (Registry::start()?, tempfile::tempdir()?);
    let image = Image::build("busybox")?;
    let script = r#"
        buildah() { command buildah --root "$PWD/root" --runroot "$PWD/run" --storage-driver vfs "$@"; }
        one=$(buildah from scratch); buildah copy -q "$one" "$ROOTFS" /; buildah config --label a=b --entrypoint '["/bin/busybox"]' "$one"
        buildah commit -q "$one" first; two=$(buildah from first); mount=$(buildah mount "$two")
        rm -r "$mount/etc"; ln "$mount/bin/busybox" "$mount/again"; echo new > "$mount/new"; buildah umount "$two"
        buildah commit -q "$two" second; buildah push -q second oci:layout:built"#;
    sh(dir.path(), script, &[("ROOTFS", &image.rootfs.to_string_lossy())])?;
    registry.push(dir.path(), "oci:layout:built", "built")?;
    compare(&registry, "built", dir.path(), "built")
}

/// Three platforms, and an attestation for each, as buildkit files them.
const INDEX: &str = r#"
umoci init --layout layout
for arch in amd64 arm64 s390x; do
    umoci new --image layout:$arch; umoci config --image layout:$arch --architecture $arch --os linux
    mkdir -p $arch; echo $arch > $arch/architecture; tar -C $arch -cf $arch.tar architecture; umoci raw add-layer --image layout:$arch $arch.tar
done
"#;

#[test]
fn an_index_with_attestations() -> Result<()> {
    let (registry, dir) = (Registry::start()?, tempfile::tempdir()?);
    sh(dir.path(), INDEX, &[])?;
    let layout = dir.path().join("layout");
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let blob = |bytes: &[u8], media_type: &str| -> Result<Value> {
        let digest = hoist_oci::Digest::of(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes)?;
        Ok(serde_json::json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()}))
    };
    let (manifest_type, mut entries) = ("application/vnd.oci.image.manifest.v1+json", Vec::new());
    for image in index["manifests"].as_array().context("manifests")? {
        let architecture = &image["annotations"]["org.opencontainers.image.ref.name"];
        let statement = blob(b"{\"_type\":\"https://in-toto.io/Statement/v1\"}", "application/vnd.in-toto+json")?;
        let config = blob(b"{\"architecture\":\"unknown\",\"os\":\"unknown\"}", "application/vnd.oci.image.config.v1+json")?;
        let attestation = serde_json::json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [statement],
            "annotations": {"of": image["digest"]}});
        let mut attestation = blob(attestation.to_string().as_bytes(), manifest_type)?;
        attestation["platform"] = serde_json::json!({"architecture": "unknown", "os": "unknown"});
        attestation["annotations"] = serde_json::json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]});
        // Before the image, so that who takes the first one is wrong.
        entries.push(attestation);
        let mut image = image.clone();
        image["platform"] = serde_json::json!({"architecture": architecture, "os": "linux"});
        entries.push(image);
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).to_string();
    let mut entry = blob(index.as_bytes(), media_type)?;
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "all"});
    let top = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(layout.join("index.json"), top.to_string())?;
    registry.push(dir.path(), "oci:layout:all --all", "all")?;

    let options = pull_options(&registry, &dir.path().join("cache"))?;
    let reference = format!("{}/all", registry.address).parse()?;
    for architecture in ["amd64", "arm64", "s390x"] {
        let options = PullOptions { platform: format!("linux/{architecture}").parse()?, ..options.clone() };
        let image = hoist_oci::pull(&reference, &options, &Quiet)?;
        ensure!(image.config.architecture == architecture);
    }
    let options = PullOptions { platform: "linux/riscv64".parse()?, ..options };
    let message = hoist_oci::pull(&reference, &options, &Quiet).expect_err("there is none").to_string();
    ensure!(message.ends_with("the image is there for linux/amd64, linux/arm64, linux/s390x only"), "{message}");
    Ok(())
}

/// What a command that must succeed prints.
fn stdout(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A registry with the image of busybox, and hoist with an empty cache.
struct Subject {
    registry: Registry,
    dir: TempDir,
    hoist: Hoist,
}

impl Subject {
    fn new() -> Result<Subject> {
        let subject = Subject { registry: Registry::start()?, dir: tempfile::tempdir()?, hoist: Hoist::find()? };
        let source = format!("oci:{}", Image::build("busybox")?.layout.display());
        subject.registry.push(subject.dir.path(), &source, "team/busybox:v1")?;
        Ok(subject)
    }

    fn hoist(&self) -> Command {
        let mut command = self.hoist.command();
        command.current_dir(self.dir.path()).env("XDG_CACHE_HOME", self.dir.path().join("cache"));
        command.env("CONTAINERS_REGISTRIES_CONF", "/nonexistent").env("REGISTRY_AUTH_FILE", self.registry.authfile());
        command
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.address)
    }

    /// The options that the registry takes.
    fn certificates(&self) -> String {
        format!("--cert-dir={}", self.registry.certificates().display())
    }
}

#[test]
fn pushed_taken_back_and_run() -> Result<()> {
    let subject = Subject::new()?;
    let (source, target) = (subject.name("team/busybox:v1"), subject.name("wasm/busybox:v1"));
    let mut convert = subject.hoist();
    convert.args(["convert", "--lift=none", &subject.certificates(), &source, "-o", "app.wasm", "--push", &target]);
    let printed = stdout(convert.output()?)?;
    let digest: hoist_oci::Digest = printed.trim_end().parse()?;
    ensure!(printed == format!("{digest}\n"), "{printed:?}");
    let component = fs::read(subject.dir.path().join("app.wasm"))?;

    // Back by skopeo: the very same bytes.
    subject.registry.fetch(subject.dir.path(), &format!("wasm/busybox@{digest}"), "dir:back")?;
    let back = subject.dir.path().join("back");
    let manifest: Value = serde_json::from_slice(&fs::read(back.join("manifest.json"))?)?;
    let blob = |descriptor: &Value| -> Result<Vec<u8>> {
        let digest = descriptor["digest"].as_str().context("a digest")?;
        Ok(fs::read(back.join(digest.trim_start_matches("sha256:")))?)
    };
    ensure!(blob(&manifest["layers"][0])? == component);
    let name = "org.opencontainers.image.base.name";
    ensure!(manifest["annotations"][name] == source.as_str(), "{}", manifest["annotations"]);
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])?)?;
    ensure!(
        config["rootfs"]["diff_ids"] == config["layerDigests"] && config["config"]["Entrypoint"][0] == "/app.wasm",
        "{config}"
    );
    let names = |field: &str| -> Vec<String> {
        let names = config["component"][field].as_array().into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let (imports, exports) = (names("imports"), names("exports"));
    ensure!(exports.iter().any(|name| name.starts_with("wasi:cli/run@0.2")), "{exports:?}");
    ensure!(!imports.is_empty() && imports.iter().all(|name| name.starts_with("wasi:")), "{imports:?}");
    fs::write(subject.dir.path().join("back.wasm"), blob(&manifest["layers"][0])?)?;
    let ran = subject.hoist().args(["run", "back.wasm", "/bin/busybox", "echo", "taken back"]).output()?;
    ensure!(stdout(ran)? == "taken back\n");

    // Its provenance, found by the digest: the image, its layers and the kernel went in, the component came out.
    let index = subject.registry.inspect(&format!("wasm/busybox:sha256-{}", digest.hex()))?;
    let referrer =
        index["manifests"].as_array().into_iter().flatten().find(|entry| entry["artifactType"] == "application/vnd.in-toto+json");
    let referrer = referrer.context("provenance")?["digest"].as_str().context("a digest")?.to_owned();
    subject.registry.fetch(subject.dir.path(), &format!("wasm/busybox@{referrer}"), "dir:provenance")?;
    let manifest: Value = serde_json::from_slice(&fs::read(subject.dir.path().join("provenance/manifest.json"))?)?;
    let statement = manifest["layers"][0]["digest"].as_str().context("a digest")?.trim_start_matches("sha256:").to_owned();
    let statement: Value = serde_json::from_slice(&fs::read(subject.dir.path().join("provenance").join(statement))?)?;
    ensure!(statement["subject"][0]["digest"]["sha256"] == hoist_oci::Digest::of(&component).hex(), "{statement}");
    let image = stdout(subject.hoist().args(["inspect", "app.wasm", "--format=json"]).output()?)?;
    let image: Value = serde_json::from_str(&image)?;
    let dependencies = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let expected = image["source"]["digest"].as_str().context("a digest")?.trim_start_matches("sha256:").to_owned();
    ensure!(dependencies[0]["digest"]["sha256"] == expected.as_str(), "{dependencies}");

    // Again, and to somewhere else: the same digest.
    let push = |name: &str| -> Result<String> {
        stdout(subject.hoist().args(["push", "--quiet", &subject.certificates(), "app.wasm", &subject.name(name)]).output()?)
    };
    ensure!(push("wasm/busybox:v2")? == printed && push("elsewhere/busybox")? == printed);
    Ok(())
}

#[test]
fn as_an_image() -> Result<()> {
    let subject = Subject::new()?;
    let (source, target) = (subject.name("team/busybox:v1"), subject.name("image:v1"));
    let mut convert = subject.hoist();
    convert.args([
        "convert",
        "--quiet",
        "--lift=none",
        &subject.certificates(),
        &source,
        "-o",
        "app.wasm",
        "--push",
        &target,
        "--format=image",
    ]);
    stdout(convert.output()?)?;
    subject.registry.fetch(subject.dir.path(), "image:v1", "oci:layout:v1")?;
    let config: Value = serde_json::from_str(&sh(subject.dir.path(), "skopeo inspect --config oci:layout:v1", &[])?)?;
    ensure!(
        config["os"] == "wasi" && config["architecture"] == "wasm" && config["config"]["Entrypoint"][0] == "/app.wasm",
        "{config}"
    );
    sh(
        subject.dir.path(),
        "umoci raw unpack --image layout:v1 rootfs; cmp rootfs/app.wasm app.wasm; test $(ls -A rootfs | wc -l) = 1",
        &[],
    )?;
    Ok(())
}

#[test]
fn two_at_once_and_the_cache() -> Result<()> {
    let subject = Subject::new()?;
    let convert = |output: &str| -> Result<_> {
        let mut command = subject.hoist();
        command.args([
            "convert",
            "--quiet",
            "--lift=none",
            &subject.certificates(),
            &subject.name("team/busybox:v1"),
            "-o",
            output,
        ]);
        Ok(command.stderr(Stdio::piped()).spawn()?)
    };
    let both = [convert("one.wasm")?, convert("two.wasm")?];
    for child in both {
        stdout(child.wait_with_output()?)?;
    }
    sh(subject.dir.path(), "cmp one.wasm two.wasm", &[])?;
    let list = || -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&stdout(subject.hoist().args(["cache", "ls", "--format=json"]).output()?)?)?)
    };
    let items = list()?;
    ensure!(!items.is_empty() && items.iter().all(|item| item["kind"] == "blob"), "{items:?}");
    let prune = |options: &[&str]| stdout(subject.hoist().args(["cache", "prune"]).args(options).output()?);
    ensure!(prune(&["--older-than", "1h"])? == "Total reclaimed space: 0 B\n" && list()?.len() == items.len());
    let printed = prune(&[])?;
    ensure!(printed.lines().count() == items.len() + 1 && list()?.is_empty(), "{printed}");
    Ok(())
}

#[test]
fn pulled_and_then_converted() -> Result<()> {
    let subject = Subject::new()?;
    let (certificates, name) = (subject.certificates(), subject.name("team/busybox:v1"));
    let pull = |more: &[&str]| subject.hoist().args(["pull", &certificates, &name]).args(more).output();
    let output = pull(&[])?;
    let lines = String::from_utf8(output.stderr.clone())?;
    let digest: hoist_oci::Digest = stdout(output)?.trim_end().parse()?;
    // The very manifest that skopeo gets by this digest.
    subject.registry.fetch(subject.dir.path(), &format!("team/busybox@{digest}"), "dir:manifest")?;
    ensure!(lines.starts_with(&format!("{digest}: 1 layer, ")) && lines.ends_with(": Pull complete\n"), "{lines}");
    let again: Value = serde_json::from_str(&stdout(pull(&["--quiet", "--format=json"])?)?)?;
    ensure!(again["digest"] == digest.to_string() && again["name"] == name && again["platform"] == "linux/amd64", "{again}");
    ensure!(again["layers"][0]["wasThere"] == true, "{again}");
    // The layer is taken from the cache: what the registry has of it now is not asked for.
    let layer: hoist_oci::Digest = again["layers"][0]["digest"].as_str().context("a digest")?.parse()?;
    subject.registry.forget(&layer)?;
    let convert = || {
        let mut command = subject.hoist();
        command.args(["convert", "--quiet", "--lift=none", &certificates, &name, "-o", "app.wasm"]);
        command.output()
    };
    stdout(convert()?)?;
    stdout(subject.hoist().args(["cache", "prune"]).output()?)?;
    let output = convert()?;
    ensure!(!output.status.success(), "the registry has the layer all the same");
    // There is nowhere to pull to, or nothing to pull.
    let output = subject.hoist().args(["pull", &certificates, &name]).env("XDG_CACHE_HOME", "/dev/null/x").output()?;
    let message = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(125) && message.contains("the cache cannot keep it: Not a directory"), "{message}");
    let output = subject.hoist().args(["pull", "oci:layout"]).output()?;
    ensure!(output.status.code() == Some(2) && String::from_utf8(output.stderr)?.contains("needs no pulling"));
    Ok(())
}

#[test]
fn the_ways_in() -> Result<()> {
    let (registry, dir) = (Registry::plain()?, tempfile::tempdir()?);
    let (image, hoist) = (Image::build("busybox")?, Hoist::find()?);
    let source = format!("oci:{}", image.layout.display());
    registry.push(dir.path(), &source, "team/app")?;
    let convert = |arguments: &[&str], input: Stdio| -> Result<Vec<u8>> {
        let mut command = hoist.command();
        command
            .env("XDG_CACHE_HOME", dir.path().join("cache"))
            .env("CONTAINERS_REGISTRIES_CONF", dir.path().join("registries.conf"));
        command.env("HTTP_PROXY", format!("http://{}", registry.address)).env("NO_PROXY", "127.0.0.1").stdin(input);
        command.args(["convert", "--lift=none", "--quiet", "-o"]).arg(dir.path().join("app.wasm")).args(arguments);
        stdout(command.output()?)?;
        Ok(fs::read(dir.path().join("app.wasm"))?)
    };
    // Archives of both kinds from standard input, one of them compressed.
    for (kind, script) in [
        ("docker", "skopeo --insecure-policy copy $SOURCE docker-archive:docker.tar:app:v1"),
        ("oci", "skopeo --insecure-policy copy $SOURCE oci-archive:plain.tar:v1; gzip -c plain.tar > oci.tar"),
    ] {
        sh(dir.path(), script, &[("SOURCE", &source)])?;
        convert(&["-"], fs::File::open(dir.path().join(format!("{kind}.tar")))?.into())?;
    }
    // A name that leads nowhere but through a proxy, which the registry is as well as any.
    convert(&["--tls-verify=false", "registry.invalid/team/app"], Stdio::null())?;
    // And one that registries.conf leads elsewhere.
    let conf = format!("[[registry]]\nprefix = 'docker.io/library'\nlocation = '{}/team'\ninsecure = true\n", registry.address);
    fs::write(dir.path().join("registries.conf"), conf)?;
    convert(&["app"], Stdio::null())?;
    fs::write(dir.path().join("registries.conf"), "[[registry]]\nlocation = 'docker.io'\nblocked = true\n")?;
    let error = convert(&["app"], Stdio::null()).expect_err("blocked").to_string();
    ensure!(error.contains("hoist: docker.io/library/app: registries.conf blocks docker.io"), "{error}");
    Ok(())
}

#[test]
fn errors_come_with_hints() -> Result<()> {
    let subject = Subject::new()?;
    let fails = |arguments: &[&str]| -> Result<String> {
        let output = subject.hoist().args(["convert", "-o", "app.wasm"]).args(arguments).output()?;
        ensure!(output.status.code() == Some(125), "{}", output.status);
        Ok(String::from_utf8(output.stderr)?.replace(&subject.registry.address, "HOST"))
    };
    let (certificates, name) = (subject.certificates(), subject.name("team/busybox:v1"));
    let untrusted = fails(&[&name])?;
    ensure!(untrusted.contains("certificate") && untrusted.contains("\nhint: if the registry has a certificate"), "{untrusted}");
    let denied = fails(&[&certificates, "--creds=user:wrong", &name])?;
    let expected = "hoist: pull access denied for HOST/team/busybox, repository does not exist or may require 'docker login': 401 \
                    Unauthorized: authentication required\nhint: log in with `docker login HOST` or `podman login HOST`, or pass --creds or --authfile\n";
    ensure!(denied == expected, "{denied}");
    let missing = fails(&[&certificates, &subject.name("team/busybox:v2")])?;
    let expected = "hoist: manifest for HOST/team/busybox:v2 not found: manifest unknown\nhint: `skopeo list-tags docker://HOST/team/busybox` \
                    shows what tags there are\n";
    ensure!(missing == expected, "{missing}");
    ensure!(!subject.dir.path().join("app.wasm").exists());
    Ok(())
}
