/*
 * The run folder: who works in it, which manifest it belongs to, and what its stages left behind.
 *
 *     RUN/ manifest.yaml (verbatim)  resolved.yaml (every key)  state.h5  lock  log.txt
 *          metrics.jsonl (all stages, in plan order)  timing.jsonl
 *          stages/<stage>/ step-000040000.h5  weights.h5  metrics.jsonl  DONE
 *
 * Invariants: a folder belongs to one manifest; opening it with another one whose results could
 * differ fails with the differences, unless allowed. DONE is written last and names the fingerprint
 * and every result's digest.
 */
#ifndef UDA_STAGE_RUN_FOLDER_H
#define UDA_STAGE_RUN_FOLDER_H

#include "src/stage/stage.h"

/*
 * Creates the folder or checks that it belongs to this manifest, and writes manifest.yaml and
 * resolved.yaml. Errors: UDA_MANIFEST with the differing keys; UDA_IO.
 */
int uda_run_folder_open(const struct uda_manifest *manifest, const struct uda_run_options *options,
                        struct uda_err *err) UDA_MUST_USE;

/* Writes dir/DONE: the fingerprint, the last step and the digests of the named files of dir. */
int uda_run_folder_done(const char *dir, const struct uda_plan_stage *stage, int64_t step,
                        const char *const *file, int64_t files, struct uda_err *err) UDA_MUST_USE;

/* What dir says about the stage: done, partial (with its newest checkpoint's step), stale or
 * pending. */
enum uda_plan_status uda_run_folder_look(int64_t *step, const char *run_dir,
                                         const struct uda_plan_stage *stage);

/* Moves the folder of a stage that belongs to another fingerprint out of the way; nothing is
 * deleted. */
int uda_run_folder_set_aside(const char *run_dir, const struct uda_plan_stage *stage,
                             struct uda_err *err) UDA_MUST_USE;

/* RUN/metrics.jsonl = the stages' metrics in plan order. */
int uda_run_folder_join_metrics(const char *run_dir, const struct uda_plan *plan,
                                struct uda_err *err) UDA_MUST_USE;

#endif
