//! Compose files → one tree: `.env`, interpolation, `include`, `extends`, several files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::dotenv;
use super::interpolate::{Environment, interpolate};
use super::merge::{drop_resets, merge, normalize};
use crate::error::{Error, Problem};
use crate::yaml::{self, Node, Value, string_of};

/// How deep files may include and extend each other.
const MAX_FILES_DEEP: usize = 50;

/// A project being loaded.
pub struct Loader {
    /// Directory that relative paths start from.
    pub dir: PathBuf,
    pub environment: Environment,
    /// Variables that nothing sets.
    pub unset: BTreeSet<String>,
    /// Files being read now, to find circles.
    open: Vec<PathBuf>,
}

impl Loader {
    /// A project in a directory; its `.env` is read, unless other files are named.
    ///
    /// # Errors
    /// `Read`; `At` in such a file.
    pub fn new(dir: &Path, process: Environment, env_files: &[PathBuf]) -> Result<Loader, Error> {
        let default = [dir.join(".env")];
        let (files, required) = if env_files.is_empty() { (&default[..], false) } else { (env_files, true) };
        let mut environment = process;
        for file in files {
            if !required && !file.is_file() {
                continue;
            }
            let text = read(file)?;
            let lookup = |name: &str| environment.get(name).map(str::to_owned);
            let variables = dotenv::parse(&file.display().to_string(), &text, &lookup)?;
            environment.files.extend(variables.into_iter().filter_map(|(name, value)| Some((name, value?))));
        }
        Ok(Loader { dir: dir.to_owned(), environment, unset: BTreeSet::new(), open: Vec::new() })
    }

    /// The files, each merged over those before it.
    ///
    /// # Errors
    /// `Read`, `At`, `Empty`.
    pub fn files(&mut self, files: &[PathBuf]) -> Result<Node, Error> {
        let mut whole: Option<Node> = None;
        for file in files {
            for document in self.file(file)? {
                match &mut whole {
                    Some(whole) => merge(whole, document, &[]),
                    None => whole = Some(document),
                }
            }
        }
        let mut whole = whole.ok_or_else(|| Error::Empty(names(files)))?;
        drop_resets(&mut whole);
        Ok(whole)
    }

    /// One file's documents, with what they include and extend.
    fn file(&mut self, file: &Path) -> Result<Vec<Node>, Error> {
        let documents = self.parse(file)?;
        self.open.push(file.to_owned());
        let result = documents.into_iter().map(|mut document| {
            self.includes(&mut document)?;
            let services: Vec<String> = entries(&document, "services").map(|(name, _)| name.to_owned()).collect();
            for name in services {
                let service = self.service(&document, file, &name, 0)?;
                if let Some(services) = document.get_mut("services") {
                    services.set(&name, service);
                }
            }
            Ok(document)
        });
        let result = result.collect();
        self.open.pop();
        result
    }

    /// Parses, interpolates and normalizes.
    fn parse(&mut self, file: &Path) -> Result<Vec<Node>, Error> {
        let name = file.display().to_string();
        let mut documents = yaml::parse(&name, &read(file)?)?;
        for document in &mut documents {
            if !matches!(document.value, Value::Map(_)) {
                let problem = Problem::Type { path: "top level".into(), message: "a mapping is expected".into() };
                return Err(problem.at(&document.at));
            }
            interpolate(document, &self.environment, &mut self.unset)?;
            normalize(document)?;
        }
        Ok(documents)
    }

    /// Replaces `include` by what it names (compose-spec 14).
    fn includes(&mut self, document: &mut Node) -> Result<(), Error> {
        let Some(include) = document.remove("include") else { return Ok(()) };
        let Value::List(items) = include.value else {
            return Err(Problem::Type { path: "include".into(), message: "a list is expected".into() }.at(&include.at));
        };
        for item in items {
            let paths = |key: &str| match item.get(key).map(|node| (&node.value, node)) {
                Some((Value::List(items), _)) => items.iter().filter_map(string_of).collect(),
                Some((_, node)) => string_of(node).into_iter().collect(),
                None => Vec::new(),
            };
            let files = match string_of(&item) {
                Some(file) => vec![file],
                None => {
                    if let Some(entry) =
                        item.entries().iter().find(|entry| !matches!(&*entry.key, "path" | "env_file" | "project_directory"))
                    {
                        let problem = Problem::UnknownKey { path: "include".into(), key: entry.key.clone() };
                        return Err(problem.at(&entry.key_at));
                    }
                    paths("path")
                }
            };
            let files: Vec<PathBuf> = files.iter().map(|file| clean(&self.dir.join(file))).collect();
            let Some(first) = files.first() else {
                return Err(Problem::Type { path: "include".into(), message: "a path is expected".into() }.at(&item.at));
            };
            if self.open.len() > MAX_FILES_DEEP || files.iter().any(|file| self.open.contains(file)) {
                return Err(Problem::Circle(format!("{} is included", first.display())).at(&item.at));
            }
            let dir = match item.get("project_directory").and_then(string_of) {
                Some(dir) => clean(&self.dir.join(dir)),
                None => first.parent().unwrap_or(Path::new("")).to_owned(),
            };
            let env_files: Vec<PathBuf> = paths("env_file").iter().map(|file| clean(&self.dir.join(file))).collect();
            let mut inner = Loader::new(&dir, self.environment.clone(), &env_files)?;
            inner.open = self.open.clone();
            let mut included = inner.files(&files)?;
            self.unset.append(&mut inner.unset);
            rebase_file(&mut included, &dir, &self.dir);
            add(document, included)?;
        }
        Ok(())
    }

    /// A service with what it extends (compose-spec 05, "extends").
    fn service(&mut self, document: &Node, file: &Path, name: &str, depth: usize) -> Result<Node, Error> {
        let Some(service) = document.get("services").and_then(|services| services.get(name)) else {
            let problem = Problem::Undefined { what: "the extended service", name: name.to_owned() };
            return Err(problem.at(&document.at));
        };
        let mut service = service.clone();
        let Some(extends) = service.remove("extends") else { return Ok(service) };
        if depth > MAX_FILES_DEEP {
            return Err(Problem::Circle(format!("service {name:?} is extended")).at(&extends.at));
        }
        let base_name = string_of(&extends).or_else(|| extends.get("service").and_then(string_of));
        let Some(base_name) = base_name else {
            let problem = Problem::Type { path: format!("services.{name}.extends"), message: "a service is expected".into() };
            return Err(problem.at(&extends.at));
        };
        let mut base = match extends.get("file").and_then(string_of) {
            None => self.service(document, file, &base_name, depth + 1)?,
            Some(path) => {
                let path = clean(&file.parent().unwrap_or(Path::new("")).join(path));
                let documents = self.parse(&path)?;
                let Some(other) = documents.into_iter().next() else { return Err(Error::Empty(path.display().to_string())) };
                let mut base = self.service(&other, &path, &base_name, depth + 1)?;
                rebase(&mut base, path.parent().unwrap_or(Path::new("")), file.parent().unwrap_or(Path::new("")));
                base
            }
        };
        merge(&mut base, service, &["services", name]);
        Ok(base)
    }
}

/// Reads a file as UTF-8.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
}

fn entries<'n>(document: &'n Node, key: &str) -> impl Iterator<Item = (&'n str, &'n Node)> {
    document.get(key).map_or(&[][..], Node::entries).iter().map(|entry| (entry.key.as_str(), &entry.value))
}

fn names(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A path without `.` and, where it can be seen, `..`.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            component => out.push(component),
        }
    }
    out
}

/// Adds an included file's parts: what is there twice is a mistake (compose-spec 14, "Include and overrides").
fn add(document: &mut Node, included: Node) -> Result<(), Error> {
    let Value::Map(sections) = included.value else { return Ok(()) };
    for section in sections {
        if !matches!(&*section.key, "services" | "volumes" | "networks" | "configs" | "secrets") {
            continue;
        }
        let Value::Map(entries) = section.value.value else { continue };
        if document.get(&section.key).is_none() {
            document.set(&section.key, Node { value: Value::Map(Vec::new()), at: section.key_at.clone(), tag: None });
        }
        let Some(own) = document.get_mut(&section.key) else { continue };
        for entry in entries {
            match own.get(&entry.key) {
                Some(same) if same.to_json() == entry.value.to_json() => {}
                Some(other) => {
                    return Err(Problem::Twice { kind: section.key.clone(), name: entry.key }.at(&other.at));
                }
                None => own.set(&entry.key, entry.value),
            }
        }
    }
    Ok(())
}

/// Makes relative paths of a file start from another directory.
fn rebase_file(file: &mut Node, from: &Path, to: &Path) {
    if let Some(services) = file.get_mut("services") {
        services.entries_mut().iter_mut().for_each(|entry| rebase(&mut entry.value, from, to));
    }
    for kind in ["configs", "secrets"] {
        for entry in file.get_mut(kind).map_or(&mut [][..], Node::entries_mut) {
            if let Some(path) = entry.value.get_mut("file") {
                rebase_path(path, from, to, false);
            }
        }
    }
}

/// The same for a service.
fn rebase(service: &mut Node, from: &Path, to: &Path) {
    for key in ["env_file", "label_file"] {
        if let Some(Node { value: Value::List(files), .. }) = service.get_mut(key) {
            for file in files {
                match file.get_mut("path") {
                    Some(path) => rebase_path(path, from, to, false),
                    None => rebase_path(file, from, to, false),
                }
            }
        }
    }
    if let Some(Node { value: Value::List(volumes), .. }) = service.get_mut("volumes") {
        for volume in volumes {
            match volume.get_mut("source") {
                Some(source) => rebase_path(source, from, to, true),
                None => rebase_path(volume, from, to, true),
            }
        }
    }
}

/// `only_dotted`: a name without a leading dot is no path.
fn rebase_path(node: &mut Node, from: &Path, to: &Path, only_dotted: bool) {
    let Value::String(path) = &mut node.value else { return };
    if path.starts_with('/') || path.starts_with('~') || only_dotted && !path.starts_with('.') {
        return;
    }
    let Ok(below) = from.strip_prefix(to) else {
        *path = format!("{}", from.join(&*path).display());
        return;
    };
    if below.as_os_str().is_empty() {
        return;
    }
    let joined = clean(&below.join(&*path)).display().to_string();
    // A target follows after a colon, so the text is kept as it is.
    *path = if only_dotted { format!("./{joined}") } else { joined };
}
