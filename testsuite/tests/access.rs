//! What leads to a registry besides its name: credential helpers, clients' certificates, registries.conf, a SOCKS proxy. Most of it is in the
//! environment, so it is the `hoist` command that pulls.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::Hoist;
use hoist_testsuite::pty::{Screen, Session, Step};
use hoist_testsuite::registry::Registry;
use tempfile::TempDir;

/// A registry with the example's image as `team/hello:1`.
struct Subject {
    registry: Registry,
    dir: TempDir,
    hoist: Hoist,
}

impl Subject {
    fn new(registry: Registry) -> Result<Subject> {
        let subject = Subject { registry, dir: tempfile::tempdir()?, hoist: Hoist::find()? };
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/image");
        subject.registry.push(subject.dir.path(), &format!("oci:{}", image.display()), "team/hello:1")?;
        Ok(subject)
    }

    /// The registry's name for the image.
    fn name(&self) -> String {
        format!("{}/team/hello:1", self.registry.address)
    }

    fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.dir.path().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// `hoist` with nothing of this machine's configuration.
    fn command(&self) -> Command {
        let mut command = self.hoist.command();
        command.current_dir(self.dir.path()).env("HOME", self.dir.path()).env("CONTAINERS_REGISTRIES_CONF", "/nonexistent");
        for variable in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "NO_PROXY", "no_proxy"] {
            command.env_remove(variable);
        }
        command
    }

    /// Pulls and converts.
    fn pull(&self, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
        let mut command = self.command();
        command.args(["convert", name, "-o", "app.wasm", "--lift=none", "--no-cache", "--quiet", "--retry=0"]).args(args);
        Ok(command.envs(variables.iter().copied()).output()?)
    }
}

/// That a pull succeeds, or fails and says so.
fn expect(output: &Output, failure: Option<&str>) -> Result<()> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    match failure {
        None => ensure!(output.status.success(), "{}: {stderr}", output.status),
        Some(text) => ensure!(!output.status.success() && stderr.contains(text), "{}: {stderr}\nwithout {text:?}", output.status),
    }
    Ok(())
}

#[test]
fn helpers_that_answer() -> Result<()> {
    let subject = Subject::new(Registry::start()?)?;
    let certificates = format!("--cert-dir={}", subject.registry.certificates().display());
    let helper = |name: &str, script: &str| -> Result<()> {
        let path = subject.write(&format!("docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    };
    helper("right", r#"cat > asked; echo "$*" >> asked; echo '{"ServerURL":"x","Username":"user","Secret":"secret"}'"#)?;
    helper("wrong", r#"echo '{"Username":"user","Secret":"other"}'"#)?;
    helper("empty", "echo credentials not found in native keychain; exit 1")?;
    helper("locked", "echo the keychain is locked; exit 1")?;
    helper("chatty", "echo hello")?;
    let path = format!("{}:{}", subject.dir.path().display(), std::env::var("PATH")?);
    let pull = |config: &str| -> Result<Output> {
        let file = subject.write("config.json", &config.replace("HOST", &subject.registry.address))?;
        subject.pull(&subject.name(), &[&certificates, "--authfile", &file], &[("PATH", &path)])
    };
    expect(&pull(r#"{"credHelpers": {"HOST": "right"}, "credsStore": "locked"}"#)?, None)?;
    ensure!(fs::read_to_string(subject.dir.path().join("asked"))? == format!("{}get\n", subject.registry.address));
    expect(&pull(r#"{"credHelpers": {"elsewhere.example": "locked"}, "credsStore": "right"}"#)?, None)?;
    // What docker login leaves where a helper has the secret.
    expect(&pull(r#"{"auths": {"HOST": {}}, "credsStore": "right"}"#)?, None)?;
    expect(&pull(r#"{"credHelpers": {"HOST": "wrong"}}"#)?, Some("pull access denied"))?;
    expect(&pull(r#"{"credHelpers": {"HOST": "empty"}}"#)?, Some("pull access denied"))?;
    expect(&pull(r#"{"credHelpers": {"HOST": "locked"}}"#)?, Some("docker-credential-locked"))?;
    expect(&pull(r#"{"credHelpers": {"HOST": "locked"}}"#)?, Some("the keychain is locked"))?;
    expect(&pull(r#"{"credHelpers": {"HOST": "chatty"}}"#)?, Some("malformed answer"))
}

#[test]
fn passwords_that_are_typed() -> Result<()> {
    let subject = Subject::new(Registry::start()?)?;
    let pull = || {
        let mut command = subject.command();
        command.args(["pull", "--quiet", "--creds=user", &format!("--cert-dir={}", subject.registry.certificates().display())]);
        command.arg(subject.name()).env("XDG_CACHE_HOME", subject.dir.path().join("cache"));
        command
    };
    let typed = |password: &str| -> Result<(String, bool)> {
        let prompt = Step::Type { keys: String::new(), until: "Password for user: ".into() };
        let password = Step::Hidden { keys: format!("{password}\r"), until: "\n".into() };
        let (screen, status) = Screen::start(pull(), Session::New, 24, 200)?.play(&[prompt, password])?;
        Ok((String::from_utf8(screen)?, status.success()))
    };
    let (screen, succeeded) = typed("secret")?;
    ensure!(succeeded && screen.contains("sha256:") && !screen.contains("secret"), "{screen:?}");
    let (screen, succeeded) = typed("wrong")?;
    ensure!(!succeeded && screen.contains("pull access denied") && !screen.contains("wrong"), "{screen:?}");
    let (screen, succeeded) = typed("")?;
    ensure!(!succeeded && screen.contains("hoist: no password for user was typed"), "{screen:?}");
    // A session of its own has no terminal.
    let mut command = Command::new("setsid");
    command
        .arg("--wait")
        .arg(pull().get_program())
        .args(pull().get_args())
        .envs(pull().get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
    let output = command.output()?;
    expect(&output, Some("hoist: the password of user cannot be asked for without a terminal"))
}

#[test]
fn a_registry_that_wants_certificates_of_clients() -> Result<()> {
    let subject = Subject::new(Registry::for_clients()?)?;
    let pull = |dir: &Path| {
        let args = [format!("--cert-dir={}", dir.display()), "--creds=user:secret".into()];
        subject.pull(&subject.name(), &args.each_ref().map(String::as_str), &[])
    };
    let all = subject.registry.certificates();
    expect(&pull(&all)?, None)?;
    let without = TempDir::new_in(subject.dir.path())?;
    fs::copy(all.join("ca.crt"), without.path().join("ca.crt"))?;
    expect(&pull(without.path())?, Some(&subject.registry.address))?;
    // A certificate without its key.
    fs::copy(all.join("client.cert"), without.path().join("client.cert"))?;
    expect(&pull(without.path())?, Some("client.key"))
}

#[test]
fn registries_conf() -> Result<()> {
    let subject = Subject::new(Registry::plain()?)?;
    let address = &subject.registry.address;
    let pull = |name: &str, tables: &str| -> Result<Output> {
        let path = subject.write("registries.conf", &tables.replace("HOST", address))?;
        subject.pull(name, &[], &[("CONTAINERS_REGISTRIES_CONF", &path)])
    };
    // Nothing listens there, so it can only be the mirror.
    let mirror = "[[registry]]\nlocation = '127.0.0.1:1'\n[[registry.mirror]]\nlocation = 'HOST'\ninsecure = true\n";
    expect(&pull("127.0.0.1:1/team/hello:1", mirror)?, None)?;
    // By tag it is not asked.
    let by_digest = mirror.replace("[[registry.mirror]]", "mirror-by-digest-only = true\n[[registry.mirror]]");
    expect(&pull("127.0.0.1:1/team/hello:1", &by_digest)?, Some("registry 127.0.0.1:1"))?;
    let rewritten = "[[registry]]\nprefix = 'images.example.com/apps'\nlocation = 'HOST/team'\ninsecure = true\n";
    expect(&pull("images.example.com/apps/hello:1", &rewritten)?, None)?;
    // A mirror that does not have it is passed over.
    let two = mirror
        .replace("[[registry.mirror]]", "[[registry.mirror]]\nlocation = 'HOST/nothing'\ninsecure = true\n[[registry.mirror]]");
    expect(&pull("127.0.0.1:1/team/hello:1", &two)?, None)?;
    expect(&pull(&subject.name(), "[[registry]]\nlocation = 'HOST'\nblocked = true\n")?, Some("registries.conf blocks"))?;
    expect(&pull(&subject.name(), "[[registry]]\nlocation = [\n")?, Some("registries.conf"))
}

#[test]
fn a_socks_proxy() -> Result<()> {
    let subject = Subject::new(Registry::plain()?)?;
    let (proxy, asked) = socks(&subject.registry.address)?;
    let proxy = format!("socks5h://{proxy}");
    // Only the proxy knows this name.
    let name = "registry.invalid:5000/team/hello:1";
    expect(&subject.pull(name, &["--tls-verify=false"], &[("ALL_PROXY", &proxy)])?, None)?;
    let names: Vec<String> = asked.try_iter().collect();
    ensure!(!names.is_empty() && names.iter().all(|name| name == "registry.invalid"), "{names:?}");
    let excepted = [("ALL_PROXY", proxy.as_str()), ("NO_PROXY", "registry.invalid")];
    expect(&subject.pull(name, &["--tls-verify=false"], &excepted)?, Some("registry.invalid:5000"))?;
    ensure!(asked.try_iter().next().is_none());
    Ok(())
}

/// A proxy (RFC 1928) all of whose ways lead to `target`; tells the names that it is asked for.
fn socks(target: &str) -> Result<(String, Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (sender, asked) = channel();
    let target = target.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (sender, target) = (sender.clone(), target.clone());
            thread::spawn(move || relay(client, &target, &sender));
        }
    });
    Ok((address, asked))
}

fn relay(mut client: TcpStream, target: &str, asked: &Sender<String>) -> Result<()> {
    let mut methods = [0; 2];
    client.read_exact(&mut methods)?;
    client.read_exact(&mut vec![0; methods[1].into()])?;
    client.write_all(&[5, 0])?;
    // Version, CONNECT, reserved, a name and its length.
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    ensure!(request[..4] == [5, 1, 0, 3], "{request:?}");
    let mut name = vec![0; request[4].into()];
    client.read_exact(&mut name)?;
    client.read_exact(&mut [0; 2])?;
    asked.send(String::from_utf8(name)?)?;
    let server = TcpStream::connect(target)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || io::copy(&mut from, &mut to).and_then(|_| to.shutdown(Shutdown::Write)));
    io::copy(&mut client, &mut &server)?;
    server.shutdown(Shutdown::Write)?;
    Ok(back.join().ok().context("a panic")??)
}
