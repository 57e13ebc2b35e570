#!/bin/sh
# A number that is none on one of two ranks, on the CPU and on a device of the tests' module. LAUNCHER: launch.sh.
#   spoiled.sh SPOILED_PROGRAM GUARD.so
set -eu
. "$(dirname "$0")/launch.sh"
export UDA_CUDA_MODULE="$2"
ranks 2 "$1" cpu
ranks 2 "$1" cuda
