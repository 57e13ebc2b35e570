#!/bin/sh
# usage: check_plan.sh PROGRAM SOURCE_ROOT: check and plan as a user runs them: exit codes, streams, texts.
set -u
program=$(realpath "$1") || exit 1
cd "$2" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }

# run CODE ARGUMENTS...: the exit code must be CODE; $folder/out and $folder/err hold the streams.
run() {
    wanted=$1; shift
    "$program" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "'$*' gave $got, not $wanted: $(head -3 "$folder/err")"
}

unset UDA_SCENES
run 0 plan manifests/smoke.yaml
cmp -s "$folder/out" tests/data/manifests/plan-smoke.txt || {
    fail "plan of smoke.yaml differs from tests/data/manifests/plan-smoke.txt"
    diff "$folder/out" tests/data/manifests/plan-smoke.txt >&2
}
[ ! -s "$folder/err" ] || fail "plan talks on stderr"

for manifest in manifests/demo.yaml manifests/proxy/*.yaml; do
    run 0 check "$manifest"
    run 0 plan "$manifest"
done

# A resolved manifest gives the same plan (fingerprints included).
run 0 plan --resolved manifests/smoke.yaml
cp "$folder/out" "$folder/resolved.yaml"
run 0 plan "$folder/resolved.yaml"
cmp -s "$folder/out" tests/data/manifests/plan-smoke.txt || fail "the resolved manifest has another plan"

UDA_SCENES=$folder/none run 0 check manifests/smoke.yaml
grep -q "8 scenes will be drawn" "$folder/out" || fail "check does not say that scenes will be drawn"
URBANSYN=tests/data/fixtures/urbansyn run 0 check --data manifests/urbansyn_20.yaml
grep -q "2 images" "$folder/out" || fail "check --data does not count the images"
URBANSYN=$folder/none run 2 check manifests/urbansyn_20.yaml
grep -q "manifests/parts/urbansyn.yaml:3: data set 'source': cannot open folder" "$folder/err" ||
    fail "check does not name the missing folder: $(cat "$folder/err")"

# What a run has done, and why it would be done again.
UDA_SCENES=$folder/scenes
export UDA_SCENES
run 0 run manifests/smoke.yaml --run "$folder/run"
run 0 plan manifests/smoke.yaml --run "$folder/run"
grep -q "train (train): done" "$folder/out" || fail "plan --run does not see what is done"
run 0 plan manifests/smoke.yaml --run "$folder/run" --set optimizer.lr=2e-3 --set runtime.log_every=3
grep -q "train (train): to re-do: optimizer.lr: 0.001 -> 0.002\$" "$folder/out" ||
    fail "plan --run does not say why a stage is done again: $(cat "$folder/out")"
grep -q "evaluate (evaluate): to re-do: 'train' changes" "$folder/out" ||
    fail "plan --run does not follow the inputs"

run 2 check tests/data/manifests/bad/01-unknown-key.yaml
grep -q "^tests/data/manifests/bad/01-unknown-key.yaml:2:1: unknown key 'optimzer': did you mean 'optimizer'?" \
    "$folder/err" || fail "check does not report an unknown key"
[ ! -s "$folder/out" ] || fail "check of a broken manifest writes on stdout"
run 2 check "$folder/none.yaml"
run 2 check manifests/smoke.yaml --set batch=0
run 2 check manifests/smoke.yaml --sett batch=0
run 2 plan
run 0 check --keys
run 0 check --print-readme
cmp -s "$folder/out" manifests/README.md || fail "manifests/README.md is stale"
run 0 check --print-schema
cmp -s "$folder/out" manifests/schema.json || fail "manifests/schema.json is stale"
[ "$failures" -eq 0 ]
