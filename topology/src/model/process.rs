//! The process that a service starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// What runs. Each field: the command line's, else the manifest's, else the image's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Process {
    /// Program and first arguments (image: Entrypoint; compose: `entrypoint`; Kubernetes: `command`).
    #[serde(skip_serializing_if = "is_default")]
    pub entrypoint: Vec<String>,
    /// Further arguments (image: Cmd; compose: `command`; Kubernetes: `args`).
    #[serde(skip_serializing_if = "is_default")]
    pub cmd: Vec<String>,
    /// In order: the image's variables, each replaced in its place, then further ones.
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<Variable>,
    /// Sets of variables whose names are not known here (Kubernetes: `envFrom` of what the manifests do not hold).
    #[serde(skip_serializing_if = "is_default")]
    pub env_from: Vec<EnvFrom>,
    /// Absent: `/`.
    #[serde(skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    /// `USER[:GROUP]`, by name or number. Absent: root.
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    /// Further groups (compose: `group_add`; Kubernetes: `supplementalGroups`).
    #[serde(skip_serializing_if = "is_default")]
    pub groups: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub domainname: Option<String>,
    /// `SIGTERM`, `15`. Absent: SIGTERM.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: Option<String>,
    /// Milliseconds between the stop signal and SIGKILL (compose: `stop_grace_period`; Kubernetes: `terminationGracePeriodSeconds`).
    #[serde(skip_serializing_if = "is_default")]
    pub stop_grace_ms: Option<u64>,
    /// Standard input is open (compose: `stdin_open`; Kubernetes: `stdin`).
    #[serde(skip_serializing_if = "is_default")]
    pub stdin: bool,
    /// Its standard streams are a terminal.
    #[serde(skip_serializing_if = "is_default")]
    pub tty: bool,
    /// The root filesystem cannot be written.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_root: bool,
    /// Commands that run in the container once it has started (compose: `post_start`; Kubernetes: `lifecycle.postStart`).
    #[serde(skip_serializing_if = "is_default")]
    pub post_start: Vec<Hook>,
    /// Commands that run before it is stopped.
    #[serde(skip_serializing_if = "is_default")]
    pub pre_stop: Vec<Hook>,
}

/// One environment variable: its value, or where that comes from, or both if it comes from configuration that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Variable {
    pub name: String,
    /// Absent: only known where it runs.
    #[serde(skip_serializing_if = "is_default")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub from: Option<Source>,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A key of a secret.
    #[serde(rename_all = "camelCase")]
    Secret {
        name: String,
        key: String,
        /// It may be missing.
        #[serde(default, skip_serializing_if = "is_default")]
        optional: bool,
    },
    /// A key of a configuration.
    #[serde(rename_all = "camelCase")]
    Config {
        name: String,
        key: String,
        #[serde(default, skip_serializing_if = "is_default")]
        optional: bool,
    },
    /// A variable of the environment of whoever runs it (compose: a name without a value).
    #[serde(rename_all = "camelCase")]
    Host { variable: String },
    /// A field of the Pod (Kubernetes: `fieldRef`).
    #[serde(rename_all = "camelCase")]
    Field { path: String },
    /// A limit or request of a container (Kubernetes: `resourceFieldRef`).
    #[serde(rename_all = "camelCase")]
    Resource { resource: String },
}

impl Source {
    /// The secret's name, if it is one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Source::Secret { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The configuration's name, if it is one.
    pub fn config(&self) -> Option<&str> {
        match self {
            Source::Config { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// All keys of something as variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EnvFrom {
    #[serde(rename_all = "camelCase")]
    Config {
        name: String,
        /// Stands before each key.
        #[serde(default, skip_serializing_if = "is_default")]
        prefix: String,
        #[serde(default, skip_serializing_if = "is_default")]
        optional: bool,
    },
    #[serde(rename_all = "camelCase")]
    Secret {
        name: String,
        #[serde(default, skip_serializing_if = "is_default")]
        prefix: String,
        #[serde(default, skip_serializing_if = "is_default")]
        optional: bool,
    },
}

/// A command that runs beside the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Hook {
    pub command: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub working_dir: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<Variable>,
}

impl Process {
    /// Program and arguments.
    pub fn argv(&self) -> impl Iterator<Item = &str> {
        self.entrypoint.iter().chain(&self.cmd).map(String::as_str)
    }

    /// Sets a variable: in its place if there is one of that name, else at the end.
    pub fn set(&mut self, variable: Variable) {
        match self.env.iter_mut().find(|old| old.name == variable.name) {
            Some(old) => *old = variable,
            None => self.env.push(variable),
        }
    }
}
