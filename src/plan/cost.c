/* Sizes that follow from the manifest alone: parameters, checkpoints. */
#include "src/plan/plan.h"

#define F32_BYTES 4

/*
 * Swin with patch 4, MLP ratio 4, a norm on each output: a block of width d with h heads and window
 * w has 12 d^2 + 13 d + (2w-1)^2 h, a merging 8 d^2 + 8 d.
 */
static int64_t swin(const struct uda_manifest_model *m)
{
    int64_t table = (2 * m->window - 1) * (2 * m->window - 1);
    int64_t count = m->embed_dim * 48 + 3 * m->embed_dim;
    for (int i = 0; i < 4; i++) {
        int64_t d = m->embed_dim << i;
        count += m->depths[i] * (12 * d * d + 13 * d + table * m->heads[i]) + 2 * d;
        count += i < 3 ? 8 * d * d + 8 * d : 0;
    }
    return count;
}

/* Weights of a convolution and the four vectors of its frozen norm. */
static int64_t frozen_conv(int64_t in, int64_t out, int64_t kernel)
{
    return in * out * kernel * kernel + 4 * out;
}

static int64_t resnet(const struct uda_manifest_model *m)
{
    int64_t in = m->embed_dim / 4, count = frozen_conv(3, in, 7);
    for (int i = 0; i < 4; i++) {
        int64_t d = m->embed_dim << i, inner = d / 4;
        int64_t after = frozen_conv(inner, inner, 3) + frozen_conv(inner, d, 1);
        count += frozen_conv(in, d, 1) + frozen_conv(in, inner, 1) + after;
        count += (m->depths[i] - 1) * (frozen_conv(d, inner, 1) + after);
        in = d;
    }
    return count;
}

static int64_t dense(int64_t in, int64_t out) { return in * out + out; }

static int64_t pixel_decoder(const struct uda_manifest_model *m)
{
    int64_t d = m->hidden_dim, samples = m->attention_heads * 3 * m->sampling_points;
    int64_t layer = dense(d, 2 * samples) + dense(d, samples) + 2 * dense(d, d) + 4 * d +
                    dense(d, m->encoder_ffn) + dense(m->encoder_ffn, d);
    int64_t input = 14 * m->embed_dim * d + 9 * d; /* three 1x1 convolutions with norms */
    int64_t pyramid = m->embed_dim * d + 2 * d + 9 * d * d + 2 * d;
    return input + 3 * d + m->encoder_layers * layer + dense(d, m->mask_dim) + pyramid;
}

static int64_t decoder(const struct uda_manifest_model *m)
{
    int64_t d = m->hidden_dim;
    int64_t attention = 4 * dense(d, d) + 2 * d;
    int64_t ffn = dense(d, m->decoder_ffn) + dense(m->decoder_ffn, d) + 2 * d;
    int64_t heads = dense(d, UDA_CLASSES + 1) + 2 * dense(d, d) + dense(d, m->mask_dim);
    return m->decoder_layers * (2 * attention + ffn) + 2 * d + 2 * m->queries * d + 3 * d + heads;
}

int64_t uda_plan_parameters(const struct uda_manifest_model *model)
{
    int64_t backbone = uda_backbone_is_resnet(model->backbone) ? resnet(model) : swin(model);
    return backbone + pixel_decoder(model) + decoder(model);
}

int64_t uda_plan_checkpoint_bytes(const struct uda_manifest *manifest, enum uda_stage_kind kind)
{
    int64_t copies = kind == UDA_STAGE_TRAIN ? 3 : kind == UDA_STAGE_ADAPT ? 4 : 0;
    return copies * F32_BYTES * uda_plan_parameters(&manifest->model);
}
