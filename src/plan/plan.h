/*
 * The plan: the manifest's stages, one instance for each category where asked, in an order in which
 * every input comes before its user, with the files each reads and writes and a fingerprint each.
 *
 * Invariants: pure in the manifest (opens no file). The order is that of the manifest wherever
 * inputs allow. A fingerprint covers the keys that matter to the stage's kind, its name, its
 * category and the fingerprints of its inputs; so it changes if and only if the stage's result may
 * change. rng_stage depends on the instance's name alone: adding a stage elsewhere moves nobody's
 * random numbers.
 *
 *     struct uda_plan plan;
 *     UDA_TRY(uda_plan_init(&plan, &arena, manifest, err));
 *     for (int64_t i = 0; i < plan.count; i++) { ... plan.stage[i] ... }
 */
#ifndef UDA_PLAN_PLAN_H
#define UDA_PLAN_PLAN_H

#include "src/plan/manifest.h"

struct uda_plan_stage {
    const char *name;     /* "source.vehicle"; "evaluate" */
    enum uda_stage_kind kind;
    int64_t index;        /* own place in plan.stage */
    int64_t category;     /* index into manifest->category, or -1: all classes */
    const struct uda_manifest_stage *spec;
    int64_t from;         /* plan index of the stage whose weights are used, or -1: model.init,
                           * or with spec->fused those of all of input */
    int64_t labels;       /* plan index of the stage whose labels train learns or evaluate measures, or -1 */
    int64_t *input;       /* [input_count] plan indices of what it reads, ascending; from, labels too */
    int64_t input_count;
    uint32_t rng_stage;   /* the `stage` argument of uda_rng_init */
    struct uda_digest fingerprint;
    const char *dir;      /* "stages/source.vehicle", relative to the run folder */
    const char *weights;  /* train, adapt: "stages/source.vehicle/weights.h5", else NULL */
    const char *label_file; /* label, fuse: "labels/label.vehicle.h5", else NULL */
};

struct uda_plan {
    const struct uda_manifest *manifest;
    struct uda_plan_stage *stage; /* [count], inputs before users */
    int64_t count;
};

/* Errors: UDA_NOMEM. Everything belongs to the arena; manifest must outlive the plan. */
int uda_plan_init(struct uda_plan *plan, struct uda_arena *arena,
                  const struct uda_manifest *manifest, struct uda_err *err) UDA_MUST_USE;

/* Plan index of an instance by name; of a stage without category by its manifest name; -1 if
 * none. */
int64_t uda_plan_find(const struct uda_plan *plan, const char *name);

/*
 * Why instance `index` of new_plan has another fingerprint than its namesake of old_plan, on one
 * line: "optimizer.lr: 0.0001 -> 0.001; 'source' changes", "a new stage", or nothing if it has the
 * same. Temporaries: arena. Errors: UDA_NOMEM.
 */
int uda_plan_explain(struct uda_str *out, const struct uda_plan *old_plan,
                     const struct uda_plan *new_plan, int64_t index, struct uda_arena *arena,
                     struct uda_err *err) UDA_MUST_USE;

/* Elements of all parameters of the model, frozen ones included: Swin with patch 4 and MLP ratio 4 or a
 * ResNet; eight classes. */
int64_t uda_plan_parameters(const struct uda_manifest_model *model);

/* Bytes of one checkpoint of a stage: fp32 weights and two moments; adapt adds the teacher. */
int64_t uda_plan_checkpoint_bytes(const struct uda_manifest *manifest, enum uda_stage_kind kind);

/* What the run folder says about one instance; filled by the caller, shown by uda_plan_print. */
enum uda_plan_status {
    UDA_PLAN_PENDING, /* never started */
    UDA_PLAN_PARTIAL, /* has a checkpoint at `step` with the same fingerprint */
    UDA_PLAN_DONE,    /* DONE with the same fingerprint */
    UDA_PLAN_STALE,   /* done or started under another fingerprint: will be re-done */
    UDA_PLAN_FAILED
};

struct uda_plan_progress {
    enum uda_plan_status status;
    int64_t step;       /* UDA_PLAN_PARTIAL */
    const char *reason; /* one line or NULL: "iterations: 4000 -> 8000", an error text, ... */
};

/*
 * The page that `uda4inst plan` prints: stages in order, what each reads and writes, images and
 * iterations, disk, and what is already done and why not. progress is [plan->count] or NULL (no run
 * folder).
 */
void uda_plan_print(struct uda_str *out, const struct uda_plan *plan,
                    const struct uda_plan_progress *progress);

#endif
