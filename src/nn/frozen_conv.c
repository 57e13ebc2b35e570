#include <math.h>

#include "src/nn/nn.h"

/* One of the four vectors of a norm. */
static int add_vector(struct uda_params *params, int64_t C, enum uda_init init, const char *prefix,
                      const char *leaf)
{
    struct uda_param like = {
        .ndim = 1, .dim = {C}, .init = init, .decay = UDA_DECAY_NORM, .frozen = true};
    return uda_params_add(params, &like, "%s.norm.%s", prefix, leaf);
}

struct uda_frozen_conv uda_frozen_conv_build(struct uda_params *params, int64_t O, int64_t C, int64_t kernel,
                                             int64_t stride, const char *prefix)
{
    struct uda_param weight = {.ndim = 4,
                               .dim = {O, C, kernel, kernel},
                               .init = UDA_INIT_NORMAL,
                               .scale = sqrtf(2.0f / (float)(O * kernel * kernel))};
    struct uda_frozen_conv layer = {.stride = stride};
    layer.w = uda_params_add(params, &weight, "%s.weight", prefix);
    layer.gamma = add_vector(params, O, UDA_INIT_ONE, prefix, "weight");
    layer.beta = add_vector(params, O, UDA_INIT_ZERO, prefix, "bias");
    layer.mean = add_vector(params, O, UDA_INIT_ZERO, prefix, "running_mean");
    layer.var = add_vector(params, O, UDA_INIT_ONE, prefix, "running_var");
    return layer;
}

struct uda_tensor *uda_frozen_conv(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_frozen_conv *layer, struct uda_tensor *x,
                                   struct uda_tensor *add, bool relu)
{
    const struct uda_frozen_norm norm = {.gamma = uda_param(t, params, layer->gamma),
                                         .beta = uda_param(t, params, layer->beta),
                                         .mean = uda_param(t, params, layer->mean),
                                         .var = uda_param(t, params, layer->var),
                                         .eps = UDA_NORM_EPS};
    return uda_conv_norm(t, x, uda_param(t, params, layer->w), layer->stride, &norm, add, relu);
}
