/*
 * A model's predictions on the images of a stage, shared by all ranks: each predicts a contiguous
 * part of them, and rank 0 gets them all, in the order of the images.
 *
 * Invariants: what rank 0 gets is what it would have found alone. Every rank loads the model for
 * itself; images are read where they are predicted.
 *
 *     rank 0:  UDA_TRY(uda_ranks_predict(&found, predictor, &job, first, last, &progress, err));
 *              ... and uda_ranks_predict_end when the stage is over (src/stage/ranks.c does)
 *     others:  UDA_TRY(uda_ranks_predict_serve(&context, err));
 */
#ifndef UDA_STAGE_RANKS_PREDICT_H
#define UDA_STAGE_RANKS_PREDICT_H

#include "src/base/detections.h"
#include "src/data/dataset.h"
#include "src/stage/predictor.h"
#include "src/stage/stage.h"

struct uda_ranks_job {
    const struct uda_stage_context *context;
    const struct uda_plan_stage *from; /* whose weights; NULL: model.init */
    double least_score;
    struct uda_dataset *dataset;
};

/* Does this stage predict, so that the other ranks must serve? */
bool uda_ranks_predicts(const struct uda_plan_stage *stage);

/* As uda_predictor_run on rank 0 with the predictor of the job, over all ranks. Errors: also
 * UDA_COMM, and UDA_FORMAT when another rank sees other images. */
int uda_ranks_predict(struct uda_detections *found, struct uda_predictor *predictor,
                      const struct uda_ranks_job *job, int64_t first, int64_t last,
                      struct uda_progress *progress, struct uda_err *err) UDA_MUST_USE;

/* Rank 0: there are no more images in this stage. */
int uda_ranks_predict_end(const struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;

/* The other ranks: predicts what rank 0 asks for, until it ends. */
int uda_ranks_predict_serve(const struct uda_stage_context *context, struct uda_err *err) UDA_MUST_USE;

#endif
