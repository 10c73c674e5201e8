//! The options of `hoist convert` that say how the image is meant to run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use hoist_topology::compose::{self, Environment};
use hoist_topology::model::Port;
use hoist_topology::{Error, Manifests, Overrides, kubernetes, overrides};

use crate::application::Emit;

const MANIFESTS: &str = "Manifests";
const PROCESS: &str = "Process (in place of what manifests and image say)";

/// What says how an application runs, beside its images.
#[derive(Args, Clone, Debug)]
pub struct TopologyOptions {
    /// Compose file: convert its services; further ones are merged over it [repeatable]
    #[arg(long, value_name = "FILE", help_heading = MANIFESTS, conflicts_with = "kubernetes")]
    compose: Vec<PathBuf>,

    /// Kubernetes manifests: convert the containers of their workloads [repeatable]
    #[arg(short, long, value_name = "FILE", help_heading = MANIFESTS, num_args = 1..)]
    kubernetes: Vec<PathBuf>,

    /// Only this service [repeatable]
    #[arg(long, value_name = "NAME", help_heading = MANIFESTS)]
    service: Vec<String>,

    /// Enable a profile of the compose file, beside COMPOSE_PROFILES [repeatable]
    #[arg(long, value_name = "NAME", help_heading = MANIFESTS, requires = "compose")]
    profile: Vec<String>,

    /// Variables for the compose file, in place of .env [repeatable]
    #[arg(long, value_name = "FILE", help_heading = MANIFESTS, requires = "compose")]
    env_file: Vec<PathBuf>,

    /// Write it for a platform: wasmtime, k8s, wasmcloud, spin or compose; what it cannot say is listed [repeatable]
    #[arg(long, value_name = "TARGET[=FILE]", help_heading = MANIFESTS)]
    emit: Vec<Emit>,

    /// What --emit calls the component in a registry; {service} is the service's name [default: --push's, or localhost/{service}:latest]
    #[arg(long, value_name = "NAME", help_heading = MANIFESTS, requires = "emit")]
    emit_image: Option<String>,

    /// Set an environment variable; without a value, it is that of whoever runs the component
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = PROCESS)]
    env: Vec<String>,

    /// Working directory
    #[arg(short, long, value_name = "DIR", help_heading = PROCESS)]
    workdir: Option<String>,

    /// User and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]", help_heading = PROCESS)]
    user: Option<String>,

    /// Program; the image's arguments do not count then
    #[arg(long, value_name = "PROGRAM", help_heading = PROCESS)]
    entrypoint: Option<String>,

    /// Host name
    #[arg(long, value_name = "NAME", help_heading = PROCESS)]
    hostname: Option<String>,

    /// Signal that asks it to stop
    #[arg(long, value_name = "SIGNAL", help_heading = PROCESS)]
    stop_signal: Option<String>,

    /// Label [repeatable]
    #[arg(short, long, value_name = "NAME=VALUE", help_heading = PROCESS)]
    label: Vec<String>,

    /// A port that it listens on [repeatable]
    #[arg(long, value_name = "PORT[/PROTOCOL]", help_heading = PROCESS, value_parser = expose)]
    expose: Vec<Ports>,
}

/// The ports of one `--expose`.
#[derive(Clone, Debug)]
struct Ports(Vec<Port>);

fn expose(text: &str) -> Result<Ports, String> {
    overrides::expose(text).map(Ports)
}

impl TopologyOptions {
    /// What manifests say; `None` if there are none.
    ///
    /// # Errors
    /// What is wrong in them.
    pub fn manifests(&self) -> Result<Option<Manifests>, Error> {
        if !self.kubernetes.is_empty() {
            return kubernetes::load(&self.kubernetes).map(Some);
        }
        if self.compose.is_empty() {
            return Ok(None);
        }
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let process: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        compose::load(&compose::Options {
            files: self.compose.clone(),
            env_files: self.env_file.clone(),
            profiles: self.profile.clone(),
            services: self.service.clone(),
            environment: Environment { process, ..Environment::default() },
        })
        .map(Some)
    }

    /// Names of the services to convert: those that are asked for, or all.
    ///
    /// # Errors
    /// `NoService`
    pub fn services(&self, manifests: &Manifests) -> Result<Vec<String>, Error> {
        let there = &manifests.topology.services;
        if self.service.is_empty() {
            return Ok(there.keys().cloned().collect());
        }
        if let Some(name) = self.service.iter().find(|name| !there.contains_key(*name)) {
            return Err(Error::NoService { name: name.clone(), there: there.keys().cloned().collect() });
        }
        let mut services = self.service.clone();
        services.sort();
        services.dedup();
        Ok(services)
    }

    /// What the command line says of the process.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            entrypoint: self.entrypoint.clone(),
            env: self.env.clone(),
            working_dir: self.workdir.clone(),
            user: self.user.clone(),
            hostname: self.hostname.clone(),
            stop_signal: self.stop_signal.clone(),
            labels: self.label.clone(),
            expose: self.expose.iter().flat_map(|Ports(ports)| ports.clone()).collect(),
        }
    }

    /// What is to be emitted.
    pub fn emit(&self) -> &[Emit] {
        &self.emit
    }

    /// What a service's component is called in a registry; `pushed` is what it was pushed as.
    pub fn reference(&self, service: &str, pushed: Option<&str>) -> String {
        match (&self.emit_image, pushed) {
            (Some(name), _) => name.replace("{service}", service),
            (None, Some(name)) => name.to_owned(),
            (None, None) => format!("localhost/{}:latest", service.to_ascii_lowercase()),
        }
    }
}
