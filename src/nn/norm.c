#include "src/nn/nn.h"

struct uda_norm uda_norm_build(struct uda_params *params, int64_t C, const char *prefix)
{
    struct uda_param gamma = {
        .ndim = 1, .dim = {C}, .init = UDA_INIT_ONE, .decay = UDA_DECAY_NORM};
    struct uda_param beta = {
        .ndim = 1, .dim = {C}, .init = UDA_INIT_ZERO, .decay = UDA_DECAY_NORM};
    struct uda_norm layer;
    layer.gamma = uda_params_add(params, &gamma, "%s.weight", prefix);
    layer.beta = uda_params_add(params, &beta, "%s.bias", prefix);
    return layer;
}

struct uda_tensor *uda_norm(struct uda_tape *t, const struct uda_params *params,
                            const struct uda_norm *layer, struct uda_tensor *x)
{
    return uda_layernorm(t, x, uda_param(t, params, layer->gamma),
                         uda_param(t, params, layer->beta), UDA_NORM_EPS);
}

struct uda_tensor *uda_norm_residual(struct uda_tape *t, const struct uda_params *params,
                                     const struct uda_norm *layer, struct uda_tensor *a,
                                     struct uda_tensor *b)
{
    return uda_add_layernorm(t, a, b, uda_param(t, params, layer->gamma),
                             uda_param(t, params, layer->beta), UDA_NORM_EPS);
}

struct uda_tensor *uda_norm_groups(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_norm *layer, struct uda_tensor *x,
                                   int64_t groups, bool relu)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t C = uda_tensor_last(x);
    int64_t tokens[] = {x->dim[0], x->count / x->dim[0] / C, C};
    return uda_groupnorm(t, uda_reshape(t, x, 3, tokens), uda_param(t, params, layer->gamma),
                         uda_param(t, params, layer->beta), groups, UDA_NORM_EPS, relu);
}
