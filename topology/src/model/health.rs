//! How one finds out whether a service is well.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// A service's checks. Docker's one check is the readiness: it decides what `depends_on` waits for, and nobody restarts by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Health {
    /// The image has a check, and the manifest says that it is not to be used (compose: `disable: true`).
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// Until it succeeds once the others do not start (Kubernetes: `startupProbe`).
    #[serde(skip_serializing_if = "is_default")]
    pub startup: Option<Probe>,
    /// Only while it succeeds is the service used (image: Healthcheck; compose: `healthcheck`; Kubernetes: `readinessProbe`).
    #[serde(skip_serializing_if = "is_default")]
    pub readiness: Option<Probe>,
    /// When it fails the service is started anew (Kubernetes: `livenessProbe`).
    #[serde(skip_serializing_if = "is_default")]
    pub liveness: Option<Probe>,
}

/// A check and its times. What is absent has the platform's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub check: Check,
    /// Milliseconds before the first check (Kubernetes: `initialDelaySeconds`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub initial_delay_ms: Option<u64>,
    /// Milliseconds between two checks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub interval_ms: Option<u64>,
    /// Milliseconds that one check may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
    /// Milliseconds from the start in which failures do not count (docker's `start_period`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_period_ms: Option<u64>,
    /// Milliseconds between two checks in that time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start_interval_ms: Option<u64>,
    /// Failures in a row that make it unhealthy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: Option<u32>,
    /// Successes in a row that make it healthy again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub successes: Option<u32>,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// A program in the guest ends with status 0.
    #[serde(rename_all = "camelCase")]
    Exec { command: Vec<String> },
    /// The same, as a line for the guest's `/bin/sh -c`.
    #[serde(rename_all = "camelCase")]
    Shell { line: String },
    /// GET answers with a status from 200 to 399.
    #[serde(rename_all = "camelCase")]
    Http {
        port: u16,
        path: String,
        #[serde(default, skip_serializing_if = "is_default")]
        https: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        host: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        headers: BTreeMap<String, String>,
    },
    /// The port can be connected to.
    #[serde(rename_all = "camelCase")]
    Tcp { port: u16 },
    /// gRPC Health Checking Protocol answers SERVING.
    #[serde(rename_all = "camelCase")]
    Grpc {
        port: u16,
        #[serde(default, skip_serializing_if = "is_default")]
        service: Option<String>,
    },
}
