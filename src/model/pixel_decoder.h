/*
 * Pixel decoder: multi-scale deformable attention over 1/32, 1/16, 1/8, then one feature pyramid
 * step to 1/4 (Zhu et al., "Deformable DETR", ICLR 2021; Cheng et al. 2022).
 *
 * Invariants: level 0 is 1/32, 1 is 1/16, 2 is 1/8, their tokens follow each other in that order.
 * The position (sine plus level embedding) is added to the queries only, never to the values.
 */
#ifndef UDA_MODEL_PIXEL_DECODER_H
#define UDA_MODEL_PIXEL_DECODER_H

#include "src/model/config.h"
#include "src/nn/nn.h"

#define UDA_ENCODER_LAYERS 16 /* at most */

struct uda_encoder_layer {
    struct uda_dense offsets, weights, value, output;
    struct uda_norm norm1, norm2;
    struct uda_dense linear1, linear2;
};

struct uda_pixel_decoder {
    int64_t heads, points, groups, layers;
    struct uda_dense input_proj[3];
    struct uda_norm input_norm[3];
    int level_embed; /* [3, hidden] */
    struct uda_encoder_layer layer[UDA_ENCODER_LAYERS];
    struct uda_dense mask_features;
    struct uda_dense lateral;
    struct uda_norm lateral_norm;
    int output_conv; /* [hidden, hidden, 3, 3] */
    struct uda_norm output_norm;
};

/* Registers "sem_seg_head.pixel_decoder.*". */
void uda_pixel_decoder_build(struct uda_pixel_decoder *decoder, struct uda_params *params,
                             const struct uda_model_config *config);

/*
 * stage [4] of the backbone -> mask_features [N, H/4, W/4, mask_dim] and multi_scale [3],
 * [N, h*w, hidden] with height, width of the levels. With recording off the stages are given back.
 */
void uda_pixel_decoder_forward(struct uda_tape *tape, const struct uda_params *params,
                               const struct uda_pixel_decoder *decoder,
                               struct uda_tensor *const stage[UDA_STAGES],
                               struct uda_tensor **mask_features,
                               struct uda_tensor *multi_scale[3], int64_t height[3],
                               int64_t width[3]);

#endif
