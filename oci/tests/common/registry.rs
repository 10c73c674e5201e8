//! A real registry: Debian's docker-registry.

use std::io::{BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hoist_oci::digest::Digest;
use hoist_oci::{Error, Image, PullOptions, Quiet, RegistryOptions};
use tempfile::TempDir;

use super::Layout;

/// A registry of this test's own, on a loopback port; stopped when dropped.
pub struct Registry {
    process: Child,
    pub address: String,
    pub storage: TempDir,
}

impl Registry {
    pub fn start() -> Registry {
        Registry::with(|_| String::new())
    }

    /// With more lines for its configuration, which may name files in the directory they get.
    pub fn with(configure: impl FnOnce(&Path) -> String) -> Registry {
        let storage = tempfile::tempdir().expect("a directory");
        let more = configure(storage.path());
        // The port is free now. Nobody is told of it before the registry has it.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let config = storage.path().join("config.yml");
        let root = storage.path().join("root");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: '{address}'\n{more}",
            root.display()
        );
        std::fs::write(&config, text).expect("a file");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}; install Debian's package docker-registry"));
        let mut registry = Registry { process, address, storage };
        registry.wait();
        registry
    }

    /// Waits until the registry takes connections.
    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&self.address).is_err() {
            let exited = self.process.try_wait().expect("a child of ours");
            if exited.is_some() || Instant::now() > deadline {
                let mut message = String::new();
                if let Some(stderr) = self.process.stderr.take().filter(|_| exited.is_some()) {
                    let _ = BufReader::new(stderr).read_to_string(&mut message);
                }
                panic!("docker-registry did not start: {exited:?} {message}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Pushes a layout's only image.
    pub fn push(&self, layout: &Layout, name: &str) {
        self.push_as(layout, name, "--dest-no-creds");
    }

    pub fn push_as(&self, layout: &Layout, name: &str, credentials: &str) {
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", credentials])
            .arg(format!("oci:{}", layout.path().display()))
            .arg(format!("docker://{}/{name}", self.address))
            .output()
            .unwrap_or_else(|error| panic!("skopeo: {error}; install Debian's package skopeo"));
        assert!(output.status.success(), "skopeo: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn pull(&self, name: &str) -> Result<Image, Error> {
        let options = PullOptions { registry: insecure(), ..PullOptions::default() };
        hoist_oci::pull(&format!("{}/{name}", self.address).parse()?, &options, &Quiet)
    }

    /// Where the registry keeps a blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.storage.path().join("root/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Plain HTTP will do, and nothing is waited for.
pub fn insecure() -> RegistryOptions {
    RegistryOptions { tls_verify: false, retry_delay: Duration::ZERO, ..RegistryOptions::default() }
}
