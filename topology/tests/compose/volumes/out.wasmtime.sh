#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Relative paths start at the directory of the manifest: put this file there.
# Not expressed here:
#   lists: mounts[1].readOnly: wasmtime's command line has nothing for it
#   lists: mounts[1].source.tmpfs.mode: what the guest writes stays in its own memory
#   lists: mounts[1].source.tmpfs.size: what the guest writes stays in its own memory
#   web: mounts[2].readOnly: wasmtime's --dir can always be written
#   web: mounts[4].readOnly: wasmtime's --dir can always be written
#   web: mounts[4].source.bind.propagation: wasmtime's command line has nothing for it
#   web: mounts[6].readOnly: wasmtime's --dir can always be written
#   web: mounts[6].source.bind.propagation: wasmtime's command line has nothing for it
#   web: mounts[7].source.tmpfs.mode: what the guest writes stays in its own memory
#   web: mounts[7].source.tmpfs.size: what the guest writes stays in its own memory
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
lists)
    exec wasmtime run \
        lists.wasm "$@"
    ;;
web)
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/data
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/data
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/data/below
    exec wasmtime run \
        --dir "${HOIST_VOLUMES:-./volumes}"/data::/data \
        --dir "${HOIST_VOLUMES:-./volumes}"/data::/data-ro \
        --dir ./here::/here \
        --dir /abs::/abs \
        --dir "${HOIST_VOLUMES:-./volumes}"/data/below::/sub \
        --dir ../up::/up \
        web.wasm "$@"
    ;;
*)
    echo "usage: $0 lists|web [ARGS...]" >&2
    exit 2
    ;;
esac
