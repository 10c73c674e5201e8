//! Any bytes, read as a manifest, an index, a config, and as a reference. A reference shown and parsed again
//! is the same.

#![no_main]

use hoist_oci::manifest::Document;
use hoist_oci::{Blob, Digest, ImageConfig, Platform, Reference};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(Document::Index(index)) = Document::parse(&Blob::Index(None), bytes) {
        let _ = index.select(&Platform::default());
    }
    let _ = ImageConfig::parse(&Blob::Config(Digest::of(bytes)), bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
});
