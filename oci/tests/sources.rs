//! Images in layouts and archives, and everything about them that can be wrong.

mod common;

use common::{INDEX, LAYER, Layout, MANIFEST, Stored, Tar, gzip, listing, on, pull, refusal, tagged, zstd};
use hoist_oci::digest::Digest;
use hoist_oci::{Error, Platform, PullOptions, Quiet};
use serde_json::json;

fn tar(name: &str) -> Vec<u8> {
    Tar::new().file(name, name).finish()
}

#[test]
fn a_layout_with_every_compression() {
    // gzip in several members, as pigz and concatenation make it.
    let (first, second) = (tar("b"), tar("c"));
    let halves = second.split_at(700);
    let members = [gzip(halves.0), gzip(halves.1)].concat();
    let many = Stored { stored: members, tar: second, media_type: format!("{LAYER}+gzip") };
    // A layer whose media type says nothing of its compression.
    let unsaid = Stored { stored: zstd(&tar("e")), tar: tar("e"), media_type: LAYER.to_owned() };
    let layout = Layout::of(&[Stored::plain(tar("a")), Stored::gzip(first), many, Stored::zstd(tar("d")), unsaid]);
    let image = layout.pull().expect("an image");
    assert_eq!(listing(&image.rootfs), ["a \"a\"", "b \"b\"", "c \"c\"", "d \"d\"", "e \"e\""]);
    assert_eq!(image.config.entrypoint, ["/bin/true"]);
    assert_eq!(image.layers.len(), 5);
    assert_eq!(image.layers[0].diff_id, image.layers[0].digest);
    assert_eq!(image.layers[3].media_type, format!("{LAYER}+zstd"));
    assert_eq!(image.index_digest, None);
    assert_eq!(Digest::of(&image.config_json).to_string(), {
        let manifest = std::fs::read(layout.path().join(Layout::blob_path(&image.manifest_digest))).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
        manifest["config"]["digest"].as_str().expect("a digest").to_owned()
    });
}

#[test]
fn an_archive_is_a_layout_too() {
    let layout = Layout::of(&[Stored::gzip(tar("a"))]);
    let dir = tempfile::tempdir().expect("a directory");
    let plain = layout.archive();
    for (name, bytes) in [("plain.tar", plain.clone()), ("x.tar.gz", gzip(&plain)), ("x.tar.zst", zstd(&plain))] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let image = pull(&format!("oci-archive:{}", path.display())).expect(name);
        assert_eq!(listing(&image.rootfs), ["a \"a\""]);
        assert_eq!(image.manifest_digest, layout.pull().expect("an image").manifest_digest);
    }
    let path = dir.path().join("cut.tar");
    std::fs::write(&path, &plain[..plain.len() / 2]).expect("a file");
    let message = refusal(pull(&format!("oci-archive:{}", path.display())));
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
}

#[test]
fn images_by_tag() {
    let layout = Layout::new();
    let image = |name: &str| layout.image("amd64", &[Stored::plain(tar(name))]);
    layout.index(&[tagged(image("one"), "v1"), tagged(image("two"), "v2")]);
    let path = layout.path().display().to_string();
    let image = pull(&format!("oci:{path}:v2")).expect("an image");
    assert_eq!(listing(&image.rootfs), ["two \"two\""]);
    assert_eq!(refusal(pull(&format!("oci:{path}:v3"))), format!("{path} has no image \"v3\"; it has v1, v2"));
    assert_eq!(refusal(layout.pull()), format!("{path} holds more than one image; name one of them: v1, v2"));
}

#[test]
fn platforms() {
    let layout = Layout::new();
    let image = |architecture: &str| on(layout.image(architecture, &[Stored::plain(tar(architecture))]), architecture);
    let nested = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image("arm64"), image("amd64")]});
    let nested = layout.blob(INDEX, nested.to_string().as_bytes());
    layout.index(std::slice::from_ref(&nested));
    let image_amd64 = layout.pull().expect("an image");
    assert_eq!(listing(&image_amd64.rootfs), ["amd64 \"amd64\""]);
    assert_eq!(image_amd64.index_digest.map(|digest| json!(digest.to_string())), Some(nested["digest"].clone()));
    let reference = format!("oci:{}", layout.path().display()).parse().expect("a reference");
    let options = PullOptions { platform: "linux/arm64".parse().expect("a platform"), ..PullOptions::default() };
    let image_arm64 = hoist_oci::pull(&reference, &options, &Quiet).expect("an image");
    assert_eq!(listing(&image_arm64.rootfs), ["arm64 \"arm64\""]);
    // index.json may itself be the list.
    layout.index(&[image("arm64"), image("amd64")]);
    assert_eq!(layout.pull().expect("an image").manifest_digest, image_amd64.manifest_digest);
}

#[test]
fn an_image_for_another_platform_says_so() {
    let layout = Layout::new();
    let image = layout.image("arm64", &[Stored::plain(tar("a"))]);
    layout.index(std::slice::from_ref(&image));
    assert_eq!(refusal(layout.pull()), "the image's platform (linux/arm64) does not match the specified platform (linux/amd64)");
    let nested = json!({"schemaVersion": 2, "manifests": [on(image, "arm64")]});
    layout.index(&[layout.blob(INDEX, nested.to_string().as_bytes())]);
    assert_eq!(
        refusal(layout.pull()),
        "no matching manifest for linux/amd64 in the manifest list entries: the image is there for linux/arm64 only"
    );
    assert_eq!(Platform::default(), Platform::linux_amd64());
}

/// Every blob of an image, each damaged in turn.
#[test]
fn a_wrong_digest_is_found_wherever_it_is() {
    for compression in [Stored::plain, Stored::gzip, Stored::zstd] {
        let layout = Layout::of(&[Stored::plain(tar("below")), compression(tar("above"))]);
        let image = layout.pull().expect("an image");
        let config: serde_json::Value = serde_json::from_slice(
            &std::fs::read(layout.path().join(Layout::blob_path(&image.manifest_digest))).expect("a manifest"),
        )
        .expect("JSON");
        let config: Digest = config["config"]["digest"].as_str().expect("a digest").parse().expect("a digest");
        let layer = &image.layers[1].digest;
        for (digest, name) in [
            (&image.manifest_digest, format!("manifest {}", image.manifest_digest)),
            (&config, format!("config {config}")),
            (layer, format!("layer 2 ({layer})")),
        ] {
            let path = layout.path().join(Layout::blob_path(digest));
            let whole = std::fs::read(&path).expect("a blob");
            for at in [0, whole.len() / 2, whole.len() - 1] {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x20;
                std::fs::write(&path, &damaged).expect("a file");
                let actual = Digest::of(&damaged);
                assert_eq!(refusal(layout.pull()), format!("{name}: expected digest {digest}, got {actual}"));
            }
            std::fs::write(&path, &whole[..whole.len() - 1]).expect("a file");
            let (expected, actual) = (whole.len(), whole.len() - 1);
            assert_eq!(refusal(layout.pull()), format!("{name}: expected {expected} bytes, got {actual}"));
            std::fs::write(&path, [&whole[..], b"\n"].concat()).expect("a file");
            assert_eq!(refusal(layout.pull()), format!("{name}: expected {expected} bytes, got more"));
            std::fs::remove_file(&path).expect("a file");
            assert_eq!(refusal(layout.pull()), format!("{name}: not there, though the image refers to it"));
            std::fs::write(&path, &whole).expect("a file");
        }
        layout.pull().expect("whole again");
    }
}

#[test]
fn a_wrong_diff_id() {
    let lying = Stored { stored: gzip(&tar("a")), tar: tar("b"), media_type: format!("{LAYER}+gzip") };
    let (expected, actual) = (Digest::of(&tar("b")), Digest::of(&tar("a")));
    let message = refusal(Layout::of(&[lying]).pull());
    assert!(message.starts_with("layer 1 (sha256:"), "{message}");
    assert!(message.ends_with(&format!("uncompressed: the config expects diff_id {expected}, got {actual}")), "{message}");
}

#[test]
fn truncated_streams_name_layer_and_offset() {
    for (format, whole) in [("gzip", gzip(&tar("a"))), ("zstd", zstd(&tar("a")))] {
        let cut = whole[..whole.len() - 5].to_vec();
        let digest = Digest::of(&cut);
        let layer = Stored { stored: cut, tar: tar("a"), media_type: format!("{LAYER}+{format}") };
        let message = refusal(Layout::of(&[layer]).pull());
        let start =
            format!("layer 1 ({digest}): the {format} stream is damaged or ends early, after {} bytes in", whole.len() - 5);
        assert!(message.starts_with(&start), "{message}");
    }
    let cut = Tar::new().file("a", &"a".repeat(1000)).finish()[..600].to_vec();
    let message = refusal(Layout::of(&[Stored::gzip(cut)]).pull());
    assert!(message.ends_with("): the archive ends inside a file that starts at byte 0"), "{message}");
    let climbing = Tar::new().file("../x", "").finish();
    let message = refusal(Layout::of(&[Stored::plain(tar("a")), Stored::gzip(climbing)]).pull());
    assert!(message.starts_with("layer 2 (sha256:"), "{message}");
    assert!(message.ends_with("entry \"../x\" at byte 0: climbs out of the root with .."), "{message}");
}

#[test]
fn layers_that_hoist_does_not_read() {
    let xz = Stored { stored: b"\xfd7zXZ\0 and so on".to_vec(), tar: tar("a"), media_type: LAYER.to_owned() };
    assert!(refusal(Layout::of(&[xz]).pull()).ends_with("compressed with xz; hoist reads tar, gzip and zstd"));
    let wasm = Stored { media_type: "application/wasm".to_owned(), ..Stored::plain(tar("a")) };
    assert!(matches!(Layout::of(&[wasm]).pull(), Err(Error::NotALayer { .. })));
    let layout = Layout::new();
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}});
    layout.index(&[layout.image_with(&config, &[Stored::plain(tar("a"))])]);
    assert_eq!(refusal(layout.pull()), "the config lists 0 layers, the manifest 1");
}

#[test]
fn limits_of_size() {
    let layout = Layout::of(&[Stored::gzip(vec![0; 1 << 20])]);
    let reference = format!("oci:{}", layout.path().display()).parse().expect("a reference");
    let mut options = PullOptions::default();
    options.limits.bytes = 1 << 16;
    let result = hoist_oci::pull(&reference, &options, &Quiet);
    assert!(matches!(result, Err(Error::TooBig { limit: 65536, .. })), "{result:?}");
}

#[test]
fn what_is_no_layout() {
    let missing = refusal(pull("oci:/nonexistent"));
    assert_eq!(missing, "/nonexistent: No such file or directory (os error 2)");
    let layout = Layout::new();
    let path = layout.path().display().to_string();
    assert_eq!(refusal(layout.pull()), format!("{path}: has no index.json"));
    layout.index(&[]);
    assert_eq!(refusal(layout.pull()), format!("{path}: holds no image"));
    layout.write("index.json", b"{");
    assert!(refusal(layout.pull()).starts_with(&format!("{path}: its index.json is malformed: ")));
    layout.write("oci-layout", br#"{"imageLayoutVersion":"2.0.0"}"#);
    assert_eq!(refusal(layout.pull()), format!("{path}: its layout is of version 2.0.0, not 1.0.0"));
    let file = layout.path().join("empty.tar");
    std::fs::write(&file, b"").expect("a file");
    assert!(refusal(pull(&format!("docker-archive:{}", file.display()))).contains("unexpected end of file"));
    std::fs::write(&file, b"no tar").expect("a file");
    assert!(refusal(pull(&format!("docker-archive:{}", file.display()))).contains("the archive ends inside a header"));
}

#[test]
fn manifests_that_are_none() {
    let layout = Layout::new();
    for (document, message) in [
        (json!({"schemaVersion": 1}), "docker's schema 1 is no longer read"),
        (json!({"schemaVersion": 2}), "neither an image manifest nor an image index"),
        (json!({"schemaVersion": 2, "layers": [], "manifests": []}), "neither an image manifest nor an image index"),
        (json!({"schemaVersion": 2, "layers": [], "config": {"digest": "sha256:../..", "size": 1}}), "malformed JSON"),
        (json!({"schemaVersion": 2, "layers": []}), "malformed JSON"),
        (json!([]), "malformed JSON"),
    ] {
        layout.index(&[layout.blob(MANIFEST, document.to_string().as_bytes())]);
        let refusal = refusal(layout.pull());
        assert!(refusal.contains(message), "{refusal}");
    }
}

/// A docker archive of two images that share a layer, by a symlink, as docker wrote them before 25.
fn docker_archive() -> Vec<u8> {
    let config = |layers: &[&[u8]]| {
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
        json!({"os": "linux", "architecture": "amd64", "config": {"Cmd": ["sh"]}, "rootfs": {"diff_ids": diff_ids}}).to_string()
    };
    let (base, top) = (tar("base"), tar("top"));
    let (one, two) = (config(&[&base]), config(&[&base, &top]));
    let name = |config: &str| format!("{}.json", Digest::of(config.as_bytes()).hex());
    let manifest = json!([
        {"Config": name(&one), "RepoTags": ["one:latest"], "Layers": ["aaa/layer.tar"]},
        {"Config": name(&two), "RepoTags": ["x.io/two:v2"], "Layers": ["bbb/layer.tar", "ccc/layer.tar"]},
    ]);
    Tar::new()
        .dir("aaa/")
        .entry(b'0', "aaa/layer.tar", "", &base, |_| ())
        .symlink("bbb/layer.tar", "../aaa/layer.tar")
        .entry(b'0', "ccc/layer.tar", "", &gzip(&top), |_| ())
        .file(&name(&one), &one)
        .file(&name(&two), &two)
        .file("manifest.json", &manifest.to_string())
        .finish()
}

#[test]
fn docker_archives() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("save.tar");
    std::fs::write(&path, docker_archive()).expect("a file");
    let reference = |select: &str| format!("docker-archive:{}{select}", path.display());
    for select in [":one", ":one:latest", ":@0", ":docker.io/library/one"] {
        assert_eq!(listing(&pull(&reference(select)).expect(select).rootfs), ["base \"base\""]);
    }
    let two = pull(&reference(":x.io/two:v2")).expect("an image");
    assert_eq!(listing(&two.rootfs), ["base \"base\"", "top \"top\""]);
    assert_eq!(two.config.cmd, ["sh"]);
    assert_eq!(two.layers[0].digest, Digest::of(&tar("base")));
    assert_eq!(two.manifest_digest, pull(&reference(":@1")).expect("an image").manifest_digest);
    let place = path.display();
    assert_eq!(
        refusal(pull(&reference(""))),
        format!("{place} holds more than one image; name one of them: one:latest, x.io/two:v2")
    );
    assert_eq!(
        refusal(pull(&reference(":three"))),
        format!("{place} has no image \"docker.io/library/three:latest\"; it has one:latest, x.io/two:v2")
    );
    assert!(refusal(pull(&reference(":@2"))).contains("has no image \"@2\""));
}

#[test]
fn a_docker_archive_is_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("save.tar");
    let whole = docker_archive();
    let damaged_at = |needle: &[u8], with: &[u8]| {
        let at = whole.windows(needle.len()).position(|window| window == needle).expect("the bytes");
        let mut damaged = whole.clone();
        damaged[at..at + with.len()].copy_from_slice(with);
        std::fs::write(&path, damaged).expect("a file");
        refusal(pull(&format!("docker-archive:{}:one", path.display())))
    };
    // The name of a file in the base layer: first header of the layer, which starts after two of ours.
    let message = damaged_at(b"base\0\0", b"bose");
    assert!(message.starts_with("layer 1 (sha256:") && message.contains("expected digest"), "{message}");
    let message = damaged_at(br#"["sh"]"#, br#"["zh"]"#);
    assert!(message.starts_with("config sha256:") && message.contains("expected digest"), "{message}");
}

#[test]
fn nothing_is_left_behind() {
    let spool = tempfile::tempdir().expect("a directory");
    let layout = Layout::of(&[Stored::gzip(tar("a")), Stored::gzip(tar("b"))]);
    let options = PullOptions { spool_dir: Some(spool.path().to_owned()), ..PullOptions::default() };
    let reference = format!("oci:{}", layout.path().display()).parse().expect("a reference");
    let image = hoist_oci::pull(&reference, &options, &Quiet).expect("an image");
    assert_eq!(std::fs::read_dir(spool.path()).expect("a directory").count(), 0);
    assert_eq!(listing(&image.rootfs), ["a \"a\"", "b \"b\""]);
    let options = PullOptions { spool_dir: Some("/nonexistent".into()), ..PullOptions::default() };
    let message = refusal(hoist_oci::pull(&reference, &options, &Quiet));
    assert!(message.starts_with("cannot write a layer to /nonexistent: "), "{message}");
}
