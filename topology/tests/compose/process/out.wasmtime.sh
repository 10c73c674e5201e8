#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   web: process.domainname: wasmtime's command line has nothing for it
#   web: process.groups: wasmtime's command line has nothing for it
#   web: process.readOnlyRoot: wasmtime's command line has nothing for it
#   web: process.stopGraceMs: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    web.wasm "$@"
