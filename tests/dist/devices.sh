#!/bin/sh
# Sums over ranks on devices, with the module of the tests: its group is what NCCL is to the CUDA module. Then training
# on 1, 2 and 4 ranks with a device each: the bytes of one rank, and of the CPU. LAUNCHER: launch.sh.
#   devices.sh DEVICES_PROGRAM GUARD.so UDA4INST MANIFEST WORK_DIR [HOST_CUDA.so]
# HOST_CUDA.so: the CUDA kernels under the host harness; their sums are these bytes too.
set -eu
program=$1 module=$2 uda4inst=$3 manifest=$4 work=$5
. "$(dirname "$0")/launch.sh"
rm -rf "$work"
mkdir -p "$work"
export UDA_SCENES="${UDA_SCENES:-$work/scenes}"
export UDA_CUDA_MODULE="$module"

# try NAME RANKS EXITS SECONDS "expected words" command...: the exit code, the time, the words.
try() {
    name=$1 number=$2 expected=$3 seconds=$4 words=$5
    shift 5
    code=0 start=$(date +%s)
    ranks "$number" "$@" >"$work/$name.log" 2>&1 || code=$?
    took=$(($(date +%s) - start))
    if ! echo " $expected " | grep -q " $code " || [ "$took" -gt "$seconds" ] || ! grep -q "$words" "$work/$name.log"
    then
        echo "$name: exit code $code after $took s, expected $expected and '$words'"
        cat "$work/$name.log"
        exit 1
    fi
}

for n in 1 2 4; do
    try sum-$n $n 0 60 "$n ranks, summed on the devices by shared memory" "$program" sum
done
[ $# -lt 6 ] || UDA_CUDA_MODULE=$6 try sum-kernels 4 0 60 "4 ranks, summed on the devices" "$program" sum
UDA_DEVICE=1 try shared 2 0 30 "summed on the host: ranks 0 and 1 share the device guard:1 of " "$program" decide
UDA_GROUP=none try none 2 0 30 "summed on the host: rank 0: UDA_GROUP says that there is none" "$program" decide
UDA_GROUP=refuses:0 try refuses-0 2 1 20 "shared memory: cannot join" "$program" sum
UDA_GROUP=refuses:2 try refuses-2 4 1 20 "rank 2: shared memory: cannot join" "$program" sum # the others wait for it
try fail 4 2 20 "rank 2: 'image.png' is not" "$program" fail 2
try die-3 4 "1 137" 20 "" "$program" die 3
try die-0 2 "1 137" 20 "" "$program" die 0

# train NAME RANKS EXIT "expected words" options...
train() {
    name=$1 number=$2 expected=$3 words=$4
    shift 4
    try "$name" "$number" "$expected" 60 "$words" "$uda4inst" run "$manifest" --run "$work/$name" --set batch=5 \
        --set parallel.shards=4 --set 'augment.short_side=[40, 64, 90]' --set runtime.threads=1 \
        --set stages.train.iterations=6 --set checkpoint.every=4 --only train "$@"
}
# same NAME OTHER: the results; with the checkpoints when both ran on devices.
same() {
    for file in $(cd "$work/$1" && find stages -name weights.h5 -o -name "${3:-none}" -o -name metrics.jsonl); do
        case $file in
        *.h5) "$uda4inst" inspect "$work/$1/$file" --diff "$work/$2/$file" >/dev/null 2>&1 ;;
        *) cmp -s "$work/$1/$file" "$work/$2/$file" ;;
        esac || { echo "$2 differs from $1: $file"; exit 1; }
    done
    [ -s "$work/$1/stages/train/weights.h5" ] || { echo "$1 made no weights"; exit 1; }
}
train cpu 1 0 "train" --set runtime.device=cpu
train one 1 0 "models run on 'cuda'" --set runtime.device=cuda
same cpu one
for n in 2 4; do
    train devices-$n $n 0 "gradients of $n ranks are summed on the devices by shared memory" --set runtime.device=cuda
    same one devices-$n 'step-*.h5'
done
"$uda4inst" inspect "$work/devices-4/stages/train/step-000000006.h5" 2>/dev/null | grep -q "shared memory" ||
    { echo "a checkpoint does not say how gradients were summed"; exit 1; }
UDA_GROUP=none train host-2 2 0 "2 ranks are summed on the host: rank 0: UDA_GROUP says" --set runtime.device=cuda
same one host-2 'step-*.h5'
echo "devices: passed"
