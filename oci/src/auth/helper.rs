//! Credential helpers: programs `docker-credential-NAME` that keep secrets elsewhere than in a file
//! (github.com/docker/docker-credential-helpers, "Development").

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{AuthError, Credentials};

/// What docker calls its own registry when it asks a helper.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The user name with which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What every helper prints about a registry that it does not know.
const NOT_FOUND: &str = "credentials not found";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper of this name says about a registry; anonymous if it knows nothing. `path` is the file that names it.
pub(super) fn get(name: &str, registry: &str, path: &Path) -> Result<Credentials, AuthError> {
    let program = format!("docker-credential-{name}");
    let fail = |message: String| AuthError::Helper { path: path.to_owned(), program: program.clone(), message };
    if name.contains('/') {
        return Err(fail("its name has a slash".to_owned()));
    }
    let start = |source| AuthError::HelperStart { path: path.to_owned(), program: program.clone(), source };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(start)?;
    let server = if registry == "docker.io" { DOCKER_HUB } else { registry };
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that reads nothing says in its answer what it thinks.
        let _ = stdin.write_all(server.as_bytes());
    }
    let output = child.wait_with_output().map_err(start)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        return match message.contains(NOT_FOUND) {
            true => Ok(Credentials::Anonymous),
            false => Err(fail(if message.is_empty() { output.status.to_string() } else { message })),
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|error| fail(format!("malformed answer: {error}")))?;
    Ok(match (answer.username.as_str(), answer.secret) {
        ("", secret) if secret.is_empty() => Credentials::Anonymous,
        (TOKEN_USER, secret) => Credentials::Identity(secret),
        (user, password) => Credentials::Basic { user: user.to_owned(), password },
    })
}
