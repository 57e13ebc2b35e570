#!/bin/sh
# Installs what is missing, builds, and runs the default tests: under two minutes.
#   tools/test.sh [all]     also the long ones: whole runs stopped in every way, every CUDA kernel on the processor
set -eu
cd "$(dirname "$0")/.."
tools/build.sh
if [ "${1:-}" = all ]; then
    meson test -C build --print-errorlogs
else
    meson test -C build --print-errorlogs --no-suite long
fi
