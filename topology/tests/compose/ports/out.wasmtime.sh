#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   long: ports[0].published: wasmtime maps no ports: the guest listens on its own
#   long: ports[1].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[2].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[3].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[4].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[5].published.ip: the guest binds the address itself
#   short: ports[6].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[7].published: wasmtime maps no ports: the guest listens on its own
#   short: ports[8].published.ip: the guest binds the address itself
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
long)
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        long.wasm "$@"
    ;;
short)
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        short.wasm "$@"
    ;;
*)
    echo "usage: $0 long|short [ARGS...]" >&2
    exit 2
    ;;
esac
