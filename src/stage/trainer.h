/*
 * One training step over virtual shards: forward, losses, backward, sum, clip, update.
 *
 * The batch is cut into `shards` (a power of two) contiguous pieces. Each piece has its own tape;
 * gradients are summed over shards in a fixed binary tree; the losses' denominators concern the
 * whole batch. So the bytes depend on the number of shards, never on how many threads run them.
 * When there are threads enough, shards run side by side.
 *
 *     UDA_TRY(uda_trainer_create(&trainer, &spec, err));
 *     for (t = first; t < last; t++) {
 *         UDA_TRY(uda_trainer_step(trainer, &(struct uda_step_part){batch, 1.0f}, 1, t, &report,
 *         err));
 *     }
 *     uda_trainer_destroy(&trainer);
 */
#ifndef UDA_STAGE_TRAINER_H
#define UDA_STAGE_TRAINER_H

#include "src/data/batch.h"
#include "src/loss/criterion.h"
#include "src/model/mask2former.h"
#include "src/optim/adamw.h"
#include "src/optim/schedule.h"

#define UDA_STEP_PARTS 3

struct uda_trainer_spec {
    struct uda_model_config model;
    struct uda_criterion_config criterion;
    struct uda_adamw_config adamw;
    struct uda_schedule schedule;
    double clip; /* largest gradient norm; <= 0: none */
    int64_t shards, batch;
    int threads; /* 0: all cores */
    uint64_t seed;
    uint32_t stage; /* of the random numbers */
};

/* A batch of a step and the weight of its losses; its denominators are its own. */
struct uda_step_part {
    const struct uda_batch *batch;
    float weight; /* > 0 */
};

/* What a step did. */
struct uda_step_report {
    struct uda_losses losses;
    double lr, grad_norm;
};

struct uda_trainer;

/* Builds the model, allocates the flat arrays (zero moments) and initialises the values from the
 * seed. Errors: UDA_NOMEM, UDA_MANIFEST (sizes). Owns: the caller. */
int uda_trainer_create(struct uda_trainer **trainer, const struct uda_trainer_spec *spec,
                       struct uda_err *err) UDA_MUST_USE;
void uda_trainer_destroy(struct uda_trainer **trainer);

/*
 * Step t (from 0): one update from the gradients of sum_p weight_p L(batch_p) over 1 to
 * UDA_STEP_PARTS parts, each of spec.batch images. The report's losses are the parts' weighted sum.
 * Errors: UDA_NONFINITE names the step; then nothing has been updated.
 */
int uda_trainer_step(struct uda_trainer *trainer, const struct uda_step_part *part, int parts,
                     int64_t t, struct uda_step_report *report, struct uda_err *err) UDA_MUST_USE;

/* The flat arrays and their layout; borrowed. */
const struct uda_params *uda_trainer_params(const struct uda_trainer *trainer);
float *uda_trainer_values(struct uda_trainer *trainer);
float *uda_trainer_adam_m(struct uda_trainer *trainer);
float *uda_trainer_adam_v(struct uda_trainer *trainer);
/* "cpu v4, oneDNN 2.6.3": what besides the manifest determines the bytes. */
void uda_trainer_made_with(const struct uda_trainer *trainer, char *text, size_t bytes);
/* Largest step memory of any shard so far, bytes. */
size_t uda_trainer_peak_bytes(const struct uda_trainer *trainer);

#endif
