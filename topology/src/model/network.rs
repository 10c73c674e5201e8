//! How a service is reached, and what it reaches.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// A port that the service listens on (image: ExposedPorts; compose: `ports`, `expose`; Kubernetes: `containerPort`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    pub port: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Such as `http` (compose: `app_protocol`; Kubernetes: `appProtocol`).
    #[serde(skip_serializing_if = "is_default")]
    pub app_protocol: Option<String>,
    /// Where the host offers it; absent: only other services reach it.
    #[serde(skip_serializing_if = "is_default")]
    pub published: Option<Published>,
}

/// A port of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Published {
    /// Address of the host; absent: all.
    #[serde(skip_serializing_if = "is_default")]
    pub ip: Option<String>,
    /// Absent: one that is free.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<u16>,
    /// With `port`, the end of a range of which a free one is taken.
    #[serde(skip_serializing_if = "is_default")]
    pub last_port: Option<u16>,
    /// `host`: on the node that the replica runs on only. Absent: load-balanced (compose: `mode`).
    #[serde(skip_serializing_if = "is_default")]
    pub mode: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// As compose and docker write it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// By its name in any case; `None` if it is none of these.
    pub fn from_name(name: &str) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// A name with ports of its own that stands for the service's replicas (Kubernetes: Service).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    pub name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub kind: EndpointKind,
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<EndpointPort>,
}

/// From where an endpoint is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EndpointKind {
    /// From within the cluster.
    #[default]
    Cluster,
    /// From within the cluster, each replica by its own name.
    Headless,
    /// On a port of each node.
    Node,
    /// By an outside load balancer.
    LoadBalancer,
}

/// A port of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointPort {
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    pub port: u16,
    /// The service's port.
    pub target: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    #[serde(skip_serializing_if = "is_default")]
    pub node_port: Option<u16>,
}

/// An HTTP path from outside (Kubernetes: Ingress).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Route {
    /// Absent: any.
    #[serde(skip_serializing_if = "is_default")]
    pub host: Option<String>,
    pub path: String,
    /// Only this path; else all paths below it too.
    #[serde(skip_serializing_if = "is_default")]
    pub exact: bool,
    /// The service's port.
    pub port: u16,
    /// Name of the secret with the certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_secret: Option<String>,
}

/// Another service that this one uses or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub service: String,
    /// What has to be true of it before this one starts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub condition: Condition,
    /// Without it this one does not start (compose: `required`, by default true).
    pub required: bool,
    /// This one starts anew when that one was restarted (compose: `restart`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: bool,
    /// The name under which this one reaches it, where it is not its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alias: Option<String>,
    /// How it is known.
    pub via: Via,
}

/// The state that a link waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    #[default]
    Started,
    /// Its readiness check succeeds.
    Healthy,
    /// It has ended, with status 0.
    Completed,
}

/// How a link is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Via {
    /// compose: `depends_on`
    DependsOn,
    /// compose: `links`
    Links,
    /// compose: `volumes_from`
    VolumesFrom,
    /// They share a network namespace.
    Group,
    /// Kubernetes: it is an init container of the same Pod.
    Init,
    /// The value of an environment variable or an argument is the name of one of its endpoints.
    Name,
}

/// A network that a service is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Attachment {
    pub network: String,
    #[serde(skip_serializing_if = "is_default")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ipv4: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6: Option<String>,
}

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Network {
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
    /// It leads nowhere outside.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub subnets: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// A name and its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Host {
    pub name: String,
    /// An IP address, or `host-gateway`.
    pub address: String,
}

/// Who may talk to a service, and to whom it may talk (Kubernetes: NetworkPolicy).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    /// Absent: everybody. Empty: nobody.
    #[serde(skip_serializing_if = "is_default")]
    pub ingress: Option<Vec<Rule>>,
    /// Absent: everybody. Empty: nobody.
    #[serde(skip_serializing_if = "is_default")]
    pub egress: Option<Vec<Rule>>,
}

/// Any of these peers, on any of these ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// Empty: all.
    #[serde(skip_serializing_if = "is_default")]
    pub peers: Vec<Peer>,
    /// Empty: all.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<PolicyPort>,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// Services of this application, by name: those that the manifest's selector selects.
    #[serde(rename_all = "camelCase")]
    Services { names: Vec<String> },
    /// What a selector selects elsewhere, as `kubectl --selector` writes it; absent: all.
    #[serde(rename_all = "camelCase")]
    Selector {
        #[serde(default, skip_serializing_if = "is_default")]
        namespaces: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        pods: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Addresses {
        cidr: String,
        #[serde(default, skip_serializing_if = "is_default")]
        except: Vec<String>,
    },
}

/// A port of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PolicyPort {
    /// A number or a port's name; absent: all.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub last_port: Option<u16>,
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}
