//! A server that does what the test says, on a loopback port.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use hoist_oci::digest::Digest;
use serde_json::json;

use super::{CONFIG, MANIFEST, Stored};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What is answered: status, headers and body as they are to be sent; `None` for a body that breaks off after `body`.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
}

/// What comes after the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was all: the length is the body's.
    Whole,
    /// The connection closes though this many bytes were promised.
    Closed(u64),
    /// Nothing, for as long as the other side waits, though this many bytes were promised.
    Silence(u64),
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into(), end: End::Whole }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn ending(mut self, end: End) -> Reply {
        self.end = end;
        self
    }

    /// An error as registries say it.
    pub fn error(status: u16, code: &str, message: &str) -> Reply {
        Reply::new(status, json!({"errors": [{"code": code, "message": message}]}).to_string())
    }
}

/// A server; it ends with the test's process.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request as `answer` says, which gets the server's address too.
    pub fn start(answer: impl Fn(&Request, &str) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (noted, own, answer) = (Arc::clone(&requests), address.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, own, answer) = (Arc::clone(&noted), own.clone(), Arc::clone(&answer));
                std::thread::spawn(move || {
                    while let Some(request) = receive(&stream) {
                        noted.lock().expect("no panic").push(request.clone());
                        let reply = answer(&request, &own);
                        if send(&stream, &request, &reply).is_none() {
                            return;
                        }
                    }
                });
            }
        });
        Server { address, requests }
    }

    /// The requests so far, but for the one that finds out whether there is TLS.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    /// How many of them ask for a path that ends so.
    pub fn count(&self, end: &str) -> usize {
        self.requests().iter().filter(|request| request.path.ends_with(end)).count()
    }
}

fn receive(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

/// `None` if the connection is not to be used again.
fn send(mut stream: &TcpStream, request: &Request, reply: &Reply) -> Option<()> {
    let length = match reply.end {
        End::Whole => reply.body.len() as u64,
        End::Closed(length) | End::Silence(length) => length,
    };
    let mut text = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).ok()?;
    if request.method != "HEAD" {
        stream.write_all(&reply.body).ok()?;
    }
    match reply.end {
        End::Whole => Some(()),
        End::Closed(_) => {
            let _ = stream.shutdown(Shutdown::Both);
            None
        }
        End::Silence(_) => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0]);
            None
        }
    }
}

/// An image as a registry would have it: documents and blobs by the end of their path.
#[derive(Clone, Default)]
pub struct Served {
    pub files: BTreeMap<String, Vec<u8>>,
    pub layers: Vec<String>,
    pub manifest: String,
}

impl Served {
    /// An image `app:latest` of these layers.
    pub fn new(layers: &[Stored]) -> Served {
        let mut served = Served::default();
        let mut descriptors = Vec::new();
        for layer in layers {
            let digest = served.blob(&layer.stored);
            served.layers.push(digest.clone());
            descriptors.push(json!({"mediaType": layer.media_type, "digest": digest, "size": layer.stored.len()}));
        }
        let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(&layer.tar).to_string()).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string().into_bytes();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": descriptors,
            "config": {"mediaType": CONFIG, "digest": served.blob(&config), "size": config.len()}});
        served.manifest = manifest.to_string();
        served.files.insert("manifests/latest".into(), served.manifest.clone().into_bytes());
        served
    }

    fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.files.insert(format!("blobs/{digest}"), bytes.to_vec());
        digest
    }

    /// What a registry would answer.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.path == "/v2/" {
            return Reply::new(200, "");
        }
        let Some((_, bytes)) = self.files.iter().find(|(path, _)| request.path.ends_with(*path)) else {
            return Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        };
        match request
            .headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        {
            Some(from) => Reply::new(206, &bytes[from..])
                .header("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            None => Reply::new(200, bytes.clone()),
        }
    }
}
