# shellcheck shell=sh
# Sourced by the tests of several ranks: `ranks N PROGRAM ...` starts N ranks, or the test is skipped. LAUNCHER:
#   mpi   mpirun; tests may run as root, with more ranks than cores
#   tcp   N processes with torchrun's variables; nobody ends the others when one is gone. The exit code is the largest.
if [ "${LAUNCHER:=mpi}" = mpi ]; then
    command -v mpirun >/dev/null || { echo "skipped: no mpirun"; exit 77; }
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none
    # Under the address sanitizer: Open MPI gives back less than it takes.
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
    # Some containers cannot start MPI at all; then nothing is learned about us.
    mpirun -n 2 true >/dev/null 2>&1 || { echo "skipped: mpirun does not work here"; exit 77; }
fi
port=$((20000 + $$ % 20000))

ranks() {
    number=$1
    shift
    if [ "$LAUNCHER" = mpi ]; then
        timeout 120 mpirun -n "$number" "$@"
        return
    fi
    port=$((port + 1)) worst=0 pids=""
    for r in $(seq 0 $((number - 1))); do
        WORLD_SIZE=$number RANK=$r MASTER_ADDR=127.0.0.1 MASTER_PORT=$port timeout 120 "$@" &
        pids="$pids $!"
    done
    for pid in $pids; do
        code=0
        wait "$pid" || code=$?
        [ $code -le $worst ] || worst=$code
    done
    return $worst
}
