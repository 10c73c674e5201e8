//! What the command line says: it counts more than manifests, and those more than the image.

use crate::model::{Port, Service, Source, Variable};

/// Fields that are stated on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The program alone, as docker has it: the image's arguments then do not count.
    pub entrypoint: Option<String>,
    /// `NAME=VALUE`; a name alone is taken from whoever runs it.
    pub env: Vec<String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub hostname: Option<String>,
    pub stop_signal: Option<String>,
    /// `NAME=VALUE`
    pub labels: Vec<String>,
    /// Ports that it listens on beside those that are known.
    pub expose: Vec<Port>,
}

impl Overrides {
    /// Applies them to a service, after its image.
    pub fn apply(&self, service: &mut Service) {
        let process = &mut service.process;
        if let Some(program) = &self.entrypoint {
            process.entrypoint = Some(program.clone()).filter(|program| !program.is_empty()).into_iter().collect();
            process.cmd.clear();
        }
        for variable in &self.env {
            process.set(match variable.split_once('=') {
                Some((name, value)) => Variable { name: name.to_owned(), value: Some(value.to_owned()), from: None },
                None => Variable { name: variable.clone(), value: None, from: Some(Source::Host { variable: variable.clone() }) },
            });
        }
        let set = |field: &mut Option<String>, stated: &Option<String>| {
            if stated.is_some() {
                field.clone_from(stated);
            }
        };
        set(&mut process.working_dir, &self.working_dir);
        set(&mut process.user, &self.user);
        set(&mut process.hostname, &self.hostname);
        set(&mut process.stop_signal, &self.stop_signal);
        for label in &self.labels {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            service.labels.insert(name.to_owned(), value.to_owned());
        }
        for port in &self.expose {
            if !service.ports.iter().any(|old| (old.port, old.protocol) == (port.port, port.protocol)) {
                service.ports.push(port.clone());
            }
        }
    }
}

/// Ports of `--expose PORT[-PORT][/PROTOCOL]`.
///
/// # Errors
/// What is wrong with the text.
pub fn expose(text: &str) -> Result<Vec<Port>, String> {
    let ports = crate::compose::ports(text)?;
    match ports.iter().any(|port| port.published.is_some()) {
        true => Err(format!("invalid port {text:?}: a port of the host has no meaning here")),
        false => Ok(ports),
    }
}
