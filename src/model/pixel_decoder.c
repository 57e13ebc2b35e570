#include "src/model/pixel_decoder.h"

#include <stdio.h>

#define PD "sem_seg_head.pixel_decoder"
#define PREFIX_BYTES 160

/* A dense layer of encoder layer l. Biases of the layers start alike: they are copies of the first
 * layer's. */
static struct uda_dense layer_dense(struct uda_params *params, int64_t l, const char *leaf,
                                    int64_t O, int64_t K, enum uda_dense_init init,
                                    const struct uda_dense *first)
{
    char name[PREFIX_BYTES];
    (void)snprintf(name, sizeof name, PD ".transformer.encoder.layers.%lld.%s", (long long)l, leaf);
    struct uda_dense layer = uda_dense_build(params, O, K, true, init, name);
    if (first != NULL && params->err.code == UDA_OK) {
        params->item[layer.b].same_as = first->b;
    }
    return layer;
}

static struct uda_norm layer_norm(struct uda_params *params, int64_t l, const char *leaf, int64_t D)
{
    char name[PREFIX_BYTES];
    (void)snprintf(name, sizeof name, PD ".transformer.encoder.layers.%lld.%s", (long long)l, leaf);
    return uda_norm_build(params, D, name);
}

static void build_layer(struct uda_pixel_decoder *decoder, struct uda_params *params,
                        const struct uda_model_config *config, int64_t l)
{
    struct uda_encoder_layer *layer = &decoder->layer[l];
    const struct uda_encoder_layer *first = l > 0 ? &decoder->layer[0] : NULL;
    int64_t D = config->hidden, samples = config->heads_n * 3 * config->points;
    layer->offsets = layer_dense(params, l, "self_attn.sampling_offsets", 2 * samples, D,
                                 UDA_DENSE_ZERO, NULL);
    if (params->err.code == UDA_OK) {
        params->item[layer->offsets.b].init = UDA_INIT_COMPASS;
        params->item[layer->offsets.b].heads = config->heads_n;
    }
    layer->weights =
        layer_dense(params, l, "self_attn.attention_weights", samples, D, UDA_DENSE_ZERO, NULL);
    layer->value = layer_dense(params, l, "self_attn.value_proj", D, D, UDA_DENSE_XAVIER, NULL);
    layer->output = layer_dense(params, l, "self_attn.output_proj", D, D, UDA_DENSE_XAVIER, NULL);
    layer->norm1 = layer_norm(params, l, "norm1", D);
    layer->linear1 = layer_dense(params, l, "linear1", config->encoder_ffn, D,
                                 UDA_DENSE_XAVIER_NOISY, first != NULL ? &first->linear1 : NULL);
    layer->linear2 = layer_dense(params, l, "linear2", D, config->encoder_ffn,
                                 UDA_DENSE_XAVIER_NOISY, first != NULL ? &first->linear2 : NULL);
    layer->norm2 = layer_norm(params, l, "norm2", D);
}

void uda_pixel_decoder_build(struct uda_pixel_decoder *decoder, struct uda_params *params,
                             const struct uda_model_config *config)
{
    int64_t D = config->hidden;
    *decoder = (struct uda_pixel_decoder){.heads = config->heads_n,
                                          .points = config->points,
                                          .groups = config->groups,
                                          .layers = config->encoder_layers};
    for (int k = 0; k < 3; k++) {
        char name[PREFIX_BYTES];
        (void)snprintf(name, sizeof name, PD ".input_proj.%d.0", k);
        decoder->input_proj[k] = uda_conv_build(params, D, config->embed_dim << (3 - k), 1, true,
                                                UDA_DENSE_XAVIER, name);
        (void)snprintf(name, sizeof name, PD ".input_proj.%d.1", k);
        decoder->input_norm[k] = uda_norm_build(params, D, name);
    }
    struct uda_param level = {.ndim = 2, .dim = {3, D}, .init = UDA_INIT_NORMAL, .scale = 1.0f};
    decoder->level_embed = uda_params_add(params, &level, PD ".transformer.level_embed");
    for (int64_t l = 0; l < decoder->layers; l++) {
        build_layer(decoder, params, config, l);
    }
    decoder->mask_features = uda_conv_build(params, config->mask_dim, D, 1, true, UDA_DENSE_C2,
                                            PD ".mask_features");
    decoder->lateral =
        uda_conv_build(params, D, config->embed_dim, 1, false, UDA_DENSE_C2, PD ".adapter_1");
    decoder->lateral_norm = uda_norm_build(params, D, PD ".adapter_1.norm");
    decoder->output_conv =
        uda_conv_build(params, D, D, 3, false, UDA_DENSE_C2, PD ".layer_1").w;
    decoder->output_norm = uda_norm_build(params, D, PD ".layer_1.norm");
}

/* Post-norm layer: deformable attention, feed-forward. Gives src back when nothing is recorded. */
static struct uda_tensor *layer_forward(struct uda_tape *t, const struct uda_params *params,
                                        const struct uda_pixel_decoder *decoder,
                                        const struct uda_encoder_layer *layer,
                                        struct uda_tensor *src, struct uda_tensor *position,
                                        const int64_t height[3], const int64_t width[3])
{
    struct uda_tensor *query = uda_add_rows(t, src, position);
    struct uda_tensor *offsets = uda_dense_float(t, params, &layer->offsets, query);
    struct uda_tensor *weights = uda_dense_float(t, params, &layer->weights, query);
    uda_tape_release(t, query);
    struct uda_tensor *value = uda_dense(t, params, &layer->value, src);
    struct uda_tensor *sampled = uda_deform_attention(t, value, offsets, weights, decoder->heads,
                                                      decoder->points, height, width);
    uda_tape_release(t, value);
    uda_tape_release(t, offsets);
    uda_tape_release(t, weights);
    struct uda_tensor *a = uda_dense(t, params, &layer->output, sampled);
    uda_tape_release(t, sampled);
    struct uda_tensor *mid = uda_norm_residual(t, params, &layer->norm1, src, a);
    uda_tape_release(t, src);
    uda_tape_release(t, a);
    struct uda_tensor *f = uda_mlp_relu(t, params, &layer->linear1, &layer->linear2, mid);
    struct uda_tensor *y = uda_norm_residual(t, params, &layer->norm2, mid, f);
    uda_tape_release(t, mid);
    uda_tape_release(t, f);
    return y;
}

/* Projected and normalised tokens of the three coarse maps, one level after the other. */
static struct uda_tensor *embed_levels(struct uda_tape *t, const struct uda_params *params,
                                       const struct uda_pixel_decoder *decoder,
                                       struct uda_tensor *const stage[UDA_STAGES])
{
    struct uda_tensor *level[3];
    for (int k = 0; k < 3; k++) {
        struct uda_tensor *x = uda_dense(t, params, &decoder->input_proj[k], stage[3 - k]);
        uda_tape_release(t, stage[3 - k]);
        level[k] = uda_norm_groups(t, params, &decoder->input_norm[k], x, decoder->groups, false);
        uda_tape_release(t, x);
    }
    struct uda_tensor *src = uda_concat_tokens(t, level, 3);
    for (int k = 0; k < 3; k++) {
        uda_tape_release(t, level[k]);
    }
    return src;
}

/* Sine position of all levels plus each level's embedding, [S, D]. */
static struct uda_tensor *positions(struct uda_tape *t, const struct uda_params *params,
                                    const struct uda_pixel_decoder *decoder,
                                    const int64_t height[3], const int64_t width[3], int64_t D)
{
    struct uda_tensor *sine[3];
    int64_t tokens[3], total = 0;
    for (int k = 0; k < 3; k++) {
        tokens[k] = height[k] * width[k];
        total += tokens[k];
        sine[k] = uda_reshape(t, uda_sine_position(t, height[k], width[k], D), 3,
                              (int64_t[]){1, tokens[k], D});
    }
    struct uda_tensor *all = uda_concat_tokens(t, sine, 3);
    all = uda_reshape(t, all, 2, (int64_t[]){total, D});
    return uda_level_rows(t, all, uda_param(t, params, decoder->level_embed), tokens, 3);
}

/* 1/4 map: lateral of res2 plus the enlarged 1/8 map, 3x3 convolution, mask features. */
static struct uda_tensor *pyramid(struct uda_tape *t, const struct uda_params *params,
                                  const struct uda_pixel_decoder *decoder, struct uda_tensor *res2,
                                  struct uda_tensor *eighth, int64_t h, int64_t w)
{
    if (!uda_tape_ok(t)) {
        return &t->broken;
    }
    int64_t N = res2->dim[0], H = res2->dim[1], W = res2->dim[2], D = uda_tensor_last(eighth);
    struct uda_tensor *x = uda_dense(t, params, &decoder->lateral, res2);
    uda_tape_release(t, res2);
    struct uda_tensor *lateral =
        uda_norm_groups(t, params, &decoder->lateral_norm, x, decoder->groups, false);
    uda_tape_release(t, x);
    struct uda_tensor *up =
        uda_resize_bilinear(t, uda_reshape(t, eighth, 4, (int64_t[]){N, h, w, D}), H, W,
                            uda_reshape(t, lateral, 4, (int64_t[]){N, H, W, D}));
    uda_tape_release(t, lateral);
    struct uda_tensor *y = uda_conv(t, up, uda_param(t, params, decoder->output_conv), 1);
    uda_tape_release(t, up);
    struct uda_tensor *z =
        uda_norm_groups(t, params, &decoder->output_norm, y, decoder->groups, true);
    uda_tape_release(t, y);
    struct uda_tensor *f = uda_dense_float(t, params, &decoder->mask_features, z);
    uda_tape_release(t, z);
    return uda_reshape(t, f, 4, (int64_t[]){N, H, W, uda_tensor_last(f)});
}

void uda_pixel_decoder_forward(struct uda_tape *t, const struct uda_params *params,
                               const struct uda_pixel_decoder *decoder,
                               struct uda_tensor *const stage[UDA_STAGES],
                               struct uda_tensor **mask_features,
                               struct uda_tensor *multi_scale[3], int64_t height[3],
                               int64_t width[3])
{
    if (!uda_tape_ok(t)) {
        *mask_features = &t->broken;
        multi_scale[0] = multi_scale[1] = multi_scale[2] = &t->broken;
        return;
    }
    for (int k = 0; k < 3; k++) {
        height[k] = stage[3 - k]->dim[1];
        width[k] = stage[3 - k]->dim[2];
    }
    struct uda_tensor *src = embed_levels(t, params, decoder, stage);
    int64_t D = params->item[decoder->level_embed].dim[1];
    struct uda_tensor *position = positions(t, params, decoder, height, width, D);
    for (int64_t l = 0; l < decoder->layers; l++) {
        src = layer_forward(t, params, decoder, &decoder->layer[l], src, position, height, width);
    }
    int64_t first = 0;
    for (int k = 0; k < 3; k++) {
        multi_scale[k] = uda_slice_tokens(t, src, first, height[k] * width[k]);
        first += height[k] * width[k];
    }
    uda_tape_release(t, src);
    uda_tape_release(t, position);
    *mask_features = pyramid(t, params, decoder, stage[0], multi_scale[2], height[2], width[2]);
}
