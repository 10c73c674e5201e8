//! `hoist convert`: an image reference in, a component out; or manifests in, and a component for each of their services.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args};
use hoist_oci::reference::RegistryReference;
use hoist_oci::{Reference, RegistryOptions};
use hoist_topology::Manifests;
use hoist_topology::emit::Artifact;
use hoist_topology::model::Topology;

use super::Failure;
use super::image::ImageOptions;
use super::login::{Login, LoginError};
use super::push::{self, destination};
use super::topology::TopologyOptions;
use crate::application::{self, Built, Plan};
use crate::artifact;
use crate::info::Info;
use crate::pipeline::{self, Converted};
use crate::progress::Progress;
use crate::units::Bytes;

/// Convert a container image to a WebAssembly component
#[derive(Args)]
pub struct Convert {
    /// NAME[:TAG|@DIGEST], oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, dir:DIR, or - for an archive from standard input
    #[arg(required_unless_present_any = ["compose", "kubernetes"])]
    image: Option<Reference>,

    /// The component to write, or the directory for those of several services; with --push it need not be kept
    #[arg(short, long, value_name = "FILE", required_unless_present = "push")]
    output: Option<PathBuf>,

    /// Push the component to a registry, and print nothing but its digest; several services as NAME:TAG-SERVICE, and their index as NAME:TAG
    #[arg(long, value_name = "NAME[:TAG]", value_parser = destination)]
    push: Option<RegistryReference>,

    #[command(flatten)]
    destination: Destination,

    #[command(flatten)]
    topology: TopologyOptions,

    #[command(flatten)]
    options: ImageOptions,

    /// Print how long each stage took, to standard error
    #[arg(long)]
    timings: bool,

    /// How to print what the component is made of; or, with --push, what to push
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Say nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

impl Convert {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let progress = Progress::new(self.quiet);
        let (output, _temporary) = match &self.output {
            Some(output) => (output.clone(), None),
            None => {
                let dir = tempfile::tempdir()?;
                (dir.path().join("app.wasm"), Some(dir))
            }
        };
        if self.push.is_some() {
            // Whoever is to type a password is there now, and perhaps not when the conversion is done.
            self.destination_options()?;
        }
        match self.topology.manifests()? {
            None => self.image(&output, &progress)?,
            Some(manifests) => self.services(manifests, &output, &progress)?,
        }
        if self.timings {
            eprint!("{}", progress.timings());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// One image without manifests.
    fn image(&self, output: &Path, progress: &Progress) -> Result<(), Failure> {
        let Some(reference) = self.image.clone() else { return Ok(()) };
        let mut plan = Plan::of_image(&reference, self.topology.overrides());
        let built = self.convert(reference, &mut plan, output, self.push.clone(), progress)?;
        print_digest(&built);
        let artifacts = BTreeMap::from([(plan.service.clone(), self.artifact(&plan.service, &built))]);
        self.emit(&plan.manifests, &artifacts, output, progress)
    }

    /// The services of manifests: one to a file, or several to a directory with an index.
    fn services(&self, mut manifests: Manifests, output: &Path, progress: &Progress) -> Result<(), Failure> {
        manifests.warnings.iter().for_each(|warning| progress.warn(warning));
        let services = self.topology.services(&manifests)?;
        let to_directory = services.len() > 1 || output.is_dir();
        if services.len() > 1 && self.image.is_some() {
            let names = services.join(", ");
            return Err(Failure::new(2, format!("several services ({names}) have several images: choose one with --service")));
        }
        let mut names = self.names(&services)?;
        if to_directory {
            std::fs::create_dir_all(output)
                .map_err(|error| Failure::new(1, format!("cannot make {}: {error}", output.display())))?;
        }
        let mut built = BTreeMap::new();
        for service in &services {
            let stated = &manifests.topology.services[service];
            for ignored in &stated.ignored {
                let at = ignored.at.as_deref().map(|at| format!("{at}: ")).unwrap_or_default();
                progress.warn(&format!("{at}{service}: {} is ignored: {}", ignored.field, ignored.reason));
            }
            let reference = match &self.image {
                Some(image) => image.clone(),
                None => stated.image.parse::<Reference>()?,
            };
            let path = if to_directory { output.join(format!("{service}.wasm")) } else { output.to_owned() };
            let mut plan = Plan { manifests, service: service.clone(), overrides: self.topology.overrides() };
            let component = self.convert(reference, &mut plan, &path, names.remove(service), progress)?;
            manifests = plan.manifests;
            built.insert(service.clone(), component);
        }
        let artifacts: BTreeMap<String, Artifact> =
            built.iter().map(|(service, one)| (service.clone(), self.artifact(service, one))).collect();
        let stem = if to_directory {
            let mut index = manifests.topology.clone();
            application::index(&mut index, &built)?;
            application::write_topology(&index, &output.join("topology.json"))?;
            if services.len() > 1 {
                self.push_index(&index, &built)?;
            }
            output.join(manifests.topology.name.as_deref().unwrap_or("app"))
        } else {
            output.to_owned()
        };
        if services.len() == 1 {
            built.values().for_each(print_digest);
        }
        self.emit(&manifests, &artifacts, &stem, progress)
    }

    /// What services are pushed as: one as `--push` says, of several each with its name after the tag, as the repository of
    /// an index has what it lists, and not every registry has repositories below repositories.
    fn names(&self, services: &[String]) -> Result<BTreeMap<String, RegistryReference>, Failure> {
        let Some(name) = &self.push else { return Ok(BTreeMap::new()) };
        if services.len() < 2 {
            return Ok(services.iter().map(|service| (service.clone(), name.clone())).collect());
        }
        if name.digest().is_some() {
            return Err(Failure::new(2, format!("several services are pushed under tags: {name} has a digest")));
        }
        let tag = name.tag().unwrap_or("latest");
        let tagged = |service: &String| {
            let tagged = name.with_tag(&format!("{tag}-{service}"));
            let tagged = tagged.map_err(|error| Failure::new(2, format!("the service {service} cannot be a tag: {error}")))?;
            Ok((service.clone(), tagged))
        };
        services.iter().map(tagged).collect()
    }

    /// Pushes the index of an application, and prints its digest.
    fn push_index(&self, topology: &Topology, built: &BTreeMap<String, Built>) -> Result<(), Failure> {
        let Some(name) = &self.push else { return Ok(()) };
        let pushed = built.iter().filter_map(|(service, one)| Some((service.as_str(), &one.pushed.as_ref()?.1)));
        let index = artifact::application_index(topology, pushed);
        let options = push::options(self.destination_options()?, None);
        println!("{}", hoist_oci::push::push_index(name, &index, &options)?);
        Ok(())
    }

    /// How the registry of `--push` is spoken to.
    fn destination_options(&self) -> Result<RegistryOptions, LoginError> {
        self.destination.options(self.options.source.fetch.registry.options()?)
    }

    /// Converts one service, writes its topology beside it, and pushes it.
    fn convert(
        &self,
        reference: Reference,
        plan: &mut Plan,
        output: &Path,
        name: Option<RegistryReference>,
        progress: &Progress,
    ) -> Result<Built, Failure> {
        let conversion = self.options.conversion(reference, true)?;
        let Converted { info, topology } = pipeline::convert(&conversion, plan, output, progress)?;
        if let Some(file) = application::topology_file(output) {
            application::write_topology(&topology, &file)?;
        }
        match self.format {
            Format::Json if self.push.is_none() => {
                let mut all = serde_json::to_value(&info)?;
                all["topology"] = serde_json::to_value(&topology)?;
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            _ => progress.line(&summary(&info)),
        }
        let pushed = match name {
            None => None,
            Some(name) => {
                let format = if self.format == Format::Image { artifact::Format::Image } else { artifact::Format::Artifact };
                let manifest = push::push(output, &name, format, self.destination_options()?, None, progress)?;
                Some((name, manifest))
            }
        };
        Ok(Built { path: output.to_owned(), pushed })
    }

    /// How emitted manifests name a component.
    fn artifact(&self, service: &str, built: &Built) -> Artifact {
        let pushed = built.pushed.as_ref().map(|(name, _)| name.to_string());
        Artifact {
            file: built.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reference: self.topology.reference(service, pushed.as_deref()),
        }
    }

    fn emit(
        &self,
        manifests: &Manifests,
        artifacts: &BTreeMap<String, Artifact>,
        stem: &Path,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let lines = application::emit(self.topology.emit(), manifests, artifacts, &stem.with_extension(""))?;
        lines.iter().for_each(|line| progress.warn(line));
        Ok(())
    }
}

/// The digest of what was pushed.
fn print_digest(built: &Built) {
    if let Some((_, manifest)) = &built.pushed {
        println!("{}", manifest.digest);
    }
}

/// What `--format` may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    /// The CNCF's Wasm OCI artifact, unless something else is said
    Artifact,
    /// A container image for wasi/wasm with the component as /app.wasm
    Image,
}

/// How the registry of `--push` is spoken to, where that differs; credentials are never those of the source.
#[derive(Args, Clone, Debug)]
struct Destination {
    /// Credentials for --push
    #[arg(long, value_name = "USER[:PASSWORD]", requires = "push", help_heading = "Registry")]
    dest_creds: Option<Login>,

    /// As --cert-dir, for --push
    #[arg(long, value_name = "DIR", requires = "push", help_heading = "Registry")]
    dest_cert_dir: Option<PathBuf>,

    /// As --tls-verify, for --push [default: as --tls-verify]
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", requires = "push", help_heading = "Registry")]
    dest_tls_verify: Option<bool>,
}

impl Destination {
    fn options(&self, source: RegistryOptions) -> Result<RegistryOptions, LoginError> {
        Ok(RegistryOptions {
            credentials: self.dest_creds.as_ref().map(Login::credentials).transpose()?,
            cert_dir: self.dest_cert_dir.clone().or(source.cert_dir),
            tls_verify: self.dest_tls_verify.unwrap_or(source.tls_verify),
            ..source
        })
    }
}

/// One line about a new component.
fn summary(info: &Info) -> String {
    let functions: u64 = info.elfs.iter().map(|elf| u64::from(elf.functions)).sum();
    format!(
        "{}: {functions} functions of {} ELF files, ROM {}, core module {}",
        info.source.image,
        info.elfs.len(),
        Bytes(info.rom.bytes),
        Bytes(info.wasm.core_module_bytes)
    )
}
