#!/bin/sh
# embed.sh FILE.lua: prints the file as the C string shard_lua[]
set -eu

echo "static const char  shard_lua[] ="
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$1"
echo "    ;"
