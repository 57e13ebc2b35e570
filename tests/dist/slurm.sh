#!/bin/sh
# The batch scripts with an srun and an scontrol of our own: 75 sends the job again, 0 ends it, anything else fails it.
#   slurm.sh SOURCE_ROOT WORK_DIR
set -eu
root=$1 work=$2
command -v bash >/dev/null || exit 77
rm -rf "$work"
mkdir -p "$work/bin"
cat >"$work/bin/srun" <<'END'
#!/bin/sh
echo "srun $*" >>"$LOG"
case " $* " in *" ${STOP_AT:-nowhere} "*) exit "$CODE" ;; esac
END
cat >"$work/bin/scontrol" <<'END'
#!/bin/sh
echo "scontrol $*" >>"$LOG"
END
chmod +x "$work"/bin/*
PATH="$work/bin:$PATH"
export PATH SLURM_JOB_ID=7 SLURM_ARRAY_TASK_ID=1 SLURM_CPUS_PER_TASK=3 UDA4INST=prog

# expect NAME EXIT "words ..." "STOP_AT CODE" script arguments...
expect() {
    name=$1 expected=$2 words=$3 code=0
    export LOG="$work/$name.log"
    export STOP_AT="${4% *}" CODE="${4#* }"
    shift 4
    bash "$@" >"$work/$name.out" 2>&1 || code=$?
    [ $code = "$expected" ] && grep -q -- "$words" "$LOG" || {
        echo "$name: exit code $code, expected $expected and '$words'"
        cat "$LOG" "$work/$name.out"
        exit 1
    }
}

for script in node nodes; do
    s=$root/tools/slurm/$script.sbatch
    expect $script-done 0 "--cpus-per-task=3 .*prog run M.yaml --run R --set a=1$" "nowhere 0" "$s" M.yaml R --set a=1
    expect $script-stopped 0 "^scontrol requeue 7$" "run 75" "$s" M.yaml R
    expect $script-failed 2 "^srun" "run 2" "$s" M.yaml R
    ! grep -q scontrol "$work/$script-done.log" "$work/$script-failed.log"
done
s=$root/tools/slurm/categories.sbatch
expect groups-done 0 "--only label.vehicle" "nowhere 0" "$s" M.yaml R
[ "$(grep -c '^srun' "$work/groups-done.log")" = 3 ]
expect groups-stopped 0 "^scontrol requeue 7$" "mix.vehicle 75" "$s" M.yaml R
! grep -q label "$work/groups-stopped.log"
expect groups-failed 1 "--only source.vehicle" "source.vehicle 1" "$s" M.yaml R
! grep -q "scontrol\|mix" "$work/groups-failed.log"
echo "batch scripts: passed"
