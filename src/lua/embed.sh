#!/bin/sh
# embed.sh [text]: prints the function library as the C string shard_lua[], or as it is
set -eu

cd "$(dirname "$0")"

# each part uses what the parts before it define; two blank lines between them
library() {
    cat shard.lua
    for part in record commit stage moves; do printf '\n\n'; cat $part.lua; done
}

[ "${1:-}" = text ] && { library; exit; }

echo "static const char  shard_lua[] ="
library | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/'
echo "    ;"
