//! Pushes to Debian's docker-registry, and to servers that do as the specification allows or as they should not.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use common::registry::{Registry, insecure};
use common::server::{Reply, Server};
use hoist_oci::digest::Digest;
use hoist_oci::push::{Artifact, Document, Layer, PushOptions, PushProgress, push};
use hoist_oci::{BlobCache, Error, Pushed};
use serde_json::{Value, json};

const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const TOPOLOGY: &str = "application/vnd.example.topology+json";

/// How the component got there.
#[derive(Default)]
struct Heard(Mutex<Vec<Pushed>>);

impl PushProgress for Heard {
    fn done(&self, how: Pushed) {
        self.0.lock().expect("a lock").push(how);
    }
}

fn artifact(dir: &Path) -> Artifact {
    let file = dir.join("app.wasm");
    // More than one piece, and of no round length.
    std::fs::write(&file, vec![7; 1_234_567]).expect("a file");
    let config = json!({"architecture": "wasm", "os": "wasip2"}).to_string().into_bytes();
    Artifact {
        config: Document { media_type: WASM_CONFIG.into(), bytes: config },
        layer: Layer::of(&file, "application/wasm").expect("readable"),
        annotations: BTreeMap::from([("org.opencontainers.image.base.name".into(), "docker.io/library/debian".into())]),
        referrers: vec![Document { media_type: TOPOLOGY.into(), bytes: b"{}".to_vec() }],
    }
}

struct Push {
    dir: tempfile::TempDir,
    options: PushOptions,
}

impl Push {
    fn new() -> Push {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = Some(BlobCache::at(dir.path().join("cache")));
        Push { dir, options: PushOptions { registry: insecure(), cache, chunk: None } }
    }

    fn to(&self, address: &str, name: &str) -> Result<(Digest, Pushed), Error> {
        let heard = Heard::default();
        let name = format!("{address}/{name}").parse()?;
        let digest = push(&name, &artifact(self.dir.path()), &self.options, &heard)?.digest;
        let how = heard.0.into_inner().expect("a lock");
        Ok((digest, how[0]))
    }
}

fn skopeo(args: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(args).output().expect("Debian's package skopeo");
    assert!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn inspect(address: &str, name: &str) -> Value {
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{address}/{name}")]);
    serde_json::from_slice(&raw).expect("JSON")
}

#[test]
fn pushed_and_taken_back() {
    let (registry, pusher) = (Registry::start(), Push::new());
    let address = &registry.address;
    let (digest, how) = pusher.to(address, "team/app:v1").expect("pushed");
    assert_eq!(how, Pushed::Sent);
    let manifest = inspect(address, "team/app:v1");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.name"], "docker.io/library/debian");

    let copy = pusher.dir.path().join("copy");
    let source = format!("docker://{address}/team/app@{digest}");
    skopeo(&["--insecure-policy", "copy", "--src-tls-verify=false", &source, &format!("dir:{}", copy.display())]);
    let layer: Digest = manifest["layers"][0]["digest"].as_str().expect("a digest").parse().expect("a digest");
    assert_eq!(std::fs::read(copy.join(layer.hex())).expect("the component"), vec![7; 1_234_567]);

    // This registry keeps no track of referrers, so an index with the subject's digest for a tag does.
    let index = inspect(address, &format!("team/app:sha256-{}", digest.hex()));
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!(index["manifests"][0]["artifactType"], TOPOLOGY);
    let referrer = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
    let referrer = inspect(address, &format!("team/app@{referrer}"));
    assert_eq!((&referrer["artifactType"], &referrer["subject"]["digest"]), (&json!(TOPOLOGY), &json!(digest.to_string())));
    assert_eq!(referrer["layers"][0]["mediaType"], TOPOLOGY);

    // Again: nothing is sent, nothing is listed twice, and it is the same.
    assert_eq!(pusher.to(address, "team/app:v2").expect("pushed"), (digest.clone(), Pushed::There));
    let index = inspect(address, &format!("team/app:sha256-{}", digest.hex()));
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1));
    // Elsewhere in the registry: taken from here.
    assert_eq!(pusher.to(address, "other/app").expect("pushed"), (digest, Pushed::Mounted));
}

#[test]
fn in_pieces() {
    let (registry, mut pusher) = (Registry::start(), Push::new());
    pusher.options.chunk = Some(500_000);
    let (digest, how) = pusher.to(&registry.address, "app").expect("pushed");
    assert_eq!(how, Pushed::Sent);
    assert_eq!(Push::new().to(&registry.address, "app").expect("pushed"), (digest, Pushed::There));
}

/// A registry that takes everything, changed by what the test says first.
fn taking(change: impl Fn(&str, &str) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |request, address| {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        if let Some(reply) = change(method, path) {
            return reply;
        }
        let location =
            |status| Reply::new(status, "").header("Location", format!("http://{address}/v2/app/blobs/uploads/1?state=x"));
        match method {
            "GET" if path == "/v2/" => Reply::new(200, ""),
            "HEAD" | "GET" => Reply::error(404, "BLOB_UNKNOWN", "blob unknown"),
            "POST" | "PATCH" => location(202),
            "PUT" if path.contains("/manifests/") => location(201).header("OCI-Subject", "sha256:x"),
            _ => location(201),
        }
    })
}

#[test]
fn a_registry_with_referrers_needs_no_tag() {
    let server = taking(|_, _| None);
    let (digest, _) = Push::new().to(&server.address, "app").expect("pushed");
    assert!(server.requests().iter().all(|request| !request.path.contains(&format!("sha256-{}", digest.hex()))));
    let component = server.requests().into_iter().find(|request| request.body.len() == 1_234_567).expect("in one piece");
    assert!(component.path.starts_with("/v2/app/blobs/uploads/1?state=x&digest=sha256:"), "{}", component.path);
    // What a name leads to goes last.
    let names: Vec<_> =
        server.requests().into_iter().filter(|request| request.method == "PUT").map(|request| request.path).collect();
    let manifest = names.iter().position(|path| path == "/v2/app/manifests/latest").expect("the manifest");
    assert!(names[..manifest].iter().all(|path| path.contains("/blobs/")));
}

#[test]
fn a_registry_that_wants_smaller_pieces() {
    let server = taking(|method, path| {
        let is_whole = method == "PUT" && path.contains("/uploads/");
        is_whole.then(|| Reply::new(413, "")).filter(|_| !path.contains("again"))
    });
    // It is sent in pieces; the last request, without a body, is refused all the same here.
    let error = Push::new().to(&server.address, "app").expect_err("refused");
    assert!(error.to_string().ends_with("413 Payload Too Large"), "{error}");
    let patches: Vec<_> = server.requests().into_iter().filter(|request| request.method == "PATCH").collect();
    assert_eq!(patches[0].headers["content-range"], "0-1234566");
}

#[test]
fn trouble_passes() {
    let failures = Mutex::new(2);
    let server = taking(move |method, path| {
        let mut left = failures.lock().expect("no panic");
        let fails = method == "PUT" && path.contains("/uploads/") && *left > 0;
        *left -= u32::from(fails);
        fails.then(|| Reply::new(502, ""))
    });
    Push::new().to(&server.address, "app").expect("pushed");
    assert_eq!(server.requests().iter().filter(|request| request.body.len() == 1_234_567).count(), 3);
}

#[test]
fn refusals() {
    let refused = |status| {
        let server = taking(move |method, _| (method == "POST").then(|| Reply::error(status, "DENIED", "no")));
        let message = Push::new().to(&server.address, "app").expect_err("refused").to_string();
        message.replace(&server.address, "HOST")
    };
    assert_eq!(refused(403), "requested access to HOST/app is denied: 403 Forbidden: no");
    assert_eq!(refused(401), "requested access to HOST/app is denied: 401 Unauthorized: no");
    assert_eq!(refused(405), "registry HOST: 405 Method Not Allowed: no");
    let server = taking(|method, _| (method == "POST").then(|| Reply::new(202, "")));
    let message = Push::new().to(&server.address, "app").expect_err("refused").to_string();
    assert!(message.ends_with("/v2/app/blobs/uploads/: an upload was accepted without a Location to send it to"), "{message}");
}
