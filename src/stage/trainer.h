/*
 * One training step over virtual shards: forward, losses, backward, sum, clip, update.
 *
 * The batch is cut into `shards` (a power of two) contiguous pieces. Each piece has its own tape;
 * gradients are summed over shards in a fixed binary tree; the losses' denominators concern the
 * whole batch. So the bytes depend on the number of shards, never on how many threads run them or
 * how many ranks share them. When there are threads enough, shards run side by side. Each of several
 * ranks does a contiguous part of the shards, sums are exchanged, and every rank makes the same update.
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
#include "src/dist/dist.h"
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
    const char *device; /* "cpu" (NULL), "cuda", "cuda:1" */
    enum uda_type type; /* of activations; UDA_BF16 on a GPU alone */
    bool teacher;       /* keeps an average of the values */
    uint64_t seed;
    uint32_t stage; /* of the random numbers */
    const struct uda_dist *dist; /* the ranks that share the shards, borrowed; NULL: one */
};

/* What this rank does of every step. */
struct uda_share {
    int64_t first_shard, shards;
    int64_t first_image, images; /* of the batch: those of its shards */
};

/* A batch of a step and the weight of its losses; its denominators are its own (over all ranks). */
struct uda_step_part {
    const struct uda_batch *batch; /* this rank's share of the images */
    float weight; /* > 0 */
};

/* What a step did. */
struct uda_step_report {
    struct uda_losses losses;
    double lr, grad_norm;
};

struct uda_trainer;

/* First image of a shard: batch x shard / shards. */
int64_t uda_shard_image(int64_t batch, int64_t shards, int64_t shard);

/* Builds the model, allocates the flat arrays (zero moments) and initialises the values from the
 * seed. Errors: UDA_NOMEM, UDA_MANIFEST (sizes), UDA_UNSUPPORTED (no such device, or it lacks kernels).
 * Owns: the caller. */
int uda_trainer_create(struct uda_trainer **trainer, const struct uda_trainer_spec *spec,
                       struct uda_err *err) UDA_MUST_USE;
void uda_trainer_destroy(struct uda_trainer **trainer);

/*
 * Step t (from 0): one update from the gradients of sum_p weight_p L(batch_p) over 1 to
 * UDA_STEP_PARTS parts, each of spec.batch images over all ranks. The report's losses are the parts'
 * weighted sum; it is the same on all ranks. Errors: UDA_NONFINITE names the step; then nothing has
 * been updated; UDA_COMM.
 */
int uda_trainer_step(struct uda_trainer *trainer, const struct uda_step_part *part, int parts,
                     int64_t t, struct uda_step_report *report, struct uda_err *err) UDA_MUST_USE;

/*
 * The same in two halves, between which a device works and the host may do something else: begin queues the
 * step, end waits for it and reports. `part` is borrowed until end, its batches until begin returns. ahead,
 * after begin and before end, sends the images of the next step's batch to the device; that batch stays as it
 * is until that step's begin. Nothing on the CPU, and without effect when the next step has another batch.
 * Errors: those of a step.
 */
int uda_trainer_begin(struct uda_trainer *trainer, const struct uda_step_part *part, int parts, int64_t t,
                      struct uda_err *err) UDA_MUST_USE;
int uda_trainer_ahead(struct uda_trainer *trainer, const struct uda_batch *batch,
                      struct uda_err *err) UDA_MUST_USE;
int uda_trainer_end(struct uda_trainer *trainer, struct uda_step_report *report,
                    struct uda_err *err) UDA_MUST_USE;

/* This rank's share. */
struct uda_share uda_trainer_share(const struct uda_trainer *trainer);
/*
 * The flat arrays and their layout, on the host; borrowed. They are what kernels use on the CPU. On
 * another device the host's are copies: upload after they were filled, download before they are read.
 * teacher: NULL if there is none. Errors: UDA_DEVICE.
 */
const struct uda_params *uda_trainer_params(const struct uda_trainer *trainer);
float *uda_trainer_values(struct uda_trainer *trainer);
float *uda_trainer_adam_m(struct uda_trainer *trainer);
float *uda_trainer_adam_v(struct uda_trainer *trainer);
float *uda_trainer_teacher(struct uda_trainer *trainer);
int uda_trainer_upload(struct uda_trainer *trainer, struct uda_err *err) UDA_MUST_USE;
int uda_trainer_download(struct uda_trainer *trainer, struct uda_err *err) UDA_MUST_USE;
/* The teacher in the device's memory, for a predictor; low: in bf16 (src/optim/low.h), NULL in fp32. */
float *uda_trainer_teacher_there(struct uda_trainer *trainer);
void *uda_trainer_teacher_low(struct uda_trainer *trainer);
/* teacher = alpha teacher + (1 - alpha) values. Errors: those of uda_ema_update. */
int uda_trainer_average(struct uda_trainer *trainer, double alpha, struct uda_err *err) UDA_MUST_USE;
/* What besides the manifest determines the bytes: uda_device_made_with. */
void uda_trainer_made_with(const struct uda_trainer *trainer, char *text, size_t bytes);
/* How gradients of several ranks on devices are summed, and why ("on the devices by NCCL 2.28.9"): the bytes
 * do not depend on it. "" for one rank, or on the CPU. Borrowed. */
const char *uda_trainer_summed(const struct uda_trainer *trainer);
/* Where whole-array work runs (all threads), and on a GPU everything; borrowed. */
struct uda_device *uda_trainer_device(struct uda_trainer *trainer);
/* Learning rate of step t. */
double uda_trainer_lr(const struct uda_trainer *trainer, int64_t t);
/* Largest step memory of any shard so far, bytes. */
size_t uda_trainer_peak_bytes(const struct uda_trainer *trainer);

#endif
