//! execve(2): from a path to a program that is ready to run (fs/exec.c, binfmt_elf.c, binfmt_script.c of Linux).

use hoist_vfs::Kind;
use hoist_x86::state::CpuState;

use crate::elf::{Elf, ElfError};
use crate::errno::Errno;
use crate::fs::types::MAY_EXEC;
use crate::fs::uio::Buffer;
use crate::fs::{File, InodeRef, Location, OpenFlags, content};
use crate::kernel::Kernel;
use crate::mm::{AddressSpace, FileMap, PAGE, Place, Prot, page_up};
use crate::process::End;
use crate::signal::number;
use crate::stack::{self, Start};
use crate::{cpu, user};

/// Bytes of a file that are looked at to see what it is: BINPRM_BUF_SIZE.
const HEAD: usize = 256;
/// Scripts whose interpreters are scripts, at most so deep.
const MAX_SCRIPTS: usize = 5;
/// S_ISUID, S_ISGID.
const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2010;

/// Why a program could not be started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExecError {
    #[error("{}", .0.message())]
    Errno(Errno),
    #[error("exec format error: {0}")]
    Format(#[from] ElfError),
    #[error("its interpreter {}: {}", String::from_utf8_lossy(.path), .errno.message())]
    Interpreter { path: Vec<u8>, errno: Errno },
    #[error("its interpreter {}: {}", String::from_utf8_lossy(.path), .error)]
    BadInterpreter { path: Vec<u8>, error: ElfError },
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> ExecError {
        ExecError::Errno(errno)
    }
}

impl ExecError {
    /// What execve(2) returns for it.
    pub fn errno(&self) -> Errno {
        match self {
            ExecError::Errno(errno) | ExecError::Interpreter { errno, .. } => *errno,
            ExecError::Format(_) => Errno::ENOEXEC,
            ExecError::BadInterpreter { .. } => Errno::ELIBBAD,
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    pub envp: Vec<Vec<u8>>,
}

/// A program found and checked; nothing has changed yet.
struct Program {
    location: Location,
    elf: Elf,
    interpreter: Option<(Location, Elf)>,
    argv: Vec<Vec<u8>>,
}

/// Replaces the process's program. After success the task goes on at [`crate::task::Task::pc`]; after an error nothing has changed, except
/// where loading failed half-way, which ends the process as in Linux.
///
/// # Errors
/// Says why.
pub fn execve(k: &mut Kernel, request: Request) -> Result<(), ExecError> {
    let Request { path, argv, envp } = request;
    let argv = if argv.is_empty() { vec![Vec::new()] } else { argv };
    let program = find(k, &path, argv)?;
    let start = Start { argv: program.argv.clone(), envp, execfn: path, ..Start::default() };
    start.check_size()?;

    // The point of no return.
    become_program(k, &program, start).inspect_err(|_| k.exit(End::Signal(number::SIGKILL)))
}

/// Loads the program in the place of the one before.
fn become_program(k: &mut Kernel, program: &Program, mut start: Start) -> Result<(), ExecError> {
    k.end_other_tasks();
    k.renew_memory();
    let mut mm = k.process.mm.borrow_mut();
    let main = load(&mut mm, &program.location, &program.elf)?;
    let linker = program.interpreter.as_ref().map(|(location, elf)| load(&mut mm, location, elf)).transpose()?;
    let stack_top = mm.map_stack()?;
    drop(mm);
    k.process.become_program(&program.location);
    k.task.name = short_name(&start.execfn);
    k.task.become_program();
    set_ids(k, &program.location)?;

    let cred = &k.process.cred;
    (start.uid, start.euid, start.gid, start.egid) = (cred.uid.real, cred.uid.effective, cred.gid.real, cred.gid.effective);
    start.secure = start.uid != start.euid || start.gid != start.egid;
    start.phdr = if program.elf.phdr == 0 { 0 } else { main.bias.wrapping_add(program.elf.phdr) };
    start.phnum = program.elf.phnum;
    start.entry = main.entry;
    start.base = linker.as_ref().map_or(0, |linker| linker.bias);
    let laid = stack::lay(stack_top, &start)?;
    k.process.arguments = laid.arguments;
    k.process.environment = laid.environment;
    k.process.auxv = laid.auxv;

    let mut state = CpuState::default();
    state.int[4] = laid.rsp;
    state.observes_flags = k.exact_floats || k.process.mm.borrow().reads_exceptions;
    state.foreign_nans = k.foreign_nans;
    state.update_exact();
    cpu::replace(state);
    k.task.go_on_at(linker.map_or(main.entry, |linker| linker.entry) as u32);
    Ok(())
}

// ---- Finding the program

/// Follows scripts to an ELF file and reads its headers and its dynamic linker's.
fn find(k: &Kernel, path: &[u8], mut argv: Vec<Vec<u8>>) -> Result<Program, ExecError> {
    let mut path = path.to_vec();
    for depth in 0..=MAX_SCRIPTS {
        let location = open(k, &path).map_err(|errno| match depth {
            0 => ExecError::Errno(errno),
            _ => ExecError::Interpreter { path: path.clone(), errno },
        })?;
        let mut head = [0; HEAD];
        let len = content::read_at(location.inode(), 0, &mut Buffer::new(&mut head))?;
        if let Some(script) = Script::parse(&head[..len])? {
            argv[0] = path;
            argv.splice(0..0, [Some(script.interpreter.clone()), script.argument].into_iter().flatten());
            path = script.interpreter;
            continue;
        }
        let elf = Elf::read(location.inode())?;
        let interpreter = match &elf.interpreter {
            Some(path) => {
                let location = open(k, path).map_err(|errno| ExecError::Interpreter { path: path.clone(), errno })?;
                let elf = Elf::read(location.inode());
                Some((location, elf.map_err(|error| ExecError::BadInterpreter { path: path.clone(), error })?))
            }
            None => None,
        };
        return Ok(Program { location, elf, interpreter, argv });
    }
    Err(Errno::ELOOP.into())
}

/// The file at a path, if it may be executed.
fn open(k: &Kernel, path: &[u8]) -> Result<Location, Errno> {
    let (info, cred) = (k.process.fs.borrow(), &k.process.cred.fs);
    let walker = info.walker(cred, None);
    let location = walker.resolve(path, true)?;
    let stat = location.inode().stat()?;
    if stat.kind != Kind::Regular {
        return Err(Errno::EACCES);
    }
    walker.cred.permission(&stat, MAY_EXEC)?;
    Ok(location)
}

/// A script's first line.
#[derive(PartialEq, Eq, Debug)]
struct Script {
    interpreter: Vec<u8>,
    argument: Option<Vec<u8>>,
}

impl Script {
    /// `None` if the file does not begin with `#!`.
    ///
    /// # Errors
    /// ENOEXEC if no interpreter follows, or its path may be cut off.
    fn parse(head: &[u8]) -> Result<Option<Script>, Errno> {
        let Some(rest) = head.strip_prefix(b"#!") else { return Ok(None) };
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let end = rest.iter().position(|&byte| byte == b'\n' || byte == 0);
        let line = &rest[..end.unwrap_or(rest.len())];
        let line = &line[line.iter().position(|byte| !blank(byte)).ok_or(Errno::ENOEXEC)?..];
        let after = line.iter().position(blank);
        if end.is_none() && head.len() == HEAD && after.is_none() {
            return Err(Errno::ENOEXEC);
        }
        let (interpreter, argument) = line.split_at(after.unwrap_or(line.len()));
        let argument = argument.trim_ascii();
        let argument = Some(argument.to_vec()).filter(|argument| !argument.is_empty());
        match interpreter.is_empty() {
            true => Err(Errno::ENOEXEC),
            false => Ok(Some(Script { interpreter: interpreter.to_vec(), argument })),
        }
    }
}

// ---- Loading

/// Where a file was loaded.
struct Loaded {
    /// What its addresses were raised by.
    bias: u64,
    entry: u64,
}

/// Maps the segments of a file: at its addresses, else at its home, else where there is room.
fn load(mm: &mut AddressSpace, location: &Location, elf: &Elf) -> Result<Loaded, ExecError> {
    let file = File::content(location.clone(), OpenFlags(OpenFlags::RDONLY));
    file.tell_opened();
    file.tell(crate::fs::notify::mask::ACCESS);
    let file = FileMap::new(&file)?;
    let (first, span) = elf.span()?;
    let home = file.elf().map(|elf| u64::from(elf.base)).filter(|&home| mm.is_free(home, span));
    let start = match home {
        _ if elf.fixed => first,
        Some(home) => home,
        None => mm.reserve(span)?,
    };
    let bias = start.wrapping_sub(first);
    for segment in &elf.segments {
        let addr = segment.vaddr.wrapping_add(bias);
        let page = addr & !(PAGE - 1);
        let within = addr - page;
        let (file_end, end) = (addr + segment.file_size, addr + segment.mem_size);
        let mut bss = page;
        if segment.file_size != 0 {
            mm.map_file(Place::Fixed(page), within + segment.file_size, segment.prot, false, &file, segment.offset - within)?;
            bss = page_up(file_end);
            if segment.mem_size > segment.file_size && segment.prot.has(Prot::WRITE) {
                // To the page's end, as Linux does: the dynamic linker's first allocations come from there.
                user::unchecked::clear(file_end, bss - file_end)?;
            }
        }
        if page_up(end) > bss {
            mm.map_anonymous(Place::Fixed(bss), page_up(end) - bss, segment.prot, false)?;
        }
    }
    Ok(Loaded { bias, entry: elf.entry.wrapping_add(bias) })
}

/// The name that ps(1) shows: the last component of the path, at most 15 bytes.
fn short_name(path: &[u8]) -> Vec<u8> {
    const TASK_COMM_LEN: usize = 16;
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name[..name.len().min(TASK_COMM_LEN - 1)].to_vec()
}

/// The set-user-ID and set-group-ID bits of the program.
fn set_ids(k: &mut Kernel, location: &Location) -> Result<(), Errno> {
    let inode: &InodeRef = location.inode();
    let stat = inode.stat()?;
    let cred = &mut k.process.cred;
    if stat.mode & SET_UID != 0 && !k.process.no_new_privs {
        cred.uid.effective = stat.uid;
    }
    if stat.mode & SET_GID == SET_GID && !k.process.no_new_privs {
        cred.gid.effective = stat.gid;
    }
    cred.after_exec();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_of_scripts() {
        let parse = |text: &str| Script::parse(text.as_bytes());
        let script = |interpreter: &str, argument: Option<&str>| {
            let argument = argument.map(|text| text.as_bytes().to_vec());
            Ok(Some(Script { interpreter: interpreter.into(), argument }))
        };
        assert_eq!(parse("\x7fELF"), Ok(None));
        assert_eq!(parse("#!/bin/sh\necho"), script("/bin/sh", None));
        assert_eq!(parse("#! \t/bin/sh  -e -x \necho"), script("/bin/sh", Some("-e -x")));
        assert_eq!(parse("#!/bin/sh"), script("/bin/sh", None));
        assert_eq!(parse("#!\n"), Err(Errno::ENOEXEC));
        assert_eq!(parse("#!   "), Err(Errno::ENOEXEC));
        assert_eq!(parse(&format!("#!/{}", "x".repeat(300))[..HEAD]), Err(Errno::ENOEXEC));
        assert_eq!(parse(&format!("#!/x {}", "y".repeat(300))[..HEAD]), script("/x", Some(&"y".repeat(HEAD - 5))));
    }
}
