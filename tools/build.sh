#!/bin/sh
# Builds build/uda4inst (release). Arguments go to `meson setup`.
set -eu
cd "$(dirname "$0")/.."
tools/install.sh
if [ ! -f build/build.ninja ]; then
    echo "building build/uda4inst: a few minutes the first time (build/build.log)" >&2
    meson setup build -Dbuildtype=release "$@" >/dev/null
fi
ninja -C build >build/build.log 2>&1 || { cat build/build.log; exit 1; }
ln -sf src/uda4inst build/uda4inst
