//! The compose file's types (compose-spec 03–09). What hoist's model does not hold is not here but in `ignored.rs`, and is taken out
//! of the tree before it is read as these.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::forms::{Command, Duration, Either, External, Pairs, Short, Size, Texts};
use super::short;

/// The whole file, after its files are merged and `include` and `extends` are resolved.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Obsolete, and ignored as docker compose does.
    #[serde(rename = "version")]
    pub _version: Option<String>,
    pub name: Option<String>,
    pub services: BTreeMap<String, Service>,
    pub volumes: BTreeMap<String, Option<Volume>>,
    pub networks: BTreeMap<String, Option<Network>>,
    pub configs: BTreeMap<String, Config>,
    pub secrets: BTreeMap<String, Secret>,
}

/// `services.NAME`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    pub image: Option<String>,
    /// Only whether it is there.
    pub build: Option<serde::de::IgnoredAny>,
    pub command: Command,
    pub entrypoint: Command,
    pub environment: Pairs,
    pub env_file: EnvFiles,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub group_add: Vec<String>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub stop_signal: Option<String>,
    pub stop_grace_period: Option<Duration>,
    pub stdin_open: bool,
    pub tty: bool,
    pub read_only: bool,
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
    pub ports: Vec<Either<PortEntry>>,
    pub expose: Vec<String>,
    pub volumes: Vec<Either<VolumeEntry>>,
    pub tmpfs: Texts,
    pub configs: Vec<Either<FileEntry>>,
    pub secrets: Vec<Either<FileEntry>>,
    pub volumes_from: Vec<String>,
    pub healthcheck: Option<Healthcheck>,
    pub depends_on: DependsOn,
    pub links: Vec<String>,
    pub networks: ServiceNetworks,
    pub network_mode: Option<String>,
    pub extra_hosts: ExtraHosts,
    pub labels: Pairs,
    pub label_file: Texts,
    pub annotations: Pairs,
    pub restart: Option<String>,
    pub deploy: Option<Deploy>,
    pub scale: Option<u32>,
    pub cpus: Option<f64>,
    pub mem_limit: Option<Size>,
    pub mem_reservation: Option<Size>,
    pub pids_limit: Option<i64>,
    pub profiles: Vec<String>,
}

/// `ports[]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortEntry {
    pub name: Option<String>,
    pub mode: Option<String>,
    pub host_ip: Option<String>,
    pub target: String,
    pub published: Option<String>,
    pub protocol: Option<String>,
    pub app_protocol: Option<String>,
    /// The short form.
    #[serde(skip)]
    pub short: Option<String>,
}

impl Short for PortEntry {
    fn from_short(text: &str) -> Result<PortEntry, String> {
        short::ports(text)?;
        Ok(PortEntry { short: Some(text.to_owned()), ..PortEntry::default() })
    }
}

/// `volumes[]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VolumeEntry {
    #[serde(rename = "type")]
    pub kind: VolumeKind,
    pub source: Option<String>,
    pub target: Option<String>,
    pub read_only: Option<bool>,
    #[serde(rename = "consistency")]
    pub _consistency: Option<String>,
    pub bind: Option<BindOptions>,
    pub volume: Option<VolumeOptions>,
    pub tmpfs: Option<TmpfsOptions>,
    pub image: Option<ImageOptions>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    #[default]
    Volume,
    Bind,
    Tmpfs,
    Image,
    Npipe,
    Cluster,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BindOptions {
    pub propagation: Option<String>,
    #[serde(rename = "create_host_path")]
    pub _create_host_path: Option<bool>,
    #[serde(rename = "recursive")]
    pub _recursive: Option<String>,
    #[serde(rename = "selinux")]
    pub _selinux: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VolumeOptions {
    pub nocopy: Option<bool>,
    pub subpath: Option<String>,
    #[serde(rename = "labels")]
    pub _labels: Pairs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TmpfsOptions {
    pub size: Option<Size>,
    pub mode: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageOptions {
    pub subpath: Option<String>,
}

impl Short for VolumeEntry {
    fn from_short(text: &str) -> Result<VolumeEntry, String> {
        short::volume(text)
    }
}

/// `configs[]` and `secrets[]` of a service
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileEntry {
    pub source: String,
    pub target: Option<String>,
    pub uid: Option<String>,
    pub gid: Option<String>,
    pub mode: Option<u32>,
}

impl Short for FileEntry {
    fn from_short(text: &str) -> Result<FileEntry, String> {
        Ok(FileEntry { source: text.to_owned(), ..FileEntry::default() })
    }
}

/// `env_file`: a path, or a list of paths or of mappings
#[derive(Clone, Debug, Default)]
pub struct EnvFiles(pub Vec<EnvFile>);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvFile {
    pub path: String,
    pub format: Option<String>,
    pub required: Option<bool>,
}

impl Short for EnvFile {
    fn from_short(text: &str) -> Result<EnvFile, String> {
        Ok(EnvFile { path: text.to_owned(), ..EnvFile::default() })
    }
}

impl<'de> Deserialize<'de> for EnvFiles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<EnvFiles, D::Error> {
        // The merger has made a list of it.
        Vec::<Either<EnvFile>>::deserialize(deserializer).map(|all| EnvFiles(all.into_iter().map(|one| one.0).collect()))
    }
}

/// `healthcheck`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Healthcheck {
    pub disable: bool,
    pub test: Option<Test>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
    pub retries: Option<u32>,
}

/// A line for the shell, or `NONE`, `CMD` and arguments, `CMD-SHELL` and a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Test(pub Texts);

/// `depends_on`, in its long form: the merger has made a mapping of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct DependsOn(pub BTreeMap<String, Dependency>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub condition: DependencyCondition,
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default)]
    pub restart: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

/// `networks` of a service, as a mapping
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ServiceNetworks(pub BTreeMap<String, Option<ServiceNetwork>>);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceNetwork {
    pub aliases: Vec<String>,
    pub ipv4_address: Option<String>,
    pub ipv6_address: Option<String>,
}

/// `extra_hosts`, as a mapping: `NAME: ADDRESS` or a list of addresses
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ExtraHosts(pub BTreeMap<String, Texts>);

/// `post_start[]`, `pre_stop[]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hook {
    pub command: Command,
    pub user: Option<String>,
    #[serde(rename = "privileged")]
    pub _privileged: bool,
    pub working_dir: Option<String>,
    pub environment: Pairs,
}

/// `deploy`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deploy {
    pub mode: Option<String>,
    pub replicas: Option<u32>,
    pub labels: Pairs,
    pub placement: Option<Placement>,
    pub resources: Option<DeployResources>,
    pub restart_policy: Option<RestartPolicy>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Placement {
    pub max_replicas_per_node: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployResources {
    pub limits: Option<DeployAmounts>,
    pub reservations: Option<DeployAmounts>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployAmounts {
    pub cpus: Option<f64>,
    pub memory: Option<Size>,
    pub pids: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestartPolicy {
    pub condition: Option<String>,
    pub delay: Option<Duration>,
    pub max_attempts: Option<u32>,
    pub window: Option<Duration>,
}

/// `volumes.NAME`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Volume {
    pub name: Option<String>,
    pub driver: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub external: External,
    pub labels: Pairs,
}

/// `networks.NAME`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    pub name: Option<String>,
    pub driver: Option<String>,
    pub driver_opts: BTreeMap<String, String>,
    pub external: External,
    pub internal: bool,
    pub enable_ipv6: bool,
    pub ipam: Option<Ipam>,
    pub labels: Pairs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ipam {
    pub config: Vec<IpamConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IpamConfig {
    pub subnet: Option<String>,
}

/// `configs.NAME`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub name: Option<String>,
    pub content: Option<String>,
    pub environment: Option<String>,
    pub file: Option<String>,
    pub external: External,
    pub labels: Pairs,
}

/// `secrets.NAME`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secret {
    pub name: Option<String>,
    pub environment: Option<String>,
    pub file: Option<String>,
    pub external: External,
    pub labels: Pairs,
}
