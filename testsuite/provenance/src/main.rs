//! Reads the provenance of a pushed component, a file, with in-toto's published types: the statement, and SLSA's predicate in it. Neither may
//! have fields that the types do not know.

use anyhow::{Context, Result, ensure};
use in_toto_attestation::predicates::provenance::v1::provenance::Provenance;
use in_toto_attestation::v1::statement::Statement;
use in_toto_attestation::validator::MetadataValidator;

fn main() -> Result<()> {
    let file = std::env::args().nth(1).context("which statement?")?;
    let statement: Statement = protobuf_json_mapping::parse_from_str(&std::fs::read_to_string(&file).context(file)?)?;
    statement.validate_fields()?;
    ensure!(statement.predicate_type == "https://slsa.dev/provenance/v1", "{}", statement.predicate_type);
    let predicate = protobuf_json_mapping::print_to_string(statement.predicate.as_ref().context("a predicate")?)?;
    let predicate: Provenance = protobuf_json_mapping::parse_from_str(&predicate)?;
    let build = predicate.build_definition.as_ref().context("buildDefinition")?;
    let has_all = build.build_type.contains(':') && build.external_parameters.is_some();
    ensure!(has_all, "buildType is a URI, and externalParameters are required");
    for dependency in &build.resolved_dependencies {
        dependency.validate_fields()?;
        ensure!(dependency.uri.is_empty() || dependency.uri.contains(':'), "{} is no URI", dependency.uri);
    }
    let builder = predicate.run_details.as_ref().and_then(|run| run.builder.as_ref()).context("runDetails.builder")?;
    ensure!(builder.id.contains(':'), "the builder's id is a URI");
    println!("{} from {} things", statement.subject.len(), build.resolved_dependencies.len());
    Ok(())
}
