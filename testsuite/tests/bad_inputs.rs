//! Inputs that cannot become a component: each gives one clear error, a non-zero exit status, and no file.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::Hoist;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// ELF fields that the tests spoil (ELF-64 object file format, figures 2 and 6).
const EI_CLASS: usize = 4;
const E_MACHINE: usize = 18;
const E_ENTRY: usize = 24;
const E_PHOFF: usize = 32;
const E_PHENTSIZE: usize = 54;
const E_PHNUM: usize = 56;
const FIRST_PHDR: usize = 64;
const P_OFFSET: usize = 8;
const P_VADDR: usize = 16;
const P_FILESZ: usize = 32;
const P_MEMSZ: usize = 40;

/// An image to be: an OCI layout in a temporary directory.
struct Layout {
    dir: TempDir,
}

impl Layout {
    /// One layer, and a config with these fields beside `rootfs`.
    fn new(layer: &[u8], architecture: &str, config: &str) -> Result<Layout> {
        let layout = Layout { dir: tempfile::tempdir()? };
        fs::create_dir_all(layout.dir.path().join("blobs/sha256"))?;
        let diff_id = digest(layer);
        let layer = layout.blob(layer, "layer.v1.tar")?;
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
        );
        let config = layout.blob(config.as_bytes(), "config.v1+json")?;
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
        let manifest = layout.blob(manifest.as_bytes(), "manifest.v1+json")?;
        let platform = format!(r#","platform":{{"architecture":"{architecture}","os":"linux"}}}}"#);
        let manifest = format!("{}{platform}", &manifest[..manifest.len() - 1]);
        fs::write(layout.dir.path().join("index.json"), format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#))?;
        fs::write(layout.dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(layout)
    }

    /// An image that starts `/program`, a file with these bytes.
    fn of_program(program: &[u8]) -> Result<Layout> {
        Layout::new(&tar(&[("program", Entry::File(program))]), "amd64", r#"{"Cmd":["/program"]}"#)
    }

    /// Writes a blob; its descriptor.
    fn blob(&self, bytes: &[u8], kind: &str) -> Result<String> {
        let digest = digest(bytes);
        fs::write(self.path_of(&digest), bytes)?;
        Ok(format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{digest}","size":{}}}"#, bytes.len()))
    }

    fn path_of(&self, digest: &str) -> PathBuf {
        self.dir.path().join("blobs/sha256").join(digest)
    }

    /// Converts the image, which must fail with these words and leave nothing.
    fn fails(&self, words: &[&str]) -> Result<()> {
        let out = tempfile::tempdir()?;
        self.fails_in(out.path(), words, |_| ())
    }

    fn fails_in(&self, dir: &Path, words: &[&str], adjust: impl FnOnce(&mut std::process::Command)) -> Result<()> {
        let mut command = Hoist::find()?.command();
        command.args(["convert", "-o"]).arg(dir.join("app.wasm")).arg(format!("oci:{}", self.dir.path().display()));
        adjust(&mut command);
        let output = command.output()?;
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = || format!("{words:?}, {}:\n{message}", output.status);
        ensure!(output.status.code().is_some_and(|status| status != 0), "{}", what());
        ensure!(!message.contains("panicked"), "{}", what());
        ensure!(words.iter().all(|word| message.contains(word)), "not as it should be: {}", what());
        let errors = message.lines().filter(|line| line.starts_with("hoist: ")).count();
        ensure!(errors == 1, "not one error: {}", what());
        let left: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
        ensure!(left.is_empty(), "left behind: {left:?}; {}", what());
        Ok(())
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

enum Entry<'a> {
    File(&'a [u8]),
    Symlink(&'a str),
    HardLink(&'a str),
}

/// A tar with names as they are, also such as no tool would write.
fn tar(entries: &[(&str, Entry)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o755);
        let (kind, link, bytes) = match *entry {
            Entry::File(bytes) => (tar::EntryType::Regular, "", bytes),
            Entry::Symlink(to) => (tar::EntryType::Symlink, to, [].as_slice()),
            Entry::HardLink(to) => (tar::EntryType::Link, to, [].as_slice()),
        };
        header.set_entry_type(kind);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).expect("writing to memory");
    }
    builder.into_inner().expect("writing to memory")
}

/// A real program: the test itself, which is large enough for every kind of damage.
fn program() -> Result<Vec<u8>> {
    // Dynamic programs name their interpreter; a static one stands for itself.
    let image = hoist_testsuite::compare::Image::build("busybox")?;
    Ok(fs::read(image.rootfs.join("bin/busybox"))?)
}

/// The program with some of its bytes replaced.
fn spoiled(changes: &[(usize, &[u8])]) -> Result<Vec<u8>> {
    let mut bytes = program()?;
    for (at, new) in changes {
        bytes[*at..at + new.len()].copy_from_slice(new);
    }
    Ok(bytes)
}

/// Offset in the file of the first PT_LOAD's header.
fn first_load(program: &[u8]) -> Result<usize> {
    let count = usize::from(u16::from_le_bytes([program[E_PHNUM], program[E_PHNUM + 1]]));
    let mut headers = (0..count).map(|i| FIRST_PHDR + i * 56);
    headers.find(|&at| program[at..at + 4] == 1u32.to_le_bytes()).context("a program has a PT_LOAD")
}

#[test]
fn truncated_programs() -> Result<()> {
    let program = program()?;
    for length in [0, 3, 16, 63, 64, 100, 700, 5000, program.len() / 2] {
        Layout::of_program(&program[..length])?.fails(&["/program"]).with_context(|| format!("{length} bytes"))?;
    }
    Ok(())
}

#[test]
fn lying_programs() -> Result<()> {
    let huge = u64::MAX.to_le_bytes();
    let load = first_load(&program()?)?;
    let cases: [(&str, &[(usize, &[u8])]); 9] = [
        ("program headers beyond the file", &[(E_PHOFF, &huge)]),
        ("program headers without end", &[(E_PHNUM, &[0xff, 0xff])]),
        ("program headers of no size", &[(E_PHENTSIZE, &[0, 0])]),
        ("no program headers", &[(E_PHNUM, &[0, 0])]),
        ("a segment beyond the file", &[(load + P_OFFSET, &huge)]),
        ("a segment larger than the file", &[(load + P_FILESZ, &0x7fff_ffff_u64.to_le_bytes())]),
        ("a segment that fills the address space", &[(load + P_MEMSZ, &huge)]),
        ("a segment beyond 4 GiB", &[(load + P_VADDR, &0x7fff_0000_0000_u64.to_le_bytes())]),
        ("an entry outside of all segments", &[(E_ENTRY, &0x7777_7777_u64.to_le_bytes())]),
    ];
    for (what, changes) in cases {
        Layout::of_program(&spoiled(changes)?)?.fails(&["/program"]).with_context(|| what)?;
    }
    Ok(())
}

#[test]
fn programs_of_other_machines() -> Result<()> {
    Layout::of_program(&spoiled(&[(EI_CLASS, &[1]), (E_MACHINE, &[3, 0])])?)?.fails(&["/program", "32-bit"])?;
    Layout::of_program(&spoiled(&[(E_MACHINE, &[183, 0])])?)?.fails(&["/program", "ARM64"])
}

#[test]
fn images_of_other_machines() -> Result<()> {
    Layout::new(&tar(&[("program", Entry::File(b"\x7fELF"))]), "arm64", r#"{"Cmd":["/program"]}"#)?.fails(&["linux/amd64", "arm64"])
}

#[test]
fn nothing_to_start() -> Result<()> {
    let layer = tar(&[("text", Entry::File(b"hello\n")), ("script", Entry::File(b"#!/no/shell\n"))]);
    Layout::new(&layer, "amd64", "{}")?.fails(&["no program to start"])?;
    Layout::new(&layer, "amd64", r#"{"Cmd":["/missing"]}"#)?.fails(&["/missing"])?;
    Layout::new(&layer, "amd64", r#"{"Entrypoint":["missing"]}"#)?.fails(&["missing", "not found"])?;
    Layout::new(&layer, "amd64", r#"{"Cmd":["/text"]}"#)?.fails(&["/text", "ELF"])?;
    Layout::new(&layer, "amd64", r#"{"Cmd":["/script"]}"#)?.fails(&["/script", "/no/shell"])
}

#[test]
fn archives_that_climb_out() -> Result<()> {
    let file = || Entry::File(b"evil\n");
    for name in ["../evil", "a/../../evil", "../../../../../../tmp/evil"] {
        Layout::new(&tar(&[(name, file())]), "amd64", r#"{"Cmd":["/a"]}"#)?.fails(&["evil"])?;
    }
    Layout::new(&tar(&[("link", Entry::Symlink("../..")), ("link/evil", file())]), "amd64", r#"{"Cmd":["/a"]}"#)?.fails(&["link"])?;
    Layout::new(&tar(&[("link", Entry::HardLink("../../etc/passwd"))]), "amd64", r#"{"Cmd":["/a"]}"#)?.fails(&["link"])
}

#[test]
fn wrong_digests() -> Result<()> {
    let layer = tar(&[("program", Entry::File(b"\x7fELF"))]);
    let layout = Layout::new(&layer, "amd64", r#"{"Cmd":["/program"]}"#)?;
    let blob = layout.path_of(&digest(&layer));
    let mut changed = layer.clone();
    changed[600] ^= 1;
    fs::write(&blob, &changed)?;
    layout.fails(&["digest", &digest(&layer)])?;
    fs::write(&blob, &layer[..layer.len() - 1])?;
    layout.fails(&[&digest(&layer)])?;
    fs::remove_file(&blob)?;
    layout.fails(&[&digest(&layer)])
}

#[test]
fn full_disks() -> Result<()> {
    let layout = Layout::of_program(&program()?)?;
    let disk = tempfile::tempdir()?;
    let target = std::ffi::CString::new(disk.path().as_os_str().as_encoded_bytes())?;
    // A file system of 64 KiB, which only this command sees; what it leaves there, it must not leave in its own view either.
    layout.fails_in(disk.path(), &["app.wasm", "No space left on device"], |command| {
        let mount = move || {
            let none = std::ptr::null();
            // SAFETY: system calls on strings that end in zero bytes, between fork and exec.
            let results = unsafe {
                [
                    libc::unshare(libc::CLONE_NEWNS),
                    libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()),
                    libc::mount(c"disk".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=64k".as_ptr().cast()),
                ]
            };
            if results == [0; 3] { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: the closure makes system calls only.
        unsafe { command.pre_exec(mount) };
    })
}

#[test]
fn places_that_cannot_be_written() -> Result<()> {
    let layout = Layout::of_program(&program()?)?;
    let out = tempfile::tempdir()?;
    let missing = Hoist::find()?.command().args(["convert", "-o"]).arg(out.path().join("no/app.wasm")).arg(format!("oci:{}", layout.dir.path().display())).output()?;
    ensure!(missing.status.code() == Some(125), "{missing:?}");
    ensure!(fs::read_dir(out.path())?.next().is_none());
    Ok(())
}
