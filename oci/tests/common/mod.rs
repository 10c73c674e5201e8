//! Builds layers and image layouts, and shows root filesystems, for the tests of this crate.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod registry;
pub mod server;

use std::io::Write;
use std::path::Path;

use hoist_oci::digest::Digest;
use hoist_oci::{Error, Image, Limits, PullOptions, Quiet, layer};
use hoist_vfs::{Content, InodeId, Node, RootFs};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A tar archive in the making.
pub struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub fn new() -> Tar {
        Tar(tar::Builder::new(Vec::new()))
    }

    /// An entry of any type and any name, `..` included; `change` has the last word on its header.
    pub fn entry(mut self, flag: u8, name: &str, link: &str, data: &[u8], change: impl FnOnce(&mut tar::Header)) -> Tar {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().linkflag = [flag];
        header.set_size(data.len() as u64);
        header.set_mode(if flag == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, data).expect("memory");
        self
    }

    pub fn file(self, name: &str, data: &str) -> Tar {
        self.entry(b'0', name, "", data.as_bytes(), |_| ())
    }

    pub fn dir(self, name: &str) -> Tar {
        self.entry(b'5', name, "", b"", |_| ())
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(b'2', name, target, b"", |header| header.set_mode(0o777))
    }

    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.entry(b'1', name, target, b"", |_| ())
    }

    /// A pax header for the entry that follows.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Tar {
        self.0.append_pax_extensions(records.iter().copied()).expect("memory");
        self
    }

    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("memory")
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

/// The root filesystem that some layers add up to.
pub fn applied(layers: &[Vec<u8>]) -> Result<RootFs, layer::LayerError> {
    let mut fs = RootFs::new();
    for tar in layers {
        let content = Content::bytes(tar.clone());
        layer::apply(&mut fs, &content, &Limits::default(), &std::env::temp_dir())?;
    }
    Ok(fs)
}

/// One line for each name below the root: its path and what it is.
pub fn listing(fs: &RootFs) -> Vec<String> {
    let line = |(path, id): (Vec<u8>, InodeId)| {
        let what = match fs.inode(id).expect("an inode").node() {
            Node::Regular(content) => format!("{:?}", shown(&content.to_bytes().expect("readable"))),
            Node::Directory { .. } => "/".to_owned(),
            Node::Symlink(target) => format!("-> {}", shown(target)),
            Node::CharDevice(device) => format!("c {}:{}", device.major, device.minor),
            Node::BlockDevice(device) => format!("b {}:{}", device.major, device.minor),
            Node::Fifo => "fifo".to_owned(),
            Node::Socket => "socket".to_owned(),
        };
        format!("{} {what}", shown(&path))
    };
    fs.walk().skip(1).map(line).collect()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An image layout in a temporary directory.
pub struct Layout {
    dir: TempDir,
}

/// A layer as stored and as it is uncompressed.
pub struct Stored {
    pub stored: Vec<u8>,
    pub tar: Vec<u8>,
    pub media_type: String,
}

impl Stored {
    pub fn plain(tar: Vec<u8>) -> Stored {
        Stored { stored: tar.clone(), tar, media_type: LAYER.to_owned() }
    }

    pub fn gzip(tar: Vec<u8>) -> Stored {
        Stored { stored: gzip(&tar), tar, media_type: format!("{LAYER}+gzip") }
    }

    pub fn zstd(tar: Vec<u8>) -> Stored {
        Stored { stored: zstd(&tar), tar, media_type: format!("{LAYER}+zstd") }
    }
}

impl Layout {
    pub fn new() -> Layout {
        let layout = Layout { dir: tempfile::tempdir().expect("a directory") };
        std::fs::create_dir_all(layout.path().join("blobs/sha256")).expect("a directory");
        layout.write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).expect("a file");
    }

    /// Where a blob is.
    pub fn blob_path(digest: &Digest) -> String {
        format!("blobs/sha256/{}", digest.hex())
    }

    /// Stores a blob and gives its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.write(&Layout::blob_path(&digest), bytes);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    /// Stores an image for a platform and gives the descriptor of its manifest.
    pub fn image(&self, architecture: &str, layers: &[Stored]) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(&layer.tar).to_string()).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Entrypoint": ["/bin/true"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        self.image_with(&config, layers)
    }

    /// Stores an image with a config of the test's own.
    pub fn image_with(&self, config: &Value, layers: &[Stored]) -> Value {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(&layer.media_type, &layer.stored)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.blob(CONFIG, config.to_string().as_bytes()),
            "layers": layers,
        });
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    pub fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.write("index.json", index.to_string().as_bytes());
    }

    /// A layout with one amd64 image of these layers.
    pub fn of(layers: &[Stored]) -> Layout {
        let layout = Layout::new();
        layout.index(&[layout.image("amd64", layers)]);
        layout
    }

    /// The layout as a tar archive.
    pub fn archive(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(".", self.path()).expect("readable");
        builder.into_inner().expect("memory")
    }

    pub fn pull(&self) -> Result<Image, Error> {
        pull(&format!("oci:{}", self.path().display()))
    }
}

/// A descriptor with a tag.
pub fn tagged(mut descriptor: Value, tag: &str) -> Value {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    descriptor
}

/// A descriptor for a platform of Linux.
pub fn on(mut descriptor: Value, architecture: &str) -> Value {
    descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
    descriptor
}

pub fn pull(reference: &str) -> Result<Image, Error> {
    hoist_oci::pull(&reference.parse()?, &PullOptions::default(), &Quiet)
}

/// The message of a pull that must fail.
pub fn refusal(result: Result<Image, Error>) -> String {
    match result {
        Ok(image) => panic!("pulled {image:?}"),
        Err(error) => error.to_string(),
    }
}
