#!/bin/sh
# The proxy benchmark: the ablations of manifests/proxy/ablations.yaml over several seeds, and their table.
#   tools/proxy.sh [--runs FOLDER] [--table FILE] [SEED...]         seeds 1 2 3 unless given
#
# About two hours on two quiet cores. It may be stopped at any time; the same command continues. The table, means and
# deviations over the seeds that are complete, is printed and written to FILE (runs/proxy/ablations.txt).
set -eu
cd "$(dirname "$0")/.."
runs=runs/proxy-runs table=runs/proxy/ablations.txt
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=$2; shift 2 ;;
    --table) table=$2; shift 2 ;;
    --*) echo "usage: tools/proxy.sh [--runs FOLDER] [--table FILE] [SEED...]" >&2; exit 2 ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || set -- 1 2 3
program=${UDA4INST:-build/uda4inst}
[ -x "$program" ] || program=build/src/uda4inst
[ -x "$program" ] || { tools/build.sh; program=build/src/uda4inst; }
rows="source lab s2t t2s both oracle group_source group rare full supervised"
: "${UDA_SCENES:=$runs/scenes}"
export UDA_SCENES

# Two processes of one thread share a run: faster than one of two threads, and the bytes are the same.
share() { # share SEED NAME
    "$program" run manifests/proxy/ablations.yaml --run "$runs/seed-$1" --set seed="$1" --set runtime.threads=1 \
        >"$runs/seed-$1-$2.out"
}
mkdir -p "$runs"
for seed in "$@"; do
    share "$seed" a &
    sleep 1
    share "$seed" b || { code=$?; wait; exit $code; }
    wait $!
    rm -f "$runs/seed-$seed-a.out" "$runs/seed-$seed-b.out"
done
complete="$*"

# ROW SEED FINGERPRINT CLASS AP AP50, class 'mean' for the mean
figures() {
    for seed in $complete; do
        for row in $rows; do
            folder=$runs/seed-$seed/stages/row_$row
            print=$(sed -n 's/.*"fingerprint": "\([0-9a-f]*\)".*/\1/p' "$folder/DONE")
            awk -v row="$row" -v seed="$seed" -v fingerprint="$print" '{
                name = "mean"
                if (match($0, /"[a-z]+": \{"AP"/)) { name = substr($0, RSTART + 1, RLENGTH - 9) }
                if (match($0, /"AP": [0-9.e-]+/)) {
                    ap = substr($0, RSTART + 6, RLENGTH - 6)
                    match($0, /"AP50": [0-9.e-]+/)
                    printf "%s %s %s %s %s %s\n", row, seed, fingerprint, name, ap, substr($0, RSTART + 8, RLENGTH - 8)
                }
            }' "$folder/ap.json"
        done
    done
}
mkdir -p "$(dirname "$table")"
figures | awk -v rows="$rows" -v seeds=" $complete" -f tools/proxy_table.awk >"$table.new"
mv "$table.new" "$table"
cat "$table"
