#!/bin/bash
# build.sh BUILD_DIR: builds ngx_http_shard_module.so against Debian's nginx-dev.  SAN=1 adds ASan and UBSan; CC=clang is taken.
# nginx's configure must run where its sources are; it writes below BUILD_DIR only.
set -eu

build=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
src=/usr/share/nginx/src

[ -f "$src/conf_flags" ] || { echo "build.sh: $src is missing: apt-get install nginx-dev (./test.sh does it)" >&2; exit 1; }

# what requests run through is to lie in few lines of the cache: no gaps, no vectors for two stores; clang has no such words
dense="-fno-align-functions -fno-align-jumps -fno-align-loops -fno-align-labels -fno-tree-slp-vectorize"
case ${CC:-cc} in *clang*) dense= ;; esac
cc="-g -O2 -fPIC -fno-plt -fstack-protector-strong -Wextra -Wshadow -Wno-unused-parameter $dense"
ld="-fPIC -Wl,-z,relro,-z,now"

if [ -n "${SAN:-}" ]; then
    cc="-g -O1 -fPIC -fsanitize=address,undefined -fno-omit-frame-pointer -U_FORTIFY_SOURCE -Wno-error"
    ld="-fPIC -fsanitize=address,undefined"
else
    cc="$cc -D_FORTIFY_SOURCE=2"
fi

. "$src/conf_flags"
mkdir -p "$build/nginx"
exec 9>"$build/nginx/lock"
flock 9
cd "$src"

# configure only when what it reads has changed: make does the rest
sources=$(cd "$top" && ls src/core/* src/ngx/*)
if [ ! -f "$build/nginx/Makefile" ] || [ "$sources" != "$(cat "$build/nginx/sources" 2>/dev/null)" ] \
    || [ "$top/config" -nt "$build/nginx/Makefile" ] \
    || [ "$top/src/ngx/build.sh" -nt "$build/nginx/Makefile" ]; then
    ./configure "${NGX_CONF_FLAGS[@]}" --with-cc="${CC:-cc}" --with-cc-opt="$cc" --with-ld-opt="$ld" \
        --add-dynamic-module="$top" --builddir="$build/nginx" >"$build/nginx/configure.log" 2>&1 \
        || { tail -n 20 "$build/nginx/configure.log" >&2; exit 1; }
    echo "$sources" >"$build/nginx/sources"
fi

make -s -f "$build/nginx/Makefile" modules >"$build/nginx/make.log" 2>&1 || { tail -n 40 "$build/nginx/make.log" >&2; exit 1; }

# a new file, not new contents: the old one may be mapped by an nginx that runs
cp "$build/nginx/ngx_http_shard_module.so" "$build/ngx_http_shard_module.so.tmp"
mv "$build/ngx_http_shard_module.so.tmp" "$build/ngx_http_shard_module.so"
