//! wasi:cli/environment.

use super::bindings::wasi::cli::environment;

/// The program's name, then its arguments.
pub fn arguments() -> Vec<String> {
    environment::get_arguments()
}

/// Names and values, in the host's order.
pub fn variables() -> Vec<(String, String)> {
    environment::get_environment()
}
