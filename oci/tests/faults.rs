//! Registries that do not do as they should: clear errors, within limits, and nothing half-written in the cache.

mod common;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::registry::insecure;
use common::server::{End, Reply, Request, Served, Server};
use common::{LAYER, Stored, Tar, listing, refusal};
use hoist_oci::digest::Digest;
use hoist_oci::{BlobCache, Credentials, Error, Image, Limits, PullOptions, Quiet, RegistryOptions};
use tempfile::TempDir;

/// Pulls `app` from a server, with a cache in a directory.
fn pull_with(server: &Server, cache: &Path, options: PullOptions) -> Result<Image, Error> {
    let options = PullOptions { cache: Some(BlobCache::at(cache)), ..options };
    hoist_oci::pull(&format!("{}/app", server.address).parse()?, &options, &Quiet)
}

fn options() -> PullOptions {
    PullOptions { registry: insecure(), ..PullOptions::default() }
}

fn pull(server: &Server) -> Result<Image, Error> {
    pull_with(server, cache().path(), options())
}

fn cache() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The blobs in a cache, and that nothing else is.
fn cached(cache: &Path) -> usize {
    let partial = cache.join("partial");
    assert!(!partial.exists() || std::fs::read_dir(partial).expect("readable").count() == 0);
    let blobs = BlobCache::at(cache).list().expect("readable");
    for blob in &blobs {
        assert_eq!(Digest::of(&std::fs::read(&blob.path).expect("readable")), blob.digest);
    }
    blobs.len()
}

fn image() -> Served {
    // Bytes that do not compress, so that there is enough to break off in.
    let noise: String = (0..200_000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    Served::new(&[Stored::gzip(Tar::new().file("a", "a").finish()), Stored::plain(Tar::new().file("noise", &noise).finish())])
}

/// Answers the first `times` requests for a path that ends so with `fault`, and everything else as a registry does.
fn faulty(
    served: Served,
    end: String,
    times: usize,
    fault: impl Fn(&Served, &Request) -> Reply + Send + Sync + 'static,
) -> Server {
    let seen = AtomicUsize::new(0);
    Server::start(move |request, _| match request.path.ends_with(&end) && seen.fetch_add(1, Ordering::Relaxed) < times {
        true => fault(&served, request),
        false => served.answer(request),
    })
}

#[test]
fn refusals() {
    let refuse = |status, code: &'static str| {
        let server = faulty(image(), "manifests/latest".into(), usize::MAX, move |_, _| Reply::error(status, code, "because"));
        let message = refusal(pull(&server));
        assert_eq!(server.count("manifests/latest"), 1, "{status} was repeated");
        message.replace(&server.address, "HOST")
    };
    let denied = "pull access denied for HOST/app, repository does not exist or may require 'docker login'";
    assert_eq!(refuse(401, "UNAUTHORIZED"), format!("{denied}: 401 Unauthorized: because"));
    assert_eq!(refuse(403, "DENIED"), format!("{denied}: 403 Forbidden: because"));
    assert_eq!(refuse(404, "MANIFEST_UNKNOWN"), "manifest for HOST/app:latest not found: manifest unknown");
    assert_eq!(refuse(418, "TEAPOT"), "registry HOST: 418 I'm a teapot: because");
}

#[test]
fn what_passes_is_waited_for() {
    for (status, wait) in [(429, "0"), (503, "0"), (500, "Wed, 21 Oct 2015 07:28:00 GMT")] {
        let server =
            faulty(image(), "manifests/latest".into(), 2, move |_, _| Reply::new(status, "").header("Retry-After", wait));
        let image = pull(&server).expect("an image at the third try");
        assert_eq!((image.layers.len(), server.count("manifests/latest")), (2, 3));
    }
}

#[test]
fn what_does_not_pass_is_given_up() {
    let server = faulty(image(), "manifests/latest".into(), usize::MAX, |_, _| Reply::new(500, "<html>"));
    assert_eq!(refusal(pull(&server)), format!("registry {}: 500 Internal Server Error", server.address));
    assert_eq!(server.count("manifests/latest"), 4);

    let too_many = |_: &Served, _: &Request| Reply::error(429, "TOOMANYREQUESTS", "limit").header("Retry-After", "3600");
    let server = faulty(image(), "manifests/latest".into(), usize::MAX, too_many);
    let message = refusal(pull(&server)).replace(&server.address, "HOST");
    let expected =
        "registry HOST: http://HOST/v2/app/manifests/latest asks to come back after 3600 s, which is longer than hoist waits";
    assert_eq!(message, expected);
    assert_eq!(server.count("manifests/latest"), 1);
}

#[test]
fn a_blob_goes_on_where_it_broke_off() {
    let served = image();
    let (digest, expected) = (served.layers[1].clone(), served.files[&format!("blobs/{}", served.layers[1])].len());
    let half = move |served: &Served, request: &Request, end: fn(u64) -> End| {
        let whole = served.answer(request);
        let (length, half) = (whole.body.len() as u64, whole.body.len() / 2);
        Reply { body: whole.body[..half].to_vec(), end: end(length), ..whole }
    };
    // Closed twice, then silent; by then an eighth is left.
    let server = faulty(served.clone(), digest.clone(), 2, move |served, request| half(served, request, End::Closed));
    let dir = cache();
    pull_with(&server, dir.path(), options()).expect("an image");
    assert_eq!(cached(dir.path()), 3);
    let ranges: Vec<_> = server.requests().iter().filter_map(|request| request.headers.get("range").cloned()).collect();
    assert_eq!(ranges, [format!("bytes={}-", expected / 2), format!("bytes={}-", expected / 2 + expected.div_ceil(2) / 2)]);

    let server = faulty(served.clone(), digest.clone(), 1, move |served, request| half(served, request, End::Silence));
    let registry = RegistryOptions { timeout: Duration::from_millis(300), ..insecure() };
    pull_with(&server, dir.path(), PullOptions { cache: None, registry: registry.clone(), ..options() }).expect("from the cache");
    let other = cache();
    pull_with(&server, other.path(), PullOptions { registry, ..options() }).expect("an image");
    assert_eq!(server.count(&digest), 2);

    // A registry that knows no ranges sends all of it again.
    let server = faulty(served.clone(), digest.clone(), 1, move |served, request| half(served, request, End::Closed));
    let plain = Server::start({
        let (served, digest) = (served.clone(), digest.clone());
        let seen = AtomicUsize::new(0);
        move |request, _| {
            let whole = Request { headers: Default::default(), ..request.clone() };
            match request.path.ends_with(&digest) && seen.fetch_add(1, Ordering::Relaxed) == 0 {
                true => half(&served, &whole, End::Closed),
                false => served.answer(&whole),
            }
        }
    });
    for server in [server, plain] {
        let image = pull(&server).expect("an image");
        assert_eq!((listing(&image.rootfs).len(), server.count(&digest)), (2, 2));
    }
}

#[test]
fn a_blob_that_always_breaks_off() {
    let served = image();
    let digest = served.layers[1].clone();
    let server = faulty(served, digest.clone(), usize::MAX, |served, request| {
        let whole = served.answer(request);
        Reply { end: End::Closed(whole.body.len() as u64), body: Vec::new(), ..whole }
    });
    let dir = cache();
    let message = refusal(pull_with(&server, dir.path(), options()));
    assert!(message.starts_with(&format!("layer 2 ({digest}): ")), "{message}");
    assert_eq!((server.count(&digest), cached(dir.path())), (4, 2));
}

#[test]
fn wrong_bytes() {
    let served = image();
    let digest = served.layers[1].clone();
    let size = served.files[&format!("blobs/{digest}")].len();
    let wrong = |change: fn(&mut Vec<u8>)| {
        let server = faulty(image(), digest.clone(), usize::MAX, move |served, request| {
            let mut reply = served.answer(request);
            change(&mut reply.body);
            reply
        });
        let dir = cache();
        let message = refusal(pull_with(&server, dir.path(), options()));
        assert_eq!(cached(dir.path()), 2, "{message}");
        message
    };
    assert!(wrong(|body| body[1000] ^= 1).starts_with(&format!("layer 2 ({digest}): expected digest {digest}, got sha256:")));
    assert_eq!(
        wrong(|body| body.truncate(body.len() - 1)),
        format!("layer 2 ({digest}): expected {size} bytes, got {}", size - 1)
    );
    assert_eq!(wrong(|body| body.push(0)), format!("layer 2 ({digest}): expected {size} bytes, got more"));
    assert_eq!(wrong(|body| body.clear()), format!("layer 2 ({digest}): expected {size} bytes, got 0"));
}

#[test]
fn a_manifest_of_100_mb() {
    let server = faulty(image(), "manifests/latest".into(), usize::MAX, |_, _| Reply::new(200, vec![b' '; 100 << 20]));
    let message = refusal(pull(&server));
    assert_eq!(message, "manifest: 104857600 bytes are more than the 8388608 that hoist takes");
    // One that does not say how long it is: read to the limit.
    let server = faulty(image(), "manifests/latest".into(), usize::MAX, |_, _| {
        Reply::new(
            200,
            b"100000\r\n".iter().copied().chain(vec![b' '; 1 << 20]).chain(*b"\r\n").cycle().take(20 << 20).collect::<Vec<u8>>(),
        )
        .header("Transfer-Encoding", "chunked")
    });
    let limits = Limits { document: 1 << 20, ..Limits::default() };
    let message = refusal(pull_with(&server, cache().path(), PullOptions { limits, ..options() }));
    assert!(message.ends_with("bytes are more than the 1048576 that hoist takes"), "{message}");
}

/// A layer whose uncompressed bytes are never in memory.
fn compressed(write: impl FnOnce(&mut dyn Write)) -> Stored {
    struct Both<W>(W, hoist_oci::digest::Hasher);
    impl<W: Write> Write for Both<W> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1.update(bytes);
            self.0.write_all(bytes).map(|()| bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut both = Both(gzip, hoist_oci::digest::Hasher::new(hoist_oci::digest::Algorithm::Sha256));
    write(&mut both);
    let stored = both.0.finish().expect("memory");
    // The test does not get as far as the digest of the uncompressed bytes.
    Stored { stored, tar: Vec::new(), media_type: format!("{LAYER}+gzip") }
}

#[test]
fn a_gzip_bomb() {
    let bomb = compressed(|out| (0..1024).for_each(|_| out.write_all(&[0; 1 << 20]).expect("memory")));
    assert!(bomb.stored.len() < 16 << 20);
    let served = Served::new(&[bomb]);
    let digest = served.layers[0].clone();
    let server = Server::start(move |request, _| served.answer(request));
    let limits = Limits { bytes: 64 << 20, ..Limits::default() };
    let message = refusal(pull_with(&server, cache().path(), PullOptions { limits, ..options() }));
    let expected =
        format!("layer 1 ({digest}), uncompressed: with it the image has more than the 67108864 bytes that hoist takes");
    assert_eq!(message, expected);
}

#[test]
fn a_million_entries() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    for number in 0..1_000_000 {
        header.set_path(format!("d{}/f{number}", number / 1000)).expect("short");
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, std::io::empty()).expect("memory");
    }
    let layer = Stored::gzip(tar.into_inner().expect("memory"));
    let served = Served::new(&[layer]);
    let digest = served.layers[0].clone();
    let server = Server::start(move |request, _| served.answer(request));
    let limits = Limits { entries: 999_999, ..Limits::default() };
    let message = refusal(pull_with(&server, cache().path(), PullOptions { limits, ..options() }));
    assert_eq!(message, format!("layer 1 ({digest}): more than 999999 entries"));
    let image = pull(&server).expect("within the limits that are usual");
    assert_eq!(image.rootfs.walk().count(), 1 + 1000 + 1_000_000);
}

/// A registry that wants a token from a server, which is itself.
fn with_tokens(token: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    let served = image();
    Server::start(move |request, address| match request.path.starts_with("/token") {
        true => token(request),
        false if request.headers.get("authorization").is_some_and(|value| value == "Bearer good") => served.answer(request),
        false => Reply::error(401, "UNAUTHORIZED", "authentication required")
            .header("WWW-Authenticate", format!("Bearer realm=\"http://{address}/token\",service=\"the registry\"")),
    })
}

#[test]
fn tokens() {
    let server = with_tokens(|_| Reply::new(200, r#"{"access_token":"good","expires_in":300}"#));
    pull(&server).expect("an image");
    let asked: Vec<_> = server.requests().into_iter().filter(|request| request.path.starts_with("/token")).collect();
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "GET"));
    assert_eq!(asked[0].path, "/token?service=the+registry&scope=repository%3Aapp%3Apull");
    assert!(!asked[0].headers.contains_key("authorization"));

    // A user, and an identity token.
    let as_user =
        |credentials| PullOptions { registry: RegistryOptions { credentials: Some(credentials), ..insecure() }, ..options() };
    let basic = Credentials::Basic { user: "u".into(), password: "p".into() };
    pull_with(&server, cache().path(), as_user(basic)).expect("an image");
    let request = server.requests().into_iter().rfind(|request| request.path.starts_with("/token")).expect("a request");
    assert_eq!(request.headers["authorization"], "Basic dTpw");
    pull_with(&server, cache().path(), as_user(Credentials::Identity("refresh/+".into()))).expect("an image");
    let request = server.requests().into_iter().rfind(|request| request.path.starts_with("/token")).expect("a request");
    let form =
        "service=the+registry&grant_type=refresh_token&client_id=hoist&refresh_token=refresh%2F%2B&scope=repository%3Aapp%3Apull";
    assert_eq!((request.method.as_str(), String::from_utf8_lossy(&request.body).as_ref()), ("POST", form));
}

#[test]
fn token_servers_that_do_not_help() {
    let refused = |server: &Server| refusal(pull(server)).replace(&server.address, "HOST");
    let denied = "pull access denied for HOST/app, repository does not exist or may require 'docker login'";
    let server = with_tokens(|_| Reply::error(401, "UNAUTHORIZED", "incorrect username or password"));
    assert_eq!(
        refused(&server),
        format!("{denied}: token server http://HOST/token: 401 Unauthorized: incorrect username or password")
    );
    let server = with_tokens(|_| Reply::new(200, r#"{"token":"bad"}"#));
    assert_eq!(refused(&server), format!("{denied}: 401 Unauthorized: authentication required"));
    let server = with_tokens(|_| Reply::new(200, "{}"));
    assert_eq!(refused(&server), "registry HOST: token server http://HOST/token: its answer has no token");

    let server = with_tokens(|_| Reply::new(200, "").ending(End::Silence(10)));
    let registry = RegistryOptions { timeout: Duration::from_millis(300), ..insecure() };
    let message =
        refusal(pull_with(&server, cache().path(), PullOptions { registry, ..options() })).replace(&server.address, "HOST");
    assert_eq!(message, "registry HOST: token server http://HOST/token: no answer from HOST within 0.3 s");
}

#[test]
fn two_at_once_share_the_cache() {
    let served = image();
    let layers = served.layers.clone();
    let server = Server::start(move |request, _| served.answer(request));
    let dir = cache();
    std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..2).map(|_| scope.spawn(|| pull_with(&server, dir.path(), options()))).collect();
        for pull in pulls {
            pull.join().expect("no panic").expect("an image");
        }
    });
    assert_eq!(cached(dir.path()), 3);
    assert_eq!(layers.iter().map(|layer| server.count(layer)).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_damaged_cache_is_fetched_again() {
    let served = image();
    let digest: Digest = served.layers[1].parse().expect("a digest");
    let server = Server::start(move |request, _| served.answer(request));
    let dir = cache();
    pull_with(&server, dir.path(), options()).expect("an image");
    let blob =
        BlobCache::at(dir.path()).list().expect("readable").into_iter().find(|blob| blob.digest == digest).expect("cached");
    for damage in [&b"short"[..], &vec![b'x'; blob.size as usize]] {
        std::fs::write(&blob.path, damage).expect("writable");
        pull_with(&server, dir.path(), options()).expect("an image");
        pull_with(&server, dir.path(), options()).expect("an image");
        assert_eq!(cached(dir.path()), 3);
    }
    assert_eq!(server.count(&digest.to_string()), 3);
}

#[test]
fn mirrors_come_first() {
    let served = image();
    let upstream = Server::start({
        let served = served.clone();
        move |request, _| served.answer(request)
    });
    let mirror = Server::start(move |request, _| match request.path.starts_with("/v2/mirrored/app/") {
        true => served.answer(request),
        false => Reply::error(404, "NAME_UNKNOWN", "no such repository"),
    });
    let with = |mirrors: &[String]| {
        let mirrors = mirrors.iter().map(|mirror| mirror.parse().expect("a mirror")).collect();
        PullOptions { registry: RegistryOptions { mirrors, ..insecure() }, ..options() }
    };
    let upstream_of = |mirror: &str| format!("{}={}{mirror}", upstream.address, "http://");
    pull_with(&upstream, cache().path(), with(&[format!("{}{}/mirrored", upstream_of(""), mirror.address)])).expect("an image");
    assert_eq!(upstream.requests().len(), 0);
    // A mirror that does not have it, or is not there.
    pull_with(&upstream, cache().path(), with(&[upstream_of(&mirror.address)])).expect("an image");
    assert!(!upstream.requests().is_empty());
    let missing = upstream_of("127.0.0.1:1");
    pull_with(&upstream, cache().path(), with(std::slice::from_ref(&missing))).expect("an image");
    let reference = format!("{}/app:v9", upstream.address).parse().expect("a reference");
    let message = refusal(hoist_oci::pull(&reference, &with(&[missing]), &Quiet));
    assert!(message.contains("not found: manifest unknown; before that, of mirrors: registry 127.0.0.1:1: "), "{message}");
}

#[test]
fn foreign_layers() {
    let mut layer = Stored::gzip(Tar::new().file("a", "a").finish());
    layer.media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    let served = Served::new(&[layer]);
    let digest = served.layers[0].clone();
    let server = Server::start(move |request, _| served.answer(request));
    let media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let expected =
        format!("layer 1 ({digest}): a foreign layer ({media_type}), which registries need not have and hoist does not read");
    assert_eq!(refusal(pull(&server)), expected);
    assert_eq!(server.count(&digest), 0);
}
