#include "src/model/mask2former.h"

void uda_mask2former_build(struct uda_mask2former *model, struct uda_params *params,
                           const struct uda_model_config *config)
{
    *model = (struct uda_mask2former){.config = *config, .params = params};
    if (uda_model_config_check(config, &params->err) != 0) {
        return;
    }
    if (config->resnet) {
        uda_resnet_build(&model->resnet, params, config);
    } else {
        uda_swin_build(&model->swin, params, config);
    }
    uda_pixel_decoder_build(&model->pixel_decoder, params, config);
    uda_mask_decoder_build(&model->mask_decoder, params, config);
}

void uda_mask2former_backbone(struct uda_tape *tape, const struct uda_mask2former *model,
                              struct uda_tensor *image, const struct uda_draws *draws,
                              struct uda_tensor *stage[UDA_STAGES])
{
    if (model->config.resnet) {
        uda_resnet_forward(tape, model->params, &model->resnet, image, stage);
    } else {
        uda_swin_forward(tape, model->params, &model->swin, image, draws, stage);
    }
}

void uda_mask2former_forward(struct uda_tape *tape, const struct uda_mask2former *model,
                             struct uda_tensor *image, const struct uda_draws *draws,
                             struct uda_predictions *predictions)
{
    *predictions = (struct uda_predictions){0};
    if (!uda_tape_ok(tape)) {
        return;
    }
    if (image->ndim != 4 || image->dim[3] != 3 || image->dim[1] % 32 != 0 ||
        image->dim[2] % 32 != 0) {
        char shape[96];
        (void)uda_tape_fail(tape, UDA_SHAPE,
                            "mask2former: image %s is not [N, H, W, 3] with H and W multiples of 32",
                            uda_tensor_shape(shape, sizeof shape, image));
        return;
    }
    int64_t height[3], width[3];
    struct uda_tensor *mask_features;
    uda_mask2former_backbone(tape, model, image, draws, predictions->stage);
    uda_pixel_decoder_forward(tape, model->params, &model->pixel_decoder, predictions->stage,
                              &mask_features, predictions->multi_scale, height, width);
    uda_mask_decoder_forward(tape, model->params, &model->mask_decoder, predictions->multi_scale,
                             height, width, mask_features, predictions);
}
