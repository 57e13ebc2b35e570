#!/bin/sh
# usage: kernels_program.sh PROGRAM HOST_CUDA.so SOURCE_ROOT: the whole program through the real CUDA kernels under the
# host harness: a run that was stopped and continued, with blocks and threads in another order, has the same bytes (a
# race between threads would show), first losses are the CPU's within what the goldens allow, and colours its bytes.
# Training in bf16 likewise, its first loss within what tests/cuda/test_step.c derives.
set -u
program=$(realpath "$1") || exit 1
module=$(realpath "$2") || exit 1
cd "$3" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
UDA_SCENES=$folder/scenes
UDA_CUDA_MODULE=$module
export UDA_SCENES UDA_CUDA_MODULE
smoke="manifests/smoke.yaml --set runtime.threads=1 --set runtime.workers=1 --set runtime.log_every=1
    --set stages.train.iterations=3 --set stages.source.iterations=1 --set stages.mix.iterations=2
    --set stages.final.iterations=1"
failures=0

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }
run() {
    wanted=$1; shift
    "$program" run $smoke "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "'$*' gave $got, not $wanted: $(tail -3 "$folder/err")"
}

run 0 --run "$folder/cpu" --set runtime.device=cpu
run 0 --run "$folder/whole" --set runtime.device=cuda
export UDA_GRID=descending
run 75 --run "$folder/other" --set runtime.device=cuda --until train --stop-after-step 1
export UDA_GRID=shuffled
run 75 --run "$folder/other" --set runtime.device=cuda --only train --stop-after-step 2
run 0 --run "$folder/other" --set runtime.device=cuda
compare() { # compare A B: all results of two runs.
    for file in $(cd "$folder/$1" &&
        find . -name '*.h5' ! -name state.h5 -o -name metrics.jsonl -o -name ap.json); do
        case $file in
        *.h5) "$program" inspect "$folder/$1/$file" --diff "$folder/$2/$file" >/dev/null 2>&1 ;;
        *) cmp -s "$folder/$1/$file" "$folder/$2/$file" ;;
        esac || fail "'$1/$file' differs after a stop or with threads in another order"
    done
}
compare whole other
[ "$(find "$folder/whole/stages" -name teacher.h5 | wc -l)" -ge 1 ] || fail "nothing was adapted"

# The first loss of each training: the weights are the same, so the goldens' bound on losses holds; later ones drift.
first() { sed -n 's/^{"stage":"\(train\|source[^"]*\)","step":1,"loss":\([0-9.]*\),.*/\1 \2/p' "$1"; }
first "$folder/cpu/metrics.jsonl" >"$folder/cpu.txt"
first "$folder/whole/metrics.jsonl" >"$folder/cuda.txt"
bf16="--set precision=bf16"
run 0 --run "$folder/low" --set runtime.device=cuda $bf16
export UDA_GRID=descending
run 75 --run "$folder/low-other" --set runtime.device=cuda $bf16 --stop-after-step 2
run 0 --run "$folder/low-other" --set runtime.device=cuda $bf16
[ -f "$folder/low/stages/train/weights.h5" ] || fail "nothing was trained in bf16"
compare low low-other
[ "$(wc -l <"$folder/cpu.txt")" -eq 3 ] || fail "$(wc -l <"$folder/cpu.txt") losses, not 3"
paste -d ' ' "$folder/cpu.txt" "$folder/cuda.txt" | awk '
    $1 != $3 || !($2 > 0) || ($2 - $4) / $2 > 1e-5 || ($4 - $2) / $2 > 1e-5 { print "loss of " $0; bad = 1 }
    END { exit bad }' >&2 || fail "losses differ from the CPU's"
first "$folder/low/metrics.jsonl" | paste -d ' ' "$folder/cpu.txt" - | awk '
    NR == 1 && !($1 == $3 && $2 != $4 && ($2 - $4) / $2 < 1.3e-2 && ($4 - $2) / $2 < 1.3e-2) {
        print "loss in bf16: " $0; exit 1 }' >&2 || fail "the loss in bf16 is not near the CPU's"

# With true labels mixed images hang on nothing that the device computes but their colours, which are the CPU's bytes.
oracle="--set stages.train.iterations=1 --set stages.mix.data=[train,truth] --set stages.mix.mixing.target_labels=true
    --until mix"
run 75 --run "$folder/oracle-cpu" --set runtime.device=cpu $oracle
run 75 --run "$folder/oracle" --set runtime.device=cuda $oracle
pictures=$(cd "$folder/oracle-cpu" && find mixed -name '*.png')
[ "$(echo "$pictures" | wc -l)" -eq 8 ] || fail "pictures of mixed images: $pictures"
for picture in $pictures; do
    cmp "$folder/oracle-cpu/$picture" "$folder/oracle/$picture" >&2 || fail "'$picture': colours differ"
done
[ $failures -eq 0 ]
