#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Relative paths start at the directory of the manifest: put this file there.
# Not expressed here:
#   configs.from-environment.environment: wasmtime's command line has nothing for it
#   configs.from-file.file: wasmtime's command line has nothing for it
#   configs.outside.external: wasmtime's command line has nothing for it
#   configs.outside.name: wasmtime's command line has nothing for it
#   web: mounts[0]: only directories can be shown, and the root is the component's
#   web: mounts[1]: put from-file as app.conf into a directory DIR, and show that with --dir DIR::/etc, in place of the image's
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    web.wasm "$@"
