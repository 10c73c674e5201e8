//! The options that every command has that takes an image reference.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use hoist_oci::{Platform, PullOptions, Reference};
use hoist_x86::processor::Level;

use crate::pipeline::{Conversion, Lift, Nans};

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

    /// The processor that CPUID announces: x86-64-v2, or v3 with AVX2, whose 256-bit operations are each two of Wasm's
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub cpu: Cpu,

    /// Sign and payload of NaNs: as the host makes them (on x86-64 hosts they are right), or x86's on every host, at a price in speed
    #[arg(long, value_enum, default_value_t, value_name = "WHOSE")]
    pub nans: Nans,

    #[command(flatten)]
    pub source: Source,
}

impl ImageOptions {
    pub fn conversion(&self, reference: Reference, needs_entry: bool) -> Conversion {
        Conversion {
            reference,
            pull: self.source.pull_options(),
            lift: self.lift,
            cpu: self.cpu.into(),
            nans: self.nans,
            needs_entry,
        }
    }
}

/// `--cpu`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Cpu {
    #[default]
    V2,
    V3,
}

impl From<Cpu> for Level {
    fn from(cpu: Cpu) -> Level {
        match cpu {
            Cpu::V2 => Level::V2,
            Cpu::V3 => Level::V3,
        }
    }
}
