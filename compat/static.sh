#!/bin/bash
# static.sh BUILD_DIR: nginx from Debian's source package with the module linked in, as BUILD_DIR/static/nginx.
# The source comes through apt with a source list of its own, so that the machine's needs no deb-src.
# Ends with 77 when there is no source to be had (no network, no apt).
set -eu

dir=$1/static
top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
exec 9>"$dir/lock"
flock 9

if [ -z "$(ls -d "$dir"/nginx-[0-9]*/ 2>/dev/null)" ]; then
    command -v apt-get >/dev/null && command -v dpkg-source >/dev/null \
        || { echo "static: apt-get or dpkg-source is missing (Debian: apt-get install dpkg-dev)" >&2; exit 77; }

    # every Debian mirror and suite that this machine takes packages from
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' 'Identifier: Packages' 2>/dev/null \
        | awk -v by="$([ ! -f $key ] || echo "[signed-by=$key] ")" \
              '$1 == "Debian" && $2 == "main" { print "deb-src " by $3, $4, "main" }' \
        | sort -u >"$dir/apt/sources.list"
    [ -s "$dir/apt/sources.list" ] || { echo "static: no Debian mirror in apt's sources" >&2; exit 77; }

    options="-o Dir::Etc::sourcelist=$dir/apt/sources.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
             -o Dir::State::lists=$dir/apt/lists -o Dir::Cache=$dir/apt -o APT::Sandbox::User=
             -o Acquire::Retries=2 -o Acquire::http::Timeout=20"

    # the newest that the mirror really has
    # shellcheck disable=SC2086
    apt-get $options update >"$dir/apt.log" 2>&1 || true
    # shellcheck disable=SC2086
    for version in $(apt-cache $options showsrc nginx 2>/dev/null | sed -n 's/^Version: //p' | sort -rVu); do
        (cd "$dir" && apt-get $options source "nginx=$version") >>"$dir/apt.log" 2>&1 && break
    done

    # a mirror may lack Debian's patches of the newest: nginx' own archive, checked by apt, will do
    if [ -z "$(ls -d "$dir"/nginx-[0-9]*/ 2>/dev/null)" ]; then
        for archive in "$dir"/nginx_*.orig.tar.gz; do
            [ ! -f "$archive" ] || tar -C "$dir" -xzf "$archive" || rm -rf "$dir"/nginx-[0-9]*/ "$archive"
        done
    fi

    [ -n "$(ls -d "$dir"/nginx-[0-9]*/ 2>/dev/null)" ] \
        || { echo "static: no source package of nginx through apt, see $dir/apt.log" >&2; exit 77; }
    rm -rf "$dir/apt/lists"
fi

src=$(ls -d "$dir"/nginx-[0-9]*/ | sort -V | tail -n 1)
cd "$src"

# configure only when what it reads has changed: make does the rest
sources=$(cd "$top" && ls src/core/* src/ngx/*)
if [ ! -f "$dir/objs/Makefile" ] || [ "$sources" != "$(cat "$dir/sources" 2>/dev/null)" ] \
    || [ "$top/config" -nt "$dir/objs/Makefile" ]; then
    ./configure --prefix="$dir" --builddir="$dir/objs" --add-module="$top" --with-debug --with-threads --with-file-aio \
        --with-http_ssl_module --with-http_v2_module --with-http_realip_module --with-pcre-jit \
        --with-cc-opt="-O1 -g" >"$dir/configure.log" 2>&1 || { tail -n 20 "$dir/configure.log" >&2; exit 1; }
    echo "$sources" >"$dir/sources"
fi

make -s -j"$(nproc)" -f "$dir/objs/Makefile" binary >"$dir/make.log" 2>&1 || { tail -n 40 "$dir/make.log" >&2; exit 1; }
cp "$dir/objs/nginx" "$dir/nginx.tmp"
mv "$dir/nginx.tmp" "$dir/nginx"
