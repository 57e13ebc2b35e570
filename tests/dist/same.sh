#!/bin/sh
# The same bytes from 1, 2 and 4 ranks; from 4 ranks continued on 2 and then on 1; after the death of a rank; after a
# signal to one rank. Images differ in size and shards in their number of images, so every exchange matters.
# LAUNCHER: see launch.sh.
#   same.sh UDA4INST MANIFEST WORK_DIR [long [STAGE ...]]
# long: more of each, for the training stages named (train mix.vehicle).
set -eu
program=$1 manifest=$2 work=$3 long=${4:-}
shift 3
[ $# = 0 ] || shift
. "$(dirname "$0")/launch.sh"
rm -rf "$work"
mkdir -p "$work"
export UDA_SCENES="${UDA_SCENES:-$work/scenes}"
failed=0 before=""

# A rank that says which process it is, for those who end it.
cat >"$work/rank.sh" <<'END'
#!/bin/sh
echo $$ >"$PIDS.${OMPI_COMM_WORLD_RANK:-$RANK}"
exec "$@"
END
chmod +x "$work/rank.sh"

fail() {
    echo "$1"
    tail -5 "$work/$2.log"
    failed=1
}

# start NAME RANKS options...
start() {
    name=$1 number=$2
    shift 2
    [ -d "$work/$name" ] || [ "$name" = "${before:-$name}" ] || cp -r "$work/$before" "$work/$name"
    set -- "$program" run "$manifest" --run "$work/$name" --set batch=5 --set parallel.shards=4 \
        --set 'augment.short_side=[40, 64, 90]' --set runtime.threads=1 "$@"
    if [ "$number" = 1 ]; then
        "$@" >/dev/null 2>>"$work/$name.log"
    else
        ranks "$number" "$work/rank.sh" "$@" >/dev/null 2>>"$work/$name.log"
    fi
}
run() { # run NAME RANKS "exit codes" options...
    name=$1 number=$2 expected=$3 code=0
    export PIDS="$work/$name.pid"
    shift 3
    start "$name" "$number" $length "$@" || code=$?
    echo " $expected " | grep -q " $code " || fail "$name: exit code $code, expected $expected" "$name"
    [ $failed = 0 ]
}
same() { # same NAME: as one process
    for file in $(cd "$work/$whole" && find stages labels -name '*.h5' 2>/dev/null | sort); do
        "$program" inspect "$work/$whole/$file" --diff "$work/$1/$file" >/dev/null 2>&1 ||
            fail "$1 differs: $file" "$1"
    done
    for file in $(cd "$work/$whole" && find stages -name metrics.jsonl -o -name DONE -o -name ap.json | sort); do
        cmp -s "$work/$whole/$file" "$work/$1/$file" || fail "$1 differs: $file" "$1"
    done
    kept=$(cd "$work/$whole" && find stages -name 'step-*' | sort)
    [ "$(cd "$work/$1" && find stages -name 'step-*' | sort)" = "$kept" ] || fail "$1: other checkpoints are kept" "$1"
}
# hit NAME RANK SIGNAL: sends it once the stage has written a checkpoint of the run.
hit() {
    for _ in $(seq 200); do
        [ -z "$(find "$work/$1/stages/$stage" -name 'step-*.h5' 2>/dev/null)" ] || break
        sleep 0.05
    done
    kill "-$3" "$(cat "$work/$1.pid.$2")" 2>/dev/null || fail "$1: rank $2 was gone before its signal" "$1"
}

# test_stage STAGE STEPS RANKS VICTIMS: everything that may happen to one training stage. A mix starts from sources
# that are there.
test_stage() {
    stage=$1 steps=$2 before=""
    case $stage in mix*) before=sources ;; esac
    length="--set stages.${stage%%.*}.iterations=$steps"
    [ -z "$before" ] || run "$before" 1 75 --until source || exit 1
    whole=$stage length="$length --only $stage"
    run "$stage" 1 0 || exit 1
    for n in $3; do
        run "$stage-$n" $n 0 || exit 1
        same "$stage-$n"
    done
    run "$stage-fewer" 4 75 --stop-after-step 20
    run "$stage-fewer" 2 75 --stop-after-step 33
    run "$stage-fewer" 1 0
    same "$stage-fewer"
    run "$stage-more" 1 75 --stop-after-step 10
    run "$stage-more" 4 0
    same "$stage-more"
    for rank in $4; do
        name=$stage-killed-$rank
        begin=$(date +%s)
        run "$name" 4 "1 137" &
        hit "$name" $rank KILL
        wait $! || failed=1
        took=$(($(date +%s) - begin))
        [ $took -le 40 ] || fail "$name: the others ended after $took s" "$name"
        run "$name" 4 0
        same "$name"
        [ "$long" = long ] || continue
        name=$stage-signal-$rank
        run "$name" 4 75 &
        hit "$name" $rank TERM
        wait $! || failed=1
        grep -q "rank $rank received SIGTERM: stopped at step" "$work/$name.log" || fail "$name: not said" "$name"
        run "$name" 2 0
        same "$name"
    done
}
if [ "$long" = long ]; then
    [ $# -gt 0 ] || set -- train mix.vehicle
    for stage in "$@"; do
        test_stage "$stage" 50 "2 4" "0 3"
    done
else
    test_stage train 40 4 2
fi

length="" before=""
run eight 8 2 --only train || exit 1
grep -q "parallel.shards is 4 and 8 ranks were started" "$work/eight.log" || fail "eight: not said" eight

# Every kind of stage; labels go on behind the part that was finished.
whole=pipeline-1 length="" before=""
run pipeline-1 1 0 || exit 1
for n in ${long:+2} 4; do
    run "pipeline-$n" $n 0
    same "pipeline-$n"
done
if [ "$long" = long ]; then
    run parts 4 75 --until mix
    run parts 4 75 --only label --stop-after-step 4
    run parts 4 0
    same parts
fi
[ $failed = 0 ] && echo "1, 2 and 4 ranks: every byte equal"
exit $failed
