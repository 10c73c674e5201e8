#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Relative paths start at the directory of the manifest: put this file there.
# Not expressed here:
#   secrets.db_password.file: wasmtime's command line has nothing for it
#   db: mounts[1]: put db_password as db_password into a directory DIR, and show that with --dir DIR::/run/secrets, in place of the image's
#   db: restart: wasmtime's command line has nothing for it
#   wordpress: links[0]: start db yourself; it is reached as localhost
#   wordpress: restart: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
db)
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/db_data
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        --dir "${HOIST_VOLUMES:-./volumes}"/db_data::/var/lib/mysql \
        db.wasm "$@"
    ;;
wordpress)
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/wp_data
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        --dir "${HOIST_VOLUMES:-./volumes}"/wp_data::/var/www/html \
        wordpress.wasm "$@"
    ;;
*)
    echo "usage: $0 db|wordpress [ARGS...]" >&2
    exit 2
    ;;
esac
