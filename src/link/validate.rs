//! Validation of a component, function bodies in parallel.

use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Parser, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::error::LinkError;

/// What a host must support beyond WebAssembly 3.0 and the component model as WASI 0.2 needs it: nothing.
fn features() -> WasmFeatures {
    WasmFeatures::default() | WasmFeatures::COMPONENT_MODEL
}

type Body<'a> = (FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// # Errors
/// `Invalid`, with the first function (by its place) that is not valid.
pub fn validate(component: &[u8]) -> Result<(), LinkError> {
    let mut validator = Validator::new_with_features(features());
    let mut bodies: Vec<Body<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(LinkError::Invalid)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(LinkError::Invalid)? {
            bodies.push((function, body));
        }
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = bodies.len().div_ceil(workers).max(1);
    let mut shares = Vec::new();
    while !bodies.is_empty() {
        let rest = bodies.split_off(share.min(bodies.len()));
        shares.push(std::mem::replace(&mut bodies, rest));
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| validate_bodies(share))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
    .map_err(LinkError::Invalid)
}

fn validate_bodies(bodies: Vec<Body<'_>>) -> Result<(), wasmparser::Error> {
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in bodies {
        let mut validator = function.into_validator(allocations);
        validator.validate(&body)?;
        allocations = validator.into_allocations();
    }
    Ok(())
}
