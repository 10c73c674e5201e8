#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   web: cpu_shares: the host's control groups do not see inside a component
#   web: memswap_limit: the host's control groups do not see inside a component
#   web: resources.limits.milliCpus: wasmtime's command line has nothing for it
#   web: resources.limits.pids: wasmtime's command line has nothing for it
#   web: resources.requests: wasmtime's command line has nothing for it
#   web: scale: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    -W max-memory-size=536870912 \
    web.wasm "$@"
