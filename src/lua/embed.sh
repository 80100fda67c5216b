#!/bin/sh
# embed.sh [text] [data]: prints a function library as a C string, or as it is:
# the metadata store's (shard_lua[]), or that of data (shard_data_lua[])
set -eu

cd "$(dirname "$0")"

# each part uses what the parts before it define; two blank lines between them
library() {
    cat "$1.lua"; shift
    for part; do printf '\n\n'; cat "$part.lua"; done
}

text=
[ "${1:-}" = text ] && { text=yes; shift; }

name=shard_lua parts='shard record commit stage moves'
[ "${1:-}" = data ] && name=shard_data_lua parts='data/data data/queue data/role data/move data/cut'

[ -n "$text" ] && { library $parts; exit; }

echo "static const char  $name[] ="
library $parts | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/'
echo "    ;"
