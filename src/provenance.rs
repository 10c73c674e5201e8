//! Provenance: what went into a component, by digest, as an in-toto statement (in-toto.io/Statement/v1) with SLSA's predicate
//! (slsa.dev/provenance/v1). Nobody has signed it; signing tools take it as it is.

use hoist_oci::Digest;
use hoist_oci::push::Document;
use serde_json::{Value, json};

use crate::info::Info;

/// The type of the document, as other builders attach it.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What the conversion is called in the statement, and who did it.
const BUILD_TYPE: &str = "urn:hoist:convert:v1";

/// The statement about a component.
pub fn document(info: &Info, component: &Digest) -> Document {
    Document { media_type: IN_TOTO.into(), bytes: statement(info, component).to_string().into_bytes() }
}

fn statement(info: &Info, component: &Digest) -> Value {
    let source = &info.source;
    // A digest's algorithm is a field of its own here.
    let digest = |digest: &str| match digest.split_once(':') {
        Some((algorithm, hex)) => json!({algorithm: hex}),
        None => json!({"sha256": digest}),
    };
    let mut image = json!({"name": source.image, "digest": digest(&source.digest), "annotations": {"platform": source.platform}});
    // A name in a registry has a registry; a file's is no URI.
    if source.image.contains('/') {
        image["uri"] = json!(format!("docker://{}", source.image));
    }
    let layers = source.layers.iter().map(|layer| json!({"name": "layer", "digest": digest(layer)}));
    let kernel = json!({"name": "hoist-kernel", "digest": digest(&info.wasm.kernel)});
    let dependencies: Vec<Value> = std::iter::once(image).chain(layers).chain([kernel]).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app.wasm", "digest": digest(&component.to_string())}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"image": source.image, "platform": source.platform},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {"builder": {"id": format!("urn:hoist:{}", info.hoist), "version": {"hoist": info.hoist}}},
        },
    })
}
