/*
 * Several models as one: each category's classes from the model that was trained for them, pixels
 * to the surest (src/eval/fusion.h), as a fuse stage does with label sets.
 *
 *     UDA_TRY(uda_fused_predict(&found, context, dataset, first, last, err));
 */
#ifndef UDA_STAGE_FUSED_H
#define UDA_STAGE_FUSED_H

#include "src/data/dataset.h"
#include "src/eval/fusion.h"
#include "src/stage/stage.h"

/* Sets input[k].takes for input k of context->stage: the classes of its category; one without a
 * category takes what no other owns. */
void uda_fused_share(struct uda_fusion_input *input, const struct uda_stage_context *context);

/*
 * Adds images first..last-1 of the data set to found: what the models of all of the stage's inputs
 * find, tested as its recipe says, fused by its rule and min_left with score > 0. test.detections
 * counts for each model. The models are loaded one after the other; their findings of these images
 * are in memory together. Errors: those of uda_setup_predictor, uda_predictor_run and uda_fuse.
 */
int uda_fused_predict(struct uda_detections *found, const struct uda_stage_context *context,
                      struct uda_dataset *dataset, int64_t first, int64_t last,
                      struct uda_err *err) UDA_MUST_USE;

#endif
