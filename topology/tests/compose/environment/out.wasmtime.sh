#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
list)
    exec wasmtime run \
        --env HOST_NAME \
        list.wasm "$@"
    ;;
mapping)
    exec wasmtime run \
        --env HOST_NAME \
        mapping.wasm "$@"
    ;;
*)
    echo "usage: $0 list|mapping [ARGS...]" >&2
    exit 2
    ;;
esac
