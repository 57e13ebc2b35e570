#!/bin/sh
# Two processes on one run folder: each stage is done once, by one of them, and every byte equals that of one process;
# also when one of them is killed, restarted, stopped, or belongs to a machine that is gone.
#   two.sh UDA4INST MANIFEST WORK_DIR
set -u
program=$1 manifest=$2 work=$3
a= b=
trap 'kill -9 $a $b 2>/dev/null' EXIT
rm -rf "$work"
mkdir -p "$work"
export UDA_SCENES="$work/scenes"
failed=0

fail() { echo "$1"; failed=1; }
# start NAME LOG options...: in the background; $! is it. Longer than needed, so that there is something to share.
start() {
    name=$1 log=$2
    shift 2
    "$program" run "$manifest" --run "$work/$name" --set stages.source.iterations=12 --set stages.train.iterations=8 \
        --set stages.source.optimizer.lr=5e-5 --set runtime.threads=1 "$@" >/dev/null 2>>"$work/$log.log" &
}
# ends PID expected-exit-code LOG
ends() {
    code=0
    wait "$1" || code=$?
    [ "$code" = "$2" ] || fail "$3: exit code $code, expected $2: $(tail -3 "$work/$3.log")"
}
# until_true COMMAND...: polls for at most 20 s
until_true() {
    for _ in $(seq 1000); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.02
    done
    fail "never true: $*"
    return 1
}
same() { # same NAME [PATTERN]: as the run of one process; DONE has the digests of all results in it
    for file in $(cd "$work/whole" && find . -name "${2:-step-*.h5}" ! -name state.h5 | sort); do
        "$program" inspect "$work/whole/$file" --diff "$work/$1/$file" 2>/dev/null || fail "$1 differs: $file"
    done
    for file in $(cd "$work/whole" && find . -name metrics.jsonl -o -name ap.json -o -name DONE | sort); do
        cmp -s "$work/whole/$file" "$work/$1/$file" || fail "$1 differs: $file"
    done
    "$program" inspect "$work/whole/state.h5" --diff "$work/$1/state.h5" >"$work/$1.state" 2>/dev/null ||
        fail "$1: the state lost a transition: $(cat "$work/$1.state")"
    [ -z "$(ls -A "$work/$1/claims")" ] || fail "$1: claims are left: $(ls "$work/$1/claims")"
    [ ! -e "$work/$1/lock" ] || fail "$1: the lock is left"
    left=$(find "$work/$1" -name '*.tmp-*' -o -name '*.new-*')
    [ -z "$left" ] || fail "$1: temporary files are left: $left"
}
worked() { grep -c ": data set" "$work/$1.log"; } # each stage says so once

# ---- both at once, on scenes that are yet to be drawn ----
start pair pair-a
a=$!
start pair pair-b
b=$!
ends $a 0 pair-a
ends $b 0 pair-b
start whole whole
ends $! 0 whole
same pair '*.h5'
[ "$(worked pair-a)" -ge 1 ] && [ "$(worked pair-b)" -ge 1 ] || fail "pair: one of the two did nothing"
for stage in $(ls "$work/whole/stages"); do
    times=$(grep -l "^$stage: data set" "$work/pair-a.log" "$work/pair-b.log" | wc -l)
    [ "$times" = 1 ] || fail "pair: '$stage' was done by $times processes"
done
for folder in "$UDA_SCENES"/smoke-*; do
    [ -e "$folder/DONE" ] || fail "pair: '$folder' is not complete"
done

# ---- one stops in the middle of a stage: its claim holds while it lives, and is taken over when it is killed ----
start killed killed-a --only source.vehicle
a=$!
until_true test -e "$work/killed/stages/source.vehicle/step-000000008.h5"
kill -STOP $a
temporary=$work/killed/stages/source.vehicle/weights.h5.tmp-$a-1 # as if it were just writing
touch "$temporary"
start killed killed-b
b=$!
until_true grep -q "waiting for 'source.vehicle': process $a on host" "$work/killed-b.log"
"$program" status "$work/killed" >"$work/status"
grep -q "running: process $a on .* since 2.*: 'source.vehicle', step " "$work/status" ||
    fail "status does not know who works: $(cat "$work/status")"
grep -q "^  source.vehicle  *train  *running  *[0-9]*/12" "$work/status" || fail "status: $(cat "$work/status")"
# Nobody else gets in, and nobody changes the manifest.
start killed late --only source.vehicle --max-time 0.3s
ends $! 75 late
grep -q "time limit .* while waiting for stage 'source.vehicle'" "$work/late.log" ||
    fail "late: $(cat "$work/late.log")"
start killed changed --set optimizer.clip=0.02 --allow-changed
ends $! 2 changed
grep -q "cannot change while others work.*process $a" "$work/changed.log" || fail "changed: $(cat "$work/changed.log")"
start killed label --only label.vehicle # waits for its input, which is under way
label=$!
until_true grep -q "waiting for 'source.vehicle'" "$work/label.log"
kill -TERM $label
ends $label 75 label
[ -e "$temporary" ] || fail "killed: a temporary file of a live process was removed"
kill -9 $a
ends $b 0 killed-b
grep -q "process $a .* taking over" "$work/killed-b.log" || fail "killed: it is not said that the stage was taken over"
grep -q "source.vehicle: continuing at step" "$work/killed-b.log" || fail "killed: the stage began anew"
same killed
wait $a 2>/dev/null

# ---- one is killed again and again and restarted, while the other works ----
start restarted restarted-b
b=$!
kills=0
for wait_s in 0.15 0.3 0.2; do
    start restarted restarted-a
    a=$!
    sleep $wait_s
    kill -9 $a 2>/dev/null && kills=$((kills + 1))
    wait $a 2>/dev/null
done
start restarted restarted-a
a=$!
ends $a 0 restarted-a
ends $b 0 restarted-b
[ $kills -ge 2 ] || fail "restarted: only $kills kills hit"
same restarted

# ---- stage by stage, and an owner on a machine that is gone ----
start parts parts-a --only source.vehicle
a=$!
start parts parts-b --only source.human_cycle
b=$!
ends $a 0 parts-a
ends $b 0 parts-b
[ "$(worked parts-a)" = 1 ] && [ "$(worked parts-b)" = 1 ] || fail "parts: --only did something else"
start parts parts-a --only fuse
ends $! 2 parts-a
grep -q "'fuse' needs 'label.human_cycle'" "$work/parts-a.log" || fail "parts: $(tail -1 "$work/parts-a.log")"
printf 'pid: 7\nhost: node7\nboot: b\nspace: s\nstarted: 1\nsince: 2026-01-01T00:00:00Z\nlease: 1\nkey: %s\n' \
    0123456789abcdef >"$work/gone"
cp "$work/gone" "$work/parts/claims/train"
start parts parts-b --only train
b=$!
ends $b 0 parts-b
grep -q "waiting for 'train': process 7 on host 'node7' since 2026" "$work/parts-b.log" ||
    fail "parts: an owner on another machine is not waited for"
grep -q "host 'node7', .*gave no sign of life for .* taking over" "$work/parts-b.log" ||
    fail "parts: a machine that is gone is not taken over"
for file in stages/source.human_cycle/DONE stages/source.vehicle/DONE stages/train/DONE; do
    cmp -s "$work/whole/$file" "$work/parts/$file" || fail "parts differs: $file" # the digests of what was made
done
[ -z "$(ls -A "$work/parts/claims")" ] || fail "parts: claims are left: $(ls "$work/parts/claims")"

# ---- what one process wrote into the state while the other was at work stays there ----
bad="--set optimizer.lr=10 --set optimizer.clip=0 --set schedule.warmup_iterations=0 --set checkpoint.every=2"
bad="$bad --set optimizer.backbone_lr_factor=1 --set optimizer.weight_decay=0.5"
start state state-a --only source.vehicle $bad
a=$!
until_true test -e "$work/state/stages/source.vehicle/step-000000002.h5"
kill -STOP $a
start state state-b --only train $bad
ends $! 1 state-b
kill -CONT $a
ends $a 0 state-a
"$program" status "$work/state" >"$work/status"
grep -q "^  train .* failed" "$work/status" || fail "state: a failure is forgotten: $(cat "$work/status")"

# ---- scenes are drawn by one process, which others wait for ----
export UDA_SCENES="$work/more"
mkdir "$UDA_SCENES"
cp "$work/gone" "$UDA_SCENES/smoke-train.lock"
start drawn drawn --only train --stop-after-step 1
ends $! 75 drawn
grep -q "smoke-train.lock'.*taking over" "$work/drawn.log" || fail "drawn: nobody waited for the one who draws"

a= b=
[ $failed = 0 ] && echo "every byte equal"
exit $failed
