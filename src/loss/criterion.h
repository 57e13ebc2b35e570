/*
 * The training loss of Mask2Former (Cheng et al. 2022, section 3.3): for every prediction match
 * queries with targets, then weighted cross entropy, and binary cross entropy and dice at sampled
 * points of the matched masks.
 *
 * Invariants: every draw is a function of (seed, stage, step, image, prediction), so the loss of an
 * image does not depend on the shard it is computed in. Both normalisers concern the whole batch of
 * a step and are known before the forward pass (a target is matched whenever there are queries
 * enough), so shards add up to the loss of the batch.
 *
 *     struct uda_normaliser norm = {0};
 *     uda_normaliser_add(&norm, &config, queries, targets, images);  // every shard of the step
 *     uda_criterion(&tape, &config, &predictions, targets, &norm, &draws, &losses);
 *     uda_tape_backward(&tape);                                      // after uda_tape_status
 */
#ifndef UDA_LOSS_CRITERION_H
#define UDA_LOSS_CRITERION_H

#include "src/nn/draws.h"
#include "src/nn/predictions.h"
#include "src/ops/ops.h"

struct uda_criterion_config {
    float class_weight, mask_weight, dice_weight; /* 2, 5, 5: of losses and matching costs */
    float no_object;                              /* 0.1: weight of unmatched queries in the cross entropy */
    int64_t points;                               /* 12544 per mask */
    double oversample;                            /* 3: candidates per point */
    double importance;                            /* 0.75: share of the most uncertain points */
};

/* The reference's values. */
struct uda_criterion_config uda_criterion_defaults(void);
/* UDA_MANIFEST names a value out of range (weights >= 0, points >= 1, oversample >= 1, importance
 * in 0..1). */
int uda_criterion_check(const struct uda_criterion_config *config, struct uda_err *err) UDA_MUST_USE;

/* Denominators over all images of a step. */
struct uda_normaliser {
    double masks;        /* targets, matched or not; used as at least 1 */
    double class_weight; /* sum of the cross entropy's weights over all queries */
};
/* Adds the share of `images` images. */
void uda_normaliser_add(struct uda_normaliser *norm, const struct uda_criterion_config *config,
                        int64_t queries, const struct uda_targets *targets, int64_t images);

/*
 * Targets that a call has room for: the least of 0, 8, 12, 16, 24, 32, 48, .. that is not less than those of
 * its images together. The kernels that a call queues and their arguments, memory apart, depend on the
 * targets by this number alone.
 */
int64_t uda_criterion_room(int64_t targets);

/* Unweighted losses, by prediction (decoder order; the last one is the final prediction). */
struct uda_losses {
    int predictions;
    double ce[UDA_PREDICTIONS], mask[UDA_PREDICTIONS], dice[UDA_PREDICTIONS];
    double total; /* class_weight ce + mask_weight mask + dice_weight dice, summed over predictions */
};
/* Adds a shard's losses to a sum that starts as {0}. */
void uda_losses_add(struct uda_losses *sum, const struct uda_losses *part);

/*
 * What the kernels find out about the images of a call; device memory that holds zeros before. A step may
 * count when every sum is finite and every wrong is 0.
 */
struct uda_findings {
    double *sum;    /* [3, UDA_PREDICTIONS] class, mask and dice losses, unweighted */
    int64_t *wrong; /* [predictions, N] 1 + index into [Q, M_n] of a matching cost that is no number */
};
/* Of a copy on the host. UDA_NONFINITE names the first wrong cost: training has diverged. targets [N]. */
int uda_findings_check(const struct uda_findings *found, int64_t predictions,
                       const struct uda_targets *targets, int64_t images, struct uda_err *err) UDA_MUST_USE;
/* Of a copy on the host: the losses, their total with the weights of config. */
struct uda_losses uda_findings_losses(const struct uda_findings *found,
                                      const struct uda_criterion_config *config, int predictions);

/*
 * Records the losses of the images in `predictions` as roots of the tape and queues what finds their values.
 * targets [N], masks at the padded input size, all of the host: they are borrowed for the step. Nothing
 * waits. Errors stick to the tape: UDA_SHAPE (a class or size out of range).
 */
void uda_criterion_queue(struct uda_tape *tape, const struct uda_criterion_config *config,
                         const struct uda_predictions *predictions, const struct uda_targets *targets,
                         const struct uda_normaliser *norm, const struct uda_draws *draws,
                         const struct uda_findings *found);

/* The same, and waits for the values. Errors besides: UDA_NONFINITE, as uda_findings_check. */
void uda_criterion(struct uda_tape *tape, const struct uda_criterion_config *config,
                   const struct uda_predictions *predictions, const struct uda_targets *targets,
                   const struct uda_normaliser *norm, const struct uda_draws *draws,
                   struct uda_losses *losses);

/*
 * The matching of one prediction for image n of targets [N], as the criterion does it: query, target
 * [min(Q, M)] sorted by query, of the host; returns the number of pairs. For tests and inspection.
 */
int64_t uda_criterion_match(struct uda_tape *tape, const struct uda_criterion_config *config,
                            const struct uda_predictions *predictions, int prediction, int64_t n,
                            const struct uda_targets *targets, const struct uda_draws *draws,
                            int32_t *query, int32_t *target);

#endif
