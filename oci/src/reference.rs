//! Image references: names as docker writes them, and the transports of containers-transports(5).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `docker://NAME` or plain `NAME`: in a registry.
    Registry(RegistryReference),
    /// `oci:DIR[:TAG]`: an OCI image layout in a directory.
    OciLayout { dir: PathBuf, tag: Option<String> },
    /// `oci-archive:FILE[:TAG]`: an OCI image layout in a tar archive.
    OciArchive { file: PathBuf, tag: Option<String> },
    /// `docker-archive:FILE[:NAME]` or `docker-archive:FILE:@INDEX`: what `docker save` writes.
    DockerArchive { file: PathBuf, select: Option<ArchiveImage> },
    /// `dir:DIR`: what skopeo writes with that transport, manifest and blobs as the registry had them.
    Dir(PathBuf),
    /// `-`: an archive of either kind from standard input.
    Stdin,
}

/// Which of the images in a docker archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveImage {
    /// The one that has this name among its `RepoTags`.
    Name(RegistryReference),
    /// The one at this place in `manifest.json`, counted from zero.
    Index(usize),
}

/// A name in a registry, normalised: `debian` is `docker.io/library/debian:latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryReference(pub(crate) oci_client::Reference);

/// Why a string is not an image reference. The words are docker's where docker has words for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("invalid reference format")]
    Format,
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    HexadecimalName(String),
    #[error("invalid reference format: {0}")]
    Part(String),
    #[error(
        "unsupported transport {0:?}: hoist reads docker://, oci:, oci-archive:, docker-archive:, dir: and - (an archive from standard input)"
    )]
    Transport(String),
    #[error("{0}: needs a path after the colon")]
    NoPath(&'static str),
}

/// Transports of skopeo and podman that this crate does not read and that nobody calls an image.
const OTHER_TRANSPORTS: [&str; 2] = ["containers-storage", "docker-daemon"];

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        if text == "-" {
            return Ok(Reference::Stdin);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return name.parse().map(Reference::Registry);
        }
        let Some((transport, rest)) = text.split_once(':') else {
            return text.parse().map(Reference::Registry);
        };
        match transport {
            "oci" => split_path("oci", rest).map(|(dir, tag)| Reference::OciLayout { dir, tag }),
            "oci-archive" => split_path("oci-archive", rest).map(|(file, tag)| Reference::OciArchive { file, tag }),
            "docker-archive" => {
                let (file, select) = split_path("docker-archive", rest)?;
                let select = select.as_deref().map(archive_image).transpose()?;
                Ok(Reference::DockerArchive { file, select })
            }
            "dir" if rest.is_empty() => Err(ReferenceError::NoPath("dir")),
            "dir" => Ok(Reference::Dir(rest.into())),
            // `tar:latest` could be an image of that name, `tar:/path` could not.
            other if rest.starts_with('/') || OTHER_TRANSPORTS.contains(&other) => {
                Err(ReferenceError::Transport(other.to_owned()))
            }
            _ => text.parse().map(Reference::Registry),
        }
    }
}

/// Splits `PATH[:NAME]` at the first colon, as skopeo does.
fn split_path(transport: &'static str, rest: &str) -> Result<(PathBuf, Option<String>), ReferenceError> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(ReferenceError::NoPath(transport));
    }
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    Ok((PathBuf::from(path), name))
}

fn archive_image(text: &str) -> Result<ArchiveImage, ReferenceError> {
    match text.strip_prefix('@') {
        Some(index) => index.parse().map(ArchiveImage::Index).map_err(|_| ReferenceError::Format),
        None => text.parse().map(ArchiveImage::Name),
    }
}

impl RegistryReference {
    /// The registry's host and port; `docker.io` where the name did not say.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The repository inside the registry: `library/debian`.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag; `latest` if the name had neither a tag nor a digest.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The same repository with another tag.
    ///
    /// # Errors
    /// It is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<RegistryReference, ReferenceError> {
        format!("{}/{}:{tag}", self.registry(), self.repository()).parse()
    }

    /// The digest, which counts before the tag where a name has both.
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }
}

impl FromStr for RegistryReference {
    type Err = ReferenceError;

    /// Follows `ParseNormalizedNamed` of github.com/distribution/reference.
    fn from_str(text: &str) -> Result<RegistryReference, ReferenceError> {
        use oci_client::ParseError as E;
        let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_hexadecimal) {
            return Err(ReferenceError::HexadecimalName(text.to_owned()));
        }
        let remainder = match text.split_once('/') {
            Some((domain, remainder)) if is_domain(domain) => remainder,
            _ => text,
        };
        let name = remainder.split([':', '@']).next().unwrap_or_default();
        if name.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(name.to_owned()));
        }
        text.parse().map(RegistryReference).map_err(|error| match error {
            E::ReferenceInvalidFormat | E::NameEmpty => ReferenceError::Format,
            E::NameContainsUppercase => ReferenceError::Uppercase(name.to_owned()),
            other => ReferenceError::Part(other.to_string()),
        })
    }
}

/// Whether what stands before the first slash is a registry and not part of a repository's name.
fn is_domain(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Reference {
    /// The normalised reference; parsing it gives the same one again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, name) = match self {
            Reference::Registry(name) => return name.fmt(f),
            Reference::Stdin => return f.write_str("-"),
            Reference::Dir(dir) => ("dir", dir, None),
            Reference::OciLayout { dir, tag } => ("oci", dir, tag.clone()),
            Reference::OciArchive { file, tag } => ("oci-archive", file, tag.clone()),
            Reference::DockerArchive { file, select } => {
                let select = select.as_ref().map(|select| match select {
                    ArchiveImage::Name(name) => name.to_string(),
                    ArchiveImage::Index(index) => format!("@{index}"),
                });
                ("docker-archive", file, select)
            }
        };
        write!(f, "{transport}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn normalised() {
        let with_digest = format!("localhost:5000/a/b@sha256:{HEX}");
        let with_both = format!("debian:12@sha256:{HEX}");
        for (text, normal) in [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim"),
            ("docker://debian", "docker.io/library/debian:latest"),
            ("index.docker.io/debian", "docker.io/library/debian:latest"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest"),
            ("dir:latest", "dir:latest"),
            ("tar:latest", "docker.io/library/tar:latest"),
            ("-", "-"),
            (&with_digest, &with_digest),
            (&with_both, &format!("docker.io/library/{with_both}")),
            ("oci:dir", "oci:dir"),
            ("oci:/a/b:v1", "oci:/a/b:v1"),
            ("oci-archive:a.tar:x.io/y:1", "oci-archive:a.tar:x.io/y:1"),
            ("docker-archive:a.tar", "docker-archive:a.tar"),
            ("docker-archive:a.tar:b", "docker-archive:a.tar:docker.io/library/b:latest"),
            ("docker-archive:a.tar:@1", "docker-archive:a.tar:@1"),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.to_string(), normal);
            assert_eq!(normal.parse().as_ref(), Ok(&reference), "{normal}");
        }
    }

    #[test]
    fn refused_in_dockers_words() {
        for (text, message) in [
            ("", "invalid reference format"),
            (":tag", "invalid reference format"),
            ("a//b", "invalid reference format"),
            ("a b", "invalid reference format"),
            ("-a", "invalid reference format"),
            ("docker://", "invalid reference format"),
            ("Debian", "invalid reference format: repository name (Debian) must be lowercase"),
            ("localhost:5000/A/b:c", "invalid reference format: repository name (A/b) must be lowercase"),
            ("debian@sha256:abc", "invalid reference format"),
            ("oci:", "oci: needs a path after the colon"),
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
        assert!(matches!(HEX.parse::<Reference>(), Err(ReferenceError::HexadecimalName(_))));
        for text in ["tar:/tmp/x", "docker-daemon:/x", "containers-storage:debian"] {
            assert!(matches!(text.parse::<Reference>(), Err(ReferenceError::Transport(_))), "{text}");
        }
    }
}
