//! Pulls an artifact from a registry on plain HTTP: its config to standard error, the component to standard output.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_wasm::WasmClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let name = std::env::args().nth(1).context("which artifact?")?.parse()?;
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    let client = WasmClient::new(Client::new(config));
    let (_, config, digest) = client.pull_manifest_and_config(&name, &RegistryAuth::Anonymous).await?;
    eprintln!("{digest}\n{config:#?}");
    let component = config.component.as_ref().context("the config says nothing of a component")?;
    ensure!(component.exports.iter().any(|export| export.starts_with("wasi:cli/run@0.2")), "it does not export wasi:cli/run");
    let image = client.pull(&name, &RegistryAuth::Anonymous).await?;
    ensure!(image.layers.len() == 1, "{} layers", image.layers.len());
    std::io::stdout().write_all(&image.layers[0].data)?;
    Ok(())
}
