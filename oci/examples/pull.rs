//! Shows what an image is made of: `cargo run --example pull REFERENCE`.

use std::error::Error;

use hoist_oci::{PullOptions, Quiet, Reference, RegistryOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).ok_or("which image?")?;
    let reference: Reference = text.parse()?;
    // Without TLS where there is none: this is for looking, and nothing is run.
    let options =
        PullOptions { registry: RegistryOptions { tls_verify: false, ..RegistryOptions::default() }, ..PullOptions::default() };
    let image = hoist_oci::pull(&reference, &options, &Quiet)?;
    println!("{reference}: manifest {}", image.manifest_digest);
    println!("{:#?}", image.config);
    for layer in &image.layers {
        println!("layer {} {} {} bytes", layer.digest, layer.media_type, layer.size);
    }
    let (mut names, mut bytes) = (0, 0);
    for (_, id) in image.rootfs.walk() {
        names += 1;
        bytes += image.rootfs.inode(id)?.content().map_or(0, |content| content.len());
    }
    println!("{names} names, {bytes} bytes of files");
    Ok(())
}
