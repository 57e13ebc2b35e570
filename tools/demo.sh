#!/bin/sh
# Installs what is missing, builds, runs manifests/demo.yaml, the whole method on drawn scenes, and says where to look.
#   tools/demo.sh [RUN FOLDER] [--set key=value ...]
set -eu
cd "$(dirname "$0")/.."
run=runs/demo
case "${1:-}" in "" | --*) ;; *) run=$1; shift ;; esac
tools/build.sh
start=$(date +%s)
build/uda4inst run manifests/demo.yaml --run "$run" "$@"
end=$(date +%s)

echo "real-style test scenes                      AP   AP50"
row() { # row STAGE WORDS
    awk -v words="$2" '$1 == "mean" { printf "%-40s %5.1f  %5.1f  ", words, $2, $3
        for (i = 0; i < $3 * 0.6; i++) { printf "#" }
        printf "\n" }' "$run/stages/$1/ap.txt"
}
row source_only "source only (two groups, fused)"
row adapted "adapted (trained on fused pseudo-labels)"
row upper_bound "supervised on the target's true labels"
echo
cat <<END
done in $((end - start)) s; the run folder is $run:
  $run/mixed/         what the students learned from: pairs, mixes with pastes outlined (magenta: of the pool), labels
  $run/predictions/   on test scenes, below them the truth and what is right (green), wrong (red), missed (blue);
                      pseudo-labels on target scenes
  $run/labels/        pseudo-label sets: uda4inst export $run/labels/fuse.h5 --to coco --out labels.json
  $run/metrics.jsonl  losses and AP
  $run/stages/        checkpoints and weights, student and teacher
Run the same command again: it finds everything done. Remove a stage's folder: it redoes that stage and what follows.
END
