#!/bin/sh
# usage: paper.sh PROGRAM SOURCE_ROOT: every committed manifest plans; without its variables it says which to set; the
# page of the paper's numbers agrees with the manifests, and rows that are one run have one plan.
set -u
program=$(realpath "$1") || exit 1
cd "$2" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0
page=manifests/paper/README.md

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }

# run CODE ARGUMENTS...: the exit code must be CODE; $folder/out and $folder/err hold the streams.
run() {
    wanted=$1; shift
    "$program" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "'$*' gave $got, not $wanted: $(head -3 "$folder/err")"
}

# Resolved, a path keeps its ${VAR}: the variables that the manifest cannot do without.
variables() { grep -o '\${[A-Z0-9_]*}' "$folder/out" | tr -d '${}' | sort -u; }

# One key of the stage `evaluate` of the resolved manifest, "-" for none.
expected() {
    sed -n '/^  evaluate:/,/^  [a-z]/p' "$folder/out" | sed -n "s/^ *$1: \([0-9.]*[a-z]*\).*/\1/p" | head -1 |
        sed 's/^none$/-/'
}

CITYSCAPES=/c KITTI360=/k URBANSYN=/u SYNSCAPES=/s SYNTHIA=/y COCO_WEIGHTS=/w.h5
export CITYSCAPES KITTI360 URBANSYN SYNSCAPES SYNTHIA COCO_WEIGHTS
count=0
for manifest in $(find manifests -name '*.yaml' ! -path '*/parts/*' | sort); do
    count=$((count + 1))
    run 0 plan "$manifest"
    run 0 plan --resolved "$manifest"
    needed=$(variables)
    case $manifest in
    manifests/paper/*)
        row=$(grep "\`$(basename "$manifest" .yaml)\`" "$page") || fail "$manifest is not on $page"
        for key in AP AP50; do
            column=$([ $key = AP ] && echo 5 || echo 6)
            printed=$(echo "$row" | cut -d'|' -f"$column" | tr -d ' ')
            [ "$(expected $key | sed 's/\.0$//')" = "$(echo "$printed" | sed 's/\.0$//')" ] ||
                fail "$manifest expects $key $(expected $key), $page says $printed"
        done
        [ -n "$needed" ] || fail "$manifest reads no variable"
        ;;
    esac
    for name in $needed; do
        (unset "$name"; "$program" plan "$manifest" >"$folder/out" 2>"$folder/err"; [ $? -eq 2 ]) ||
            fail "$manifest plans without $name"
        grep -q "the environment variable $name is not set: run 'export $name=" "$folder/err" ||
            fail "$manifest without $name says: $(head -1 "$folder/err")"
    done
done
[ "$count" -ge 40 ] || fail "only $count manifests"

# same ONE OTHER: the stages of both have the same keys, in the same order.
same() {
    run 0 plan "manifests/paper/$1.yaml"
    grep ' key ' "$folder/out" >"$folder/one"
    run 0 plan "manifests/paper/$2.yaml"
    grep ' key ' "$folder/out" | cmp -s - "$folder/one" || fail "$1 and $2 are not the same run"
}
same table4-m1 table1-urbansyn-cityscapes-source
same table5-source table7-one
same table4-m1 table7-one
same table4-m5 table1-urbansyn-cityscapes-uda
same table5-both table4-m3
same table6-adaptive table1-urbansyn-kitti360-uda
same table7-human-cycle-vehicle table4-m2

# The parts that stand for the authors' code fit on a row of each target.
for target in cityscapes kitti360; do
    printf 'extends: [%s]\nname: released\n' "$PWD/manifests/paper/table1-urbansyn-$target-uda.yaml, \
$PWD/manifests/parts/released-code.yaml, $PWD/manifests/parts/released-$target.yaml" >"$folder/released.yaml"
    run 0 plan --resolved "$folder/released.yaml"
    grep -q 'labels: masks' "$folder/out" && grep -q 'combine: batch' "$folder/out" &&
        grep -q 'rule: plain' "$folder/out" || fail "released-code.yaml does not reach $target"
done

# Folders that are not there: the place that names them, the folder, and the weights.
run 2 check manifests/paper/table1-urbansyn-cityscapes-uda.yaml
for text in "parts/urbansyn.yaml:[0-9]*: data set 'source': cannot open folder '/u" "cannot open folder '/c/left" \
    "parts/paper.yaml:[0-9]*: model.init: there is no file '/w.h5'"; do
    grep -q "$text" "$folder/err" || fail "check does not say $text: $(cat "$folder/err")"
done
[ "$failures" -eq 0 ]
