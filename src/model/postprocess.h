/*
 * From predictions to scored masks, as the reference does it for instance segmentation.
 *
 * Class probabilities of the final prediction without "no object", flattened over queries and
 * classes; the `top` best pairs (ties: lower index); mask logits are resized from 1/4 to the padded
 * size, cut to the image, resized to the original size; mask = logit > 0; score = probability x
 * mean of sigmoid(logit) over the mask. No suppression of overlaps.
 *
 * Memory: masks are made a few at a time from 1/4-resolution logits, row by row; a full-size float
 * map never exists.
 */
#ifndef UDA_MODEL_POSTPROCESS_H
#define UDA_MODEL_POSTPROCESS_H

#include "src/base/detections.h"
#include "src/nn/predictions.h"

struct uda_postprocess {
    int64_t top;                     /* pairs kept: 100 in the reference */
    double min_score;                /* final scores below are dropped; 0 keeps every non-empty mask */
    const enum uda_class *classes;   /* [K]: class of the program for each class of the model */
    int64_t padded_height, padded_width; /* of the network's input */
    int64_t image_height, image_width;   /* of the part that is image */
    int64_t height, width;               /* of the result; equal to image_* : no second resize */
};

/*
 * Adds the instances of image n to the set's last image (whose size is height x width), best score
 * first in the order of class probability. The tape is in the state after a forward pass (not yet
 * run backwards). Errors: UDA_NOMEM, UDA_SHAPE, UDA_NONFINITE (predictions are not numbers), or the
 * tape's.
 */
int uda_postprocess(struct uda_detections *set, int64_t producer, struct uda_tape *tape,
                    const struct uda_predictions *predictions, int64_t n,
                    const struct uda_postprocess *spec, struct uda_err *err) UDA_MUST_USE;

#endif
