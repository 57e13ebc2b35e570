/*
 * What a stage gets to work with, and the table of stage kinds.
 *
 * A stage runs from where its folder says it was: from the newest good checkpoint with its
 * fingerprint, or from the start. It returns 0 when its results are under their final names, or
 * UDA_STOPPED after a checkpoint.
 */
#ifndef UDA_STAGE_STAGE_H
#define UDA_STAGE_STAGE_H

#include "src/dist/dist.h"
#include "src/plan/plan.h"
#include "src/stage/state.h"

/* How to run, as far as it does not change results. */
struct uda_run_options {
    const char *run_dir;
    const char *program_version;
    int argc; /* for provenance */
    char *const *argv;
    const char *until, *only; /* stage names or NULL */
    bool allow_changed;
    double max_seconds; /* <= 0: no limit */
    int64_t stop_after_step; /* tests: behave as if a signal came after this step; 0 = off */
    struct uda_dist dist; /* the ranks of this job; all zero: one */
};

struct uda_stage_context {
    const struct uda_run_options *options;
    const struct uda_manifest *manifest;
    const struct uda_plan *plan;
    const struct uda_plan_stage *stage;
    struct uda_stage_state *state; /* step may be moved; the executor writes it */
    struct uda_arena *arena;       /* of the stage: freed when it ends */
    const char *dir;               /* RUN/stages/<stage> */
    const char *metrics_path;      /* dir/metrics.jsonl */
    const char *timing_path;       /* dir/timing.jsonl */
};

/* The ranks that work on this stage. */
struct uda_dist uda_stage_dist(const struct uda_stage_context *context);
/* Rank 0 alone writes to the run folder. */
bool uda_stage_leads(const struct uda_stage_context *context);

/* RUN joined with a path of the plan. Memory: the stage's arena; NULL when out of memory. */
char *uda_stage_path(const struct uda_stage_context *context, const char *relative);

/* Runs a stage by its kind, on this rank. Errors: UDA_UNSUPPORTED, and as below. */
int uda_stage_run(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;

/* The stage kinds. Errors: UDA_STOPPED after a checkpoint, UDA_UNSUPPORTED, UDA_NONFINITE, and those
 * of everything a stage reads and writes. */
int uda_stage_train(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;
int uda_stage_adapt(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;
int uda_stage_label(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;
int uda_stage_fuse(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;
int uda_stage_evaluate(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;

#endif
