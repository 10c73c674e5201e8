#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   secrets.mysql-pass.type: wasmtime's command line has nothing for it
#   volumes: wasmtime's command line has nothing for it
#   wordpress: endpoints: wasmtime's command line has nothing for it
#   wordpress: labels: wasmtime's command line has nothing for it
#   wordpress: links[0]: start wordpress-mysql yourself; it is reached as localhost
#   wordpress: process.env[2].from: set WORDPRESS_DB_PASSWORD in the environment yourself
#   wordpress: restart: wasmtime's command line has nothing for it
#   wordpress-mysql: endpoints: wasmtime's command line has nothing for it
#   wordpress-mysql: spec.strategy: how an update proceeds is the platform's
#   wordpress-mysql: labels: wasmtime's command line has nothing for it
#   wordpress-mysql: process.env[1].from: set MYSQL_ROOT_PASSWORD in the environment yourself
#   wordpress-mysql: restart: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
service=${1:-}
[ $# = 0 ] || shift
case "$service" in
wordpress)
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/wp-pv-claim
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        --env WORDPRESS_DB_PASSWORD \
        --dir "${HOIST_VOLUMES:-./volumes}"/wp-pv-claim::/var/www/html \
        wordpress.wasm "$@"
    ;;
wordpress-mysql)
    mkdir -p "${HOIST_VOLUMES:-./volumes}"/mysql-pv-claim
    exec wasmtime run \
        -S inherit-network \
        -S allow-ip-name-lookup \
        --env MYSQL_ROOT_PASSWORD \
        --dir "${HOIST_VOLUMES:-./volumes}"/mysql-pv-claim::/var/lib/mysql \
        wordpress-mysql.wasm "$@"
    ;;
*)
    echo "usage: $0 wordpress|wordpress-mysql [ARGS...]" >&2
    exit 2
    ;;
esac
