//! The `hoist` command as its users meet it: docker's options and exit statuses, what it prints, same bytes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use hoist_testsuite::compare::{Hoist, Image, Lift};

/// The command, and an image of busybox as a component.
struct Subject {
    hoist: Hoist,
    component: PathBuf,
}

impl Subject {
    fn new() -> Result<Subject> {
        let hoist = Hoist::find()?;
        let component = hoist.convert(&Image::build("busybox")?, Lift::All)?;
        Ok(Subject { hoist, component })
    }

    /// `hoist run OPTIONS COMPONENT ARGS`
    fn run(&self, options: &[&str], args: &[&str]) -> Result<Output> {
        let component = self.component.with_extension("cwasm");
        Ok(self.hoist.command().arg("run").args(options).arg(component).args(args).output()?)
    }

    /// Runs a command that must end with this status, having written this.
    fn check(&self, options: &[&str], args: &[&str], status: i32, stdout: &str, stderr: &str) -> Result<()> {
        let output = self.run(options, args)?;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let right = output.status.code() == Some(status) && out == stdout && err == stderr;
        ensure!(right, "hoist run {options:?} {args:?}: {}\n{out}{err}", output.status);
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn options_mean_what_docker_means() -> Result<()> {
    let subject = Subject::new()?;
    let check = |options: &[&str], args: &[&str], stdout| subject.check(options, args, 0, stdout, "");
    check(
        &["-e", "A=1", "-e", "B=", "-e", "HOIST_NO_SUCH"],
        &["busybox", "sh", "-c", "echo $A,$B-${HOIST_NO_SUCH-unset}"],
        "1,-unset\n",
    )?;
    check(&["-w", "/tmp"], &["busybox", "pwd"], "/tmp\n")?;
    check(&["-u", "1000:5"], &["busybox", "id"], "uid=1000(user) gid=5(tty) groups=5(tty)\n")?;
    check(&["-u", "user"], &["busybox", "id", "-u"], "1000\n")?;
    check(&["--entrypoint", "busybox"], &["echo", "-e", "a\\tb"], "a\tb\n")?;
    check(&["--hostname", "name"], &["busybox", "hostname"], "name\n")?;
    check(&["--rm"], &["busybox", "cat"], "")
}

#[test]
fn the_machine_is_what_docker_would_make_it() -> Result<()> {
    let subject = Subject::new()?;
    let sh = |options: &[&str], script: &str, stdout| subject.check(options, &["busybox", "sh", "-c", script], 0, stdout, "");
    sh(&["--add-host", "db:10.0.0.5", "--add-host", "six=[::1]"], "tail -n 2 /etc/hosts", "10.0.0.5\tdb\n::1\tsix\n")?;
    sh(&["--dns", "9.9.9.9", "--dns", "1.1.1.1"], "cat /etc/resolv.conf", "nameserver 9.9.9.9\nnameserver 1.1.1.1\n")?;
    let refused = "touch /x /etc/x 2>&1 | sed 's/.*: //'; mkdir /dev/shm/d && echo made";
    sh(&["--read-only"], refused, "Read-only file system\nRead-only file system\nmade\n")?;
    let tmpfs = "grep ' /new/dir ' /proc/mounts; stat -c '%a %u' /new/dir; echo x > /new/dir/f && cat /new/dir/f";
    let shown = "tmpfs /new/dir tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=750 0 0\n750 7\nx\n";
    sh(&["--read-only", "--tmpfs", "/new/dir:size=1m,mode=750,uid=7"], tmpfs, shown)?;
    let full = "dd if=/dev/zero of=/run/f bs=64k count=32 2>&1 | grep -c 'No space'; stat -c %s /run/f";
    sh(&["--tmpfs", "/run:size=1m"], full, "1\n1048576\n")?;
    let memory = "sed -n 's/^MemTotal: *//p' /proc/meminfo; busybox dd if=/dev/zero of=/dev/null bs=64M count=1 2>&1 | sed 's/.*: //'; echo still here";
    sh(&["-m", "32m"], memory, "32768 kB\nout of memory\nstill here\n")?;
    for options in [["--tmpfs", "x"], ["--tmpfs", "/x:what"], ["--add-host", "x"], ["--dns", "x"], ["-m", "1"], ["-m", "1x"]] {
        let output = subject.run(&options, &["busybox", "true"])?;
        ensure!(output.status.code() == Some(125), "{options:?}: {output:?}");
    }
    Ok(())
}

/// The guest says that it is ready, gets a signal, and must end with a status and this on standard output.
fn signalled(subject: &Subject, options: &[&str], script: &str, signal: i32, status: i32, stdout: &str) -> Result<()> {
    signalled_until_the_end(subject, options, script, (signal, false), status, stdout)
}

/// Likewise, and if it is asked for the signal comes again and again.
fn signalled_until_the_end(
    subject: &Subject,
    options: &[&str],
    script: &str,
    (signal, again): (i32, bool),
    status: i32,
    stdout: &str,
) -> Result<()> {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let component = subject.component.with_extension("cwasm");
    let mut command = subject.hoist.command();
    command.arg("run").args(options).arg(component).args(["busybox", "sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line)?;
    ensure!(line == "ready\n", "{script}: {line:?}");
    let id = child.id() as i32;
    // SAFETY: it takes numbers.
    let send = || unsafe { libc::kill(id, signal) };
    send();
    while again && child.try_wait()?.is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
        send();
    }
    // Standard input stays open: what wakes the guest is the signal.
    let input = child.stdin.take();
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    let ended = child.wait()?;
    drop(input);
    ensure!(ended.code() == Some(status) && rest == stdout, "{options:?} {script}: {ended} {rest:?}");
    Ok(())
}

#[test]
fn signals_are_the_guest_s() -> Result<()> {
    let subject = Subject::new()?;
    let handles = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    signalled(&subject, &[], handles, libc::SIGTERM, 7, "got it\n")?;
    signalled(&subject, &["-i"], handles, libc::SIGTERM, 7, "got it\n")?;
    // The first process has to have a handler. Who insists is heard nevertheless.
    signalled(&subject, &[], "echo ready; sleep 0.2; echo on", libc::SIGTERM, 0, "on\n")?;
    signalled(&subject, &[], "echo ready; exec sleep 0.2", libc::SIGINT, 0, "")?;
    signalled_until_the_end(&subject, &[], "echo ready; exec sleep 1000", (libc::SIGTERM, true), 128 + libc::SIGTERM, "")?;
    signalled_until_the_end(&subject, &[], "echo ready; exec sleep 1000", (libc::SIGINT, true), 128 + libc::SIGINT, "")?;
    // Whoever reads, computes, or waits for nothing at all is told too.
    let reads = "trap 'echo told; exit 3' USR1; echo ready; read -r line; echo \"read $line\"";
    signalled(&subject, &["-i"], reads, libc::SIGUSR1, 3, "told\n")?;
    let computes = "trap 'echo told; exit 4' HUP; echo ready; while :; do :; done";
    signalled(&subject, &[], computes, libc::SIGHUP, 4, "told\n")
}

#[test]
fn what_is_piped_in_arrives() -> Result<()> {
    use std::io::Write;
    let subject = Subject::new()?;
    let component = subject.component.with_extension("cwasm");
    // The shell reads byte by byte, so that the rest is there for the next.
    let script = "read -r first; echo \"$first\"; wc -c";
    let mut command = subject.hoist.command();
    command.args(["run", "-i"]).arg(component).args(["busybox", "sh", "-c", script]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"one line\nabc")?;
    input.write_all(&vec![b'x'; 300_000])?;
    drop(input);
    let output = child.wait_with_output()?;
    ensure!(text(&output.stdout) == "one line\n300003\n", "{output:?}");
    Ok(())
}

#[test]
fn exit_statuses_are_docker_s() -> Result<()> {
    let subject = Subject::new()?;
    let sh = |script: &'static str| ["busybox", "sh", "-c", script];
    subject.check(&[], &sh("exit 3"), 3, "", "")?;
    subject.check(&[], &sh("kill -TERM $$"), 0, "", "")?;
    subject.check(&[], &sh("busybox sh -c 'kill -TERM $$'; exit $?"), 128 + libc::SIGTERM, "", "Terminated\n")?;
    subject.check(&[], &["nosuch"], 127, "", "hoist: exec: \"nosuch\": executable file not found in $PATH\n")?;
    subject.check(&["--entrypoint", "/nosuch"], &[], 127, "", "hoist: exec: \"/nosuch\": No such file or directory\n")?;
    subject.check(&["--entrypoint", "/etc/passwd"], &[], 126, "", "hoist: exec: \"/etc/passwd\": Permission denied\n")?;
    subject.check(&["--entrypoint", "/etc"], &[], 126, "", "hoist: exec: \"/etc\": Permission denied\n")?;
    let no_user = "hoist: unable to find user nosuch: no matching entries in passwd file\n";
    subject.check(&["-u", "nosuch"], &["busybox", "id"], 125, "", no_user)?;
    for options in [["-v", "/no/such:/mnt"], ["-v", "/tmp:relative"], ["-v", "/tmp:/mnt:rx"]] {
        let output = subject.run(&options, &["busybox", "true"])?;
        ensure!(output.status.code() == Some(125), "{options:?}: {output:?}");
    }
    let output = subject.hoist.command().args(["run", "nosuch.wasm"]).output()?;
    ensure!(output.status.code() == Some(125) && text(&output.stderr) == "hoist: nosuch.wasm: no such file\n", "{output:?}");
    Ok(())
}

#[test]
fn a_read_only_volume_stays_as_it_is() -> Result<()> {
    let subject = Subject::new()?;
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("file"), "text\n")?;
    let (writable, read_only) = (format!("{}:/mnt", dir.path().display()), format!("{}:/mnt:ro", dir.path().display()));
    subject.check(&["-v", &read_only], &["busybox", "cat", "/mnt/file"], 0, "text\n", "")?;
    let refused = "sh: can't create /mnt/file: Read-only file system\n";
    subject.check(&["-v", &read_only], &["busybox", "sh", "-c", "echo new > /mnt/file"], 1, "", refused)?;
    for command in [["rm", "-f", "/mnt/file"].as_slice(), &["mkdir", "/mnt/dir"], &["mv", "/mnt/file", "/mnt/other"]] {
        let output = subject.run(&["-v", &read_only], &[&["busybox"], command].concat())?;
        ensure!(output.status.code() == Some(1) && text(&output.stderr).ends_with("Read-only file system\n"), "{output:?}");
    }
    ensure!(fs::read_dir(dir.path())?.count() == 1 && fs::read(dir.path().join("file"))? == b"text\n");
    subject.check(&["-v", &writable], &["busybox", "sh", "-c", "echo new > /mnt/file"], 0, "", "")?;
    ensure!(fs::read(dir.path().join("file"))? == b"new\n");
    Ok(())
}

#[test]
fn what_is_asked_for_is_printed_to_standard_error() -> Result<()> {
    let subject = Subject::new()?;
    subject.check(
        &["--stats"],
        &["busybox", "true"],
        0,
        "",
        "hoist: interpreted 0 blocks, 0 instructions; translated 0 blocks\n\
         hoist: 0 switches between address spaces, 0 bytes swapped; 0 bytes copied by fork\n",
    )?;
    let trace = subject.run(&["--trace=syscalls"], &["busybox", "cat", "/etc/hosts"])?;
    let lines = text(&trace.stderr);
    let expected = ["openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY) = 3", "close(3) = 0", "exit_group(0) = ?"];
    ensure!(expected.iter().all(|line| lines.lines().any(|other| other == *line)), "{lines}");
    let output = subject.hoist.command().arg("inspect").arg(&subject.component).output()?;
    let lines = text(&output.stdout);
    ensure!(["digest ", "entry point ", "rom ", "/usr/bin/busybox"].iter().all(|word| lines.contains(word)), "{lines}");
    let json = subject.hoist.command().args(["inspect", "--format", "json"]).arg(&subject.component).output()?;
    ensure!(text(&json.stdout).contains("\"topology\""), "{json:?}");
    Ok(())
}

/// Each call that programs make is one that their files were said to make, and is said to be what it was.
#[test]
fn system_calls_are_known_before_they_are_made() -> Result<()> {
    let subject = Subject::new()?;
    let image = format!("oci:{}", Image::build("busybox")?.layout.display());
    let inspect = |format| -> Result<String> {
        let mut command = subject.hoist.command();
        let output = command.args(["inspect", "--syscalls", "--format", format, &image]).output()?;
        ensure!(output.status.success(), "{command:?}: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    };
    let json: serde_json::Value = serde_json::from_str(&inspect("json")?)?;
    let known: BTreeMap<&str, &str> = json["syscalls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|call| Some((call["name"].as_str()?, call["treatment"].as_str()?)))
        .collect();
    let script =
        "ls -l / | head -n 2; cat /etc/hosts; date; id; touch /tmp/a; mv /tmp/a /tmp/b; df; ps; (sleep 0.01; kill -0 $$) & wait";
    let trace = subject.run(&["--trace=syscalls"], &["busybox", "sh", "-c", script])?;
    let mut made = BTreeSet::new();
    for line in text(&trace.stderr).lines() {
        let call = line.split_once("] ").map_or(line, |(_, call)| call);
        if let Some((name, _)) = call.split_once('(').filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            made.insert(name.to_owned());
        }
    }
    // To its one instruction a handler returns; nothing in the file leads there.
    made.remove("rt_sigreturn");
    ensure!(made.len() > 10, "{made:?}");
    let unforeseen: Vec<&String> = made.iter().filter(|name| !known.contains_key(name.as_str())).collect();
    ensure!(unforeseen.is_empty(), "{unforeseen:?} of {made:?}");
    ensure!(known["read"] == "supported" && known["mprotect"] == "partly" && known["swapon"] == "unsupported", "{known:?}");
    ensure!(inspect("text")?.contains("unsupported: There is no swap space."), "why swapon is not supported");
    Ok(())
}

/// Neither the place, nor the time, nor the number of processors, nor how many others there are on the machine reaches the output.
#[test]
fn the_same_image_gives_the_same_bytes() -> Result<()> {
    let subject = Subject::new()?;
    let dir = tempfile::tempdir()?;
    let output = dir.path().join("again.wasm");
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(subject.hoist.command().get_program());
    command.current_dir(dir.path()).env_clear().env("TZ", "Asia/Tokyo").args(["convert", "--quiet", "-o", "again.wasm"]);
    let status = command.arg(format!("oci:{}", Image::build("busybox")?.layout.display())).status()?;
    ensure!(status.success(), "{command:?}: {status}");
    ensure!(fs::read(output)? == fs::read(&subject.component)?, "the second conversion gave other bytes");
    Ok(())
}

/// What Linux says in its log. The component is run as it is, since the table of accesses is not in what it is compiled to.
#[test]
fn a_bad_access_is_explained() -> Result<()> {
    let (hoist, image) = (Hoist::find()?, Image::build("fault")?);
    for lift in [Lift::All, Lift::None] {
        let component = hoist.convert(&image, lift)?;
        let output = hoist.command().arg("run").arg(&component).args(["/bin/faults", "null"]).output()?;
        let err = text(&output.stderr);
        let head = "hoist: segmentation fault at address 0x8: pc 0x";
        let lines: Vec<&str> = err.lines().skip_while(|line| !line.starts_with(head)).collect();
        ensure!(output.status.code() == Some(139) && lines.len() == 5, "{lift:?}: {}\n{err}", output.status);
        ensure!(lines[0].contains(" <sum+0x") && lines[0].ends_with("> in /usr/bin/faults"), "{err}");
        // What sum() writes is not known when it is translated, its argument is.
        ensure!(lines[1].contains("rax                ?") == (lift == Lift::All), "{err}");
        ensure!(!lines[2].contains("rdi                ?"), "{err}");
        let output = hoist.command().arg("run").arg(&component).args(["/bin/faults", "children"]).output()?;
        ensure!(output.status.success() && output.stderr.is_empty(), "{lift:?}: {}", text(&output.stderr));
    }
    Ok(())
}
