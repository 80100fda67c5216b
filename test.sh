#!/bin/sh
# Installs what is needed from Debian's packages, builds, runs every test.
set -eu
cd "$(dirname "$0")"
. ./setup.sh
exec make -j"$(nproc)" -s test
