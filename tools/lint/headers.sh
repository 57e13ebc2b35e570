#!/bin/sh
# Every header compiles alone.   headers.sh  (CC: the compiler, default cc)
set -eu
cd "$(dirname "$0")/../.."
hdf5=$(pkg-config --cflags hdf5)
failed=0
for header in $(find src io kernels tests -name '*.h' | sort); do
    # shellcheck disable=SC2086
    echo "#include \"$header\"" | "${CC:-cc}" -fsyntax-only -x c -std=c17 -Wall -Wextra -Wpedantic -Werror -Wundef \
        -Wno-unused-function -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -DUDA_ISA=generic -I. $hdf5 - ||
        { echo "$header does not compile alone" >&2; failed=1; }
done
exit $failed
