#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   frontend: endpoints: wasmtime's command line has nothing for it
#   frontend: health: wasmtime's command line has nothing for it
#   frontend: labels: wasmtime's command line has nothing for it
#   frontend: links[0]: start redis-follower yourself; it is reached as localhost
#   frontend: restart: wasmtime's command line has nothing for it
#   frontend: scale: wasmtime's command line has nothing for it
#   redis-follower: endpoints: wasmtime's command line has nothing for it
#   redis-follower: labels: wasmtime's command line has nothing for it
#   redis-follower: links[0]: start redis-leader yourself; it is reached as localhost
#   redis-follower: resources: wasmtime's command line has nothing for it
#   redis-follower: restart: wasmtime's command line has nothing for it
#   redis-follower: scale: wasmtime's command line has nothing for it
#   redis-leader: endpoints: wasmtime's command line has nothing for it
#   redis-leader: labels: wasmtime's command line has nothing for it
#   redis-leader: resources: wasmtime's command line has nothing for it
#   redis-leader: restart: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
frontend)
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        frontend.wasm "$@"
    ;;
redis-follower)
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        redis-follower.wasm "$@"
    ;;
redis-leader)
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        redis-leader.wasm "$@"
    ;;
*)
    echo "usage: $0 frontend|redis-follower|redis-leader [ARGS...]" >&2
    exit 2
    ;;
esac
