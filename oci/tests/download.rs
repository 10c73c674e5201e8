//! The first half of a pull: blobs into the cache, and what the second half then finds.

mod common;

use std::path::Path;

use common::registry::insecure;
use common::server::{Served, Server};
use common::{Stored, Tar, listing};
use hoist_oci::digest::Digest;
use hoist_oci::{BlobCache, Downloaded, Error, Image, Limits, PullOptions, Quiet};

fn options(cache: &Path) -> PullOptions {
    PullOptions { registry: insecure(), cache: Some(BlobCache::at(cache)), ..PullOptions::default() }
}

fn download(server: &Server, options: &PullOptions) -> Result<Downloaded, Error> {
    hoist_oci::download(&format!("{}/app", server.address).parse()?, options, &Quiet)
}

fn pull(server: &Server, cache: &Path) -> Result<Image, Error> {
    hoist_oci::pull(&format!("{}/app", server.address).parse()?, &options(cache), &Quiet)
}

fn image() -> Served {
    Served::new(&[Stored::gzip(Tar::new().file("a", "a").finish()), Stored::plain(Tar::new().file("b", "b").finish())])
}

fn was_there(image: &Downloaded) -> Vec<bool> {
    image.layers.iter().map(|layer| layer.was_there).collect()
}

#[test]
fn what_was_downloaded_is_not_fetched_again() {
    let served = image();
    let (layers, manifest) = (served.layers.clone(), Digest::of(served.manifest.as_bytes()));
    let server = Server::start(move |request, _| served.answer(request));
    let dir = tempfile::tempdir().expect("a directory");
    let first = download(&server, &options(dir.path())).expect("an image");
    assert_eq!((first.digest(), first.platform.to_string().as_str()), (&manifest, "linux/amd64"));
    assert_eq!(first.layers.iter().map(|layer| layer.descriptor.digest.to_string()).collect::<Vec<_>>(), layers);
    assert_eq!(was_there(&first), [false, false]);
    assert_eq!(was_there(&download(&server, &options(dir.path())).expect("an image")), [true, true]);
    let image = pull(&server, dir.path()).expect("an image");
    assert_eq!(listing(&image.rootfs), ["a \"a\"", "b \"b\""]);
    assert_eq!(layers.iter().map(|layer| server.count(layer)).collect::<Vec<_>>(), [1, 1]);

    // A blob that was damaged since is not there.
    let blobs = BlobCache::at(dir.path()).list().expect("readable");
    let damaged = blobs.iter().find(|blob| blob.digest.to_string() == layers[1]).expect("cached");
    std::fs::write(&damaged.path, vec![b'x'; damaged.size as usize]).expect("writable");
    assert_eq!(was_there(&download(&server, &options(dir.path())).expect("an image")), [true, false]);
}

#[test]
fn wrong_bytes_are_not_kept() {
    let served = image();
    let digest = served.layers[1].clone();
    let server = Server::start(move |request, _| {
        let mut reply = served.answer(request);
        if request.path.ends_with(&served.layers[1]) {
            reply.body[0] ^= 1;
        }
        reply
    });
    let dir = tempfile::tempdir().expect("a directory");
    let error = download(&server, &options(dir.path())).expect_err("wrong bytes");
    assert!(error.to_string().starts_with(&format!("layer 2 ({digest}): expected digest {digest}, got sha256:")), "{error}");
    let blobs = BlobCache::at(dir.path()).list().expect("readable");
    assert!(blobs.len() == 2 && blobs.iter().all(|blob| blob.digest.to_string() != digest), "{blobs:?}");
}

#[test]
fn what_cannot_be_kept_is_an_error() {
    let served = image();
    let server = Server::start(move |request, _| served.answer(request));
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = download(&server, &options(&file.path().join("below"))).expect_err("no directory");
    assert!(matches!(&error, Error::Keep { .. }) && error.to_string().contains("Not a directory"), "{error}");
    let error = download(&server, &PullOptions { cache: None, ..options(file.path()) }).expect_err("no cache");
    assert!(matches!(error, Error::Keep { .. }), "{error}");
}

#[test]
fn sizes_count_before_anything_is_fetched() {
    let served = image();
    let layers = served.layers.clone();
    let server = Server::start(move |request, _| served.answer(request));
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let error = download(&server, &PullOptions { limits, ..options(dir.path()) }).expect_err("too much").to_string();
    assert_eq!(
        error,
        format!("layer 2 ({}): with it the image's layers have more than the 1000 bytes that hoist takes", layers[1])
    );
    assert_eq!(layers.iter().map(|layer| server.count(layer)).sum::<usize>(), 0);
}

#[test]
fn what_a_layer_is_uncompressed_is_verified_by_who_uncompresses_it() {
    let (one, other) = (Tar::new().file("a", "a").finish(), Tar::new().file("a", "b").finish());
    let served = Served::new(&[Stored { tar: other, ..Stored::gzip(one) }]);
    let server = Server::start(move |request, _| served.answer(request));
    let dir = tempfile::tempdir().expect("a directory");
    download(&server, &options(dir.path())).expect("what is stored is right");
    let error = pull(&server, dir.path()).expect_err("what is uncompressed is not");
    assert!(matches!(error, Error::DiffId { .. }), "{error}");
}
