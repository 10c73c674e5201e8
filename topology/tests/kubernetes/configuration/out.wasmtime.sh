#!/bin/sh
# How to run it with wasmtime, written by hoist.
# Program, arguments, environment, user and working directory are in the component.
# Volumes are directories below $HOIST_VOLUMES (./volumes). Variables without a value are taken from the environment.
# Not expressed here:
#   configs.conf.binary: wasmtime's command line has nothing for it
#   app: process.env[3].from: set TOKEN in the environment yourself
#   app: process.env[5].from: set OWN in the environment yourself
#   app: process.env[6].from: set FAR in the environment yourself
#   app: process.envFrom[0]: pass the variables of elsewhere with --env yourself
#   app: process.envFrom[1]: pass the variables of other with --env yourself
#   app: restart: wasmtime's command line has nothing for it
set -eu
cd "$(dirname "$0")"
exec wasmtime run \
    --env TOKEN \
    --env OWN \
    --env FAR \
    app.wasm "$@"
