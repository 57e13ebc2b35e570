/*
 * Mask2Former with a Swin or ResNet backbone (Cheng et al., "Masked-attention Mask Transformer for
 * Universal Image Segmentation", CVPR 2022): parameters and forward pass.
 *
 * Invariants: the model is a table of parameter indices; values live in the tape's flat arrays, so
 * one model serves student and teacher. Images are normalised, zero-padded to multiples of 32,
 * channels last.
 *
 *     uda_mask2former_build(&model, &params, &config);        // once
 *     UDA_TRY(uda_params_status(&params, err));
 *     tape.param_values = values;  tape.param_grads = grads;  // grads NULL for inference
 *     uda_tape_begin(&tape, true);
 *     image = uda_tape_constant(&tape, pixels, 4, (int64_t[]){N, H, W, 3});
 *     uda_mask2former_forward(&tape, &model, image, &draws, &predictions);
 *     uda_criterion(...);
 *     uda_tape_backward(&tape);
 *     UDA_TRY(uda_tape_status(&tape, err));
 */
#ifndef UDA_MODEL_MASK2FORMER_H
#define UDA_MODEL_MASK2FORMER_H

#include "src/model/mask_decoder.h"
#include "src/model/pixel_decoder.h"
#include "src/model/resnet.h"
#include "src/model/swin.h"
#include "src/nn/draws.h"
#include "src/nn/predictions.h"

struct uda_mask2former {
    struct uda_model_config config;
    const struct uda_params *params; /* borrowed: the registry it was built into */
    struct uda_swin swin;     /* of the two backbones the one of the config */
    struct uda_resnet resnet;
    struct uda_pixel_decoder pixel_decoder;
    struct uda_mask_decoder mask_decoder;
};

/* Registers the parameters. Errors stick to the registry: UDA_NOMEM, UDA_MANIFEST (config). The
 * model's block tables live in the registry's arena. */
void uda_mask2former_build(struct uda_mask2former *model, struct uda_params *params,
                           const struct uda_model_config *config);

/*
 * image [N,H,W,3] -> predictions of all decoder layers. draws: keys of drop path, or NULL for
 * evaluation. Errors stick to the tape: UDA_SHAPE when H or W is not a multiple of 32. With
 * recording off every tensor is given back as soon as it has been used.
 */
void uda_mask2former_forward(struct uda_tape *tape, const struct uda_mask2former *model,
                             struct uda_tensor *image, const struct uda_draws *draws,
                             struct uda_predictions *predictions);

/* Its first part: the backbone's maps, [N, H/2^(i+2), W/2^(i+2), embed_dim 2^i]. */
void uda_mask2former_backbone(struct uda_tape *tape, const struct uda_mask2former *model,
                              struct uda_tensor *image, const struct uda_draws *draws,
                              struct uda_tensor *stage[UDA_STAGES]);

#endif
