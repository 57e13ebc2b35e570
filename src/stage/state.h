/*
 * The state machine of a run: what each stage instance is, written durably at each transition.
 *
 *     pending -> running -> done
 *                   |  \-> failed (the reason is kept; the next run tries again)
 *
 * Invariants: state.h5 is replaced whole. It says what happened; what may be built upon is said by
 * the stage's own folder: DONE with the stage's fingerprint, or a checkpoint with it. A damaged
 * state.h5 is rebuilt from those.
 */
#ifndef UDA_STAGE_STATE_H
#define UDA_STAGE_STATE_H

#include "src/plan/plan.h"

enum uda_stage_status { UDA_PENDING, UDA_RUNNING, UDA_DONE, UDA_FAILED };

struct uda_stage_state {
    enum uda_stage_status status;
    int64_t step;         /* at the last transition or checkpoint */
    char fingerprint[UDA_DIGEST_TEXT_BYTES];
    char note[256];       /* failed: the reason */
};

struct uda_state {
    struct uda_stage_state *stage; /* [plan->count], in plan order */
};

/* "pending", "running", "done", "failed". Static. */
const char *uda_stage_status_name(enum uda_stage_status status);

/*
 * Reads RUN/state.h5 and matches it with the plan by stage name; stages it does not know are
 * pending. A missing file gives an all-pending state; a damaged one too, with a warning. Memory:
 * arena. Errors: UDA_NOMEM.
 */
int uda_state_load(struct uda_state *state, struct uda_arena *arena, const char *path,
                   const struct uda_plan *plan, struct uda_err *err) UDA_MUST_USE;
/* Replaces RUN/state.h5. Errors: UDA_IO, UDA_NOMEM. */
int uda_state_save(const struct uda_state *state, const char *path, const struct uda_plan *plan,
                   struct uda_err *err) UDA_MUST_USE;

#endif
