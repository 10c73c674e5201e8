//! Test images: `testsuite/images/build` makes them, as a root filesystem and as an OCI layout.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// An image of `testsuite/images`, built.
pub struct Image {
    pub name: String,
    /// For running commands in a chroot.
    pub rootfs: PathBuf,
    /// The same tree as an OCI image layout.
    pub layout: PathBuf,
}

impl Image {
    /// Builds the image unless it is there.
    ///
    /// # Errors
    /// The script fails: its messages are on standard error.
    pub fn build(name: &str) -> Result<Image> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/build");
        let out = output_dir()?.join("images");
        let status = Command::new(&script).arg(&out).arg(name).status().with_context(|| script.display().to_string())?;
        ensure!(status.success(), "{} {} {name}: {status}", script.display(), out.display());
        let dir = out.join(name);
        Ok(Image { name: name.to_owned(), rootfs: dir.join("rootfs"), layout: dir.join("oci") })
    }
}

/// Where tests put what they make: `testsuite` beside the profile's directory in cargo's target directory.
///
/// # Errors
/// The test was not built by cargo.
pub fn output_dir() -> Result<PathBuf> {
    Ok(profile_dir()?.with_file_name("testsuite"))
}

/// Where cargo puts binaries: tests are in `deps` below it.
pub fn profile_dir() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let dir = test.ancestors().find(|dir| dir.join("deps").is_dir()).context("the test is not in cargo's target directory")?;
    Ok(dir.to_owned())
}
