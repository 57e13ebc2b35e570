#!/bin/sh
# usage: gpu_table.sh SOURCE_ROOT: tools/gpu-table.awk on made-up rows: targets met and missed by a hair, numbers that
# are missing, come late or come from another device.
set -u
cd "$1" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0
data=tests/data/gpu_table

# same EXPECTED FILE...: the table of the files.
same() {
    expected=$1
    shift
    awk -f tools/gpu-table.awk "$@" >"$folder/table" || { echo "failed: awk" >&2; failures=$((failures + 1)); }
    diff "$expected" "$folder/table" >&2 || failures=$((failures + 1))
}

same $data/one-device.md $data/rows.txt
same $data/two-devices.md $data/rows.txt $data/elsewhere.txt
cat $data/rows.txt $data/one-device.md >"$folder/again" # as gpu-check.sh leaves it
same $data/one-device.md "$folder/again"
echo "1 passed, 0 failed, 0 not run" >"$folder/none"
same /dev/null "$folder/none"
[ "$failures" -eq 0 ]
