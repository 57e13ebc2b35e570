/*
 * Transformer decoder with masked cross attention (Cheng et al. 2022, section 3.2): queries look at
 * one pyramid level a layer, only where the previous prediction's mask is positive.
 *
 * Invariants: masks carry no gradient; every layer's prediction is returned. Attention masks are
 * thresholded products of the mask embedding with pooled mask features, which equals resizing the
 * dense masks since resize and product commute.
 */
#ifndef UDA_MODEL_MASK_DECODER_H
#define UDA_MODEL_MASK_DECODER_H

#include "src/model/config.h"
#include "src/nn/nn.h"
#include "src/nn/predictions.h"

struct uda_decoder_layer {
    struct uda_mha cross, self;
    struct uda_norm cross_norm, self_norm, ffn_norm;
    struct uda_dense linear1, linear2;
};

struct uda_mask_decoder {
    int64_t layers;
    struct uda_decoder_layer layer[UDA_PREDICTIONS - 1];
    struct uda_norm norm;
    int query_feat, query_embed; /* [Q, hidden] */
    int level_embed;             /* [3, hidden] */
    struct uda_dense class_embed;
    struct uda_dense mask_embed[3];
};

/* Registers "sem_seg_head.predictor.*". */
void uda_mask_decoder_build(struct uda_mask_decoder *decoder, struct uda_params *params,
                            const struct uda_model_config *config);

/* multi_scale [3] and mask_features as of the pixel decoder; fills predictions. With recording off
 * multi_scale is given back. */
void uda_mask_decoder_forward(struct uda_tape *tape, const struct uda_params *params,
                              const struct uda_mask_decoder *decoder,
                              struct uda_tensor *const multi_scale[3], const int64_t height[3],
                              const int64_t width[3], struct uda_tensor *mask_features,
                              struct uda_predictions *predictions);

#endif
