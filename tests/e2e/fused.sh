#!/bin/sh
# usage: fused.sh PROGRAM SOURCE_ROOT: an evaluate stage of several category models measures what label, fuse and
# evaluate would; any number of threads gives the same bytes.
set -u
program=$(realpath "$1") || exit 1
cd "$2" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
UDA_SCENES=$folder/scenes
export UDA_SCENES
manifest=tests/e2e/fused.yaml
failures=0

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }

"$program" run $manifest --run "$folder/run" >"$folder/out" 2>"$folder/err" ||
    fail "run: $(tail -3 "$folder/err")"
stages=$folder/run/stages
cmp "$stages/together/ap.json" "$stages/labelled/ap.json" || fail "fused on the fly and fused label sets differ"
grep -q "^mean  *[1-9][0-9]" "$stages/together/ap.txt" || fail "nothing was found: $(cat "$stages/together/ap.txt")"
[ "$(find "$folder/run/predictions/together" -name '*.png' | wc -l)" -eq 8 ] || fail "pictures of all eight images"
# The models share no class: behind each other each class has the figures of its own model.
for class in car person; do
    row=$(grep "^$class " "$stages/plain/ap.txt")
    [ -n "$row" ] && grep -qxF "$row" "$stages"/apart.*/ap.txt || fail "'$row' is no model's own"
    echo "$row" | grep -q " 0.00  *0.00" && fail "class $class was not learned: $row"
done
rm "$stages/together/DONE"
"$program" run $manifest --run "$folder/run" --set runtime.threads=1 >"$folder/out" 2>"$folder/err" ||
    fail "run with one thread: $(tail -3 "$folder/err")"
cmp "$stages/together/ap.json" "$stages/labelled/ap.json" || fail "one thread gives other figures"
"$program" plan $manifest >"$folder/out" 2>"$folder/err"
grep -A3 "together (evaluate)" "$folder/out" | grep -q "reads   stages/source.vehicle/weights.h5" ||
    fail "plan does not show what is read: $(cat "$folder/out")"

[ "$failures" -eq 0 ]
