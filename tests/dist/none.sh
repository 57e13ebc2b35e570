#!/bin/sh
# A build without MPI, started as one of several ranks, says what is missing.
#   none.sh RANKS_PROGRAM
set -eu
code=0
text=$(OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 "$1" ops 2>&1) || code=$?
[ "$code" = 77 ] || { echo "exit code $code, expected 77"; exit 1; }
echo "$text" | grep -q "without MPI" || { echo "said: $text"; exit 1; }
"$1" ops
