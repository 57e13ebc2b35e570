/*
 * What a run folder says about itself, as text: each stage's state, who works there, last losses,
 * last AP.
 */
#ifndef UDA_STAGE_STATUS_H
#define UDA_STAGE_STATUS_H

#include "src/stage/stage.h"

/* Appends the page that `uda4inst status RUN` prints. Errors: UDA_IO if it is no run folder;
 * UDA_MANIFEST. */
int uda_status_print(struct uda_str *out, const char *run_dir, struct uda_arena *arena,
                     struct uda_err *err) UDA_MUST_USE;

/* Progress of each stage of a plan in a run folder, for `plan --run`. Memory: arena. Errors:
 * UDA_NOMEM, UDA_IO. */
int uda_status_progress(struct uda_plan_progress **progress, const struct uda_plan *plan,
                        const char *run_dir, struct uda_arena *arena,
                        struct uda_err *err) UDA_MUST_USE;

#endif
