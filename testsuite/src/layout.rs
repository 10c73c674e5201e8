//! OCI image layouts made of bytes (image-spec: image-layout.md, manifest.md, config.md; layer.md for the archives).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// An OCI layout in a temporary directory.
pub struct Layout {
    dir: TempDir,
}

impl Layout {
    /// An image of these archives, of which one at a time is in memory, with a config that has the JSON object `config` beside `rootfs`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn new(archives: impl IntoIterator<Item: AsRef<[u8]>>, architecture: &str, config: &str) -> Result<Layout> {
        let layout = Layout { dir: tempfile::tempdir()? };
        fs::create_dir_all(layout.path().join("blobs/sha256"))?;
        let (mut diff_ids, mut layers) = (Vec::new(), Vec::new());
        for archive in archives {
            diff_ids.push(format!(r#""sha256:{}""#, digest(archive.as_ref())));
            layers.push(layout.blob(archive.as_ref(), "layer.v1.tar")?);
        }
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        );
        let config = layout.blob(config.as_bytes(), "config.v1+json")?;
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#, layers.join(","));
        let manifest = layout.blob(manifest.as_bytes(), "manifest.v1+json")?;
        let platform = format!(r#","platform":{{"architecture":"{architecture}","os":"linux"}}}}"#);
        let manifest = format!("{}{platform}", &manifest[..manifest.len() - 1]);
        fs::write(layout.path().join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#))?;
        fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(layout)
    }

    /// The layout's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file of a blob.
    pub fn path_of(&self, digest: &str) -> PathBuf {
        self.path().join("blobs/sha256").join(digest)
    }

    /// The image as `hoist` takes it.
    pub fn reference(&self) -> String {
        format!("oci:{}", self.path().display())
    }

    /// Writes a blob; its descriptor.
    fn blob(&self, bytes: &[u8], kind: &str) -> Result<String> {
        let digest = digest(bytes);
        fs::write(self.path_of(&digest), bytes)?;
        Ok(format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{digest}","size":{}}}"#, bytes.len()))
    }
}

/// SHA-256, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry of an archive.
pub enum Entry<'a> {
    File(&'a [u8]),
    Symlink(&'a str),
    HardLink(&'a str),
}

/// A tar with names as they are, also such as no tool would write; all modes are 0755.
///
/// # Panics
/// A name is longer than 100 bytes.
pub fn tar(entries: &[(&str, Entry)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o755);
        let (kind, link, bytes) = match *entry {
            Entry::File(bytes) => (tar::EntryType::Regular, "", bytes),
            Entry::Symlink(to) => (tar::EntryType::Symlink, to, [].as_slice()),
            Entry::HardLink(to) => (tar::EntryType::Link, to, [].as_slice()),
        };
        header.set_entry_type(kind);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).expect("writing to memory");
    }
    builder.into_inner().expect("writing to memory")
}
