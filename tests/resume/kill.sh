#!/bin/sh
# Kills a run at random moments (SIGKILL), continues it each time, and compares every byte that it computed with an
# uninterrupted run: weights, checkpoints (weights, optimiser, figures), metrics.
#   kill.sh UDA4INST MANIFEST WORK_DIR KILLS SEED [--set key=value ...]
# KILLS is a number, or 'boundaries': then each kill comes as soon as a result or the mark of a finished stage appears.
set -eu
program=$1 manifest=$2 work=$3 kills=$4 seed=$5
shift 5
rm -rf "$work"
mkdir -p "$work"
export UDA_SCENES="${UDA_SCENES:-$work/scenes}"

start=$(date +%s%N)
"$program" run "$manifest" --run "$work/whole" "$@" >/dev/null 2>"$work/whole.log" || { cat "$work/whole.log"; exit 1; }
took_ms=$((($(date +%s%N) - start) / 1000000))

# What a finished or nearly finished stage leaves.
results() {
    find "$work/broken/stages" "$work/broken/labels" -name DONE -o -name weights.h5 -o -name teacher.h5 \
        -o -name ap.json -o -path "*/labels/*.h5" 2>/dev/null | wc -l
}
# A random moment; on average two kills' worth of a whole run are spent in all, so that few land after the end.
random_moment() {
    sleep "$(awk -v seed="$seed" -v n="$done_kills" -v ms="$took_ms" -v kills="$kills" \
        'BEGIN { srand(seed * 1000 + n); span = ms / 1000 * 1.2 / kills + 0.1; printf "%.3f", rand() * span }')"
}
most=0
next_boundary() { # a stage may remove what was left half done: only what has never been there counts
    while alive && [ "$(results)" -le "$most" ]; do sleep 0.002; done
    most=$(results)
}
alive() { [ -e /proc/$pid/exe ]; } # a process that has ended and is not yet waited for has none

done_kills=0
limit=$kills moment=random_moment
[ "$kills" != boundaries ] || limit=1000 moment=next_boundary
while [ "$done_kills" -lt "$limit" ]; do
    "$program" run "$manifest" --run "$work/broken" "$@" >/dev/null 2>>"$work/broken.log" &
    pid=$!
    $moment
    alive && kill -9 $pid 2>/dev/null || { wait $pid || true; break; }
    wait $pid 2>/dev/null || true
    done_kills=$((done_kills + 1))
done
[ "$kills" != boundaries ] || kills=$(find "$work/whole/stages" -name DONE | wc -l)
"$program" run "$manifest" --run "$work/broken" "$@" >/dev/null 2>>"$work/broken.log" ||
    { tail -5 "$work/broken.log"; exit 1; }

failed=0
# A run that was never killed proves nothing.
[ $((2 * done_kills)) -ge "$kills" ] || { echo "only $done_kills of $kills kills hit the run"; failed=1; }
for file in $(cd "$work/whole" && find . -name '*.h5' ! -name state.h5 | sort); do
    "$program" inspect "$work/whole/$file" --diff "$work/broken/$file" 2>/dev/null ||
        { echo "differs: $file"; failed=1; }
done
for file in $(cd "$work/whole" && find . -name metrics.jsonl -o -name ap.json -o -name DONE | sort); do
    cmp -s "$work/whole/$file" "$work/broken/$file" || { echo "differs: $file"; failed=1; }
done
verdict="every byte equal"
[ $failed = 0 ] || verdict=FAILED
echo "$done_kills kills (seed $seed, whole run $took_ms ms): $verdict"
exit $failed
