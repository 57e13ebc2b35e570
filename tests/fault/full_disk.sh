#!/bin/sh
# A full disk: a clear error, the previous checkpoint intact, and the run continues once there is space. Needs root for
# a small tmpfs; skipped (77) without.
#   full_disk.sh UDA4INST MANIFEST WORK_DIR
set -eu
program=$1 manifest=$2 work=$3
rm -rf "$work"
mkdir -p "$work/disk"
mount -t tmpfs -o size=96m tmpfs "$work/disk" 2>/dev/null || exit 77
trap 'umount "$work/disk"' EXIT
export UDA_SCENES="$work/scenes"
"$program" run "$manifest" --run "$work/whole" >/dev/null 2>"$work/whole.log"
code=0
"$program" run "$manifest" --run "$work/disk/run" --stop-after-step 8 >/dev/null 2>"$work/first.log" || code=$?
[ "$code" = 75 ] || { echo "first part: exit code $code"; cat "$work/first.log"; exit 1; }
dd if=/dev/zero of="$work/disk/filler" bs=64k 2>/dev/null || true
truncate -s -1280K "$work/disk/filler" # room for small files, not for a checkpoint
code=0
"$program" run "$manifest" --run "$work/disk/run" >/dev/null 2>"$work/full.log" || code=$?
[ "$code" = 1 ] || { echo "full disk: exit code $code, expected 1"; cat "$work/full.log"; exit 1; }
grep -qiE "no space|free" "$work/full.log" || { echo "full disk: no clear error"; cat "$work/full.log"; exit 1; }
rm "$work/disk/filler"
"$program" run "$manifest" --run "$work/disk/run" >/dev/null 2>"$work/again.log" || { cat "$work/again.log"; exit 1; }
for file in $(cd "$work/whole" && find . -name weights.h5); do
    "$program" inspect "$work/whole/$file" --diff "$work/disk/run/$file" 2>/dev/null
done
cmp "$work/whole/metrics.jsonl" "$work/disk/run/metrics.jsonl"
echo "full disk: $(grep -iE 'no space|free' "$work/full.log" | tail -1)"
