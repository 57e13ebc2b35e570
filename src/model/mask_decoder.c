#include "src/model/mask_decoder.h"

#include <stdio.h>

#define TP "sem_seg_head.predictor"
#define PREFIX_BYTES 160

static int embedding(struct uda_params *params, int64_t rows, int64_t D, const char *name)
{
    struct uda_param like = {.ndim = 2,
                             .dim = {rows, D},
                             .init = UDA_INIT_NORMAL,
                             .scale = 1.0f,
                             .decay = UDA_DECAY_EMBEDDING};
    return uda_params_add(params, &like, "%s", name);
}

/* The reference lists all self attentions, then all cross attentions, then all feed-forward
 * layers. */
static void build_attention(struct uda_mha *mha, struct uda_norm *norm, struct uda_params *params,
                            const struct uda_model_config *config, const char *list, int64_t l,
                            const char *leaf)
{
    char name[PREFIX_BYTES];
    (void)snprintf(name, sizeof name, TP ".%s.%lld.%s", list, (long long)l, leaf);
    *mha = uda_mha_build(params, config->hidden, config->heads_n, name);
    (void)snprintf(name, sizeof name, TP ".%s.%lld.norm", list, (long long)l);
    *norm = uda_norm_build(params, config->hidden, name);
}

static void build_ffn(struct uda_decoder_layer *layer, struct uda_params *params,
                      const struct uda_model_config *config, int64_t l)
{
    char name[PREFIX_BYTES];
    int64_t D = config->hidden, F = config->decoder_ffn;
    (void)snprintf(name, sizeof name, TP ".transformer_ffn_layers.%lld.linear1", (long long)l);
    layer->linear1 = uda_dense_build(params, F, D, true, UDA_DENSE_XAVIER_NOISY, name);
    (void)snprintf(name, sizeof name, TP ".transformer_ffn_layers.%lld.linear2", (long long)l);
    layer->linear2 = uda_dense_build(params, D, F, true, UDA_DENSE_XAVIER_NOISY, name);
    (void)snprintf(name, sizeof name, TP ".transformer_ffn_layers.%lld.norm", (long long)l);
    layer->ffn_norm = uda_norm_build(params, D, name);
}

void uda_mask_decoder_build(struct uda_mask_decoder *decoder, struct uda_params *params,
                            const struct uda_model_config *config)
{
    int64_t D = config->hidden;
    *decoder = (struct uda_mask_decoder){.layers = config->decoder_layers};
    for (int64_t l = 0; l < decoder->layers; l++) {
        build_attention(&decoder->layer[l].self, &decoder->layer[l].self_norm, params, config,
                        "transformer_self_attention_layers", l, "self_attn");
    }
    for (int64_t l = 0; l < decoder->layers; l++) {
        build_attention(&decoder->layer[l].cross, &decoder->layer[l].cross_norm, params, config,
                        "transformer_cross_attention_layers", l, "multihead_attn");
    }
    for (int64_t l = 0; l < decoder->layers; l++) {
        build_ffn(&decoder->layer[l], params, config, l);
    }
    decoder->norm = uda_norm_build(params, D, TP ".decoder_norm");
    decoder->query_feat = embedding(params, config->queries, D, TP ".query_feat.weight");
    decoder->query_embed = embedding(params, config->queries, D, TP ".query_embed.weight");
    decoder->level_embed = embedding(params, 3, D, TP ".level_embed.weight");
    decoder->class_embed = uda_dense_build(params, config->classes + 1, D, true, UDA_DENSE_DEFAULT,
                                           TP ".class_embed");
    for (int i = 0; i < 3; i++) {
        char name[PREFIX_BYTES];
        (void)snprintf(name, sizeof name, TP ".mask_embed.layers.%d", i);
        decoder->mask_embed[i] = uda_dense_build(params, i < 2 ? D : config->mask_dim, D, true,
                                                 UDA_DENSE_DEFAULT, name);
    }
}

/* Heads shared by all layers: class logits and mask embedding of decoder_norm(x). */
static void predict(struct uda_tape *t, const struct uda_params *params,
                    const struct uda_mask_decoder *decoder, struct uda_tensor *x,
                    struct uda_predictions *out)
{
    struct uda_tensor *z = uda_norm(t, params, &decoder->norm, x);
    struct uda_tensor *logits = uda_dense_float(t, params, &decoder->class_embed, z);
    struct uda_tensor *e = uda_mlp_relu(t, params, &decoder->mask_embed[0], &decoder->mask_embed[1],
                                        z);
    uda_tape_release(t, z);
    struct uda_tensor *active = uda_relu(t, e);
    uda_tape_release(t, e);
    e = uda_dense_float(t, params, &decoder->mask_embed[2], active);
    uda_tape_release(t, active);
    out->logits[out->count] = logits;
    out->embed[out->count] = e;
    out->count++;
}

/* What the queries look at: keys carry the position, values do not. */
struct memory {
    struct uda_tensor *key[3], *value[3];
    struct uda_tensor *pooled[3]; /* mask features at the level's size */
};

static void prepare(struct uda_tape *t, const struct uda_params *params,
                    const struct uda_mask_decoder *decoder,
                    struct uda_tensor *const multi_scale[3], const int64_t height[3],
                    const int64_t width[3], struct uda_tensor *mask_features, struct memory *memory)
{
    int64_t D = params->item[decoder->level_embed].dim[1];
    struct uda_tensor *embed = uda_param(t, params, decoder->level_embed);
    for (int l = 0; l < 3; l++) {
        struct uda_tensor *sine = uda_sine_position(t, height[l], width[l], D);
        memory->value[l] = uda_add_vector(t, multi_scale[l], uda_param_rows(t, embed, l, 1));
        memory->key[l] = uda_add_rows(t, memory->value[l], sine);
        memory->pooled[l] = uda_centre_pool(t, mask_features, 8 >> l);
        uda_tape_release(t, sine);
        uda_tape_release(t, multi_scale[l]);
    }
}

/* Masked cross attention, self attention, feed-forward; each followed by its norm. Gives x back
 * when not recording. */
static struct uda_tensor *layer_forward(struct uda_tape *t, const struct uda_params *params,
                                        const struct uda_decoder_layer *layer, struct uda_tensor *x,
                                        struct uda_tensor *position, struct uda_tensor *key,
                                        struct uda_tensor *value, const uint32_t *mask)
{
    struct uda_tensor *query = uda_add_rows(t, x, position);
    struct uda_tensor *a = uda_mha(t, params, &layer->cross, query, key, value, mask);
    uda_tape_release(t, query);
    struct uda_tensor *y = uda_norm_residual(t, params, &layer->cross_norm, x, a);
    uda_tape_release(t, x);
    uda_tape_release(t, a);
    query = uda_add_rows(t, y, position);
    a = uda_mha(t, params, &layer->self, query, query, y, NULL);
    uda_tape_release(t, query);
    x = uda_norm_residual(t, params, &layer->self_norm, y, a);
    uda_tape_release(t, y);
    uda_tape_release(t, a);
    struct uda_tensor *f = uda_mlp_relu(t, params, &layer->linear1, &layer->linear2, x);
    y = uda_norm_residual(t, params, &layer->ffn_norm, x, f);
    uda_tape_release(t, x);
    uda_tape_release(t, f);
    return y;
}

void uda_mask_decoder_forward(struct uda_tape *t, const struct uda_params *params,
                              const struct uda_mask_decoder *decoder,
                              struct uda_tensor *const multi_scale[3], const int64_t height[3],
                              const int64_t width[3], struct uda_tensor *mask_features,
                              struct uda_predictions *predictions)
{
    if (!uda_tape_ok(t)) {
        return;
    }
    struct memory memory;
    int64_t N = mask_features->dim[0];
    predictions->count = 0;
    predictions->mask_features = mask_features;
    prepare(t, params, decoder, multi_scale, height, width, mask_features, &memory);
    struct uda_tensor *position = uda_param(t, params, decoder->query_embed);
    struct uda_tensor *x = uda_expand(t, uda_param(t, params, decoder->query_feat), N);
    predict(t, params, decoder, x, predictions);
    for (int64_t i = 0; i < decoder->layers; i++) {
        int64_t l = i % 3;
        const uint32_t *mask =
            uda_attention_mask(t, predictions->embed[predictions->count - 1], memory.pooled[l]);
        x = layer_forward(t, params, &decoder->layer[i], x, position, memory.key[l],
                          memory.value[l], mask);
        predict(t, params, decoder, x, predictions);
    }
    uda_tape_release(t, x);
    for (int l = 0; l < 3; l++) {
        uda_tape_release(t, memory.key[l]);
        uda_tape_release(t, memory.value[l]);
        uda_tape_release(t, memory.pooled[l]);
    }
}
