//! `wasmtime run` command lines: a shell script that starts the service, or the one that its first argument names.

use super::ledger::Ledger;
use super::{Application, Artifact, Emitted, IN_COMPONENT, head, relative_paths, unknown_variables};
use crate::error::Error;
use crate::model::{EnvFrom, Mount, MountSource, Protocol, Service, Source};

const WHY: &str = "wasmtime's command line has nothing for it";

/// # Errors
/// None.
pub fn emit(application: &Application<'_>) -> Result<Emitted, Error> {
    let mut ledgers = application.ledgers();
    let mut commands = Vec::new();
    for (name, service, artifact) in application.services() {
        commands.push((name.clone(), command(service, artifact, ledgers.of(name))));
    }
    let losses = ledgers.losses(WHY);
    let mut notes = vec![
        IN_COMPONENT.to_owned(),
        "Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment."
            .into(),
    ];
    notes.extend(relative_paths(&application.manifests.topology));
    let mut text =
        format!("#!/bin/sh\n{}set -eu\ncd \"$(dirname \"$0\")\"\n", head("How to run it with wasmtime", &notes, &losses));
    match &commands[..] {
        [(_, lines)] => text += &lines.join("\n"),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            text += "service=${1:-}\n[ $# = 0 ] || shift\ncase \"$service\" in\n";
            for (name, lines) in several {
                let body: String = lines.iter().map(|line| format!("    {}\n", line.replace('\n', "\n    "))).collect();
                text += &format!("{})\n{body}    ;;\n", quote(name));
            }
            text += &format!("*)\n    echo \"usage: $0 {} [ARGS...]\" >&2\n    exit 2\n    ;;\nesac", names.join("|"));
        }
    }
    text.push('\n');
    Ok(Emitted { files: vec![(".wasmtime.sh", text)], losses })
}

/// The lines that start one service.
fn command(service: &Service, artifact: &Artifact, ledger: &mut Ledger) -> Vec<String> {
    let mut lines = Vec::new();
    let mut options: Vec<String> = Vec::new();
    ledger.done("kind");
    network(service, &mut options, ledger);
    for (index, variable) in unknown_variables(service) {
        let field = format!("process.env[{index}]");
        match &variable.from {
            Some(Source::Host { variable: host }) if *host == variable.name => {
                options.push(format!("--env {}", quote(&variable.name)));
                ledger.done(&field);
            }
            Some(Source::Secret { .. } | Source::Config { .. } | Source::Host { .. }) => {
                options.push(format!("--env {}", quote(&variable.name)));
                ledger.done(&format!("{field}.name"));
                ledger.lost(&format!("{field}.from"), &format!("set {} in the environment yourself", variable.name));
            }
            _ => ledger.lost(&field, "there is no Pod whose field it could be"),
        }
    }
    for (index, from) in service.process.env_from.iter().enumerate() {
        let (EnvFrom::Config { name, .. } | EnvFrom::Secret { name, .. }) = from;
        ledger.lost(&format!("process.envFrom[{index}]"), &format!("pass the variables of {name} with --env yourself"));
    }
    ledger.done("process.stdin");
    ledger.done("process.tty");
    mounts(service, &mut lines, &mut options, ledger);
    if let Some(bytes) = service.resources.limits.memory {
        options.push(format!("-W max-memory-size={bytes}"));
        ledger.done("resources.limits.memory");
    }
    if service.scale.replicas == Some(1) {
        ledger.done("scale.replicas");
    }
    for (index, link) in service.links.iter().enumerate() {
        ledger.lost(&format!("links[{index}]"), &format!("start {} yourself; it is reached as localhost", link.service));
    }
    let options: String = options.iter().map(|option| format!("{option} \\\n    ")).collect();
    lines.push(format!("exec wasmtime run \\\n    {options}{} \"$@\"", quote(&artifact.file)));
    lines
}

/// The host's network: a guest's port is the host's.
fn network(service: &Service, options: &mut Vec<String>, ledger: &mut Ledger) {
    let isolated = service.network_mode.as_deref() == Some("none");
    if !isolated && (!service.ports.is_empty() || !service.links.is_empty() || !service.networks.is_empty()) {
        options.push("-S inherit-network".into());
        options.push("-S allow-ip-name-lookup".into());
    }
    if matches!(service.network_mode.as_deref(), Some("host" | "none")) {
        ledger.done("networkMode");
    }
    for (index, port) in service.ports.iter().enumerate() {
        let field = |name: &str| format!("ports[{index}]{name}");
        if port.protocol == Protocol::Sctp {
            ledger.lost(&field(""), "WASI has no SCTP");
            continue;
        }
        for name in [".port", ".protocol", ".name", ".appProtocol"] {
            ledger.done(&field(name));
        }
        match &port.published {
            Some(published) if published.port == Some(port.port) && published.last_port.is_none() => {
                ledger.done(&field(".published.port"));
                ledger.done(&field(".published.mode"));
                ledger.lost(&field(".published.ip"), "the guest binds the address itself");
            }
            Some(_) => ledger.lost(&field(".published"), "wasmtime maps no ports: the guest listens on its own"),
            None => {}
        }
    }
}

fn mounts(service: &Service, lines: &mut Vec<String>, options: &mut Vec<String>, ledger: &mut Ledger) {
    for (index, mount) in service.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}]{name}");
        let below = mount.sub_path.as_ref().map(|path| format!("/{path}")).unwrap_or_default();
        let writable_only = |ledger: &mut Ledger| {
            ledger.lost(&field(".readOnly"), "wasmtime's --dir can always be written");
        };
        match &mount.source {
            MountSource::Volume { name } => {
                let dir = format!("\"${{HOIST_VOLUMES:-./volumes}}\"{}", quote(&format!("/{name}{below}")));
                lines.push(format!("mkdir -p {dir}"));
                options.push(format!("--dir {dir}{}", quote(&format!("::{}", mount.target))));
                ["target", "source", "subPath"].iter().for_each(|name| ledger.done(&field(&format!(".{name}"))));
                writable_only(ledger);
            }
            MountSource::Bind { path, .. } => {
                options.push(format!("--dir {}", quote(&format!("{path}{below}::{}", mount.target))));
                for name in [".target", ".source.bind.path", ".subPath"] {
                    ledger.done(&field(name));
                }
                writable_only(ledger);
            }
            // All that the guest writes stays in its memory.
            MountSource::Anonymous { .. } | MountSource::Tmpfs { .. } => {
                ledger.done(&field(".target"));
                for name in ["anonymous.size", "anonymous.shared", "tmpfs.size", "tmpfs.mode"] {
                    ledger.lost(&field(&format!(".source.{name}")), "what the guest writes stays in its own memory");
                }
                if mount.source == (MountSource::Anonymous { size: None, shared: None })
                    || mount.source == (MountSource::Tmpfs { size: None, mode: None })
                {
                    ledger.done(&field(".source"));
                }
            }
            MountSource::Config { name, .. } | MountSource::Secret { name, .. } => {
                ledger.lost(&field(""), &by_hand(name, mount));
            }
            MountSource::Other { .. } => ledger.lost(&field(""), "only its own platform has it"),
        }
    }
}

/// How to show files whose content nobody but the platform knows. Only directories can be shown.
fn by_hand(name: &str, mount: &Mount) -> String {
    match mount.target.rsplit_once('/').filter(|_| mount.sub_path.is_some()) {
        Some(("", _)) => "only directories can be shown, and the root is the component's".into(),
        Some((dir, file)) => {
            format!("put {name} as {file} into a directory DIR, and show that with --dir DIR::{dir}, in place of the image's")
        }
        None => format!("put the files of {name} into a directory DIR, and show that with --dir DIR::{}", mount.target),
    }
}

/// A word of the shell.
fn quote(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.replace('\0', ""), |quoted| quoted.into_owned())
}
