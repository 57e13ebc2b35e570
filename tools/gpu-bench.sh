# The parts bench and peer of tools/gpu-check.sh, which reads this file: ours and Hugging Face's Mask2Former on one
# card, a step of supervised training and one of adapt. Both print rows into OUT, of which tools/gpu-table.awk makes
# the table at the end.
#
# UDA_SECONDS       each part begins nothing after them, and ends what runs then (420); what is missing may be run
#                   another time, and the table made of both files: awk -f tools/gpu-table.awk OUT1 OUT2
# UDA_PRECISIONS    "bf16 fp32"
# UDA_PEERS         "eager compile"
# For a trial elsewhere:
# UDA_ROWS          the table's models: "MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS;..."
# UDA_PEER_DEVICE   (UDA_GPU)
# shellcheck shell=sh disable=SC2154

rows="swin-t 1024 1024 3 100 12544 10;swin-l 1024 1024 3 200 12544 10"
alone="resnet-50 1024 1024 3 100 12544 10;swin-t 512 512 1 100 12544 20;swin-demo 96 192 2 20 256 40" # not in the table
[ -z "${UDA_ROWS:-}" ] || { rows=$UDA_ROWS; alone=; }
precisions=${UDA_PRECISIONS:-bf16 fp32} seconds=${UDA_SECONDS:-420}

# each_row LIST COMMAND...: the command with each row of a list as its last argument.
each_row() {
    list=$1
    shift
    while [ -n "$list" ]; do
        one=${list%%;*}
        case $list in *';'*) list=${list#*;} ;; *) list= ;; esac
        # shellcheck disable=SC2086,SC2116
        "$@" "$(echo $one)"
    done
}
whole_step() { # whole_step WHO KIND: the row that counts, as in tools/gpu-table.awk
    case $2-$1 in
    adapt-*) echo "adapt step" ;;
    train-ours | train-alone) echo "step, one graph" ;;
    *) echo "step" ;;
    esac
}
# The last line of what was said, for a field of a row.
reason() { last "$work/log" | tr '\t\\' ' /' | sed 's/ *$//'; }
# timed COMMAND...: until the part's time is over. Leaves the exit code in $code, rows in table, talk in log.
timed() {
    left=$((until - $(date +%s))) code=124
    : >"$work/table"
    : >"$work/said"
    if [ $left -gt 0 ]; then
        timeout -k 10 $left "$@" >"$work/table" 2>"$work/said"
        code=$?
        [ $code -ne 137 ] || [ "$(date +%s)" -lt "$until" ] || code=124 # -k
    fi
    grep '^# ' "$work/said" | while read -r line; do say "$line"; done
    sed '/^# /d' "$work/said" >"$work/log"
    [ $code -ne 124 ] || echo "the part's $seconds s are over" >"$work/log"
}
# keep WHO PRECISION KINDS ROW: the rows with who, precision and kind in front, and for each kind without its step, why.
keep() {
    awk -F '\t' -v OFS='\t' -v who="$1" -v precision="$2" -v kind="${3%%,*}" '
        $4 == "average and teacher" { kind = "adapt" } { print who, precision, kind, $0 }' "$work/table" >"$work/rows"
    for kind in $(echo "$3" | tr ',' ' '); do
        awk -F '\t' -v kind="$kind" -v part="$(whole_step "$1" "$kind")" '
            $3 == kind && $7 == part { found = 1 } END { exit !found }' "$work/rows" ||
            echo "$4" | awk -v OFS='\t' -v who="$1" -v precision="$2" -v kind="$kind" -v why="$(reason)" '
                { print who, precision, kind, $1, $2 "x" $3, $4, "not measured", why }' >>"$work/rows"
    done
    tee -a "$out" <"$work/rows"
}
# measure WHO PRECISION KINDS ROW COMMAND...: a peer that fails is no failure of ours.
measure() {
    what="benchmark, $1, $3, $2: $4"
    case $1 in ours | alone) mine=yes ;; *) mine=no ;; esac
    (shift 4; timed "$@"; echo "$code" >"$work/code")
    keep "$1" "$2" "$3" "$4"
    case $(cat "$work/code")-$mine in
    0-*) pass "$what" ;;
    77-* | 124-* | *-no) skip "$what: $(reason)" ;;
    *) fail "$what: exit code $(cat "$work/code"): $(last "$work/log" 3)" ;;
    esac
}
ours() { # ours WHO PRECISION KIND ROW
    bench=bench_step
    [ "$3" = train ] || bench=bench_adapt
    # shellcheck disable=SC2086
    measure "$@" "$build/tests/bench/$bench" $4 "$(nproc)" "$gpu" "$2"
}
peer() { # peer WHO PRECISION ROW
    # shellcheck disable=SC2086
    measure "$1" "$2" train,adapt "$3" \
        "$python" tools/bench_peer.py $3 "$(nproc)" "${UDA_PEER_DEVICE:-$gpu}" "$2" train,adapt "$1"
}

part_bench() {
    until=$(($(date +%s) + seconds))
    for precision in $precisions; do
        each_row "$rows" ours ours "$precision" train
        each_row "$rows" ours ours "$precision" adapt
    done
    for precision in $precisions; do
        each_row "$alone" ours alone "$precision" train
    done
}
part_peer() {
    [ -n "$python" ] || { skip "peer: no Python given"; return; }
    until=$(($(date +%s) + seconds))
    for who in ${UDA_PEERS:-eager compile}; do
        for precision in $precisions; do
            each_row "$rows" peer "$who" "$precision"
        done
    done
}
