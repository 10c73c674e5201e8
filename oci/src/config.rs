//! The image config: image-spec config.md, and what docker adds to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::platform::Platform;

/// How to run the image. A list that the config leaves out is empty, a string `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    pub architecture: String,
    pub os: String,
    pub variant: Option<String>,
    /// `USER[:GROUP]`, by name or number.
    pub user: Option<String>,
    /// `80/tcp`
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=VALUE`, in order.
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// Paths that are to be volumes.
    pub volumes: BTreeSet<String>,
    pub working_dir: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// `SIGTERM`, `15`.
    pub stop_signal: Option<String>,
    pub healthcheck: Option<Healthcheck>,
    /// The digests of the uncompressed layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// How docker finds out whether a container is well. A time that is not stated is docker's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`; `CMD` and arguments; or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
    pub retries: Option<u32>,
}

impl ImageConfig {
    /// Parses the config's JSON.
    ///
    /// # Errors
    /// `Error::Json`.
    pub fn parse(blob: &Blob, bytes: &[u8]) -> Result<ImageConfig, Error> {
        let json: Json = serde_json::from_slice(bytes).map_err(|source| Error::json(blob, source))?;
        let run = json.config;
        let keys = |set: BTreeMap<String, serde::de::IgnoredAny>| set.into_keys().collect();
        Ok(ImageConfig {
            architecture: json.architecture,
            os: json.os,
            variant: json.variant.filter(|variant| !variant.is_empty()),
            user: stated(run.user),
            exposed_ports: keys(run.exposed_ports),
            env: run.env,
            entrypoint: run.entrypoint,
            cmd: run.cmd,
            volumes: keys(run.volumes),
            working_dir: stated(run.working_dir),
            labels: run.labels,
            stop_signal: stated(run.stop_signal),
            healthcheck: run.healthcheck.map(Healthcheck::from),
            diff_ids: json.rootfs.diff_ids,
        })
    }

    /// The platform the image was built for.
    pub fn platform(&self) -> Platform {
        Platform { os: self.os.clone(), architecture: self.architecture.clone(), variant: self.variant.clone() }
    }
}

/// Docker writes empty strings for what is not stated.
fn stated(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[derive(Deserialize)]
struct Json {
    #[serde(default, deserialize_with = "or_null")]
    architecture: String,
    #[serde(default, deserialize_with = "or_null")]
    os: String,
    variant: Option<String>,
    #[serde(default, deserialize_with = "or_null")]
    config: Run,
    #[serde(default, deserialize_with = "or_null")]
    rootfs: Rootfs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Run {
    #[serde(deserialize_with = "or_null")]
    user: String,
    #[serde(deserialize_with = "or_null")]
    exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(deserialize_with = "or_null")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_null")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_null")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "or_null")]
    volumes: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(deserialize_with = "or_null")]
    working_dir: String,
    #[serde(deserialize_with = "or_null")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_null")]
    stop_signal: String,
    healthcheck: Option<HealthcheckJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rootfs {
    #[serde(deserialize_with = "or_null")]
    diff_ids: Vec<Digest>,
}

/// Times are nanoseconds; Go writes signed ones, and zero for the default.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HealthcheckJson {
    #[serde(deserialize_with = "or_null")]
    test: Vec<String>,
    interval: i64,
    timeout: i64,
    start_period: i64,
    start_interval: i64,
    retries: i64,
}

impl From<HealthcheckJson> for Healthcheck {
    fn from(json: HealthcheckJson) -> Healthcheck {
        let time = |nanos: i64| {
            let nanos = u64::try_from(nanos).ok().filter(|&nanos| nanos > 0);
            nanos.map(Duration::from_nanos)
        };
        Healthcheck {
            test: json.test,
            interval: time(json.interval),
            timeout: time(json.timeout),
            start_period: time(json.start_period),
            start_interval: time(json.start_interval),
            retries: u32::try_from(json.retries).ok().filter(|&retries| retries > 0),
        }
    }
}

/// Go's encoder writes `null` for an empty list or map.
fn or_null<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(json).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ImageConfig, Error> {
        ImageConfig::parse(&Blob::Config(Digest::of(b"")), text.as_bytes())
    }

    #[test]
    fn all_of_it() {
        let config = parse(
            r#"{"architecture":"amd64","os":"linux","config":{"User":"1000:1000","ExposedPorts":{"80/tcp":{}},
            "Env":["PATH=/bin","A=b"],"Entrypoint":["/init"],"Cmd":["serve","-v"],"Volumes":{"/data":{}},
            "WorkingDir":"/srv","Labels":{"k":"v"},"StopSignal":"SIGQUIT","Healthcheck":{"Test":["CMD","true"],
            "Interval":5000000000,"Timeout":0,"Retries":3}},"rootfs":{"type":"layers","diff_ids":[
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"history":[]}"#,
        )
        .expect("a config");
        assert_eq!(config.platform(), Platform::linux_amd64());
        assert_eq!(config.user.as_deref(), Some("1000:1000"));
        assert!(config.exposed_ports.contains("80/tcp") && config.volumes.contains("/data"));
        assert_eq!(config.env, ["PATH=/bin", "A=b"]);
        assert_eq!((config.entrypoint.len(), config.cmd.len()), (1, 2));
        assert_eq!(config.working_dir.as_deref(), Some("/srv"));
        assert_eq!(config.labels["k"], "v");
        assert_eq!(config.stop_signal.as_deref(), Some("SIGQUIT"));
        let healthcheck = config.healthcheck.expect("a healthcheck");
        assert_eq!(healthcheck.interval, Some(Duration::from_secs(5)));
        assert_eq!((healthcheck.timeout, healthcheck.retries), (None, Some(3)));
        assert_eq!(config.diff_ids, [Digest::of(b"")]);
    }

    #[test]
    fn nulls_are_nothing() {
        let text = r#"{"os":"linux","architecture":"arm64","variant":"v8","config":{"Env":null,"Cmd":null,
            "Entrypoint":null,"Labels":null,"Volumes":null,"User":"","WorkingDir":""},"rootfs":null}"#;
        let config = parse(text).expect("a config");
        assert_eq!(config.platform().to_string(), "linux/arm64/v8");
        assert_eq!((config.user, config.working_dir), (None, None));
        assert!(config.env.is_empty() && config.cmd.is_empty() && config.diff_ids.is_empty());
        assert_eq!(parse(r#"{"config":null}"#).expect("a config"), ImageConfig::default());
        assert!(parse("[]").is_err() && parse("").is_err());
    }
}
