/*
 * What a step finds out about itself: the squared norm of the gradient, and losses and wrong costs of every
 * part of this rank's shards. It lies in one block of the device, and comes to the host in one copy.
 *
 *     UDA_TRY(uda_found_clear(&found, &device, err));
 *     ... uda_criterion_queue(..., uda_found_there(&found, shard, p));
 *     UDA_TRY(uda_found_spoil(&found, &device, grads, err));
 *     ... uda_grad_squares(found.squares, ...); uda_adamw_step(..., found.squares, ...);
 *     UDA_TRY(uda_found_fetch(&found, &device, err));             // waits
 *     losses = uda_findings_losses(uda_found_here(&found, shard, p), ...);
 */
#ifndef UDA_STAGE_FOUND_H
#define UDA_STAGE_FOUND_H

#include "src/loss/criterion.h"

struct uda_found {
    double *squares;      /* of the device */
    double *squares_here; /* on the host, after fetch */
    int64_t first_shard, shards, parts, images;
};

/* For `parts` parts of shards first_shard.. of at most `images` images each. Errors: UDA_NOMEM,
 * UDA_DEVICE. */
int uda_found_init(struct uda_found *found, struct uda_device *device, int64_t first_shard, int64_t shards,
                   int64_t parts, int64_t images, struct uda_err *err) UDA_MUST_USE;
/* Also of one that is all zero. */
void uda_found_finish(struct uda_found *found, struct uda_device *device);

/* Nothing found yet. Errors: UDA_DEVICE. */
int uda_found_clear(struct uda_found *found, struct uda_device *device, struct uda_err *err) UDA_MUST_USE;
/* The findings of a part of a shard: of the device; on the host. */
struct uda_findings uda_found_there(const struct uda_found *found, int64_t shard, int64_t part);
struct uda_findings uda_found_here(const struct uda_found *found, int64_t shard, int64_t part);
/* Queued: the gradient becomes no number if a loss or a cost is none. Errors: what a kernel returns. */
int uda_found_spoil(const struct uda_found *found, struct uda_device *device, float *grads,
                    struct uda_err *err) UDA_MUST_USE;
/* Waits, and brings everything to the host. Errors: UDA_DEVICE. */
int uda_found_fetch(struct uda_found *found, struct uda_device *device, struct uda_err *err) UDA_MUST_USE;

#endif
