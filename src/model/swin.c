#include "src/model/swin.h"

#include <stdio.h>

#define PREFIX_BYTES 96

static void build_block(struct uda_swin_block *block, struct uda_params *params, int64_t d,
                        int64_t heads, int64_t window, const char *prefix)
{
    char name[PREFIX_BYTES + 32];
    (void)snprintf(name, sizeof name, "%s.norm1", prefix);
    block->norm1 = uda_norm_build(params, d, name);
    struct uda_param table = {.ndim = 2,
                              .dim = {(2 * window - 1) * (2 * window - 1), heads},
                              .init = UDA_INIT_TRUNC_NORMAL,
                              .scale = 0.02f,
                              .decay = UDA_DECAY_TABLE};
    block->table = uda_params_add(params, &table, "%s.attn.relative_position_bias_table", prefix);
    (void)snprintf(name, sizeof name, "%s.attn.qkv", prefix);
    block->qkv = uda_dense_build(params, 3 * d, d, true, UDA_DENSE_DEFAULT, name);
    (void)snprintf(name, sizeof name, "%s.attn.proj", prefix);
    block->proj = uda_dense_build(params, d, d, true, UDA_DENSE_DEFAULT, name);
    (void)snprintf(name, sizeof name, "%s.norm2", prefix);
    block->norm2 = uda_norm_build(params, d, name);
    (void)snprintf(name, sizeof name, "%s.mlp.fc1", prefix);
    block->fc1 = uda_dense_build(params, 4 * d, d, true, UDA_DENSE_DEFAULT, name);
    (void)snprintf(name, sizeof name, "%s.mlp.fc2", prefix);
    block->fc2 = uda_dense_build(params, d, 4 * d, true, UDA_DENSE_DEFAULT, name);
}

/* Blocks of one stage; `first` is the number of blocks before it, for the linear rise of drop
 * path. */
static void build_stage(struct uda_swin_stage *stage, struct uda_params *params,
                        const struct uda_model_config *config, int i, int64_t first, int64_t blocks)
{
    int64_t d = config->embed_dim << i;
    stage->depth = config->depths[i];
    stage->heads = config->heads[i];
    stage->block =
        uda_arena_calloc(&params->arena, (size_t)stage->depth * sizeof *stage->block);
    if (stage->block == NULL) {
        (void)uda_fail(&params->err, UDA_NOMEM, "out of memory for the model");
        stage->depth = 0;
        return;
    }
    for (int64_t j = 0; j < stage->depth; j++) {
        char prefix[PREFIX_BYTES];
        (void)snprintf(prefix, sizeof prefix, "backbone.layers.%d.blocks.%lld", i, (long long)j);
        build_block(&stage->block[j], params, d, stage->heads, config->window, prefix);
        stage->block[j].drop_path =
            blocks > 1 ? config->drop_path * (float)(first + j) / (float)(blocks - 1) : 0.0f;
    }
    if (i + 1 < UDA_STAGES) {
        char name[PREFIX_BYTES];
        (void)snprintf(name, sizeof name, "backbone.layers.%d.downsample.reduction", i);
        stage->merge = uda_dense_build(params, 2 * d, 4 * d, false, UDA_DENSE_DEFAULT, name);
        (void)snprintf(name, sizeof name, "backbone.layers.%d.downsample.norm", i);
        stage->merge_norm = uda_norm_build(params, 4 * d, name);
    }
}

void uda_swin_build(struct uda_swin *swin, struct uda_params *params,
                    const struct uda_model_config *config)
{
    *swin = (struct uda_swin){.window = config->window};
    swin->patch = uda_conv_build(params, config->embed_dim, 3, 4, true, UDA_DENSE_DEFAULT,
                                 "backbone.patch_embed.proj");
    swin->patch_norm = uda_norm_build(params, config->embed_dim, "backbone.patch_embed.norm");
    int64_t blocks = 0, first = 0;
    for (int i = 0; i < UDA_STAGES; i++) {
        blocks += config->depths[i];
    }
    for (int i = 0; i < UDA_STAGES; i++) {
        build_stage(&swin->stage[i], params, config, i, first, blocks);
        first += config->depths[i];
    }
    for (int i = 0; i < UDA_STAGES; i++) {
        char name[PREFIX_BYTES];
        (void)snprintf(name, sizeof name, "backbone.norm%d", i);
        swin->stage[i].out_norm = uda_norm_build(params, config->embed_dim << i, name);
    }
}

void uda_drop_path_scale(float *scale, int64_t N, float rate, int64_t block, int branch,
                         const struct uda_draws *draws)
{
    for (int64_t n = 0; n < N; n++) {
        struct uda_rng rng;
        uda_rng_init(&rng, draws->seed, UDA_RNG_DROP_PATH, draws->stage, draws->step,
                     (uint32_t)(draws->first_image + n));
        uda_rng_seek(&rng, (uint32_t)block);
        float u = uda_rng_uniform(&rng);
        for (int i = 0; i < branch; i++) {
            u = uda_rng_uniform(&rng);
        }
        scale[n] = u < rate ? 0.0f : 1.0f / (1.0f - rate);
    }
}

/* Factors of all residual branches, [blocks, 2, N], in one block that kernels read; NULL without drop path,
 * and on error. */
static const float *send_scales(struct uda_tape *t, const struct uda_swin *swin, int64_t N,
                                const struct uda_draws *draws)
{
    int64_t blocks = 0, index = 0;
    bool drops = false;
    for (int i = 0; i < UDA_STAGES; i++) {
        const struct uda_swin_stage *s = &swin->stage[i];
        blocks += s->depth;
        drops = drops || s->block[s->depth - 1].drop_path > 0.0f;
    }
    size_t bytes = (size_t)(blocks * 2 * N) * sizeof(float);
    float *scale = draws != NULL && drops ? uda_tape_stage(t, bytes) : NULL;
    if (scale == NULL) {
        return NULL;
    }
    for (int i = 0; i < UDA_STAGES; i++) {
        for (int64_t j = 0; j < swin->stage[i].depth; j++, index++) {
            for (int branch = 0; branch < 2; branch++) {
                uda_drop_path_scale(scale + (index * 2 + branch) * N, N, swin->stage[i].block[j].drop_path,
                                    index, branch, draws);
            }
        }
    }
    return uda_tape_send(t, scale, bytes, bytes);
}

/* shortcut + scale [N] branch, NULL for 1; gives both back when nothing is recorded. */
static struct uda_tensor *residual(struct uda_tape *t, struct uda_tensor *shortcut,
                                   struct uda_tensor *branch, const float *scale)
{
    struct uda_tensor *y = uda_add_scaled(t, shortcut, branch, scale);
    uda_tape_release(t, shortcut);
    uda_tape_release(t, branch);
    return y;
}

/* x + drop(attention(norm1 x)), then x + drop(mlp(norm2 x)); scale [2, N]: of the two branches, or NULL. */
static struct uda_tensor *block_forward(struct uda_tape *t, const struct uda_params *params,
                                        const struct uda_swin_block *block, struct uda_tensor *x,
                                        int64_t heads, int64_t window, int64_t shift, const float *scale)
{
    struct uda_tensor *y = uda_norm(t, params, &block->norm1, x);
    struct uda_tensor *qkv = uda_dense(t, params, &block->qkv, y);
    uda_tape_release(t, y);
    struct uda_tensor *o =
        uda_window_attention(t, qkv, uda_param(t, params, block->qkv.b),
                             uda_param(t, params, block->table), heads, window, shift);
    uda_tape_release(t, qkv);
    struct uda_tensor *a = uda_dense(t, params, &block->proj, o);
    uda_tape_release(t, o);
    int64_t N = x->dim[0];
    x = residual(t, x, a, scale);
    y = uda_norm(t, params, &block->norm2, x);
    struct uda_tensor *m = uda_mlp_gelu(t, params, &block->fc1, &block->fc2, y);
    uda_tape_release(t, y);
    return residual(t, x, m, scale != NULL ? scale + N : NULL);
}

/* Halves the map: four neighbours side by side, norm, linear. Gives x back when nothing is
 * recorded. */
static struct uda_tensor *merge_forward(struct uda_tape *t, const struct uda_params *params,
                                        const struct uda_swin_stage *stage, struct uda_tensor *x)
{
    struct uda_tensor *wide = uda_patch_merge(t, x);
    uda_tape_release(t, x);
    struct uda_tensor *y = uda_norm(t, params, &stage->merge_norm, wide);
    uda_tape_release(t, wide);
    x = uda_dense(t, params, &stage->merge, y);
    uda_tape_release(t, y);
    return x;
}

void uda_swin_forward(struct uda_tape *t, const struct uda_params *params,
                      const struct uda_swin *swin, struct uda_tensor *image,
                      const struct uda_draws *draws, struct uda_tensor *stage[UDA_STAGES])
{
    struct uda_tensor *patches = uda_patchify(t, image);
    struct uda_tensor *embedded = uda_dense(t, params, &swin->patch, patches);
    uda_tape_release(t, patches);
    struct uda_tensor *x = uda_norm(t, params, &swin->patch_norm, embedded);
    uda_tape_release(t, embedded);
    int64_t index = 0, N = x->dim[0];
    const float *scale = send_scales(t, swin, N, draws);
    for (int i = 0; i < UDA_STAGES; i++) {
        const struct uda_swin_stage *s = &swin->stage[i];
        for (int64_t j = 0; j < s->depth; j++, index++) {
            bool drop = scale != NULL && s->block[j].drop_path > 0.0f;
            int64_t shift = j % 2 == 1 ? swin->window / 2 : 0;
            x = block_forward(t, params, &s->block[j], x, s->heads, swin->window, shift,
                              drop ? scale + index * 2 * N : NULL);
        }
        stage[i] = uda_norm(t, params, &s->out_norm, x);
        if (i + 1 < UDA_STAGES) {
            x = merge_forward(t, params, s, x);
        } else {
            uda_tape_release(t, x);
        }
    }
}
