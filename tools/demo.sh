#!/bin/sh
# Installs what is missing, builds, runs manifests/demo.yaml and says where to look.
#   tools/demo.sh [RUN FOLDER] [--set key=value ...]
set -eu
cd "$(dirname "$0")/.."
run=runs/demo
case "${1:-}" in "" | --*) ;; *) run=$1; shift ;; esac
tools/build.sh
start=$(date +%s)
build/uda4inst run manifests/demo.yaml --run "$run" "$@"
end=$(date +%s)
echo
echo "done in $((end - start)) s; the run folder is $run:"
echo "  $run/metrics.jsonl      losses and AP"
echo "  $run/stages/            checkpoints and weights"
echo "  $run/predictions/       what the model sees on held-out scenes"
echo "run the same command again: it finds everything done; remove a stage's folder and it redoes that stage only"
