/*
 * A run of several ranks: rank 0 walks through the plan and writes, the others follow its orders.
 *
 * Training is shared by all ranks, shard by shard; predictions for labels and evaluations image by
 * image (src/stage/ranks_predict.h). Fusing and measuring are rank 0's, and the others wait for the
 * next order; a waiting rank that is told to stop tells rank 0.
 *
 *     rank 0:  rc = uda_ranks_run(&context, err);            // for each stage: orders and runs it
 *              rc = uda_ranks_dismiss(options, rc, err);     // at the end
 *     others:  rc = uda_ranks_follow(manifest, options, err);
 */
#ifndef UDA_STAGE_RANKS_H
#define UDA_STAGE_RANKS_H

#include "src/stage/stage.h"

/* Runs a stage on rank 0, after telling the ranks that share its work. Errors: the stage's;
 * UDA_COMM. */
int uda_ranks_run(struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;

/* Rank 0's last order: the end of the run, for rc 0 or UDA_STOPPED; after an error the others hear
 * of it from uda_dist_conclude. Returns rc, or UDA_COMM. */
int uda_ranks_dismiss(const struct uda_run_options *options, int rc, struct uda_err *err) UDA_MUST_USE;

/* The other ranks: works on the stages that rank 0 orders, until it dismisses. Returns 0 or
 * UDA_STOPPED as rank 0 does, or an error of its own. */
int uda_ranks_follow(const struct uda_manifest *manifest, const struct uda_run_options *options,
                     struct uda_err *err) UDA_MUST_USE;

#endif
