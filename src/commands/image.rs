//! The options that every command has that takes an image reference.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use hoist_oci::{BlobCache, Limits, Mirror, Platform, PullOptions, Reference, RegistryOptions};
use hoist_x86::processor::Level;

use super::cache::BLOBS;
use super::cache_dir;
use super::login::{Login, LoginError};
use crate::pipeline::{Conversion, Lift};
use crate::units;

/// How an image is fetched.
#[derive(Args, Clone, Debug)]
pub struct Fetch {
    /// Which image of a multi-platform image to take
    #[arg(long, default_value_t, value_name = "OS/ARCH")]
    pub platform: Platform,

    /// Ask this one first, for docker.io or for what is named [repeatable]
    #[arg(long, value_name = "[REGISTRY=]HOST", help_heading = REGISTRY)]
    pub mirror: Vec<Mirror>,

    #[command(flatten)]
    pub registry: Registry,

    /// Layers that are fetched at a time
    #[arg(long, default_value_t = 3, value_name = "NUMBER", help_heading = REGISTRY)]
    pub parallel: usize,

    /// The most bytes of all layers, uncompressed
    #[arg(long, default_value = "16GiB", value_name = "SIZE", value_parser = units::size, help_heading = LIMITS)]
    pub max_size: u64,

    /// The most bytes of a manifest or config
    #[arg(long, default_value = "8MiB", value_name = "SIZE", value_parser = units::size, help_heading = LIMITS)]
    pub max_manifest_size: u64,
}

/// How an image is fetched and unpacked.
#[derive(Args, Clone, Debug)]
pub struct Source {
    #[command(flatten)]
    pub fetch: Fetch,

    /// Neither read nor keep blobs in the cache
    #[arg(long, help_heading = REGISTRY)]
    pub no_cache: bool,

    /// The most files that a layer may have
    #[arg(long, default_value_t = Limits::default().entries, value_name = "NUMBER", help_heading = LIMITS)]
    pub max_entries: usize,
}

const REGISTRY: &str = "Registry";
const LIMITS: &str = "Limits";

/// How a registry is spoken to.
#[derive(Args, Clone, Debug)]
pub struct Registry {
    /// Verify certificates; with `false`, plain HTTP will do as well
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", help_heading = REGISTRY)]
    pub tls_verify: bool,

    /// Directory with authorities (*.crt) and the client's certificate (*.cert, *.key)
    #[arg(long, value_name = "DIR", help_heading = REGISTRY)]
    pub cert_dir: Option<PathBuf>,

    /// Credentials; a password that is not given is asked for on the terminal
    #[arg(long, value_name = "USER[:PASSWORD]", help_heading = REGISTRY)]
    pub creds: Option<Login>,

    /// File with registry credentials
    #[arg(long, env = "REGISTRY_AUTH_FILE", value_name = "FILE", help_heading = REGISTRY)]
    pub authfile: Option<PathBuf>,

    /// How often a request is repeated that failed in a way that may pass
    #[arg(long, default_value_t = 3, value_name = "NUMBER", help_heading = REGISTRY)]
    pub retry: u32,

    /// What is waited before that, unless the registry says how long; each time twice as long
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = units::time, help_heading = REGISTRY)]
    pub retry_delay: Duration,

    /// The longest time without an answer
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = units::time, help_heading = REGISTRY)]
    pub timeout: Duration,
}

impl Registry {
    /// How to speak to it.
    ///
    /// # Errors
    /// A password is missing.
    pub fn options(&self) -> Result<RegistryOptions, LoginError> {
        Ok(RegistryOptions {
            tls_verify: self.tls_verify,
            cert_dir: self.cert_dir.clone(),
            credentials: self.creds.as_ref().map(Login::credentials).transpose()?,
            authfile: self.authfile.clone(),
            retries: self.retry,
            retry_delay: self.retry_delay,
            timeout: self.timeout,
            ..RegistryOptions::default()
        })
    }
}

impl Fetch {
    /// How to fetch, with hoist's own cache.
    ///
    /// # Errors
    /// A password is missing.
    pub fn pull_options(&self) -> Result<PullOptions, LoginError> {
        Ok(PullOptions {
            platform: self.platform.clone(),
            registry: RegistryOptions { mirrors: self.mirror.clone(), ..self.registry.options()? },
            cache: cache_dir().map(|dir| BlobCache::at(dir.join(BLOBS))),
            parallel: self.parallel,
            limits: Limits { bytes: self.max_size, document: self.max_manifest_size, ..Limits::default() },
            spool_dir: None,
        })
    }
}

impl Source {
    /// How to fetch and unpack.
    ///
    /// # Errors
    /// A password is missing.
    pub fn pull_options(&self) -> Result<PullOptions, LoginError> {
        let fetch = self.fetch.pull_options()?;
        Ok(PullOptions {
            cache: fetch.cache.filter(|_| !self.no_cache),
            limits: Limits { entries: self.max_entries, ..fetch.limits },
            ..fetch
        })
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

    #[command(flatten)]
    pub source: Source,
}

impl ImageOptions {
    /// What to do with an image.
    ///
    /// # Errors
    /// A password is missing.
    pub fn conversion(&self, reference: Reference, needs_entry: bool) -> Result<Conversion, LoginError> {
        Ok(Conversion { reference, pull: self.source.pull_options()?, lift: self.lift, cpu: self.cpu.into(), needs_entry })
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
