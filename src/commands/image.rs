//! The options that every command has that takes an image reference.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use hoist_oci::{Platform, PullOptions, Reference};

use crate::pipeline::{Conversion, Lift};

/// How an image is found.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// Which image of a multi-platform image to take
    #[arg(long, default_value_t, value_name = "OS/ARCH")]
    pub platform: Platform,

    /// Verify certificates; with `false`, plain HTTP will do as well
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub tls_verify: bool,

    /// File with registry credentials
    #[arg(long, env = "REGISTRY_AUTH_FILE", value_name = "FILE")]
    pub authfile: Option<PathBuf>,
}

impl Source {
    pub fn pull_options(&self) -> PullOptions {
        PullOptions {
            platform: self.platform.clone(),
            tls_verify: self.tls_verify,
            authfile: self.authfile.clone(),
            ..PullOptions::default()
        }
    }
}

/// How an image is found and converted.
#[derive(Args, Clone, Debug)]
pub struct ImageOptions {
    /// Translate all machine code in advance, or interpret everything
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub lift: Lift,

    #[command(flatten)]
    pub source: Source,
}

impl ImageOptions {
    pub fn conversion(&self, reference: Reference, needs_entry: bool) -> Conversion {
        Conversion { reference, pull: self.source.pull_options(), lift: self.lift, needs_entry }
    }
}
