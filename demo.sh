#!/bin/sh
# ./demo.sh [TRACE=file.csv]: installs what is needed, builds, runs the loop on a trace, shows the result.
set -eu
cd "$(dirname "$0")"
. ./setup.sh
make -j"$(nproc)" -s all
exec make -s demo "$@"
