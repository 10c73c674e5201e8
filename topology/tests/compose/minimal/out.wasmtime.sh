#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    web.wasm "$@"
