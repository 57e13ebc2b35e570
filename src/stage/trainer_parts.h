/*
 * The trainer's inside, shared by the files that do its step: trainer.c (what happens in which order),
 * trainer_facts.c (what all ranks know before a step), trainer_shards.c (shards on their workers, and the
 * sums of their gradients).
 *
 *     UDA_TRY(uda_trainer_exchange(trainer, err));
 *     UDA_TRY(uda_trainer_run_shards(trainer, err));
 *     UDA_TRY(uda_trainer_sum(trainer, err));
 */
#ifndef UDA_STAGE_TRAINER_PARTS_H
#define UDA_STAGE_TRAINER_PARTS_H

#include "src/dist/device_sum.h"
#include "src/stage/arrays.h"
#include "src/stage/found.h"
#include "src/stage/trainer.h"

#define UDA_TREE_DEPTH 16
#define UDA_WORKERS_MOST 64

/* What one shard at a time needs; workers run side by side. */
struct uda_worker {
    struct uda_device *device;    /* own_device, or the trainer's when that is not the CPU */
    struct uda_device own_device;
    struct uda_tape tape;
    bool ready; /* device and tape are initialised */
    /* Partial sums of gradients, one for each level of the tree that is open: sum[0..open-1]. */
    float *sum[UDA_TREE_DEPTH];
    int open;
    struct uda_err err;
};

struct uda_trainer {
    struct uda_trainer_spec spec;
    struct uda_params params;
    struct uda_mask2former model;
    struct uda_arrays arrays;
    struct uda_device_sum *device_sum; /* of gradients over ranks; NULL: through the host */
    char summed[UDA_DEVICE_SUM_TEXT];  /* how; "" where there is nothing to choose */
    float *staged; /* gradients on their way through the host, when the device is another one */
    struct uda_device device;  /* all threads: optimiser */
    struct uda_team *shard_team; /* one thread for each worker */
    struct uda_worker worker[UDA_WORKERS_MOST];
    int workers;
    struct uda_dist dist;
    struct uda_share share;
    struct uda_losses *shard_losses; /* [shards, UDA_STEP_PARTS] of all ranks */
    /* Images that went to the device before their step, those of batch.pixels ahead_of (NULL: none) for the
     * step to come, of `sent` for the one under way. */
    float *ahead;
    int64_t ahead_room; /* values */
    const float *ahead_of, *sent;
    struct uda_found found;
    struct uda_targets *targets;     /* [UDA_STEP_PARTS, batch]; of other ranks' images the count alone */
    int64_t *facts; /* [ranks, facts_each] what ranks tell each other before a step */
    int64_t facts_each;
    struct uda_arena padding; /* batches whose frame another rank makes larger */
    struct uda_batch padded[UDA_STEP_PARTS];
    /* The step under way, for the workers. */
    const struct uda_step_part *part;
    int parts;
    struct uda_normaliser norm[UDA_STEP_PARTS];
    int64_t t;
};

/* Largest power of two <= n. */
int64_t uda_power_below(int64_t n);

/* The criterion with the weight of a part of the step under way. */
struct uda_criterion_config uda_trainer_part_criterion(const struct uda_trainer *trainer, int p);

/* Tells all ranks the frames and counts of this rank's images and hears theirs; then every part has its
 * batch in the largest frame, its targets and its denominators. Errors: UDA_SHAPE, UDA_NOMEM, UDA_COMM. */
int uda_trainer_exchange(struct uda_trainer *trainer, struct uda_err *err) UDA_MUST_USE;

/* As many as threads and shards allow, each with a tape and partial sums. Errors: UDA_NOMEM. */
int uda_trainer_create_workers(struct uda_trainer *trainer, int threads, struct uda_err *err) UDA_MUST_USE;
void uda_trainer_destroy_workers(struct uda_trainer *trainer);

/* Forward, losses and backward of this rank's shards; the sum of their gradients, up to the workers'
 * branches of the tree. Errors: those of the model and the criterion. */
int uda_trainer_run_shards(struct uda_trainer *trainer, struct uda_err *err) UDA_MUST_USE;
/* The rest of the tree: over workers, then over ranks. uda_trainer_grads: the result, of the device.
 * Errors: UDA_COMM, UDA_DEVICE. */
int uda_trainer_sum(struct uda_trainer *trainer, struct uda_err *err) UDA_MUST_USE;
static inline float *uda_trainer_grads(struct uda_trainer *trainer) { return trainer->worker[0].sum[0]; }

#endif
