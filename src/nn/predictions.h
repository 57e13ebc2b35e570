/*
 * What the network says about a batch, in the factored form that loss, matcher and post-processing
 * share.
 *
 * Invariants: the mask logit of query q at pixel p is dot(embed[n,q], mask_features[n,p]); dense
 * masks are never formed for all queries. Predictions are in decoder order: 0 comes from the learnt
 * queries alone, count - 1 is the final one. Tensors belong to the tape.
 */
#ifndef UDA_NN_PREDICTIONS_H
#define UDA_NN_PREDICTIONS_H

#include "src/tensor/tape.h"

#define UDA_PREDICTIONS 16 /* at most: decoder layers + 1 */

struct uda_predictions {
    int count;
    struct uda_tensor *logits[UDA_PREDICTIONS]; /* [N, Q, K+1]; class K is "no object" */
    struct uda_tensor *embed[UDA_PREDICTIONS];  /* [N, Q, C] */
    struct uda_tensor *mask_features;           /* [N, H/4, W/4, C] */
    /* Intermediate maps, valid only on a recording tape; for tests. */
    struct uda_tensor *stage[4];       /* res2..res5: [N, h, w, d] */
    struct uda_tensor *multi_scale[3]; /* 1/32, 1/16, 1/8: [N, h*w, hidden] */
};

#endif
