#include "src/nn/nn.h"

#include <math.h>

/* Starting scales of a weight with fan-in K and fan-out O, and of its bias. */
static void scales(enum uda_dense_init init, int64_t O, int64_t K, float *weight, float *bias)
{
    float fan_in = 1.0f / sqrtf((float)K);
    float xavier = sqrtf(6.0f / (float)(K + O));
    *weight = 0.0f;
    *bias = 0.0f;
    switch (init) {
    case UDA_DENSE_DEFAULT:
        *weight = fan_in;
        *bias = fan_in;
        break;
    case UDA_DENSE_XAVIER:
        *weight = xavier;
        break;
    case UDA_DENSE_XAVIER_NOISY:
        *weight = xavier;
        *bias = fan_in;
        break;
    case UDA_DENSE_C2:
        *weight = sqrtf(3.0f / (float)K);
        break;
    case UDA_DENSE_ZERO:
        break;
    }
}

static enum uda_init uniform_or_zero(float scale)
{
    return scale > 0.0f ? UDA_INIT_UNIFORM : UDA_INIT_ZERO;
}

static struct uda_dense build(struct uda_params *params, const struct uda_param *shape, int64_t O,
                              int64_t K, bool bias, enum uda_dense_init init, const char *prefix)
{
    float weight_scale = 0, bias_scale = 0;
    scales(init, O, K, &weight_scale, &bias_scale);
    struct uda_param weight = *shape;
    weight.init = uniform_or_zero(weight_scale);
    weight.scale = weight_scale;
    struct uda_dense layer = {.w = uda_params_add(params, &weight, "%s.weight", prefix), .b = -1};
    if (bias) {
        struct uda_param like = {.ndim = 1,
                                 .dim = {O},
                                 .init = uniform_or_zero(bias_scale),
                                 .scale = bias_scale};
        layer.b = uda_params_add(params, &like, "%s.bias", prefix);
    }
    return layer;
}

struct uda_dense uda_dense_build(struct uda_params *params, int64_t O, int64_t K, bool bias,
                                 enum uda_dense_init init, const char *prefix)
{
    struct uda_param shape = {.ndim = 2, .dim = {O, K}};
    return build(params, &shape, O, K, bias, init, prefix);
}

struct uda_dense uda_conv_build(struct uda_params *params, int64_t O, int64_t C, int64_t kernel,
                                bool bias, enum uda_dense_init init, const char *prefix)
{
    struct uda_param shape = {.ndim = 4, .dim = {O, C, kernel, kernel}};
    return build(params, &shape, O, C * kernel * kernel, bias, init, prefix);
}

struct uda_tensor *uda_dense(struct uda_tape *t, const struct uda_params *params,
                             const struct uda_dense *layer, struct uda_tensor *x)
{
    struct uda_tensor *bias = layer->b >= 0 ? uda_param(t, params, layer->b) : NULL;
    return uda_linear(t, x, uda_param(t, params, layer->w), bias);
}

struct uda_tensor *uda_dense_float(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_dense *layer, struct uda_tensor *x)
{
    struct uda_tensor *bias = layer->b >= 0 ? uda_param(t, params, layer->b) : NULL;
    return uda_linear_float(t, x, uda_param(t, params, layer->w), bias);
}
