//! Files that a service does not have from its image.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// Something that appears at a path (image: Volumes; compose: `volumes`, `tmpfs`, `configs`, `secrets`; Kubernetes: `volumeMounts`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Absolute path in the guest.
    pub target: String,
    pub source: MountSource,
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Only this path of the source (compose: `volume.subpath`; Kubernetes: `subPath`). Of a configuration or secret, the key: then the
    /// target is a file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sub_path: Option<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A volume of the application.
    #[serde(rename_all = "camelCase")]
    Volume { name: String },
    /// A volume without a name, gone with the container (image: Volumes; Kubernetes: `emptyDir`).
    #[serde(rename_all = "camelCase")]
    Anonymous {
        /// Bytes at most.
        #[serde(default, skip_serializing_if = "is_default")]
        size: Option<u64>,
        /// Services of a group that name the same one share it.
        #[serde(default, skip_serializing_if = "is_default")]
        shared: Option<String>,
    },
    /// A path of the host.
    #[serde(rename_all = "camelCase")]
    Bind {
        /// As the manifest has it: a relative one starts at the manifest's directory.
        path: String,
        /// `rprivate`, `rslave`, `rshared`, … (compose: `bind.propagation`; Kubernetes: `mountPropagation`, in other words)
        #[serde(default, skip_serializing_if = "is_default")]
        propagation: Option<String>,
    },
    /// Memory.
    #[serde(rename_all = "camelCase")]
    Tmpfs {
        /// Bytes at most.
        #[serde(default, skip_serializing_if = "is_default")]
        size: Option<u64>,
        /// Permission bits.
        #[serde(default, skip_serializing_if = "is_default")]
        mode: Option<u32>,
    },
    #[serde(rename_all = "camelCase")]
    Config {
        name: String,
        /// Only these keys; empty: all.
        #[serde(default, skip_serializing_if = "is_default")]
        keys: Vec<KeyPath>,
        /// Permission bits.
        #[serde(default, skip_serializing_if = "is_default")]
        mode: Option<u32>,
    },
    #[serde(rename_all = "camelCase")]
    Secret {
        name: String,
        #[serde(default, skip_serializing_if = "is_default")]
        keys: Vec<KeyPath>,
        #[serde(default, skip_serializing_if = "is_default")]
        mode: Option<u32>,
    },
    /// A kind that only the manifest's platform has (Kubernetes: `nfs`, `csi`, `projected`, …; compose: `npipe`, `cluster`, `image`).
    #[serde(rename_all = "camelCase")]
    Other { kind: String },
}

/// A key of a configuration or secret, and the file it becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KeyPath {
    pub key: String,
    /// Relative to the target.
    pub path: String,
    /// Permission bits.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: Option<u32>,
}

/// A volume that outlives its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume {
    /// The platform's name for it, where it is not this one.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: BTreeMap<String, String>,
    /// It exists already, and is not made with the application.
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    /// Bytes that it has to hold.
    #[serde(skip_serializing_if = "is_default")]
    pub size: Option<u64>,
    /// Kubernetes: `accessModes`
    #[serde(skip_serializing_if = "is_default")]
    pub access_modes: Vec<String>,
    /// Kubernetes: `storageClassName`
    #[serde(skip_serializing_if = "is_default")]
    pub storage_class: Option<String>,
    /// Each replica has one of its own (Kubernetes: `volumeClaimTemplates`).
    #[serde(skip_serializing_if = "is_default")]
    pub per_replica: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// Configuration that is not secret. Each key becomes a file or a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigFiles {
    /// The platform's name for it, where it is not this one.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Key → text, where the manifest has it.
    #[serde(skip_serializing_if = "is_default")]
    pub data: BTreeMap<String, String>,
    /// Keys whose contents are not text.
    #[serde(skip_serializing_if = "is_default")]
    pub binary: Vec<String>,
    /// Its one key's contents are in this file of the host.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<String>,
    /// Its one key's contents are in this variable of whoever runs it.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// A secret: where it is to be found, and which keys it has. Its values are not here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Secret {
    /// The platform's name for it, where it is not this one.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Names of its keys, as far as the manifests name them.
    #[serde(skip_serializing_if = "is_default")]
    pub keys: Vec<String>,
    /// Kubernetes: `type`
    #[serde(skip_serializing_if = "is_default", rename = "type")]
    pub kind: Option<String>,
    /// It is in this file of the host.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<String>,
    /// It is in this variable of whoever runs it.
    #[serde(skip_serializing_if = "is_default")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub external: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}
