#!/bin/sh
# Installs what is missing, builds, and runs every default test.
set -eu
cd "$(dirname "$0")/.."
tools/build.sh
meson test -C build --print-errorlogs
