//! The program that an image starts: found as execvp(3) and execve(2) find it, so that what cannot start is an error at conversion.

use hoist_oci::ImageConfig;
use hoist_vfs::{Content, InodeId, RootFs, TreeError};

use crate::elf::{Head, NotLoadable};

/// What docker sets where an image sets no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Linux follows a script's interpreter that is itself a script no further than this (execve(2)).
const SCRIPTS_MAX: usize = 4;
/// What Linux reads of a file to see what it is (`BINPRM_BUF_SIZE`).
const SCRIPT_HEAD: usize = 256;

/// Why an image cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("the image names no program to start: it has neither Entrypoint nor Cmd")]
    NoCommand,
    #[error("exec: {0:?}: executable file not found in $PATH")]
    NotInPath(String),
    #[error("exec: {path:?}: {source}")]
    NotFound { path: String, source: TreeError },
    #[error("exec: {0:?}: permission denied: not an executable file")]
    NotExecutable(String),
    #[error("exec: {path:?}: cannot run: {source}")]
    NotLoadable { path: String, source: NotLoadable },
    #[error("exec: {path:?}: its interpreter {interpreter:?} is not in the image")]
    Interpreter { path: String, interpreter: String },
    #[error("exec: {0:?}: too many levels of script interpreters")]
    TooManyScripts(String),
}

/// The ELF file that runs first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub inode: InodeId,
    /// As found: absolute, symlinks not resolved.
    pub path: String,
}

/// Finds the program that the image's config names.
///
/// # Errors
/// [`EntryError`]
pub fn find(rootfs: &RootFs, config: &ImageConfig) -> Result<Entry, EntryError> {
    let program = config.entrypoint.first().or(config.cmd.first()).ok_or(EntryError::NoCommand)?;
    let mut path = search(rootfs, config, program)?;
    for _ in 0..=SCRIPTS_MAX {
        let (inode, content) = executable(rootfs, &path)?;
        match script_interpreter(content) {
            Some(interpreter) => {
                if rootfs.resolve(&interpreter).is_err() {
                    return Err(EntryError::Interpreter { path, interpreter: text(&interpreter) });
                }
                path = text(&interpreter);
            }
            None => {
                let head = Head::read(content).map_err(|source| EntryError::NotLoadable { path: path.clone(), source })?;
                if let Some(interpreter) = &head.interpreter
                    && rootfs.resolve(interpreter).is_err()
                {
                    return Err(EntryError::Interpreter { path, interpreter: text(interpreter) });
                }
                if !head.can_start() {
                    return Err(EntryError::NotLoadable {
                        path,
                        source: NotLoadable::Damaged("its entry point is in no executable segment"),
                    });
                }
                return Ok(Entry { inode, path });
            }
        }
    }
    Err(EntryError::TooManyScripts(program.clone()))
}

/// As execvp(3): a name with a slash is a path, any other is looked for in PATH.
fn search(rootfs: &RootFs, config: &ImageConfig, program: &str) -> Result<String, EntryError> {
    let working_dir = config.working_dir.as_deref().unwrap_or("/");
    let absolute = |path: &str| match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", working_dir.trim_end_matches('/')),
    };
    if program.contains('/') {
        return Ok(absolute(program));
    }
    let path = config.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let candidates = path.split(':').map(|dir| absolute(&format!("{}/{program}", if dir.is_empty() { "." } else { dir })));
    let mut found = candidates.filter(|path| executable(rootfs, path).is_ok());
    found.next().ok_or_else(|| EntryError::NotInPath(program.to_owned()))
}

/// A regular file that somebody may execute.
fn executable<'a>(rootfs: &'a RootFs, path: &str) -> Result<(InodeId, &'a Content), EntryError> {
    let not_found = |source| EntryError::NotFound { path: path.to_owned(), source };
    let inode = rootfs.resolve(path.as_bytes()).map_err(not_found)?;
    let file = rootfs.inode(inode).map_err(not_found)?;
    let content = file.content().filter(|_| file.attrs().mode & 0o111 != 0);
    Ok((inode, content.ok_or_else(|| EntryError::NotExecutable(path.to_owned()))?))
}

/// The interpreter that a script's `#!` line names (execve(2), "Interpreter scripts").
fn script_interpreter(content: &Content) -> Option<Vec<u8>> {
    let mut head = [0; SCRIPT_HEAD];
    // A file that cannot be read fails with a message where it is read as an ELF file.
    let read = content.read_at(0, &mut head).ok()?;
    let line = head[..read].strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).filter(|word| !word.is_empty());
    words.next().map(<[u8]>::to_vec)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DYN, EXEC, elf, put};

    fn image(entrypoint: &str) -> (RootFs, ImageConfig) {
        let mut rootfs = RootFs::new();
        put(&mut rootfs, "usr/bin/tool", elf(EXEC, 0x40_0000, 0x1000, None));
        put(&mut rootfs, "bin/dynamic", elf(DYN, 0, 0x1000, Some("/lib64/ld.so")));
        put(&mut rootfs, "bin/script", "#! /usr/bin/tool -x\nrest");
        put(&mut rootfs, "bin/orphan", "#!/no/such/shell\n");
        put(&mut rootfs, "bin/loop", "#!/bin/loop\n");
        let mut narrow = elf(EXEC, 0x40_0000, 0x1000, None);
        narrow[4] = 1;
        put(&mut rootfs, "bin/narrow", narrow);
        let mut arm = elf(EXEC, 0x40_0000, 0x1000, None);
        arm[18] = 183;
        put(&mut rootfs, "bin/arm", arm);
        put(&mut rootfs, "bin/text", "just words");
        put(&mut rootfs, "bin/cut", elf(EXEC, 0x40_0000, 0x1000, None)[..70].to_vec());
        let entrypoint = Some(entrypoint.to_owned()).filter(|name| !name.is_empty()).into_iter().collect();
        (rootfs, ImageConfig { entrypoint, ..ImageConfig::default() })
    }

    fn found(entrypoint: &str) -> Result<String, String> {
        let (rootfs, config) = image(entrypoint);
        find(&rootfs, &config).map(|entry| entry.path).map_err(|error| error.to_string())
    }

    #[test]
    fn programs_are_found_as_exec_finds_them() {
        assert_eq!(found("tool").as_deref(), Ok("/usr/bin/tool"));
        assert_eq!(found("/usr/bin/tool").as_deref(), Ok("/usr/bin/tool"));
        assert_eq!(found("usr/bin/../bin/tool").as_deref(), Ok("/usr/bin/../bin/tool"));
        assert_eq!(found("script").as_deref(), Ok("/usr/bin/tool"));
    }

    #[test]
    fn what_cannot_start_says_why() {
        let error = |entrypoint| found(entrypoint).expect_err("an error");
        assert_eq!(error(""), "the image names no program to start: it has neither Entrypoint nor Cmd");
        assert_eq!(error("nothing"), "exec: \"nothing\": executable file not found in $PATH");
        assert_eq!(error("/nothing"), "exec: \"/nothing\": \"/nothing\": no such file or directory");
        assert_eq!(error("/bin"), "exec: \"/bin\": permission denied: not an executable file");
        assert_eq!(error("dynamic"), "exec: \"/bin/dynamic\": its interpreter \"/lib64/ld.so\" is not in the image");
        assert_eq!(error("orphan"), "exec: \"/bin/orphan\": its interpreter \"/no/such/shell\" is not in the image");
        assert_eq!(error("loop"), "exec: \"loop\": too many levels of script interpreters");
        assert!(error("narrow").ends_with("cannot run: it is a 32-bit program; hoist translates 64-bit x86 (x86-64) only"));
        assert!(error("arm").ends_with("cannot run: it is a program for ARM64 (aarch64); hoist translates x86-64 only"));
        assert!(error("text").ends_with("cannot run: it is not an ELF file"));
        assert!(error("cut").ends_with("cannot run: its ELF header is damaged: the program headers reach beyond the file's end"));
    }
}
