//! Objects for `kubectl apply`: a RuntimeClass, and the manifests' own objects on the converted images; or, where there were no such
//! manifests, objects made from the model.

use serde_json::{Value, json};

use super::k8s_objects::objects;
use super::{Application, Emitted, IN_COMPONENT, Loss, head, yaml};
use crate::Origin;
use crate::error::Error;
use crate::kubernetes::{WORKLOADS, service_name};

/// Name of the RuntimeClass and of its handler: what containerd-shim-wasmtime is called in containerd's configuration by its installers.
pub const RUNTIME_CLASS: &str = "wasmtime";

/// Why programs cannot be run beside the service's own.
pub const NO_EXEC: &str = "Wasm shims run no second program in a container";

/// # Errors
/// `Encode`
pub fn emit(application: &Application<'_>) -> Result<Emitted, Error> {
    let mut documents = vec![json!({
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": { "name": RUNTIME_CLASS },
        "handler": RUNTIME_CLASS,
    })];
    let (note, (further, mut losses)) = match application.manifests.origin {
        Origin::Kubernetes => ("Program and arguments are in the component.", originals(application)),
        Origin::Image | Origin::Compose => (IN_COMPONENT, objects(application)),
    };
    documents.extend(further);
    for (name, secret) in &application.manifests.topology.secrets {
        let reason = "values of secrets are not copied: apply it yourself".to_owned();
        let field = format!("Secret {name} ({})", secret.keys.join(", "));
        losses.push(Loss { service: None, field, reason });
    }
    let head = head("Kubernetes objects on Wasm images", &[note.to_owned()], &losses);
    Ok(Emitted { files: vec![(".k8s.yaml", head + &yaml::documents(&documents))], losses })
}

/// The manifests' objects on the converted images.
fn originals(application: &Application<'_>) -> (Vec<Value>, Vec<Loss>) {
    let mut losses = Vec::new();
    let objects = application.manifests.objects.iter().map(|object| {
        let mut object = object.clone();
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if WORKLOADS.contains(&kind.as_str()) {
            let workload = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let path = match kind.as_str() {
                "Pod" => "/spec",
                "CronJob" => "/spec/jobTemplate/spec/template/spec",
                _ => "/spec/template/spec",
            };
            if let Some(spec) = object.pointer_mut(path) {
                pod(application, &workload, spec, &mut losses);
            }
        }
        object
    });
    (objects.collect(), losses)
}

/// Puts a Pod on the converted images. One that is not converted would not run under the Wasm shim.
fn pod(application: &Application<'_>, workload: &str, spec: &mut Value, losses: &mut Vec<Loss>) {
    let alone = spec["containers"].as_array().is_some_and(|containers| containers.len() == 1);
    let mut converted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let own = container["name"].as_str().unwrap_or_default();
            let name = service_name(workload, own, alone && list == "containers");
            let Some(artifact) = application.artifacts.get(&name) else { continue };
            converted = true;
            container["image"] = json!(artifact.reference);
            let Some(fields) = container.as_object_mut() else { continue };
            // They are in the component, and the shim would add them to its arguments.
            fields.remove("command");
            fields.remove("args");
            let mut lose = |field: String| {
                losses.push(Loss { service: Some(name.clone()), field, reason: NO_EXEC.to_owned() });
            };
            for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                if fields.get(probe).is_some_and(|stated| stated.get("exec").is_some()) {
                    fields.remove(probe);
                    lose(probe.to_owned());
                }
            }
            if let Some(lifecycle) = fields.get_mut("lifecycle").and_then(Value::as_object_mut) {
                for hook in ["postStart", "preStop"] {
                    if lifecycle.get(hook).is_some_and(|stated| stated.get("exec").is_some()) {
                        lifecycle.remove(hook);
                        lose(format!("lifecycle.{hook}"));
                    }
                }
                if lifecycle.is_empty() {
                    fields.remove("lifecycle");
                }
            }
        }
    }
    if converted {
        spec["runtimeClassName"] = json!(RUNTIME_CLASS);
    }
}
