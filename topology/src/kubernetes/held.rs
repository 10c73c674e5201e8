//! Which fields of Kubernetes objects the model holds. Whatever else an object states is listed as ignored.

use crate::model::Ignored;
use crate::yaml::{Node, Value};

/// Fields of metadata.
const METADATA: &[&str] = &["name", "namespace", "labels", "annotations", "creationTimestamp"];
/// Fields of a Pod's spec.
const POD: &[&str] = &[
    "containers",
    "hostAliases",
    "hostNetwork",
    "hostname",
    "initContainers",
    "restartPolicy",
    "securityContext",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
];
const POD_SECURITY: &[&str] = &["runAsUser", "runAsGroup", "supplementalGroups", "fsGroup"];
const CONTAINER: &[&str] = &[
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "stdin",
    "tty",
    "volumeMounts",
    "workingDir",
];
const CONTAINER_SECURITY: &[&str] = &["runAsUser", "runAsGroup", "readOnlyRootFilesystem"];
const LIFECYCLE: &[&str] = &["postStart", "preStop", "stopSignal"];
const HANDLER: &[&str] = &["exec"];
const RESOURCES: &[&str] = &["limits", "requests"];
const AMOUNTS: &[&str] = &["cpu", "memory", "ephemeral-storage"];
const MOUNT: &[&str] = &["mountPath", "mountPropagation", "name", "readOnly", "subPath"];
const CONTAINER_PORT: &[&str] = &["containerPort", "hostIP", "hostPort", "name", "protocol"];

/// Takes stock of one level of an object.
pub struct Stock {
    pub found: Vec<Ignored>,
}

impl Stock {
    /// What a node states beside these fields.
    pub fn beside(&mut self, node: Option<&Node>, path: &str, held: &[&str]) {
        for entry in node.map_or(&[][..], Node::entries) {
            if !held.contains(&entry.key.as_str()) && entry.value.value != Value::Null {
                self.found.push(Ignored {
                    field: if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) },
                    at: Some(entry.key_at.brief()),
                    reason: reason(&entry.key).to_owned(),
                });
            }
        }
    }

    /// A Pod template, without its containers.
    pub fn pod(&mut self, template: &Node, path: &str) {
        let Some(spec) = template.get("spec") else { return };
        self.beside(template.get("metadata"), &format!("{path}metadata"), METADATA);
        self.beside(Some(spec), &format!("{path}spec"), POD);
        self.beside(spec.get("securityContext"), &format!("{path}spec.securityContext"), POD_SECURITY);
    }

    /// A container.
    pub fn container(&mut self, container: &Node, path: &str) {
        self.beside(Some(container), path, CONTAINER);
        let below = |name: &str| format!("{path}.{name}");
        self.beside(container.get("securityContext"), &below("securityContext"), CONTAINER_SECURITY);
        let lifecycle = container.get("lifecycle");
        self.beside(lifecycle, &below("lifecycle"), LIFECYCLE);
        for hook in ["postStart", "preStop"] {
            self.beside(lifecycle.and_then(|node| node.get(hook)), &below(&format!("lifecycle.{hook}")), HANDLER);
        }
        let resources = container.get("resources");
        self.beside(resources, &below("resources"), RESOURCES);
        for kind in RESOURCES {
            self.beside(resources.and_then(|node| node.get(kind)), &below(&format!("resources.{kind}")), AMOUNTS);
        }
        for (key, held) in [("volumeMounts", MOUNT), ("ports", CONTAINER_PORT)] {
            if let Some(Node { value: Value::List(items), .. }) = container.get(key) {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| self.beside(Some(item), &below(&format!("{key}[{index}]")), held));
            }
        }
    }
}

/// Why a field is not in the model.
fn reason(field: &str) -> &'static str {
    match field {
        "affinity"
        | "nodeName"
        | "nodeSelector"
        | "tolerations"
        | "topologySpreadConstraints"
        | "priority"
        | "priorityClassName"
        | "preemptionPolicy"
        | "schedulerName"
        | "schedulingGates"
        | "overhead"
        | "os" => "where it runs is the scheduler's",
        "runtimeClassName" => "the converted image has a runtime class of its own",
        "serviceAccount" | "serviceAccountName" | "automountServiceAccountToken" => {
            "rights within the cluster are the platform's"
        }
        "imagePullPolicy" | "imagePullSecrets" => "how the component is pulled is the platform's",
        "strategy"
        | "updateStrategy"
        | "minReadySeconds"
        | "revisionHistoryLimit"
        | "progressDeadlineSeconds"
        | "paused"
        | "podManagementPolicy"
        | "ordinals" => "how an update proceeds is the platform's",
        "capabilities"
        | "privileged"
        | "allowPrivilegeEscalation"
        | "seLinuxOptions"
        | "seccompProfile"
        | "appArmorProfile"
        | "procMount"
        | "sysctls"
        | "runAsNonRoot"
        | "windowsOptions" => "the kernel is inside the component, and no host grants it rights",
        "hostIPC" | "hostPID" | "hostUsers" | "shareProcessNamespace" => "a component has namespaces of its own",
        "dnsConfig" | "dnsPolicy" => "names are resolved by the host (wasi:sockets/ip-name-lookup)",
        "volumeDevices" | "resourceClaims" | "claims" => "WASI gives no access to devices",
        _ => "the model has no such field",
    }
}
