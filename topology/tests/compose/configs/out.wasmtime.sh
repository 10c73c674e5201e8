#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   configs.from-environment.environment: wasmtime's command line has nothing for it
#   configs.from-file.file: wasmtime's command line has nothing for it
#   configs.outside.external: wasmtime's command line has nothing for it
#   configs.outside.name: wasmtime's command line has nothing for it
#   web: mounts[0]: put inline into a directory, and show that with --dir DIR::/inline
#   web: mounts[1]: put from-file into a directory, and show that with --dir DIR::/etc/app.conf
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    web.wasm "$@"
