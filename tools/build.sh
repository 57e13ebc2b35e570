#!/bin/sh
# Builds build/uda4inst (release). Arguments go to `meson setup`.
set -eu
cd "$(dirname "$0")/.."
tools/install.sh
[ -f build/build.ninja ] || meson setup build -Dbuildtype=release "$@" >/dev/null
ninja -C build >build/build.log 2>&1 || { cat build/build.log; exit 1; }
ln -sf src/uda4inst build/uda4inst
