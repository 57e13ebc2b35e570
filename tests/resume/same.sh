#!/bin/sh
# The same bytes from 1 and 2 threads, 0, 1 and 3 loader workers; after a stop by signal, by --max-time and at a step;
# after a flipped bit in the newest checkpoint.
#   same.sh UDA4INST MANIFEST WORK_DIR
set -eu
program=$1 manifest=$2 work=$3
rm -rf "$work"
mkdir -p "$work"
export UDA_SCENES="${UDA_SCENES:-$work/scenes}"
failed=0

run() { # run NAME expected-exit-code options...
    name=$1 expected=$2
    shift 2
    code=0
    "$program" run "$manifest" --run "$work/$name" "$@" >/dev/null 2>>"$work/$name.log" || code=$?
    [ "$code" = "$expected" ] || {
        echo "$name: exit code $code, expected $expected"
        tail -3 "$work/$name.log"
        failed=1
    }
}
same() { # same NAME: as the first run
    for file in $(cd "$work/whole" && find . -name '*.h5' ! -name state.h5 | sort); do
        "$program" inspect "$work/whole/$file" --diff "$work/$1/$file" 2>/dev/null ||
            { echo "$1 differs: $file"; failed=1; }
    done
    cmp -s "$work/whole/metrics.jsonl" "$work/$1/metrics.jsonl" || { echo "$1 differs: metrics.jsonl"; failed=1; }
}

run whole 0 --set runtime.threads=2 --set runtime.workers=1
run one-thread 0 --set runtime.threads=1 --set runtime.workers=0
same one-thread
run three-workers 0 --set runtime.threads=2 --set runtime.workers=3
same three-workers

run stopped 75 --stop-after-step 7
run stopped 75 --stop-after-step 13
run stopped 0
same stopped

# Labelling goes on behind the part that was finished.
run parts 75 --until mix
run parts 75 --only label --stop-after-step 4
ls "$work"/parts/stages/label.*/part-*-000000000-000000004.h5 >/dev/null 2>&1 ||
    { echo "parts: no part was kept"; failed=1; }
run parts 0
same parts

run timed 75 --max-time 0.2s
for i in 1 2 3 4 5 6 7 8; do
    "$program" run "$manifest" --run "$work/timed" --max-time 0.5s >/dev/null 2>>"$work/timed.log" && break ||
        [ $? = 75 ] ||
        { echo "timed: failed"; failed=1; break; }
done
run timed 0
same timed

"$program" run "$manifest" --run "$work/signal" >/dev/null 2>>"$work/signal.log" &
pid=$!
sleep 0.6
kill -TERM $pid 2>/dev/null || true
code=0
wait $pid || code=$?
[ "$code" = 75 ] || [ "$code" = 0 ] || { echo "signal: exit code $code"; failed=1; }
run signal 0
same signal

# One flipped bit in the newest checkpoint: found, said, the one before is used.
run bit 75 --stop-after-step 13
newest=$(find "$work/bit/stages" -name 'step-*.h5' | sort | tail -1)
size=$(stat -c %s "$newest")
offset=$((size / 3))
old=$(od -An -tu1 -j $offset -N 1 "$newest" | tr -d ' ')
printf "$(printf '\\%03o' $((old ^ 16)))" | dd of="$newest" bs=1 seek=$offset conv=notrunc 2>/dev/null
run bit 0
grep -q "damaged" "$work/bit.log" || { echo "bit: the damage was not said"; failed=1; }
same bit

[ $failed = 0 ] && echo "every byte equal"
exit $failed
