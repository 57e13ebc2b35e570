/*
 * A training stage at work, whatever it trains on: trainer, checkpoints, metrics, progress and stopping.
 *
 * The kinds of stage (train, adapt) differ in where a step's batches come from and in what else
 * they must save; both are said in a uda_session_kind.
 *
 * Invariants: after any checkpoint the session's future is a function of the manifest, the
 * checkpoint and the step. Rows of metrics.jsonl are means over log_every steps; sums of a row under
 * way are part of the checkpoint. With several ranks all hold the same state; rank 0 alone writes, and
 * opens data first, so that the others find the index that it has made.
 *
 *     struct uda_session s = {.context = context, .kind = &kind, .self = &mine};
 *     rc = uda_session_run(&s, err);       // to the end, UDA_STOPPED, or an error
 *     uda_session_finish(&s);
 */
#ifndef UDA_STAGE_SESSION_H
#define UDA_STAGE_SESSION_H

#include "io/metrics.h"
#include "src/stage/checkpoint.h"
#include "src/stage/progress.h"
#include "src/stage/setup.h"
#include "src/stage/stage.h"
#include "src/stage/trainer.h"

struct uda_session;

enum {
    UDA_FIGURE_LOSS,
    UDA_FIGURE_CLASS,
    UDA_FIGURE_MASK,
    UDA_FIGURE_DICE,
    UDA_FIGURE_NORM,
    UDA_FIGURE_OWN
};

struct uda_session_kind {
    bool teacher; /* keeps an average of the student, a part of the checkpoint */
    /* Names of the figures that the kind adds to a row; session.figure[UDA_FIGURE_OWN + i]. */
    const char *figure[UDA_FIGURES - UDA_FIGURE_OWN];
    int figures;
    /* Makes what load fills; NULL: nothing. Called before the checkpoint is looked for. */
    int (*prepare)(struct uda_session *session, struct uda_err *err);
    /* Opens data from session->state.step on; called after the checkpoint is loaded. */
    int (*open)(struct uda_session *session, struct uda_err *err);
    /* One step: gets its batches and calls uda_trainer_step. */
    int (*step)(struct uda_session *session, struct uda_step_report *report, struct uda_err *err);
    /* Brings to rank 0 what save needs and other ranks have; NULL: nothing. Called by all ranks. */
    int (*gather)(struct uda_session *session, struct uda_err *err);
    /* What else belongs to a checkpoint; NULL: nothing. load runs before open. Rank 0 saves; every
     * rank loads all of it. */
    int (*save)(void *self, struct uda_store_writer *writer, struct uda_err *err);
    int (*load)(void *self, const struct uda_store *store, struct uda_err *err);
};

struct uda_session {
    struct uda_stage_context *context;
    const struct uda_session_kind *kind;
    void *self;
    /* Filled by run. */
    const struct uda_manifest_recipe *recipe;
    struct uda_class_map map;
    struct uda_dist dist;
    bool leads; /* rank 0: reads and writes for all */
    struct uda_share share; /* of each step, this rank's */
    struct uda_trainer *trainer;
    float *teacher; /* of the host, the trainer's; NULL: the kind has none */
    struct uda_metrics *metrics, *timing;
    struct uda_checkpoint state; /* borrows the trainer's arrays and teacher */
    struct uda_progress progress;
    int64_t iterations, saved_step;
    double lr;
};

/* Runs the stage from its newest checkpoint, or its start, to its results. */
int uda_session_run(struct uda_session *session, struct uda_err *err) UDA_MUST_USE;
void uda_session_finish(struct uda_session *session);

#endif
