#!/bin/bash
# trixie.sh [TEST...]: everything built and the module tested in a Debian 13 root (nginx 1.26, hiredis 1.2).
# The root is made once and kept in $SHARD_COMPAT_CACHE (/var/tmp/shard-compat, 2 GB): delete it to start anew.
# Root only: debootstrap and chroot need it.
set -eu

suite=trixie
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${SHARD_COMPAT_CACHE:-/var/tmp/shard-compat}
root=$cache/$suite
tests=${*:-}

die() { echo "compat: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "needs root (debootstrap, chroot): sudo make compat"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap (./test.sh does it)"

# this machine's own mirrors, whichever form its sources have
mirror_of() {
    cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null \
        | grep -Eo '(https?|file|copy)://[^] ]+' | grep -E "$1" | head -n 1 | sed 's,/*$,,'
}

mirror=$(mirror_of 'debian/?$')
security=$(mirror_of 'debian-security/?$')
[ -n "$mirror" ] || die "no Debian mirror in /etc/apt/sources.list or sources.list.d"

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || die "another run has $cache"

if [ ! -d "$root" ]; then
    echo "compat: debootstrap $suite from $mirror"
    rm -rf --one-file-system "$root.new"
    debootstrap --variant=minbase "$suite" "$root.new" "$mirror" >"$cache/debootstrap.log" 2>&1 \
        || die "debootstrap failed, see $cache/debootstrap.log"
    mv "$root.new" "$root"
fi

cp -L /etc/resolv.conf "$root/etc/resolv.conf"
grep -lsE '^ *Acquire' /etc/apt/apt.conf.d/* | xargs -r cp -t "$root/etc/apt/apt.conf.d/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
{
    echo "deb $mirror $suite main"
    echo "deb $mirror $suite-updates main"
    [ -z "$security" ] || echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"

# the tree as it stands, committed or not; what an earlier run built is kept
mkdir -p "$root/src/project"
find "$root/src/project" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -C "$top" --exclude=./build --exclude=./.git -cf - . | tar -C "$root/src/project" -xf -

rc=0
unshare --mount --pid --fork --kill-child bash -c '
    set -e
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 bash /src/project/compat/inside.sh $2
' sh "$root" "$tests" || rc=$?

[ $rc = 0 ] && echo "compat: good" || echo "compat: FAILED ($rc), logs are in $root/src/project/build"
exit $rc
