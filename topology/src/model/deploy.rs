//! How many of a service run, with what, and what happens when one ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// How many run at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Scale {
    /// compose: `deploy.replicas`, `scale`; Kubernetes: `replicas`
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<u32>,
    /// compose: `deploy.placement.max_replicas_per_node`
    #[serde(skip_serializing_if = "is_default")]
    pub max_per_node: Option<u32>,
}

/// What it is given (`limits`) and what it must have (`requests`; compose: `reservations`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Resources {
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Amounts,
    #[serde(skip_serializing_if = "is_default")]
    pub requests: Amounts,
}

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Amounts {
    /// Thousandths of a processor.
    #[serde(skip_serializing_if = "is_default")]
    pub milli_cpus: Option<u64>,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Option<u64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "is_default")]
    pub pids: Option<u64>,
    /// Bytes of storage that goes with the container.
    #[serde(skip_serializing_if = "is_default")]
    pub ephemeral_storage: Option<u64>,
}

/// What happens when it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Restart {
    pub policy: RestartPolicy,
    /// Then it is given up (compose: `on-failure:N`, `restart_policy.max_attempts`).
    #[serde(skip_serializing_if = "is_default")]
    pub max_attempts: Option<u32>,
    /// Milliseconds between two attempts.
    #[serde(skip_serializing_if = "is_default")]
    pub delay_ms: Option<u64>,
    /// Milliseconds after which a start has succeeded.
    #[serde(skip_serializing_if = "is_default")]
    pub window_ms: Option<u64>,
}

/// When it is started anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    OnFailure,
    UnlessStopped,
}

impl RestartPolicy {
    /// As docker writes it.
    pub fn name(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::UnlessStopped => "unless-stopped",
        }
    }
}

/// When a job starts (Kubernetes: CronJob).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Schedule {
    /// As crontab(5) has it.
    pub cron: String,
    #[serde(skip_serializing_if = "is_default")]
    pub time_zone: Option<String>,
    /// `Allow`, `Forbid`, `Replace`: what happens if the last one still runs.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency: Option<String>,
    /// None is started for now.
    #[serde(skip_serializing_if = "is_default")]
    pub suspended: bool,
}

/// What a job is to achieve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Job {
    /// So many have to succeed.
    #[serde(skip_serializing_if = "is_default")]
    pub completions: Option<u32>,
    /// So many run at once.
    #[serde(skip_serializing_if = "is_default")]
    pub parallelism: Option<u32>,
    /// Failures before it is given up.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff_limit: Option<u32>,
    /// Seconds that all of it may take.
    #[serde(skip_serializing_if = "is_default")]
    pub deadline_s: Option<u64>,
}
