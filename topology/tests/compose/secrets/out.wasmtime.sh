#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   secrets.outside.external: wasmtime's command line has nothing for it
#   secrets.password.file: wasmtime's command line has nothing for it
#   secrets.token.environment: wasmtime's command line has nothing for it
#   db: mounts[0]: put password into a directory, and show that with --dir DIR::/run/secrets/password
#   db: mounts[1]: put token into a directory, and show that with --dir DIR::/run/secrets/api-token
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    db.wasm "$@"
