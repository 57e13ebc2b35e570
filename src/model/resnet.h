/*
 * ResNet backbone of bottleneck blocks (He et al., "Deep Residual Learning for Image Recognition", CVPR
 * 2016) as detectron2 builds it for Mask2Former: the stride in the 3x3 convolution, batch normalisation
 * frozen, every stage trained.
 *
 * Invariants: with E = embed_dim, the stem (7x7 and pooling, stride 2 each) has E / 4 channels; stage i has
 * E 2^i and inside a block a quarter of that. The first block of a stage has a 1x1 convolution on its
 * shortcut, and of all stages but the first stride 2. Statistics, scale and shift of a norm are parameters
 * that stay as they are (uda_param.frozen).
 *
 *     uda_resnet_forward(tape, params, &resnet, image, stage);
 *     // stage[i]: [N, H/2^(i+2), W/2^(i+2), E 2^i]
 */
#ifndef UDA_MODEL_RESNET_H
#define UDA_MODEL_RESNET_H

#include "src/model/config.h"
#include "src/nn/nn.h"

struct uda_resnet_block {
    bool has_shortcut; /* else x itself */
    struct uda_frozen_conv shortcut, conv1, conv2, conv3;
};

struct uda_resnet_stage {
    struct uda_resnet_block *block; /* [depth], in the registry's arena */
    int64_t depth;
};

struct uda_resnet {
    struct uda_frozen_conv stem;
    struct uda_resnet_stage stage[UDA_STAGES];
};

/* Registers "backbone.*": "stem.conv1", "res2.0.shortcut", "res2.0.conv1", .. */
void uda_resnet_build(struct uda_resnet *resnet, struct uda_params *params,
                      const struct uda_model_config *config);

/* image [N,H,W,3], H and W multiples of 32 -> stage [4]. */
void uda_resnet_forward(struct uda_tape *tape, const struct uda_params *params,
                        const struct uda_resnet *resnet, struct uda_tensor *image,
                        struct uda_tensor *stage[UDA_STAGES]);

#endif
