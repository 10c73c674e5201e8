//! A registry of a test's own: Debian's docker-registry on a loopback port, stopped when dropped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hoist_oci::Digest;
use tempfile::TempDir;

/// Who may use a registry that asks: `USER:PASSWORD`, and the same as htpasswd(1) writes it with `-B`.
pub const CREDENTIALS: &str = "user:secret";
const HTPASSWD: &str = "user:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

/// How long a registry may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running registry.
pub struct Registry {
    process: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    dir: TempDir,
    is_plain: bool,
}

impl Registry {
    /// One with TLS, whose certificate an authority of its own gave it, and with passwords.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> Result<Registry> {
        Registry::with_authority(false)
    }

    /// The same, for those only whom the authority gave a certificate too; it is beside the authority's, as containers-certs.d(5) has it.
    ///
    /// # Errors
    /// It does not start.
    pub fn for_clients() -> Result<Registry> {
        Registry::with_authority(true)
    }

    fn with_authority(for_clients: bool) -> Result<Registry> {
        let dir = tempfile::tempdir()?;
        let script = r#"
            mkdir certs
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out certs/ca.crt
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key -out server.csr
            printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > extensions
            openssl x509 -req -in server.csr -CA certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.crt
            [ "$0" = clients ] || exit 0
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=client -keyout certs/client.key -out client.csr
            openssl x509 -req -in client.csr -CA certs/ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out certs/client.cert"#;
        let output = Command::new("sh")
            .args(["-euc", script, if for_clients { "clients" } else { "all" }])
            .current_dir(dir.path())
            .output()?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(dir.path().join("htpasswd"), HTPASSWD)?;
        let path = dir.path().display().to_string();
        let clients = if for_clients { format!(", clientcas: [{path}/certs/ca.crt]") } else { String::new() };
        let http = format!("  tls: {{certificate: {path}/server.crt, key: {path}/server.key{clients}}}\n");
        Registry::serve(dir, &format!("{http}auth: {{htpasswd: {{realm: test, path: {path}/htpasswd}}}}\n"), false)
    }

    /// One without TLS, for everybody.
    ///
    /// # Errors
    /// It does not start.
    pub fn plain() -> Result<Registry> {
        Registry::serve(tempfile::tempdir()?, "", true)
    }

    fn serve(dir: TempDir, more: &str, is_plain: bool) -> Result<Registry> {
        // The port is free now. Nobody is told of it before the registry has it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: '{address}'\n{more}",
            dir.path().join("root").display()
        );
        let path = dir.path().join("config.yml");
        fs::write(&path, config)?;
        let log = fs::File::create(dir.path().join("log"))?;
        let mut command = Command::new("docker-registry");
        let process = command.arg("serve").arg(&path).stdout(Stdio::null()).stderr(log).spawn().context("docker-registry")?;
        let mut registry = Registry { process, address, dir, is_plain };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&registry.address).is_err() {
            if registry.process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("docker-registry: {}", fs::read_to_string(registry.dir.path().join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let auths = serde_json::json!({"auths": {&registry.address: {"auth": "dXNlcjpzZWNyZXQ="}}});
        fs::write(registry.authfile(), auths.to_string())?;
        Ok(registry)
    }

    /// A directory with the authority's certificate, as containers-certs.d(5) has it.
    pub fn certificates(&self) -> PathBuf {
        self.dir.path().join("certs")
    }

    /// A file with the credentials.
    pub fn authfile(&self) -> PathBuf {
        self.dir.path().join("auth.json")
    }

    /// Copies an image here with skopeo: `SOURCE [OPTIONS]`, from a directory.
    ///
    /// # Errors
    /// skopeo fails, with its messages.
    pub fn push(&self, dir: &Path, source: &str, name: &str) -> Result<()> {
        let mut words = source.split(' ');
        let image = words.next().unwrap_or_default();
        let mut arguments = vec!["--insecure-policy", "copy"];
        arguments.extend(words);
        self.skopeo(dir, &arguments, "dest-", &[image, &format!("docker://{}/{name}", self.address)]).map(drop)
    }

    /// Copies an image from here with skopeo.
    ///
    /// # Errors
    /// skopeo fails, with its messages.
    pub fn fetch(&self, dir: &Path, name: &str, target: &str) -> Result<()> {
        let source = format!("docker://{}/{name}", self.address);
        self.skopeo(dir, &["--insecure-policy", "copy"], "src-", &[&source, target]).map(drop)
    }

    /// The document that a name leads to.
    ///
    /// # Errors
    /// There is none.
    pub fn inspect(&self, name: &str) -> Result<serde_json::Value> {
        let source = format!("docker://{}/{name}", self.address);
        Ok(serde_json::from_slice(&self.skopeo(Path::new("/"), &["inspect", "--raw"], "", &[&source])?)?)
    }

    /// Takes a blob away, as if it had never been pushed.
    ///
    /// # Errors
    /// It is not there.
    pub fn forget(&self, digest: &Digest) -> Result<()> {
        let hex = digest.hex();
        let blob = self.dir.path().join("root/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex);
        fs::remove_dir_all(&blob).with_context(|| blob.display().to_string())
    }

    fn skopeo(&self, dir: &Path, before: &[&str], side: &str, after: &[&str]) -> Result<Vec<u8>> {
        let mut command = Command::new("skopeo");
        command.args(before).current_dir(dir);
        match self.is_plain {
            true => command.arg(format!("--{side}tls-verify=false")),
            false => command
                .arg(format!("--{side}cert-dir={}", self.certificates().display()))
                .arg(format!("--{side}creds={CREDENTIALS}")),
        };
        let output = command.args(after).output().context("skopeo")?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
