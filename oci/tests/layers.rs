//! What layers do to a root filesystem: every feature of layer.md, and every way a layer can be wrong.

mod common;

use common::{Tar, applied, listing};
use hoist_oci::{Limits, layer};
use hoist_vfs::{Content, Kind, RootFs, Timestamp};

fn list(layers: &[Vec<u8>]) -> Vec<String> {
    listing(&applied(layers).expect("layers"))
}

fn refused(layers: &[Vec<u8>]) -> String {
    applied(layers).expect_err("a bad layer").to_string()
}

fn kind_of(fs: &RootFs, path: &str) -> Kind {
    fs.inode(fs.lookup(path.as_bytes()).expect("a path").expect(path)).expect("an inode").kind()
}

#[test]
fn every_kind_of_file() {
    let device = |major, minor| {
        move |header: &mut tar::Header| {
            header.set_device_major(major).expect("ustar");
            header.set_device_minor(minor).expect("ustar");
        }
    };
    let tar = Tar::new()
        .dir("./")
        .dir("./dev/")
        .entry(b'3', "dev/null", "", b"", device(1, 3))
        .entry(b'4', "dev/sda", "", b"", device(8, 0))
        .entry(b'6', "dev/initctl", "", b"", |_| ())
        .file("etc/hostname", "hoist\n")
        .entry(b'7', "etc/contiguous", "", b"c", |_| ())
        .entry(b'\0', "etc/old", "", b"o", |_| ())
        .entry(b'\0', "etc/old.d/", "", b"", |_| ())
        .symlink("etc/link", "../dev/null")
        .hard_link("etc/name", "etc/hostname")
        .finish();
    assert_eq!(
        list(&[tar]),
        [
            "dev /",
            "dev/initctl fifo",
            "dev/null c 1:3",
            "dev/sda b 8:0",
            "etc /",
            "etc/contiguous \"c\"",
            "etc/hostname \"hoist\\n\"",
            "etc/link -> ../dev/null",
            "etc/name \"hoist\\n\"",
            "etc/old \"o\"",
            "etc/old.d /",
        ]
    );
}

#[test]
fn modes_owners_times_and_attributes() {
    let tar = Tar::new()
        .entry(b'5', "./", "", b"", |header| header.set_mode(0o700))
        .entry(b'0', "bin/su", "", b"x", |header| {
            header.set_mode(0o104755);
            header.set_uid(7);
            header.set_gid(8);
            header.set_mtime(1_700_000_000);
        })
        .pax(&[
            ("mtime", b"1700000000.123456789"),
            ("uid", b"100000"),
            ("gid", b"4294967294"),
            ("SCHILY.xattr.security.capability", b"\x01\0\0\x02\n\0=\0"),
            ("SCHILY.xattr.user.a", b"b"),
        ])
        .file("bin/ping", "y")
        .pax(&[("mtime", b"-1.5")])
        .dir("old")
        .finish();
    let fs = applied(&[tar]).expect("a layer");
    let meta = |path: &str| fs.meta(fs.lookup(path.as_bytes()).expect("a path").expect(path)).expect("an inode");
    assert_eq!(meta("").mode, 0o700);
    let su = meta("bin/su");
    assert_eq!((su.mode, su.uid, su.gid), (0o4755, 7, 8));
    assert_eq!(su.mtime, Timestamp { secs: 1_700_000_000, nanos: 0 });
    let ping = meta("bin/ping");
    assert_eq!((ping.uid, ping.gid), (100_000, 4_294_967_294));
    assert_eq!(ping.mtime, Timestamp { secs: 1_700_000_000, nanos: 123_456_789 });
    assert_eq!(meta("old").mtime, Timestamp { secs: -2, nanos: 500_000_000 });
    // Not described by an entry.
    assert_eq!((meta("bin").mode, meta("bin").uid), (0o755, 0));
    let inode = fs.inode(fs.lookup(b"bin/ping").expect("a path").expect("ping")).expect("an inode");
    let xattrs: Vec<_> = inode.xattrs().iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    assert_eq!(xattrs, [(&b"security.capability"[..], &b"\x01\0\0\x02\n\0=\0"[..]), (b"user.a", b"b")]);
}

#[test]
fn long_names() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let with_nul = format!("{long}\0");
    let tar = Tar::new()
        .pax(&[("path", long.as_bytes())])
        .file("short", "pax")
        .entry(b'L', "././@LongLink", "", format!("g/{with_nul}").as_bytes(), |_| ())
        .file("short", "gnu")
        .pax(&[("linkpath", long.as_bytes())])
        .symlink("s", "short")
        .entry(b'K', "././@LongLink", "", with_nul.as_bytes(), |_| ())
        .hard_link("h", "short")
        .finish();
    let lines = list(&[tar]);
    assert!(lines.contains(&format!("{long} \"pax\"")), "{lines:?}");
    assert!(lines.contains(&format!("g/{long} \"gnu\"")));
    assert!(lines.contains(&format!("s -> {long}")));
    assert!(lines.contains(&"h \"pax\"".to_owned()));
}

#[test]
fn whiteouts() {
    let below = Tar::new().file("a", "1").file("d/x", "1").file("d/e/f", "1").file("keep/x", "1").finish();
    let above = Tar::new()
        // Before and after what the same layer puts in their place.
        .file("d/.wh.e", "")
        .file("d/e/new", "2")
        .file("a", "2")
        .file(".wh.a", "")
        .file(".wh.nothing", "")
        .file("nowhere/.wh.x", "")
        .finish();
    assert_eq!(list(&[below, above]), ["a \"2\"", "d /", "d/e /", "d/e/new \"2\"", "d/x \"1\"", "keep /", "keep/x \"1\""]);
}

#[test]
fn opaque_directories() {
    let below = Tar::new().file("d/old", "1").file("d/sub/old", "1").file("e/stays", "1").finish();
    let above = Tar::new().dir("d").file("d/new", "2").file("d/.wh..wh..opq", "").file(".wh..wh.plnk/1.2", "").finish();
    assert_eq!(list(&[below, above]), ["d /", "d/new \"2\"", "e /", "e/stays \"1\""]);
}

#[test]
fn a_whiteout_follows_a_symlinked_parent() {
    let below = Tar::new().file("usr/lib/x", "1").symlink("lib", "/usr/lib").finish();
    let above = Tar::new().file("lib/.wh.x", "").finish();
    assert_eq!(list(&[below, above]), ["lib -> /usr/lib", "usr /", "usr/lib /"]);
}

#[test]
fn replacing() {
    let below =
        Tar::new().file("f", "1").file("d/x", "1").symlink("s", "d").dir("t").file("t/x", "1").hard_link("l", "f").finish();
    let above = Tar::new().dir("f").file("d", "2").dir("s").entry(b'5', "t", "", b"", |header| header.set_mode(0o700)).finish();
    let fs = applied(&[below, above]).expect("layers");
    assert_eq!(listing(&fs), ["d \"2\"", "f /", "l \"1\"", "s /", "t /", "t/x \"1\""]);
    let t = fs.lookup(b"t").expect("a path").expect("t");
    assert_eq!(fs.meta(t).expect("an inode").mode, 0o700);
}

#[test]
fn hard_links_across_layers() {
    let below = Tar::new().file("usr/bin/perl", "elf").symlink("bin", "usr/bin").symlink("p", "usr/bin/perl").finish();
    let above = Tar::new().hard_link("perl5", "./bin/perl").hard_link("q", "p").finish();
    let fs = applied(&[below, above]).expect("layers");
    let inode = |path: &str| fs.lookup(path.as_bytes()).expect("a path").expect(path);
    assert_eq!(inode("perl5"), inode("usr/bin/perl"));
    assert_eq!(fs.meta(inode("perl5")).expect("an inode").nlink, 2);
    // A symlink at the end is linked itself.
    assert_eq!(inode("q"), inode("p"));
    assert_eq!(kind_of(&fs, "q"), Kind::Symlink);
}

#[test]
fn paths_stay_inside_the_root() {
    let tar = Tar::new()
        .dir("real/dir")
        .symlink("abs", "/real")
        .symlink("rel", "real/./dir/../dir")
        .symlink("dangling", "made/up")
        .file("/etc/passwd", "absolute")
        .file("a/../b", "folded")
        .file("abs/x", "through")
        .file("rel/y", "through")
        .file("dangling/z", "made")
        // Only what leads through such a link is refused, the link itself is the guest's matter.
        .symlink("etc/out", "../../../outside")
        .finish();
    let fs = applied(&[tar]).expect("a layer");
    let lines = listing(&fs);
    for line in ["etc/passwd \"absolute\"", "b \"folded\"", "real/x \"through\"", "real/dir/y \"through\"", "made/up/z \"made\""]
    {
        assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
    }
}

#[test]
fn climbing_out_is_refused() {
    let one = |name: &str| vec![Tar::new().dir("d").file(name, "evil").finish()];
    let message = "climbs out of the root with ..";
    assert_eq!(refused(&one("../evil")), format!("entry \"../evil\" at byte 512: {message}"));
    for name in ["d/../../evil", "/../evil", "d/..//.././x", "..", "../.wh.x"] {
        assert!(refused(&one(name)).ends_with(message), "{name}");
    }
    let through = |target: &str| vec![Tar::new().symlink("d/out", target).file("d/out/evil", "evil").finish()];
    assert_eq!(
        refused(&through("../../etc")),
        "entry \"d/out/evil\" at byte 512: climbs out of the root through the symbolic link to \"../../etc\""
    );
    assert!(refused(&through("/..")).contains("climbs out"));
    let link = Tar::new().hard_link("x", "../../etc/passwd").finish();
    assert!(refused(&[link]).ends_with(message));
    let two = [Tar::new().symlink("a", "..").finish(), Tar::new().file("a/.wh.x", "").finish()];
    assert!(refused(&two).contains("climbs out of the root through"));
}

#[test]
fn entries_that_cannot_be() {
    for (tar, message) in [
        (Tar::new().file("f", "").file("f/x", ""), "\"f\" is in the way and is not a directory"),
        (Tar::new().symlink("l", "l").file("l/x", ""), "too many levels of symbolic links"),
        (Tar::new().hard_link("a", "b"), "is a hard link to \"b\", which is not there"),
        (Tar::new().dir("b").hard_link("a", "b"), "a directory cannot have a second name"),
        (Tar::new().file("/", "x"), "replaces the root with something that is not a directory"),
        (Tar::new().file(".wh.", ""), "is a whiteout of no name"),
        (Tar::new().file(".wh...", ""), "is a whiteout of no name"),
        (Tar::new().symlink("s", ""), "cannot be the target of a symbolic link"),
        (Tar::new().entry(b'M', "m", "", b"", |_| ()), "is of type 'M', which is no file of a layer"),
        (Tar::new().pax(&[("path", b"a\0b")]).file("a", ""), "a name with a NUL in it"),
        (Tar::new().pax(&[("path", &[b'n'; 300])]).file("a", ""), "cannot be a file name"),
        (Tar::new().pax(&[("mtime", b"soon")]).file("a", ""), "a malformed mtime"),
        (Tar::new().pax(&[("size", b"9999999")]).file("a", "a"), "the archive ends inside a file that starts at byte 1024"),
    ] {
        let error = refused(&[tar.finish()]);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn truncated_and_damaged_archives() {
    let tar = Tar::new().file("a", "1").file("b", &"2".repeat(2000)).finish();
    let cut = |len: usize| refused(&[tar[..len].to_vec()]);
    assert_eq!(cut(1024 + 512 + 100), "the archive ends inside a file that starts at byte 1024");
    assert_eq!(cut(1024 + 100), "the archive ends inside a header that starts at byte 1024");
    let header_only = Tar::new().pax(&[("path", b"x")]).finish();
    assert_eq!(refused(&[header_only]), "the archive ends inside an extended header that starts at byte 1024");
    let mut damaged = tar.clone();
    damaged[1024] ^= 1;
    assert_eq!(refused(&[damaged]), "no tar header at byte 1024: its checksum is wrong");
    assert_eq!(refused(&[b"not a tar at all".to_vec()]), "the archive ends inside a header that starts at byte 0");
    // An archive without its end mark, and one of no bytes, are whole.
    assert_eq!(list(&[tar[..1024].to_vec(), Vec::new()]), ["a \"1\""]);
}

#[test]
fn limits_hold() {
    let tar = Tar::new().file("a", "1").file("b", "22222").pax(&[("comment", &[b'c'; 200])]).file("c", "3").finish();
    let apply = |limits: Limits| {
        let result = layer::apply(&mut RootFs::new(), &Content::bytes(tar.clone()), &limits, &std::env::temp_dir());
        result.map_err(|error| error.to_string())
    };
    let limits = Limits::default;
    assert_eq!(apply(Limits { entries: 3, ..limits() }), Ok(()));
    assert_eq!(apply(Limits { entries: 2, ..limits() }), Err("more than 2 entries".to_owned()));
    let error = apply(Limits { bytes: 4, ..limits() });
    assert_eq!(error, Err("the file at byte 1024 is longer than the limit of 4 bytes".to_owned()));
    let error = apply(Limits { extended_header: 100, ..limits() });
    assert_eq!(error, Err("the extended header at byte 2048 is longer than the limit of 100 bytes".to_owned()));
    assert!(apply(Limits { name: 0, ..limits() }).is_err());
}

/// Sparse files as GNU tar writes them, in each of its formats: 64 KiB of hole, "middle", hole, "end".
#[test]
fn sparse_files_of_gnu_tar() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().expect("a directory");
    let file = std::fs::File::create(dir.path().join("sparse")).expect("a file");
    for block in 0..40 {
        file.write_all_at(b"middle", 65536 + block * 65536).expect("a write");
    }
    file.set_len(4 << 20).expect("a length");
    let expected = std::fs::read(dir.path().join("sparse")).expect("a file");
    for format in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let output = std::process::Command::new("tar")
            .args(["--sparse", "-cf", "-", "-C"])
            .arg(dir.path())
            .args(format)
            .arg("sparse")
            .output()
            .expect("GNU tar: install Debian's package tar");
        assert!(output.status.success(), "{format:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.len() < expected.len(), "{format:?}: tar did not find the holes");
        let fs = applied(&[output.stdout]).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let inode = fs.inode(fs.lookup(b"sparse").expect("a path").expect("a file")).expect("an inode");
        let content = inode.content().expect("a regular file").to_bytes().expect("readable");
        assert!(content[..] == expected[..], "{format:?}");
    }
}
