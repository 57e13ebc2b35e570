#!/bin/sh
# usage: program.sh PROGRAM GUARD.so SOURCE_ROOT: the program on a device whose memory it cannot read
# (guard.c): every result has the bytes of the CPU, through a stop and a continuation too; what is asked
# and not there ends with 77.
set -u
program=$(realpath "$1") || exit 1
guard=$(realpath "$2") || exit 1
cd "$3" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
UDA_SCENES=$folder/scenes
UDA_CUDA_MODULE=$guard
export UDA_SCENES UDA_CUDA_MODULE
smoke="manifests/smoke.yaml --set runtime.threads=1 --set runtime.workers=1 --set stages.train.iterations=4
    --set stages.source.iterations=2 --set stages.mix.iterations=3 --set stages.final.iterations=1"
failures=0

fail() { echo "failed: $1" >&2; failures=$((failures + 1)); }
run() {
    wanted=$1; shift
    "$program" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "'$*' gave $got, not $wanted: $(tail -3 "$folder/err")"
}
talks() { grep -q -- "$1" "$folder/err" || fail "$2: stderr is '$(tail -3 "$folder/err")'"; }

run 0 run $smoke --run "$folder/cpu"
run 75 run $smoke --run "$folder/gpu" --set runtime.device=cuda --stop-after-step 3
(export UDA_GUARD_COUNT=1 && run 0 run $smoke --run "$folder/gpu" --set runtime.device=cuda; exit "$failures") ||
    failures=$((failures + 1))
graphs=$(sed -n 's/^guard: .* \([0-9]*\) graphs.*/\1/p' "$folder/err" | sort -n | tail -1)
[ "${graphs:-0}" -gt 40 ] || fail "of the steps and predictions ${graphs:-0} were graphs"
talks "models run on 'cuda'" "the device is not said"
for file in $(cd "$folder/cpu" &&
    find . -name weights.h5 -o -name teacher.h5 -o -name metrics.jsonl -o -name ap.txt); do
    case $file in
    *.h5) run 0 inspect "$folder/cpu/$file" --diff "$folder/gpu/$file" ;;
    *) cmp -s "$folder/cpu/$file" "$folder/gpu/$file" || fail "'$file' differs" ;;
    esac
done
ls "$folder"/gpu/stages/*/weights.h5 >/dev/null || fail "no weights"

# A checkpoint says where it was made: another device is announced.
run 75 run $smoke --run "$folder/moved" --set runtime.device=cuda:1 --stop-after-step 1
run 75 run $smoke --run "$folder/moved" --stop-after-step 2
talks "was made with" "another device is not announced"

run 2 run $smoke --run "$folder/none" --set runtime.device=gpu
talks "runtime.device" "a wrong device is not named"
run 77 run $smoke --run "$folder/none" --set runtime.device=cuda:7
talks "no such device" "a missing device is not said"
run 77 run $smoke --run "$folder/none" --set precision=bf16
talks "precision is bf16, which needs a GPU" "a precision that the CPU lacks is not named"
run 77 predict --weights "$folder/cpu/stages/train/weights.h5" --images "$folder/scenes" --out "$folder/none" \
    --precision bf16
talks "precision is bf16 and the device is the CPU" "a precision that the CPU lacks is not named by predict"
for graphs in 1 0; do
    (export UDA_CUDA_GRAPHS=$graphs && run 0 doctor --dir "$folder" && cp "$folder/out" "$folder/doctor-$graphs")
done
grep -q '^precision .* bf16 too; .* are one graph$' "$folder/doctor-1" || fail "doctor does not tell of bf16 and graphs"
grep -q '^precision .* one by one: UDA_CUDA_GRAPHS is 0$' "$folder/doctor-0" || fail "doctor does not tell of no graphs"
# Colours are moved on the device too.
UDA_GUARD_FAILS=lab_transfer run 1 run $smoke --run "$folder/fails" --set runtime.device=cuda
talks "^error: kernel lab_transfer failed" "a failed transfer of colours is not said"
UDA_GUARD_LACKS=gemm run 77 run $smoke --run "$folder/none" --set runtime.device=cuda
talks "lacks 1 kernels (gemm)" "a missing kernel is not named"
UDA_CUDA_MODULE=$folder/none.so run 77 run $smoke --run "$folder/none" --set runtime.device=cuda
talks "no CUDA module" "a missing module is not said"
[ ! -e "$folder/none" ] || fail "a run that could not start left a folder"
[ "$failures" -eq 0 ]
