/*
 * The executor: walks the plan, skips what is done, starts or continues what is not, and keeps the
 * state.
 *
 *     UDA_TRY(uda_execute(manifest, &options, err));     // 0 all done; UDA_STOPPED: resumable
 */
#ifndef UDA_STAGE_EXECUTOR_H
#define UDA_STAGE_EXECUTOR_H

#include "src/stage/stage.h"

/*
 * Runs the plan of the manifest in options->run_dir: opens the folder (UDA_MANIFEST if it belongs
 * to another manifest), takes its lock (UDA_IO if somebody works there), installs the signal
 * handlers, and runs each stage that is not done under its fingerprint. `until` stops after that
 * stage (UDA_STOPPED if others remain), `only` runs that stage alone; both take a stage's name or
 * an instance's. Errors: those of the stages; the failed stage's reason is kept in the state and
 * shown by `status`.
 */
int uda_execute(const struct uda_manifest *manifest, const struct uda_run_options *options,
                struct uda_err *err) UDA_MUST_USE;

#endif
