#!/bin/sh
# Every operation between ranks; a rank that fails, dies, hangs or is told to stop. LAUNCHER: launch.sh.
#   ranks.sh RANKS_PROGRAM WORK_DIR [long]
set -eu
program=$1 work=$2 long=${3:-}
. "$(dirname "$0")/launch.sh"
mkdir -p "$work"
failed=0

# try NAME RANKS EXITS SECONDS "expected words" arguments...: the exit code, the time, the words.
try() {
    name=$1 number=$2 expected=$3 seconds=$4 words=$5
    shift 5
    code=0 start=$(date +%s)
    ranks "$number" "$@" >"$work/$name.log" 2>&1 || code=$?
    took=$(($(date +%s) - start))
    echo " $expected " | grep -q " $code " || { echo "$name: exit code $code, expected $expected"; failed=1; }
    [ "$took" -le "$seconds" ] || { echo "$name: took $took s"; failed=1; }
    [ -z "$words" ] || grep -q "$words" "$work/$name.log" || { echo "$name: not said: $words"; failed=1; }
    [ $failed = 0 ] || { cat "$work/$name.log"; exit 1; }
}

for n in 1 2 4; do
    try "ops-$n" $n 0 60 "" "$program" ops
done
try three 3 2 30 "the number of ranks is a power of two" "$program" ops
try fail-0 4 2 30 "^error: 'image.png' is not" "$program" fail 0
try fail-2 4 2 30 "^error: rank 2: 'image.png' is not" "$program" fail 2
[ "$(grep -c '^error' "$work/fail-2.log")" = 1 ] || { echo "fail-2: said more than once"; exit 1; }
try stop-0 2 75 30 "rank 0 received SIGTERM" "$program" stop 0
try stop-3 4 75 30 "stopped: rank 3 received SIGTERM" "$program" stop 3
try lead 4 75 20 "stopped: rank 3 received SIGTERM" "$program" lead 3
# mpirun's answer depends on whom it misses first.
try die-0 4 "1 137" 30 "" "$program" die 0
try die-3 4 "1 137" 30 "" "$program" die 3
code=0
WORLD_SIZE=2 RANK=0 "$program" ops >"$work/nowhere.log" 2>&1 || code=$?
[ $code = 2 ] && grep -q "MASTER_ADDR and MASTER_PORT do not say" "$work/nowhere.log" ||
    { echo "no address: exit code $code"; cat "$work/nowhere.log"; exit 1; }

if [ "$long" = long ] && [ "$LAUNCHER" = tcp ]; then
    try busy 4 "137" 30 "rank 2 of 4 is gone without a word" "$program" busy 2
elif [ "$long" = long ]; then
    # A launcher that does not notice: the wrappers stay until all ranks must be gone.
    cat >"$work/unnoticed.sh" <<'END'
#!/bin/sh
start=$(date +%s)
code=0
"$@" || code=$?
echo "ended with $code"
rest=$((20 - $(date +%s) + start))
[ $rest -le 0 ] || sleep $rest
END
    chmod +x "$work/unnoticed.sh"
    for mode in die busy; do
        try "$mode-unnoticed" 4 1 60 "rank 2 of 4 is gone without a word" "$work/unnoticed.sh" "$program" $mode 2
        [ "$(grep -c 'ended with 1$' "$work/$mode-unnoticed.log")" = 3 ] ||
            { cat "$work/$mode-unnoticed.log"; exit 1; }
    done
    try hang 4 "1 137" 30 "rank 1 of 4 has not been heard of" "$program" hang 1
fi
echo "ranks: passed"
