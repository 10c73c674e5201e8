#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Relative paths start at the directory of the manifest: put this file there.
# Not expressed here:
#   secrets.outside.external: wasmtime's command line has nothing for it
#   secrets.password.file: wasmtime's command line has nothing for it
#   secrets.token.environment: wasmtime's command line has nothing for it
#   db: mounts[0]: put password as password into a directory DIR, and show that with --dir DIR::/run/secrets, in place of the image's
#   db: mounts[1]: put token as api-token into a directory DIR, and show that with --dir DIR::/run/secrets, in place of the image's
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    db.wasm "$@"
