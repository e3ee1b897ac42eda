#!/bin/sh
# The `omega` command on unix: starts the pinned runtime at once. npm's prepare step links node_modules/.bin/omega to it.
self=$(readlink -f "$0")
here=${self%/*}
exec "$here/../../node_modules/node/bin/node" "$here/omega.js" "$@"
