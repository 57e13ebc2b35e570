/*
 * Claims: which process works on which stage instance of a run folder.
 *
 * Several processes, on one machine or on several that share the folder, work on one run without a
 * coordinator. Each stage instance is claimed by a lock of its own, RUN/claims/<stage>; what belongs to
 * the whole folder is changed under a short lock, RUN/lock. io/lock.h says how owners that died are told
 * from live ones.
 *
 * Invariants: what is below stages/<stage> and labels/<stage>.h5 is written by the owner of its claim
 * alone; state.h5, manifest.yaml, resolved.yaml, metrics.jsonl and timing.jsonl of RUN by the holder of
 * the folder's lock alone. A claim is taken before the folder's lock, and nothing is written in between;
 * so whoever holds the folder's lock and sees no claim is alone. A process that learns that its claim is
 * lost ends at once.
 *
 *     struct uda_claims claims;
 *     UDA_TRY(uda_claims_init(&claims, &arena, run_dir, &plan, err));
 *     bool taken = false;
 *     UDA_TRY(uda_claims_take(&taken, &claims, i, err));     // false: claims.watch[i].owner works on it
 *     UDA_TRY(uda_claims_enter(&claims, err));  ...state.h5...  uda_claims_leave(&claims);
 *     uda_claims_give(&claims);
 */
#ifndef UDA_STAGE_CLAIM_H
#define UDA_STAGE_CLAIM_H

#include "io/lock.h"
#include "src/base/arena.h"
#include "src/plan/plan.h"

struct uda_claims {
    const struct uda_plan *plan;
    const char *dir;              /* RUN/claims */
    const char *folder_path;      /* RUN/lock */
    char **path;                  /* [plan->count] RUN/claims/<stage> */
    struct uda_lock_watch *watch; /* [plan->count] what was seen of each */
    struct uda_lock *held;        /* the claim of this process */
    struct uda_lock *folder;
};

/* Makes RUN/claims. Memory: arena; run_dir and plan are borrowed. Errors: UDA_IO, UDA_NOMEM. */
int uda_claims_init(struct uda_claims *claims, struct uda_arena *arena, const char *run_dir,
                    const struct uda_plan *plan, struct uda_err *err) UDA_MUST_USE;

/* Claims a stage instance, also a dead process's; gives signs of life until uda_claims_give. One at a time.
 * Errors: UDA_IO, UDA_NOMEM. */
int uda_claims_take(bool *taken, struct uda_claims *claims, int64_t stage, struct uda_err *err) UDA_MUST_USE;
void uda_claims_give(struct uda_claims *claims);

/* Removes the claim that a process which died at the very end of a stage left behind; a live one's stays. For
 * a stage that is done. Errors: UDA_IO, UDA_NOMEM. */
int uda_claims_tidy(struct uda_claims *claims, int64_t stage, struct uda_err *err) UDA_MUST_USE;

/* Takes the folder's lock, waiting for others to leave. Errors: UDA_IO if one does not leave for minutes. */
int uda_claims_enter(struct uda_claims *claims, struct uda_err *err) UDA_MUST_USE;
void uda_claims_leave(struct uda_claims *claims);

/* Gives back whatever is held. */
void uda_claims_finish(struct uda_claims *claims);

/* Has another process claimed the stage? claims->watch[stage].owner then says which. A claim from another
 * machine counts until its owner has been silent for a lease under this process's eyes. Errors: UDA_IO. */
int uda_claims_look(bool *held, struct uda_claims *claims, int64_t stage, struct uda_err *err) UDA_MUST_USE;

/* The first stage that another process has claimed, or -1. Errors: UDA_IO. */
int uda_claims_other(int64_t *stage, struct uda_claims *claims, struct uda_err *err) UDA_MUST_USE;

/* "process 12 on host 'a' since ...", and for an owner on another machine without recent signs of life
 * their age by this machine's clock and what to do if it is gone for good. Returns text. */
const char *uda_claims_describe(char *text, size_t bytes, const struct uda_lock_watch *watch,
                                const char *path);

/*
 * Takes any lock, waiting until it is free; `what` is said while waiting. A signal or the time limit ends
 * the wait with UDA_STOPPED unless give_up_s > 0, which ends it with UDA_IO after that time. Keeps the
 * lock alive.
 */
int uda_claims_wait(struct uda_lock **lock, const char *path, const char *what, double give_up_s,
                    struct uda_err *err) UDA_MUST_USE;

/* Sleeps a moment between two looks, longer the longer it has waited; wakes early when a stop is wanted. */
void uda_claims_pause(double waited_s);

#endif
