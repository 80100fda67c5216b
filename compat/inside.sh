#!/bin/bash
# inside.sh [TEST...]: what trixie.sh runs inside its root: packages, versions, build, tests
set -eu
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive

# a package may have another name here, or be gone
renamed() {
    case $1 in
        libclang-rt-*-dev) apt-cache search --names-only '^libclang-rt-[0-9]+-dev$' | sort -V | tail -n 1 | cut -d' ' -f1 ;;
    esac
}

missing=
while read -r package; do
    case $package in
        ''|'#'*|debootstrap) continue ;;
    esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done <packages

if [ -n "$missing" ]; then
    apt-get update -qq
    install=
    for package in $missing; do
        candidate=$(apt-cache policy "$package" | awk '/Candidate:/ { print $2 }')
        if [ -z "$candidate" ] || [ "$candidate" = '(none)' ]; then
            other=$(renamed "$package")
            [ -n "$other" ] || { echo "compat: no package $package here" >&2; exit 1; }
            package=$other
        fi
        install="$install $package"
    done
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $install >build.apt.log 2>&1 \
        || { tail -n 20 build.apt.log >&2; exit 1; }
    apt-get clean
fi

version() { printf '  %-10s %s\n' "$1" "$2"; }

echo "compat: Debian $(cat /etc/debian_version)"
version nginx "$(nginx -v 2>&1 | sed 's,.*/,,')"
version hiredis "$(dpkg-query -W -f '${Version}' libhiredis-dev)"
version redis "$(redis-server --version | sed 's/.*v=\([^ ]*\).*/\1/')"
version openssl "$(openssl version 2>/dev/null | cut -d' ' -f2)"
version gcc "$(gcc -dumpfullversion)"

make -s -j"$(nproc)" all units
echo "compat: built with$(grep -q HIREDIS_SSL build/nginx/ngx_auto_config.h && echo || echo out) TLS to Redis"

if [ $# = 0 ]; then
    set -- t/00_unit.t t/01_core_pure.t t/02_static.t t/2[5-9]*.t t/3[1-9]*.t t/4[12]*.t
fi

exec prove -It/lib "$@"
