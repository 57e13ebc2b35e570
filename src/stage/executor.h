/*
 * The executor: walks the plan, skips what is done, starts or continues what is not, and keeps the
 * state. Several executors may walk one run folder at once (src/stage/claim.h): each takes what is ready
 * and unclaimed, and waits for the others where it must.
 *
 *     UDA_TRY(uda_execute(manifest, &options, err));     // 0 all done; UDA_STOPPED: resumable
 */
#ifndef UDA_STAGE_EXECUTOR_H
#define UDA_STAGE_EXECUTOR_H

#include "src/stage/stage.h"

/*
 * Runs the plan of the manifest in options->run_dir: opens the folder (UDA_MANIFEST if it belongs to
 * another manifest, or would get one while others work in it), and brings each stage
 * to be done under its fingerprint. A stage that another process has claimed is left to it; when nothing
 * else is ready, this one waits, and goes on with the stage if that process dies. `until` stops after
 * that stage (UDA_STOPPED if others remain), `only` runs that stage alone, and waits for its inputs only
 * while somebody works on them; both take a stage's name or an instance's. Of several ranks, rank 0 does
 * all this and the others share the stages that it begins. Signals must be waited for already
 * (uda_stop_install), before any thread. Errors: those of the stages; the failed stage's reason is kept in
 * the state and shown by `status`.
 */
int uda_execute(const struct uda_manifest *manifest, const struct uda_run_options *options,
                struct uda_err *err) UDA_MUST_USE;

#endif
