/*
 * The run folder: who works in it, which manifest it belongs to, and what its stages left behind.
 *
 *     RUN/ manifest.yaml (verbatim)  resolved.yaml (every key)  state.h5  lock  claims/<stage>
 *          metrics.jsonl  timing.jsonl (all stages, in plan order)  log.txt  log.<host>.txt (2nd machine)
 *          stages/<stage>/ step-000040000.h5  weights.h5  metrics.jsonl  timing.jsonl  DONE
 *
 * Invariants: a folder belongs to one manifest; opening it with another one whose results could
 * differ fails with the differences, unless allowed. DONE is written last and names the fingerprint
 * and every result's digest. Who may write what: src/stage/claim.h.
 */
#ifndef UDA_STAGE_RUN_FOLDER_H
#define UDA_STAGE_RUN_FOLDER_H

#include "src/stage/stage.h"

/*
 * Creates the folder or checks that it belongs to this manifest, and writes manifest.yaml and
 * resolved.yaml. busy: who else works in the folder, in words, or NULL; then it may not get another
 * manifest even where that is allowed. Errors: UDA_MANIFEST with the differing keys; UDA_IO.
 */
int uda_run_folder_open(const struct uda_manifest *manifest, const struct uda_run_options *options,
                        const char *busy, struct uda_err *err) UDA_MUST_USE;

/* The folder still belongs to this manifest. Errors: UDA_MANIFEST with the differing keys. */
int uda_run_folder_check(const struct uda_manifest *manifest, const char *run_dir,
                         struct uda_err *err) UDA_MUST_USE;

/* Opens the log of this machine for appending: RUN/log.txt, or RUN/log.<host>.txt when log.txt is another
 * machine's (appending from two machines loses lines on a network file system). -1: no log. */
int uda_run_folder_log(const char *run_dir);

/* Writes dir/DONE: the fingerprint, the last step and the digests of the named files of dir. */
int uda_run_folder_done(const char *dir, const struct uda_plan_stage *stage, int64_t step,
                        const char *const *file, int64_t files, struct uda_err *err) UDA_MUST_USE;

/* What dir says about the stage: done, partial (with its newest checkpoint's step), stale or
 * pending. */
enum uda_plan_status uda_run_folder_look(int64_t *step, const char *run_dir,
                                         const struct uda_plan_stage *stage);

/* Is the stage done under its fingerprint? Cheap and silent, for looking often; *step is set if so. */
bool uda_run_folder_is_done(int64_t *step, const char *run_dir, const struct uda_plan_stage *stage);

/* Removes what writers that were killed left of the stage; for the owner of its claim. Errors: UDA_IO. */
int uda_run_folder_sweep(const char *run_dir, const struct uda_plan_stage *stage,
                         struct uda_err *err) UDA_MUST_USE;

/* Moves the folder of a stage that belongs to another fingerprint out of the way; nothing is
 * deleted. */
int uda_run_folder_set_aside(const char *run_dir, const struct uda_plan_stage *stage,
                             struct uda_err *err) UDA_MUST_USE;

/* RUN/metrics.jsonl and RUN/timing.jsonl = those of the stages in plan order. */
int uda_run_folder_join(const char *run_dir, const struct uda_plan *plan, struct uda_err *err) UDA_MUST_USE;

#endif
