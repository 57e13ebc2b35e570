#include "src/model/resnet.h"

#include <stdio.h>

#define PREFIX_BYTES 96
#define SHRINK 4 /* channels of a stage to those inside its blocks, and of the first stage to the stem's */

static struct uda_frozen_conv build_conv(struct uda_params *params, int64_t out, int64_t in, int64_t kernel,
                                         int64_t stride, const char *prefix, const char *leaf)
{
    char name[PREFIX_BYTES + 16];
    (void)snprintf(name, sizeof name, "%s.%s", prefix, leaf);
    return uda_frozen_conv_build(params, out, in, kernel, stride, name);
}

static void build_block(struct uda_resnet_block *block, struct uda_params *params, int64_t in, int64_t out,
                        int64_t stride, const char *prefix)
{
    int64_t inner = out / SHRINK;
    block->has_shortcut = in != out;
    if (block->has_shortcut) {
        block->shortcut = build_conv(params, out, in, 1, stride, prefix, "shortcut");
    }
    block->conv1 = build_conv(params, inner, in, 1, 1, prefix, "conv1");
    block->conv2 = build_conv(params, inner, inner, 3, stride, prefix, "conv2");
    block->conv3 = build_conv(params, out, inner, 1, 1, prefix, "conv3");
}

static void build_stage(struct uda_resnet_stage *stage, struct uda_params *params,
                        const struct uda_model_config *config, int i)
{
    int64_t out = config->embed_dim << i, in = i > 0 ? out / 2 : out / SHRINK;
    stage->depth = config->depths[i];
    stage->block = uda_arena_calloc(&params->arena, (size_t)stage->depth * sizeof *stage->block);
    if (stage->block == NULL) {
        (void)uda_fail(&params->err, UDA_NOMEM, "out of memory for the model");
        stage->depth = 0;
        return;
    }
    for (int64_t j = 0; j < stage->depth; j++) {
        char prefix[PREFIX_BYTES];
        (void)snprintf(prefix, sizeof prefix, "backbone.res%d.%lld", i + 2, (long long)j);
        build_block(&stage->block[j], params, j > 0 ? out : in, out, j == 0 && i > 0 ? 2 : 1, prefix);
    }
}

void uda_resnet_build(struct uda_resnet *resnet, struct uda_params *params,
                      const struct uda_model_config *config)
{
    *resnet = (struct uda_resnet){0};
    resnet->stem = build_conv(params, config->embed_dim / SHRINK, 3, 7, 2, "backbone.stem", "conv1");
    for (int i = 0; i < UDA_STAGES; i++) {
        build_stage(&resnet->stage[i], params, config, i);
    }
}

/* max(conv3(conv2(conv1 x)) + shortcut x, 0) */
static struct uda_tensor *block_forward(struct uda_tape *t, const struct uda_params *params,
                                        const struct uda_resnet_block *block, struct uda_tensor *x)
{
    struct uda_tensor *a = uda_frozen_conv(t, params, &block->conv1, x, NULL, true);
    struct uda_tensor *b = uda_frozen_conv(t, params, &block->conv2, a, NULL, true);
    uda_tape_release(t, a);
    struct uda_tensor *shortcut =
        block->has_shortcut ? uda_frozen_conv(t, params, &block->shortcut, x, NULL, false) : x;
    struct uda_tensor *y = uda_frozen_conv(t, params, &block->conv3, b, shortcut, true);
    uda_tape_release(t, b);
    if (block->has_shortcut) {
        uda_tape_release(t, shortcut);
    }
    return y;
}

void uda_resnet_forward(struct uda_tape *t, const struct uda_params *params,
                        const struct uda_resnet *resnet, struct uda_tensor *image,
                        struct uda_tensor *stage[UDA_STAGES])
{
    struct uda_tensor *pixels = uda_cast(t, image, t->type);
    struct uda_tensor *stem = uda_frozen_conv(t, params, &resnet->stem, pixels, NULL, true);
    if (pixels != image) {
        uda_tape_release(t, pixels);
    }
    struct uda_tensor *x = uda_max_pool(t, stem);
    uda_tape_release(t, stem);
    for (int i = 0; i < UDA_STAGES; i++) {
        const struct uda_resnet_stage *s = &resnet->stage[i];
        for (int64_t j = 0; j < s->depth; j++) {
            struct uda_tensor *y = block_forward(t, params, &s->block[j], x);
            if (i == 0 || j > 0) { /* else x is the result of the stage before */
                uda_tape_release(t, x);
            }
            x = y;
        }
        stage[i] = x;
    }
}
