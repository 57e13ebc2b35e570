#include "src/nn/nn.h"

#include <math.h>
#include <stdio.h>

#define PREFIX_BYTES 160

struct uda_mha uda_mha_build(struct uda_params *params, int64_t D, int64_t heads,
                             const char *prefix)
{
    struct uda_param weight = {.ndim = 2,
                               .dim = {3 * D, D},
                               .init = UDA_INIT_UNIFORM,
                               .scale = sqrtf(6.0f / (float)(4 * D))};
    struct uda_param bias = {.ndim = 1, .dim = {3 * D}, .init = UDA_INIT_ZERO};
    char out[PREFIX_BYTES];
    (void)snprintf(out, sizeof out, "%s.out_proj", prefix);
    struct uda_mha layer = {.heads = heads};
    layer.in_w = uda_params_add(params, &weight, "%s.in_proj_weight", prefix);
    layer.in_b = uda_params_add(params, &bias, "%s.in_proj_bias", prefix);
    layer.out = uda_dense_build(params, D, D, true, UDA_DENSE_XAVIER, out);
    return layer;
}

/* The part'th third of the packed projection applied to x: 0 query, 1 key, 2 value. */
static struct uda_tensor *project(struct uda_tape *t, const struct uda_params *params,
                                  const struct uda_mha *layer, struct uda_tensor *x, int64_t part)
{
    struct uda_tensor *w = uda_param(t, params, layer->in_w);
    struct uda_tensor *b = uda_param(t, params, layer->in_b);
    int64_t D = params->item[layer->in_w].dim[1];
    return uda_linear(t, x, uda_param_rows(t, w, part * D, D), uda_param_rows(t, b, part * D, D));
}

struct uda_tensor *uda_mha(struct uda_tape *t, const struct uda_params *params,
                           const struct uda_mha *layer, struct uda_tensor *query,
                           struct uda_tensor *key, struct uda_tensor *value, const uint32_t *mask)
{
    struct uda_tensor *q = project(t, params, layer, query, 0);
    struct uda_tensor *k = project(t, params, layer, key, 1);
    struct uda_tensor *v = project(t, params, layer, value, 2);
    struct uda_tensor *o = uda_attention(t, q, k, v, layer->heads, mask);
    uda_tape_release(t, q);
    uda_tape_release(t, k);
    uda_tape_release(t, v);
    struct uda_tensor *y = uda_dense(t, params, &layer->out, o);
    uda_tape_release(t, o);
    return y;
}
