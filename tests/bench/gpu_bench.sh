#!/bin/sh
# usage: gpu_bench.sh BUILD GUARD.so SOURCE_ROOT: the parts bench and peer of tools/gpu-check.sh without a GPU, and with
# a peer that is made up: rows become a table, what failed or came too late is said, and the exit status is the verdict.
set -u
build=$(realpath "$1") || exit 1
UDA_CUDA_MODULE=$(realpath "$2") || exit 1
cd "$3" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0

fail() { echo "failed: $1" >&2; cat "$folder/out" >&2; failures=$((failures + 1)); }
says() { grep -q -- "$1" "$folder/out" || fail "there is no '$1'"; }

cat >"$folder/python" <<'END'
#!/bin/sh
# bench_peer.py MODEL HEIGHT WIDTH BATCH QUERIES POINTS STEPS THREADS DEVICE PRECISION MODE COMPILE
[ "$#" = 13 ] && [ "${12}" = train,adapt ] || { echo "wrong arguments: $*" >&2; exit 1; }
echo "# peer: torch of the test, $9 threads, the CPU behind locked memory" >&2
[ "${11}" = fp32 ] || { echo "Traceback" >&2; echo "OutOfMemoryError: no memory" >&2; exit 1; }
row=$(printf '%s\t%sx%s\t%s\t' "$2" "$3" "$4" "$5")
printf '%sstep\t1e7\t1e7\n%sdevice memory MiB\t1e6\t1e6\n' "$row" "$row"
[ "${13}" = eager ] || { echo "torch.compile is not usable here" >&2; exit 77; }
printf '%saverage and teacher\t1\t1\n%sadapt step\t1e-3\t1e-3\n%sdevice memory MiB\t1\t1\n' "$row" "$row" "$row"
END
chmod +x "$folder/python"

# check CODE PARTS
check() {
    UDA_BUILD=$build UDA_PARTS=$2 UDA_ROWS="swin-demo 32 64 1 20 64 2" tools/gpu-check.sh "$folder/out" \
        "$folder/python" >/dev/null 2>"$folder/err"
    code=$?
    [ $code -eq "$1" ] || fail "exit code $code, not $1: $(cat "$folder/err")"
}
export UDA_CUDA_MODULE

check 0 "bench peer"
says "^| swin-demo 32x64, batch 1 | train | fp32 | [0-9.]* | 10000000.0 | [0-9.]*, met | 10000000.0 | [0-9.]*, met | \
[0-9]* | 1000000 | [0-9.]*, met | 1000000 | [0-9.]*, met | not computed"
says "^| swin-demo 32x64, batch 1 | adapt | fp32 | [0-9.]* | 0.0 | 0.000, not met | not measured | not measured | \
[0-9]* | 1 | [0-9.]*, not met | not measured"
says "^| swin-demo 32x64, batch 1 | adapt | bf16 | not measured | not measured"
says "^not measured: ours, swin-demo 32x64, train, bf16: .*unsupported"
says "^not measured: eager, swin-demo 32x64, adapt, bf16: OutOfMemoryError: no memory"
says "^not measured: compile, swin-demo 32x64, adapt, fp32: torch.compile is not usable here"
says "^3 passed, 0 failed, 5 not run"

UDA_SECONDS=0 check 77 bench
says "^not measured: ours, swin-demo 32x64, adapt, fp32: the part's 0 s are over"
UDA_CUDA_GRAPHS=0 UDA_PRECISIONS=fp32 check 0 bench
says "^not measured: ours, swin-demo 32x64, train, fp32: bench: not every step was graphs: 0 launched"
says "^not measured: ours, swin-demo 32x64, adapt, fp32: bench: not every step was graphs: 0 launched"
UDA_GPU=cuda:7 UDA_PRECISIONS=fp32 check 77 bench
[ "$failures" -eq 0 ]
