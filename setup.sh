#!/bin/sh
# Installs the Debian packages listed in "packages", or in $PACKAGES, that are missing.  Sourced by demo.sh and test.sh.
set -eu

missing=
while read -r package; do
    case $package in
        ''|'#'*) continue ;;
    esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done <"${PACKAGES:-packages}"

if [ -n "$missing" ]; then
    echo "installing:$missing"
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo

    # where nothing manages services, apt must not start any: until the packages are in, not longer
    # (no trap alone: the scripts that source this end with "exec", which drops it)
    policy=
    if [ ! -d /run/systemd/system ] && [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        trap '$sudo rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod +x "$policy"
    fi

    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

    if [ -n "$policy" ]; then
        $sudo rm -f "$policy"
        trap - EXIT INT TERM HUP
    fi
fi
