//! Pulls from a real registry, Debian's docker-registry, that skopeo pushed to.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;

use common::registry::{Registry, insecure};
use common::{INDEX, Layout, Stored, Tar, listing, on, refusal};
use hoist_oci::digest::Digest;
use hoist_oci::{Descriptor, Error, Progress, PullOptions, Quiet, RegistryOptions};
use serde_json::json;

fn layer(name: &str) -> Vec<u8> {
    Tar::new().file(name, name).finish()
}

/// Notes what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn image(&self, _: &Digest, layers: &[Descriptor]) {
        self.0.lock().expect("a lock").push(format!("{} layers", layers.len()));
    }

    fn layer_started(&self, layer: usize, descriptor: &Descriptor) {
        self.0.lock().expect("a lock").push(format!("{layer} of {} bytes", descriptor.size));
    }

    fn layer_bytes(&self, layer: usize, bytes: u64) {
        let mut heard = self.0.lock().expect("a lock");
        heard.retain(|line| !line.starts_with(&format!("{layer} at")));
        heard.push(format!("{layer} at {bytes}"));
    }

    fn layer_done(&self, layer: usize) {
        self.0.lock().expect("a lock").push(format!("{layer} done"));
    }
}

#[test]
fn by_tag_and_by_digest() {
    let registry = Registry::start();
    let big = Tar::new().file("big", &"0123456789abcdef".repeat(1 << 16)).finish();
    let layout = Layout::of(&[Stored::gzip(layer("a")), Stored::zstd(layer("b")), Stored::plain(big)]);
    registry.push(&layout, "team/app:v1");
    let local = layout.pull().expect("an image");

    let image = registry.pull("team/app:v1").expect("an image");
    assert_eq!(listing(&image.rootfs), listing(&local.rootfs));
    assert_eq!(image.manifest_digest, local.manifest_digest);
    assert_eq!((image.config, image.config_json, &image.layers), (local.config, local.config_json, &local.layers));
    let by_digest = registry.pull(&format!("team/app@{}", local.manifest_digest)).expect("an image");
    assert_eq!(by_digest.layers, local.layers);

    let heard = Heard::default();
    let options = PullOptions { registry: insecure(), parallel: 1, ..PullOptions::default() };
    let reference = format!("docker://{}/team/app:v1", registry.address).parse().expect("a reference");
    hoist_oci::pull(&reference, &options, &heard).expect("an image");
    let mut expected = vec!["3 layers".to_owned()];
    for (layer, number) in image.layers.iter().zip(1..) {
        expected.push(format!("{number} of {} bytes", layer.size));
        expected.push(format!("{number} at {}", layer.size));
        expected.push(format!("{number} done"));
    }
    assert_eq!(heard.0.into_inner().expect("a lock"), expected);
}

#[test]
fn an_index_and_its_platforms() {
    let registry = Registry::start();
    let layout = Layout::new();
    let image = |architecture: &str| on(layout.image(architecture, &[Stored::gzip(layer(architecture))]), architecture);
    let push = |manifests: &[serde_json::Value], name: &str| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        layout.index(&[layout.blob(INDEX, index.to_string().as_bytes())]);
        registry.push(&layout, name);
    };
    push(&[image("arm64"), image("amd64")], "both");
    let both = registry.pull("both").expect("an image");
    assert_eq!(listing(&both.rootfs), ["amd64 \"amd64\""]);
    assert!(both.index_digest.is_some());
    push(&[image("arm64")], "arm");
    assert_eq!(
        refusal(registry.pull("arm")),
        "no matching manifest for linux/amd64 in the manifest list entries: the image is there for linux/arm64 only"
    );
}

#[test]
fn what_the_registry_gives_is_verified() {
    let registry = Registry::start();
    let layout = Layout::of(&[Stored::gzip(layer("a")), Stored::gzip(layer("b"))]);
    registry.push(&layout, "app");
    let image = registry.pull("app").expect("an image");
    let digest = &image.layers[1].digest;
    let path = registry.blob(digest);
    let whole = std::fs::read(&path).expect("the registry's blob");

    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    std::fs::write(&path, &damaged).expect("a file");
    let actual = Digest::of(&damaged);
    assert_eq!(refusal(registry.pull("app")), format!("layer 2 ({digest}): expected digest {digest}, got {actual}"));

    std::fs::write(&path, &whole[1..]).expect("a file");
    let (expected, actual) = (whole.len(), whole.len() - 1);
    assert_eq!(refusal(registry.pull("app")), format!("layer 2 ({digest}): expected {expected} bytes, got {actual}"));

    std::fs::remove_file(&path).expect("a file");
    assert_eq!(refusal(registry.pull("app")), format!("layer 2 ({digest}): not there, though the image refers to it"));

    // By tag, the registry itself says which digest the manifest has.
    let path = registry.blob(&image.manifest_digest);
    let mut damaged = std::fs::read(&path).expect("the registry's blob");
    let at = damaged.windows(7).position(|window| window == b"sha256:").expect("a digest") + 7;
    damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
    std::fs::write(&path, &damaged).expect("a file");
    let (expected, actual) = (&image.manifest_digest, Digest::of(&damaged));
    for name in ["app".to_owned(), format!("app@{expected}")] {
        assert_eq!(refusal(registry.pull(&name)), format!("manifest: expected digest {expected}, got {actual}"));
    }
}

#[test]
fn what_is_not_there() {
    let registry = Registry::start();
    registry.push(&Layout::of(&[Stored::gzip(layer("a"))]), "app:v1");
    let address = &registry.address;
    assert_eq!(refusal(registry.pull("app:v2")), format!("manifest for {address}/app:v2 not found: manifest unknown"));
    let message = refusal(registry.pull("other"));
    assert!(message.contains(&format!("{address}/other")), "{message}");
    // Plain HTTP is not taken unasked.
    let reference = format!("{address}/app:v1").parse().expect("a reference");
    let error = hoist_oci::pull(&reference, &PullOptions::default(), &Quiet).expect_err("no TLS there");
    assert!(error.to_string().starts_with(&format!("registry {address}: ")), "{error}");
    // Nor does a closed port hang.
    drop(registry);
    assert!(hoist_oci::pull(&reference, &PullOptions::default(), &Quiet).is_err());
}

/// A registry whose certificate nobody vouches for.
#[test]
fn unverified_tls() {
    let registry = Registry::with(|dir| {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(dir)
            .output()
            .unwrap_or_else(|error| panic!("openssl: {error}; install Debian's package openssl"));
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let dir = dir.display();
        format!("  tls: {{certificate: {dir}/cert.pem, key: {dir}/key.pem}}\n")
    });
    registry.push(&Layout::of(&[Stored::gzip(layer("a"))]), "app");
    assert_eq!(listing(&registry.pull("app").expect("an image").rootfs), ["a \"a\""]);
    let reference = format!("{}/app", registry.address).parse().expect("a reference");
    let message = refusal(hoist_oci::pull(&reference, &PullOptions::default(), &Quiet));
    assert!(message.contains("certificate"), "{message}");
}

#[test]
fn credentials() {
    let registry = Registry::with(|dir| {
        // bcrypt of "secret"
        let htpasswd = "user:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
        std::fs::write(dir.join("htpasswd"), htpasswd).expect("a file");
        format!("auth: {{htpasswd: {{realm: test, path: {}/htpasswd}}}}\n", dir.display())
    });
    registry.push_as(&Layout::of(&[Stored::gzip(layer("a"))]), "app", "--dest-creds=user:secret");
    let pull = |auth: &str| {
        let authfile = registry.storage.path().join("auth.json");
        let auths = json!({"auths": {&registry.address: {"auth": auth}}});
        std::fs::write(&authfile, auths.to_string()).expect("a file");
        let options =
            PullOptions { registry: RegistryOptions { authfile: Some(authfile), ..insecure() }, ..PullOptions::default() };
        hoist_oci::pull(&format!("{}/app", registry.address).parse()?, &options, &Quiet)
    };
    // user:secret, user:wrong
    assert_eq!(listing(&pull("dXNlcjpzZWNyZXQ=").expect("an image").rootfs), ["a \"a\""]);
    let denied = format!(
        "pull access denied for {}/app, repository does not exist or may require 'docker login': 401 Unauthorized: \
         authentication required",
        registry.address
    );
    assert_eq!(refusal(pull("dXNlcjp3cm9uZw==")), denied);
    assert_eq!(refusal(pull("")), denied);
}

#[test]
fn from_asynchronous_code_it_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let reference = "localhost:1/a".parse().expect("a reference");
    let result = runtime.block_on(async { hoist_oci::pull(&reference, &PullOptions::default(), &Quiet) });
    assert!(matches!(result, Err(Error::Asynchronous)), "{result:?}");
}

/// A server that accepts and says nothing of use.
#[test]
fn nonsense_instead_of_http() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = std::io::Write::write_all(&mut &stream, b"220 smtp ready\r\n");
        }
    });
    let options = PullOptions { registry: insecure(), ..PullOptions::default() };
    let reference = format!("{address}/app").parse().expect("a reference");
    let message = refusal(hoist_oci::pull(&reference, &options, &Quiet));
    assert!(message.starts_with(&format!("registry {address}: ")), "{message}");
}
