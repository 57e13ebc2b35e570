#!/bin/sh
# Time, images/s and memory of a training step, part by part, for the demo model and Swin-T at 512x512; with a Python
# that has torch and transformers also the Hugging Face peer's, in turn with ours, as ratios pair by pair.
#   tools/bench.sh [PYTHON] [PAIRS]
# Give it the machine alone. TSV on stdout: model, size, batch, part, median ms, p90 ms.
set -eu
cd "$(dirname "$0")/.."
python=${1:-} pairs=${2:-3} threads=$(nproc)
unset OPENBLAS_CORETYPE 2>/dev/null || true
tools/build.sh
ninja -C build tests/bench/bench_step >/dev/null
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
machine=$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | sed 's/^ *//')
echo "# $commit, $(build/uda4inst version), $machine, $threads threads"
build/uda4inst doctor | grep -E 'processor|products' | sed 's/^/# /'

ours() { build/tests/bench/bench_step "$@" "$threads"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
value() { awk -F'\t' -v part="$1" '$4 == part { print $5 }'; }

compare() { # compare MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS
    ours "$@"
    [ -n "$python" ] || return 0
    for pair in $(seq "$pairs"); do
        a=$(ours "$@")
        b=$("$python" tools/bench_peer.py "$@" "$threads" 2>/dev/null)
        printf '%s\t%sx%s\t%s\tpair %s: ours/peer step\t%s\t%s/%s ms\n' "$1" "$2" "$3" "$4" "$pair" \
            "$(ratio "$(echo "$a" | value step)" "$(echo "$b" | value step)")" \
            "$(echo "$a" | value step)" "$(echo "$b" | value step)"
        printf '%s\t%sx%s\t%s\tpair %s: ours/peer memory\t%s\t%s/%s MiB\n' "$1" "$2" "$3" "$4" "$pair" \
            "$(ratio "$(echo "$a" | value 'peak memory MiB')" "$(echo "$b" | value 'peak memory MiB')")" \
            "$(echo "$a" | value 'peak memory MiB')" "$(echo "$b" | value 'peak memory MiB')"
    done
}

compare swin-demo 96 192 2 20 256 40
compare swin-t 512 512 1 100 12544 5
