//! Inputs that cannot become a component: each gives one clear error, a non-zero exit status, and no file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hoist_testsuite::compare::Hoist;
use hoist_testsuite::layout::{Entry, Layout, digest, tar};

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

/// An image of one layer.
fn image(layer: &[u8], architecture: &str, config: &str) -> Result<Layout> {
    Layout::new([layer], architecture, config)
}

/// An image that starts `/program`, a file with these bytes.
fn of_program(program: &[u8]) -> Result<Layout> {
    image(&tar(&[("program", Entry::File(program))]), "amd64", r#"{"Cmd":["/program"]}"#)
}

/// Converts the image, which must fail with these words and leave nothing.
fn fails(image: &Layout, words: &[&str]) -> Result<()> {
    let out = tempfile::tempdir()?;
    fails_in(image, out.path(), words, |_| ())
}

fn fails_in(image: &Layout, dir: &Path, words: &[&str], adjust: impl FnOnce(&mut std::process::Command)) -> Result<()> {
    let mut command = Hoist::find()?.command();
    command.args(["convert", "-o"]).arg(dir.join("app.wasm")).arg(image.reference());
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

/// A real program, large enough for every kind of damage.
fn program() -> Result<Vec<u8>> {
    let image = hoist_testsuite::compare::Image::build("busybox")?;
    Ok(fs::read(image.rootfs.join("bin/busybox"))?)
}

/// An offset in the program, and the bytes to put there.
type Change<'a> = (usize, &'a [u8]);

/// The program with some of its bytes replaced.
fn spoiled(changes: &[Change]) -> Result<Vec<u8>> {
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
        fails(&of_program(&program[..length])?, &["/program"]).with_context(|| format!("{length} bytes"))?;
    }
    Ok(())
}

#[test]
fn lying_programs() -> Result<()> {
    let huge = u64::MAX.to_le_bytes();
    let load = first_load(&program()?)?;
    let cases: [(&str, &[Change]); 9] = [
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
        fails(&of_program(&spoiled(changes)?)?, &["/program"]).with_context(|| what)?;
    }
    Ok(())
}

#[test]
fn programs_of_other_machines() -> Result<()> {
    fails(&of_program(&spoiled(&[(EI_CLASS, &[1]), (E_MACHINE, &[3, 0])])?)?, &["/program", "32-bit"])?;
    fails(&of_program(&spoiled(&[(E_MACHINE, &[183, 0])])?)?, &["/program", "ARM64"])
}

#[test]
fn images_of_other_machines() -> Result<()> {
    fails(&image(&tar(&[("program", Entry::File(b"\x7fELF"))]), "arm64", r#"{"Cmd":["/program"]}"#)?, &["linux/amd64", "arm64"])
}

#[test]
fn nothing_to_start() -> Result<()> {
    let layer = tar(&[("text", Entry::File(b"hello\n")), ("script", Entry::File(b"#!/no/shell\n"))]);
    fails(&image(&layer, "amd64", "{}")?, &["no program to start"])?;
    fails(&image(&layer, "amd64", r#"{"Cmd":["/missing"]}"#)?, &["/missing"])?;
    fails(&image(&layer, "amd64", r#"{"Entrypoint":["missing"]}"#)?, &["missing", "not found"])?;
    fails(&image(&layer, "amd64", r#"{"Cmd":["/text"]}"#)?, &["/text", "ELF"])?;
    fails(&image(&layer, "amd64", r#"{"Cmd":["/script"]}"#)?, &["/script", "/no/shell"])
}

#[test]
fn archives_that_climb_out() -> Result<()> {
    let file = || Entry::File(b"evil\n");
    for name in ["../evil", "a/../../evil", "../../../../../../tmp/evil"] {
        fails(&image(&tar(&[(name, file())]), "amd64", r#"{"Cmd":["/a"]}"#)?, &["evil"])?;
    }
    fails(&image(&tar(&[("link", Entry::Symlink("../..")), ("link/evil", file())]), "amd64", r#"{"Cmd":["/a"]}"#)?, &["link"])?;
    fails(&image(&tar(&[("link", Entry::HardLink("../../etc/passwd"))]), "amd64", r#"{"Cmd":["/a"]}"#)?, &["link"])
}

#[test]
fn wrong_digests() -> Result<()> {
    let layer = tar(&[("program", Entry::File(b"\x7fELF"))]);
    let layout = image(&layer, "amd64", r#"{"Cmd":["/program"]}"#)?;
    let blob = layout.path_of(&digest(&layer));
    let mut changed = layer.clone();
    changed[600] ^= 1;
    fs::write(&blob, &changed)?;
    fails(&layout, &["digest", &digest(&layer)])?;
    fs::write(&blob, &layer[..layer.len() - 1])?;
    fails(&layout, &[&digest(&layer)])?;
    fs::remove_file(&blob)?;
    fails(&layout, &[&digest(&layer)])
}

/// Mounts a file system of 64 KiB on a directory, for this thread and the commands it starts only: mount_namespaces(7).
fn small_disk(dir: &Path) -> Result<()> {
    let target = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes())?;
    let none = std::ptr::null();
    // SAFETY: system calls on strings that end in zero bytes.
    let results = unsafe {
        [
            libc::unshare(libc::CLONE_NEWNS),
            libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()),
            libc::mount(c"disk".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=64k".as_ptr().cast()),
        ]
    };
    ensure!(results == [0; 3], "mounting (this needs root): {}", std::io::Error::last_os_error());
    Ok(())
}

#[test]
fn full_disks() -> Result<()> {
    let layout = of_program(&program()?)?;
    let disk = tempfile::tempdir()?;
    small_disk(disk.path())?;
    fails_in(&layout, disk.path(), &["app.wasm", "No space left on device"], |_| ())?;
    // Where contents are kept while an image is read.
    let out = tempfile::tempdir()?;
    fails_in(&layout, out.path(), &["No space left on device"], |command| {
        command.env("TMPDIR", disk.path());
    })
}

#[test]
fn places_that_cannot_be_written() -> Result<()> {
    let layout = of_program(&program()?)?;
    let out = tempfile::tempdir()?;
    let missing =
        Hoist::find()?.command().args(["convert", "-o"]).arg(out.path().join("no/app.wasm")).arg(layout.reference()).output()?;
    ensure!(missing.status.code() == Some(125), "{missing:?}");
    ensure!(fs::read_dir(out.path())?.next().is_none());
    Ok(())
}
