#!/bin/sh
# usage: run.sh PROGRAM SOURCE_ROOT: a run, its results and its accidents as a user meets them: exit codes, streams,
# texts.
set -u
program=$(realpath "$1") || exit 1
cd "$2" || exit 1
folder=$(mktemp -d) || exit 1
busy=
trap 'kill $busy 2>/dev/null; rm -rf "$folder"' EXIT
UDA_SCENES=$folder/scenes
export UDA_SCENES
smoke=manifests/smoke.yaml
failures=0

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }

# run CODE ARGUMENTS...: the exit code must be CODE; $folder/out and $folder/err hold the streams.
run() {
    wanted=$1; shift
    "$program" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "'$*' gave $got, not $wanted: $(tail -3 "$folder/err")"
}
says() { grep -q -- "$1" "$folder/out" || fail "$2: stdout is '$(head -5 "$folder/out")'"; }
talks() { grep -q -- "$1" "$folder/err" || fail "$2: stderr is '$(tail -5 "$folder/err")'"; }
no_result() { [ ! -s "$folder/out" ] || fail "$1 writes to stdout: $(head -3 "$folder/out")"; }
quiet() { [ ! -s "$folder/err" ] || fail "$1 talks: $(head -3 "$folder/err")"; }
same() { cmp -s "$1" "$2" || fail "$3: '$1' and '$2' differ"; }

# ---- words that are none ----
run 2
run 0 --help
says "exit codes: 0 done" "--help does not list the exit codes"
run 2 statsu
talks "did you mean 'status'" "an unknown verb gets no suggestion"
run 2 run
run 2 run $smoke --no-such-option
run 2 run $smoke --run "$folder/none" --only nothing
talks "no stage 'nothing'" "an unknown stage is not named"
run 2 run $smoke --run "$folder/none" --set stages.train.iterations=no
talks "^--set:1:25: " "a bad --set has no place"
run 1 status "$folder/none"
run 1 inspect "$folder/none.h5"
talks "none.h5" "a missing file is not named"

# ---- stage by stage ----
r=$folder/run
run 75 run $smoke --run "$r" --until train
talks "stopped after stage 'train'" "--until does not say that it stopped"
no_result "run --until train"
run 0 status "$r"
says "train .* done .*20/20" "status does not know what is done"
says "evaluate .* pending" "status does not know what is left"
quiet status
run 2 run $smoke --run "$folder/gap" --set datasets.train.scenes.gap=0.7
talks "smoke-train' holds other scenes than asked for" "the gap of the manifest does not reach the scenes"
run 0 run $smoke --run "$r" --only evaluate
says "^mean " "an evaluation prints no table"
talks "is complete" "the end of a run is not said"
run 0 plan $smoke --run "$r"
says "evaluate (evaluate): done" "plan --run does not see the evaluation"
run 0 run $smoke --run "$r"
talks "train: done" "a complete run does not say so"
weights=$r/stages/train/weights.h5
cp "$weights" "$folder/first.h5"

# ---- results and what to do with them ----
run 0 inspect "$weights" --verify
says "whole, [0-9]* bytes, digest " "inspect --verify"
images=$UDA_SCENES/smoke-test/leftImg8bit
run 0 predict --weights "$weights" --images "$images" --out "$folder/p.h5" --overlay "$folder/drawn"
says "^4 images, [0-9]* masks" "predict"
[ -s "$folder/drawn/drawn_000000_000019.png" ] || fail "predict --overlay: $(ls "$folder/drawn")"
run 0 predict --weights "$weights" --images "$images" --out "$folder/p1.h5" --threads 1
run 0 inspect "$folder/p.h5" --diff "$folder/p1.h5"
run 0 inspect "$folder/p.h5" --verify
run 0 export "$folder/p.h5" --to cityscapes --out "$folder/results"
says "^4 images" "export"
run 0 export "$folder/p.h5" --to coco-results --out "$folder/results.json"
for pred in "$folder/p.h5" "$folder/results"; do
    run 0 evaluate --protocol cityscapes --gt "$UDA_SCENES/smoke-test" --pred "$pred" --json "$pred.ap.json"
    says "^mean " "evaluate prints no table"
    quiet evaluate
done
same "$folder/p.h5.ap.json" "$folder/results.ap.json" "AP of a label set and of its export"
same "$folder/p.h5.ap.json" "$r/stages/evaluate/ap.json" "AP of predict and of the stage"
run 2 evaluate --protocol cityscope --gt "$folder" --pred "$folder/p.h5"
run 1 evaluate --protocol cityscapes --gt "$folder/nowhere" --pred "$folder/p.h5"
no_result "a failed evaluation"

# ---- a changed manifest ----
run 2 run $smoke --run "$r" --set test.score_threshold=0.1
talks "test.score_threshold: 0 -> 0.1" "the difference is not shown"
talks "allow-changed" "the remedy is not named"
no_result "a refused run"
run 0 run $smoke --run "$r" --set test.score_threshold=0.1 --allow-changed
talks "train: done" "a stage that does not depend on the change was redone"
same "$weights" "$folder/first.h5" "weights after a change that they do not depend on"
[ -d "$r/stages/evaluate.old-1" ] || fail "the old evaluation was not kept"

# ---- adaptation ----
mix=$r/stages/mix.vehicle
for file in weights.h5 teacher.h5 step-000000006.h5; do
    run 0 inspect "$mix/$file" --verify
done
if cmp -s "$mix/weights.h5" "$mix/teacher.h5"; then fail "the teacher is the student"; fi
grep -q '"pseudo_labels":[1-9]' "$mix/metrics.jsonl" || fail "no pseudo-label in the metrics"
grep -q '"pooled":0.[1-9]' "$mix/metrics.jsonl" || fail "nothing from the rare-class pool in the metrics"
for kind in s2t t2s; do
    [ -s "$r/mixed/mix.vehicle/step-000000000-$kind.png" ] || fail "no picture of a mixed image: $kind"
done
run 2 check $smoke --set mixing.target_labels=true

# ---- a loss that is not a number ----
run 1 run $smoke --run "$folder/nan" --set optimizer.lr=10 --set optimizer.clip=0 \
    --set schedule.warmup_iterations=0 --set optimizer.backbone_lr_factor=1 --set checkpoint.every=1 \
    --set optimizer.weight_decay=0.5
talks "^error: step [0-9]*: .*not \(finite\|a number\).*optimizer.lr" "a divergence"
last=$(find "$folder/nan/stages/train" -name 'step-*.h5' | sort | tail -1)
run 0 inspect "$last" --verify
run 0 status "$folder/nan"
says "train .* failed" "status of a failed run"

# ---- a damaged result ----
printf '\377\377\377\377' | dd of="$weights" bs=1 seek=9000 conv=notrunc 2>/dev/null
run 1 inspect "$weights" --verify
talks "weights.h5': is damaged" "inspect of a damaged file"
run 1 predict --weights "$weights" --images "$images" --out "$folder/p2.h5"
talks "weights.h5': is damaged" "predict with damaged weights"
[ ! -e "$folder/p2.h5" ] || fail "predict with damaged weights writes a result"
rm "$r/stages/evaluate/DONE"
run 1 run $smoke --run "$r" --set test.score_threshold=0.1
talks "weights.h5': is damaged" "a run on damaged weights"
rm "$weights"
run 0 run $smoke --run "$r" --set test.score_threshold=0.1
run 0 inspect "$weights" --diff "$folder/first.h5"

# ---- two at once, and a signal ----
"$program" run $smoke --run "$folder/busy" --set stages.train.iterations=100000 2>"$folder/busy.err" &
busy=$!
for _ in $(seq 100); do
    [ -s "$folder/busy/stages/train/metrics.jsonl" ] && break
    sleep 0.1
done
run 75 run $smoke --run "$folder/busy" --set stages.train.iterations=100000 --only train --max-time 0.2s
talks "waiting for 'train': process $busy on host" "the owner of a stage is not named"
talks "time limit .* while waiting for stage 'train'" "a wait does not end in time"
run 2 run $smoke --run "$folder/busy" --allow-changed
talks "cannot change while others work in the run folder: stage 'train' is worked on by process $busy " \
    "a manifest is changed under a worker"
run 0 status "$folder/busy"
says "running: process $busy " "status does not know who works"
kill -TERM $busy
wait $busy
got=$?
[ $got -eq 75 ] || fail "a signal gave $got, not 75: $(tail -3 "$folder/busy.err")"
busy=
grep -q "run the same command to continue" "$folder/busy.err" || fail "a stop does not say how to continue"

[ "$failures" -eq 0 ]
