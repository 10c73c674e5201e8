//! Files by name: those of a directory, and the members of a tar archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hoist_vfs::Content;

use crate::PullOptions;
use crate::error::Error;
use crate::fetch::{Decoder, spooled};
use crate::tarball::{Entries, EntryKind};

/// Something that has files by name, which are relative and use slashes.
pub(super) trait Members: Sync {
    /// Where they are, for messages.
    fn place(&self) -> &Path;

    /// The length of a file in bytes and its content; `None` if there is no such file.
    fn open(&self, name: &str) -> io::Result<Option<(u64, Box<dyn Read + '_>)>>;

    /// A small file, all of it.
    ///
    /// # Errors
    /// `Error::Archive` if it is not there or longer than `limit`.
    fn document(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let file = |source| Error::file(self.place().join(name), source);
        let problem = |problem| self.problem(problem);
        let Some((len, stream)) = self.open(name).map_err(file)? else {
            return Err(problem(format!("has no {name}")));
        };
        if len > limit {
            return Err(problem(format!("its {name} is longer than {limit} bytes")));
        }
        let mut document = Vec::new();
        stream.take(limit).read_to_end(&mut document).map_err(file)?;
        Ok(document)
    }

    fn problem(&self, problem: String) -> Error {
        Error::Archive { path: self.place().to_owned(), problem }
    }
}

/// A directory's files.
pub(super) struct Dir(pub(super) PathBuf);

impl Members for Dir {
    fn place(&self) -> &Path {
        &self.0
    }

    fn open(&self, name: &str) -> io::Result<Option<(u64, Box<dyn Read + '_>)>> {
        match File::open(self.0.join(name)) {
            Ok(file) => Ok(Some((file.metadata()?.len(), Box::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The members of a tar archive. One that is compressed as a whole is uncompressed to a spool file first.
pub(super) struct Archive {
    path: PathBuf,
    members: BTreeMap<String, Member>,
}

enum Member {
    File(Content),
    /// The name of another member, from the archive's root.
    Link(String),
}

/// The links that lead from a name to a file, at most; what docker writes has one.
const LINKS_MAX: usize = 8;

impl Archive {
    /// Reads the archive's headers.
    pub(super) fn open(path: &Path, options: &PullOptions) -> Result<Archive, Error> {
        let file_error = |source| Error::file(path, source);
        let file = File::open(path).map_err(file_error)?;
        let metadata = file.metadata().map_err(file_error)?;
        if metadata.is_dir() {
            return Err(file_error(io::ErrorKind::IsADirectory.into()));
        }
        let stream = file.try_clone().map_err(file_error)?;
        match Decoder::new(stream).map_err(file_error)? {
            Decoder::Plain(_) => Archive::of(path, spooled(file, metadata.len()), options),
            decoder => Archive::of(path, spool(path, decoder, options)?, options),
        }
    }

    /// Takes the archive from standard input.
    pub(super) fn stdin(options: &PullOptions) -> Result<Archive, Error> {
        let path = Path::new("standard input");
        let decoder = Decoder::new(io::stdin().lock()).map_err(|source| Error::file(path, source))?;
        Archive::of(path, spool(path, decoder, options)?, options)
    }

    fn of(path: &Path, archive: Content, options: &PullOptions) -> Result<Archive, Error> {
        let file = |source| Error::file(path, source);
        let problem = |problem: String| Error::Archive { path: path.to_owned(), problem };
        let mut members = BTreeMap::new();
        for entry in Entries::new(&archive, &options.limits) {
            let entry = entry.map_err(|error| problem(error.to_string()))?;
            // A name that is not UTF-8 is none that anything in an image archive refers to.
            let Ok(name) = std::str::from_utf8(&entry.name) else {
                continue;
            };
            let name = clean(name);
            let text = |link: &[u8]| String::from_utf8_lossy(link).into_owned();
            let member = match &entry.kind {
                EntryKind::Regular(data) => {
                    let content = data.in_one_piece(&archive);
                    Member::File(content.ok_or_else(|| problem(format!("{name} is sparse")))?)
                }
                EntryKind::HardLink(target) => Member::Link(clean(&text(target))),
                // Relative to where the link is: `../abc/layer.tar`.
                EntryKind::Symlink(target) => {
                    let (dir, _) = name.rsplit_once('/').unwrap_or_default();
                    Member::Link(clean(&format!("{dir}/{}", text(target))))
                }
                _ => continue,
            };
            members.insert(name, member);
        }
        if members.is_empty() {
            return Err(match archive.is_empty() {
                true => file(io::ErrorKind::UnexpectedEof.into()),
                false => problem("has no files".to_owned()),
            });
        }
        let path = path.to_owned();
        Ok(Archive { path, members })
    }

    /// The content of a file; `None` if there is none of that name.
    pub(super) fn content(&self, name: &str) -> Option<&Content> {
        let mut name = clean(name);
        for _ in 0..=LINKS_MAX {
            match self.members.get(&name)? {
                Member::File(content) => return Some(content),
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

impl Members for Archive {
    fn place(&self) -> &Path {
        &self.path
    }

    fn open(&self, name: &str) -> io::Result<Option<(u64, Box<dyn Read + '_>)>> {
        Ok(self.content(name).map(|content| {
            let reader: Box<dyn Read> = Box::new(content.reader());
            (content.len(), reader)
        }))
    }
}

/// The bytes of a stream, uncompressed, in a file without a name.
fn spool(path: &Path, mut decoder: Decoder<'_>, options: &PullOptions) -> Result<Content, Error> {
    let dir = options.spool_dir();
    let spool_error = |source| Error::Spool { dir: dir.clone(), source };
    let mut spool = tempfile::tempfile_in(&dir).map_err(spool_error)?;
    let (mut len, mut buffer) = (0, vec![0; 1 << 17]);
    let limit = options.limits.bytes;
    loop {
        let count = decoder.read(&mut buffer).map_err(|source| Error::file(path, source))?;
        if count == 0 {
            return Ok(spooled(spool, len));
        }
        len += count as u64;
        if len > limit {
            let problem = format!("is larger, uncompressed, than the {limit} bytes that hoist takes");
            return Err(Error::Archive { path: path.to_owned(), problem });
        }
        io::Write::write_all(&mut spool, &buffer[..count]).map_err(spool_error)?;
    }
}

/// A name without `.`, `..` and doubled slashes; one that climbs out stays at the archive's root.
fn clean(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
