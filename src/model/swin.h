/*
 * Swin Transformer backbone: four stages of shifted-window blocks, a normalised map out of each
 * (Liu et al. 2021).
 *
 * Invariants: shapes are [N, h, w, d] throughout; windows are always `window` wide, maps are padded
 * for them after the first norm (the padded tokens' keys and values are the qkv bias: they take
 * part, as in the reference).
 *
 *     uda_swin_forward(tape, params, &swin, image, draws, stage);
 *     // stage[i]: [N, H/2^(i+2), W/2^(i+2), C 2^i]
 */
#ifndef UDA_MODEL_SWIN_H
#define UDA_MODEL_SWIN_H

#include "src/model/config.h"
#include "src/nn/draws.h"
#include "src/nn/nn.h"

struct uda_swin_block {
    struct uda_norm norm1, norm2;
    int table; /* relative position bias [(2 window - 1)^2, heads] */
    struct uda_dense qkv, proj, fc1, fc2;
    float drop_path; /* rate */
};

struct uda_swin_stage {
    struct uda_swin_block *block; /* [depth], in the registry's arena */
    int64_t depth, heads;
    struct uda_norm merge_norm, out_norm;
    struct uda_dense merge; /* not in the last stage */
};

struct uda_swin {
    int64_t window;
    struct uda_dense patch;
    struct uda_norm patch_norm;
    struct uda_swin_stage stage[UDA_STAGES];
};

/* Registers "backbone.*". */
void uda_swin_build(struct uda_swin *swin, struct uda_params *params,
                    const struct uda_model_config *config);

/* image [N,H,W,3], H and W multiples of 32 -> stage [4], the normalised outputs. draws NULL: no
 * drop path. */
void uda_swin_forward(struct uda_tape *tape, const struct uda_params *params,
                      const struct uda_swin *swin, struct uda_tensor *image,
                      const struct uda_draws *draws, struct uda_tensor *stage[UDA_STAGES]);

/*
 * Factors of a residual branch for images draws->first_image..+N-1: 0 with probability `rate`, else
 * 1 / (1 - rate). Stream (seed, UDA_RNG_DROP_PATH, stage, step, image), words 4 block + branch;
 * branch 0 attention, 1 MLP.
 */
void uda_drop_path_scale(float *scale, int64_t N, float rate, int64_t block, int branch,
                         const struct uda_draws *draws);

#endif
