#!/bin/sh
# Everything that only a machine with an NVIDIA GPU can show, in one command; one small text file for runs/gpu/.
#   tools/gpu-check.sh [OUT.txt] [PYTHON]
# PYTHON: one with torch (CUDA) and transformers, for the Hugging Face peer's times. UDA_BUILD: a finished build folder
# (default: build, made here). UDA_GPU: device (default cuda). UDA_PARTS: which of "card cases goldens resume nccl
# curve sanitizer bench mixing peer" (default all). Of bench and peer, with a table at the end: tools/gpu-bench.sh.
# A part that cannot run says why; the exit status is 1 when one failed, 77 when there is no usable GPU, else 0.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${1:-gpu-check.txt} python=${2:-} gpu=${UDA_GPU:-cuda} build=${UDA_BUILD:-}
parts=${UDA_PARTS:-card cases goldens resume nccl curve sanitizer bench mixing peer}
if [ -z "$build" ]; then
    build=build
    tools/build.sh -Dcuda=enabled || exit 1
    ninja -C build tests/bench/bench_step tests/bench/bench_adapt tests/bench/bench_mixing >/dev/null || exit 1
fi
program=$build/src/uda4inst
[ -n "${UDA_CUDA_MODULE:-}" ] || UDA_CUDA_MODULE=$(realpath "$build/kernels/cuda/uda_cuda.so")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
UDA_SCENES=$work/scenes
export UDA_CUDA_MODULE UDA_SCENES
failed=0 passed=0 skipped=0
: >"$out" || exit 1

say() { echo "$*" | tee -a "$out"; }
pass() { passed=$((passed + 1)); say "pass     $*"; }
skip() { skipped=$((skipped + 1)); say "not run  $*"; }
fail() { failed=$((failed + 1)); say "FAILED   $*"; }
last() { tail -n "${2:-1}" "$1" | cut -c1-300 | tr '\n' ' '; }
# verdict CODE NAME FILE: of a command whose talk is in FILE.
verdict() {
    case $1 in
    0) pass "$2: $(last "$3")" ;;
    77) skip "$2: $(last "$3")" ;;
    *) fail "$2: exit code $1: $(last "$3" 3)" ;;
    esac
}
same_run() { # same_run A B: every result of two run folders has the same bytes.
    for file in $(cd "$1" && find . -name '*.h5' ! -name state.h5 | sort); do
        "$program" inspect "$1/$file" --diff "$2/$file" >>"$work/log" 2>&1 ||
            { echo "$file differs" >>"$work/log"; return 1; }
    done
    cmp "$1/metrics.jsonl" "$2/metrics.jsonl" >>"$work/log" 2>&1
}
smoke() { # smoke CODE NAME OPTIONS...: the smoke manifest on the GPU.
    wanted=$1 name=$2
    shift 2
    "$program" run manifests/smoke.yaml --run "$work/$name" --set runtime.device="$gpu" "$@" >>"$work/log" 2>&1
    [ $? -eq "$wanted" ]
}

part_card() {
    say "uda4inst $("$program" version | head -1), $(git describe --always --dirty 2>/dev/null || echo 'no git')"
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv,noheader \
        >"$work/card" 2>&1 &&
        say "card     $(last "$work/card" 8)"
    "$program" doctor --dir "$work" 2>/dev/null | grep -A 8 '^gpu' | while read -r line; do say "doctor   $line"; done
    nvcc --version 2>/dev/null | grep release | while read -r line; do say "nvcc     $line"; done
}
part_cases() {
    "$build/tests/cuda/test_device_kernels" >"$work/log" 2>&1
    verdict $? "case table, cpu against the device, three times" "$work/log"
    awk '/expected|returned|differ/' "$work/log" | head -20 | while read -r line; do say "         $line"; done
}
part_goldens() {
    for name in exact padded points demo; do
        "$build/tests/golden/test_golden" --device "$gpu" "tests/golden/$name.json" >"$work/log" 2>&1
        code=$?
        awk '/allowed/ { print "         " $0 }' "$work/log" >"$work/figures"
        verdict $code "golden $name" "$work/log"
        cat "$work/figures" >>"$out"
    done
}
part_resume() {
    : >"$work/log"
    for precision in fp32 bf16; do
        set -- --set precision=$precision
        smoke 0 whole-$precision "$@" || { fail "$precision: smoke run: $(last "$work/log" 2)"; continue; }
        if smoke 0 again-$precision "$@" && same_run "$work/whole-$precision" "$work/again-$precision"; then
            pass "$precision: two runs: the same bytes"
        else
            fail "$precision: two runs differ: $(last "$work/log" 2)"
        fi
        if (export UDA_CUDA_GRAPHS=0 && smoke 0 single-$precision "$@") &&
            same_run "$work/whole-$precision" "$work/single-$precision"; then
            pass "$precision: kernels one by one, without graphs: the same bytes"
        else
            fail "$precision: with graphs and without differ: $(last "$work/log" 2)"
        fi
        if grep -q 'launched one by one' "$work/log"; then
            fail "$precision: no graphs: $(grep 'launched one by one' "$work/log" | head -1)"
        fi
        if smoke 75 stopped-$precision "$@" --stop-after-step 5 &&
            smoke 75 stopped-$precision "$@" --stop-after-step 11 && smoke 0 stopped-$precision "$@" &&
            same_run "$work/whole-$precision" "$work/stopped-$precision"; then
            pass "$precision: stopped twice and continued: the same bytes"
        else
            fail "$precision: stopped and continued: $(last "$work/log" 2)"
        fi
    done
}
part_nccl() {
    # One rank alone sends to itself: the library begins, carries and ends. Two need two GPUs.
    number=${gpu#cuda} number=${number#:}
    UDA_DEVICE=${number:-0} "$build/tests/dist/devices" sum >"$work/log" 2>&1
    verdict $? "sums between devices, against the host's tree" "$work/log"
    count=$(grep -c '^ *cuda:[0-9]' "$work/doctor")
    [ "$count" -ge 2 ] || { skip "nccl, two ranks: $count GPU, and NCCL wants one for each rank"; return; }
    LAUNCHER=tcp
    . tests/dist/launch.sh
    ranks 2 "$build/tests/dist/devices" sum >"$work/log" 2>&1
    code=$?
    verdict $code "sums between devices of two ranks" "$work/log"
    [ $code -eq 0 ] || return
    gpu=cuda smoke 0 shards --only train --set parallel.shards=2; code=$?
    ranks 2 "$program" run manifests/smoke.yaml --run "$work/ranks" --set runtime.device=cuda --only train \
        --set parallel.shards=2 >>"$work/log" 2>&1 || code=$?
    if [ $code -eq 0 ] && grep -q "summed on the devices" "$work/log" &&
        same_run "$work/shards" "$work/ranks"; then
        pass "training on one rank and on two with a GPU each: the same bytes"
    else
        fail "training on two ranks: $(last "$work/log" 3)"
    fi
}
part_curve() {
    # Mean loss of the last 50 of 200 steps, device in both precisions against CPU: rounding makes two runs drift apart,
    # and the spread over the steps says how far they may: three standard errors of the difference of two means.
    : >"$work/log"
    for name in cpu fp32 bf16; do
        device=$gpu precision=$name
        [ $name != cpu ] || device=cpu precision=fp32
        "$program" run manifests/smoke.yaml --run "$work/curve-$name" --only train \
            --set runtime.device="$device" --set runtime.log_every=1 --set precision=$precision \
            --set stages.train.iterations=200 --set checkpoint.every=200 >>"$work/log" 2>&1
        code=$?
        [ $code -eq 0 ] || [ $code -eq 75 ] || { verdict $code "loss curve, $name" "$work/log"; return; }
    done
    compare_curves fp32
    compare_curves bf16
}
compare_curves() { # compare_curves PRECISION: with the CPU's.
    for name in cpu "$1"; do
        sed -n 's/.*"loss":\([^,]*\),.*/\1/p' "$work/curve-$name/stages/train/metrics.jsonl" | tail -n 50
        echo next
    done | awk 'BEGIN { k = 0 } /next/ { k++; next } { n[k]++; s[k] += $1; q[k] += $1 * $1 }
        END { for (i = 0; i < 2; i++) { m[i] = s[i] / n[i]; v[i] = (q[i] / n[i] - m[i] * m[i]) / n[i] }
              d = m[1] - m[0]; e = 3 * sqrt(v[0] + v[1])
              printf "cpu %.4f, device %.4f, difference %.4f, allowed %.4f\n", m[0], m[1], d, e
              exit !(d < e && -d < e) }' >"$work/log"
    verdict $? "loss of steps 151-200, $1" "$work/log"
}
part_sanitizer() {
    command -v compute-sanitizer >/dev/null ||
        { skip "compute-sanitizer: not on this machine (part of the CUDA toolkit)"; return; }
    for tool in memcheck racecheck; do
        compute-sanitizer --tool $tool --error-exitcode 9 \
            "$program" run manifests/smoke.yaml --run "$work/$tool" --only train \
            --set runtime.device="$gpu" --set stages.train.iterations=2 >"$work/log" 2>&1
        code=$?
        [ $code -ne 75 ] || code=0
        grep 'SUMMARY' "$work/log" >"$work/summary" || cp "$work/log" "$work/summary"
        verdict $code "compute-sanitizer $tool, two steps" "$work/summary"
    done
}
part_mixing() {
    for device in cpu "$gpu"; do
        "$build/tests/bench/bench_mixing" 1024 1024 20 21 1 "$device" >"$work/table" 2>"$work/log"
        code=$?
        [ $code -eq 0 ] || { verdict $code "benchmark of mixing, $device" "$work/log"; continue; }
        pass "benchmark, one thread, colours on $device (what, median ms, p90 ms)"
        tee -a "$out" <"$work/table"
    done
}
. tools/gpu-bench.sh

"$program" doctor --dir "$work" >"$work/doctor" 2>&1
usable=$(grep -m 1 '^ *cuda:[0-9]' "$work/doctor")
why=$(grep -m 1 '^gpu' "$work/doctor" | sed 's/^gpu *//')
for part in $parts; do
    case $part in
    card) part_card ;;
    cases | goldens | resume | nccl | curve | sanitizer | bench | mixing | peer)
        if [ -z "$usable" ]; then
            skip "$part: no GPU: $why"
        else
            "part_$part"
        fi ;;
    *) say "there is no part '$part'"; failed=$((failed + 1)) ;;
    esac
done
awk -f tools/gpu-table.awk "$out" >"$work/summary"
tee -a "$out" <"$work/summary"
say "$passed passed, $failed failed, $skipped not run"
[ "$failed" -eq 0 ] || exit 1
[ "$passed" -gt 0 ] || exit 77
