/*
 * Every operation of the model: formula, shapes, gradients, errors.
 *
 * Invariants: an op checks shapes, takes memory from the tape, calls kernels and records its
 * backward. It returns the result, or the tape's broken tensor after an error (UDA_SHAPE names the
 * op and the shapes). Inputs are never written. "grads: x w b" lists the inputs that receive one;
 * all are exact (fixed summation order). Types: a result has its input's type and inputs have one
 * type unless an op says otherwise; parameters are float, and those that multiply a tensor of bf16 are
 * read from the tape's param_low. Tokens are [N, T, C] and maps [N, H, W, C], channels last;
 * the two differ by a reshape only.
 *
 *     x = uda_linear(t, x, w, b);
 *     x = uda_layernorm(t, uda_add(t, x, shortcut), gamma, beta, 1e-5f);
 */
#ifndef UDA_OPS_OPS_H
#define UDA_OPS_OPS_H

#include "src/tensor/tape.h"

/* ---- linear.c ---- */

/* y [..., O] = x [..., K] w^T + b; w [O, K]; b [O] or NULL. grads: x w b. */
struct uda_tensor *uda_linear(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                              struct uda_tensor *b);
/* The same with a float result, whatever x is. */
struct uda_tensor *uda_linear_float(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                    struct uda_tensor *b);

/* y [N, ceil(H/stride), ceil(W/stride), Co] = convolution of x [N,H,W,C] with w [Co,C,k,k], zero padding
 * k / 2, no bias; k 1, 3 or 7, stride 1 or 2. grads: x w. */
struct uda_tensor *uda_conv(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w, int64_t stride);

/* Batch normalisation with given statistics, each [C]. */
struct uda_frozen_norm {
    struct uda_tensor *gamma, *beta, *mean, *var;
    float eps;
};
/*
 * y = act(norm(conv(x, w)) + add): norm as (v - mean) / sqrt(var + eps) gamma + beta, its tensors constant;
 * add like y, or NULL; act is max(., 0) if relu. One op, so that what lies between the convolution and y is
 * not kept. grads: x w add.
 */
struct uda_tensor *uda_conv_norm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *w,
                                 int64_t stride, const struct uda_frozen_norm *norm, struct uda_tensor *add,
                                 bool relu);

/* ---- norm.c ---- */

/* y = (x - mean) / sqrt(var + eps) * gamma + beta over the last dimension C; gamma, beta [C].
 * grads: x gamma beta. */
struct uda_tensor *uda_layernorm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *gamma,
                                 struct uda_tensor *beta, float eps);

/* y = layernorm(a + b): the post-norm residual in one pass, sum kept for backward. grads: a b gamma
 * beta. */
struct uda_tensor *uda_add_layernorm(struct uda_tape *t, struct uda_tensor *a, struct uda_tensor *b,
                                     struct uda_tensor *gamma, struct uda_tensor *beta, float eps);

/*
 * Group normalisation of x [N, T, C] over (T, C/groups) for each image and group, gamma and beta
 * [C], optional ReLU after it. grads: x gamma beta.
 */
struct uda_tensor *uda_groupnorm(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *gamma,
                                 struct uda_tensor *beta, int64_t groups, float eps, bool relu);

/* ---- elementwise.c ---- */

/* y = a + b, same shape. grads: a b. */
struct uda_tensor *uda_add(struct uda_tape *t, struct uda_tensor *a, struct uda_tensor *b);
/* y[n] = shortcut[n] + scale[n] branch[n]; scale: N floats that kernels read, until the end of the step, or
 * NULL for 1. grads: shortcut branch. */
struct uda_tensor *uda_add_scaled(struct uda_tape *t, struct uda_tensor *shortcut,
                                  struct uda_tensor *branch, const float *scale);
/* y = x Phi(x), the exact erf form. grads: x. */
struct uda_tensor *uda_gelu(struct uda_tape *t, struct uda_tensor *x);
/* y = max(x, 0). grads: x (0 where x <= 0). */
struct uda_tensor *uda_relu(struct uda_tape *t, struct uda_tensor *x);
/* y [N,T,C] = x [N,T,C] + rows [T,C], float. grads: x rows (summed over N). */
struct uda_tensor *uda_add_rows(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *rows);
/* y [N,T,C] = x [N,T,C] + v [C], float. grads: x v. v may be a row of a parameter (uda_param_rows,
 * [1, C]). */
struct uda_tensor *uda_add_vector(struct uda_tape *t, struct uda_tensor *x, struct uda_tensor *v);

/* ---- layout.c ---- */

/* x stored in another type; x itself when it has that one. grads: x. */
struct uda_tensor *uda_cast(struct uda_tape *t, struct uda_tensor *x, enum uda_type type);

/* Float image [N,H,W,3] -> [N, H/4, W/4, 48] of the tape's type, patch order (channel, ky, kx) as a 4x4
 * convolution's weight. No gradient. */
struct uda_tensor *uda_patchify(struct uda_tape *t, struct uda_tensor *image);
/*
 * x [N,H,W,C] -> [N, ceil(H/2), ceil(W/2), 4C]; channel blocks (0,0) (1,0) (0,1) (1,1) as (row,
 * column); odd sides are padded with zeros at the bottom and right. grads: x.
 */
struct uda_tensor *uda_patch_merge(struct uda_tape *t, struct uda_tensor *x);
/* Tokens of several [N, T_i, C] one after the other: [N, sum T_i, C]; count <= 4. grads: all. */
struct uda_tensor *uda_concat_tokens(struct uda_tape *t, struct uda_tensor *const *x, int count);
/* Tokens first..first+tokens-1 of x [N, T, C], copied. grads: x. */
struct uda_tensor *uda_slice_tokens(struct uda_tape *t, struct uda_tensor *x, int64_t first,
                                    int64_t tokens);
/* rows [T, C], float, for every image: [N, T, C] of the tape's type. grads: rows (summed over N). */
struct uda_tensor *uda_expand(struct uda_tape *t, struct uda_tensor *rows, int64_t N);
/*
 * Position plus level embedding: y [T, C] = sine [T, C] (constant) + embed [L, C] at each token's
 * level; level l has tokens[l] tokens, in order. All float. grads: embed.
 */
struct uda_tensor *uda_level_rows(struct uda_tape *t, struct uda_tensor *sine,
                                  struct uda_tensor *embed, const int64_t *tokens, int64_t L);

/* ---- window.c ---- */

/*
 * Shifted-window multi-head attention of Swin, straight from and to the token map. qkv [N,H,W,3D]
 * in channel order (q, k, v), each head-major; heads M, D/M per head. The map is padded at the
 * bottom and right to multiples of `window` with tokens whose qkv is qkv_bias [3D], rolled
 * by -shift, cut into windows; S = q k^T / sqrt(D/M) + table[index] and -100 between regions when
 * shift > 0; P = softmax(S); y [N,H,W,D] = P v, un-rolled and cropped. table [(2 window - 1)^2, M].
 * grads: qkv, qkv_bias (the padded tokens' share only: the linear before adds the rest), table.
 */
struct uda_tensor *uda_window_attention(struct uda_tape *t, struct uda_tensor *qkv,
                                        struct uda_tensor *qkv_bias, struct uda_tensor *table,
                                        int64_t heads, int64_t window, int64_t shift);

/* ---- attention.c ---- */

/*
 * Multi-head attention core: q [N,Q,D], k and v [N,L,D], heads M. y [N,Q,D] = softmax(q
 * k^T / sqrt(D/M) masked) v. mask: bits of uda_attention_mask, one row for each (n, q), shared by
 * the heads; NULL: none. grads: q k v.
 */
struct uda_tensor *uda_attention(struct uda_tape *t, struct uda_tensor *q, struct uda_tensor *k,
                                 struct uda_tensor *v, int64_t heads, const uint32_t *mask);

/* Words in a row of mask bits for L keys. */
#define UDA_MASK_WORDS(L) (((L) + 31) / 32)

/*
 * Where a query may not look: bit l of row (n, q) is 1 iff dot(e[n,q], f[n,l]) < 0; a row of ones
 * becomes all zeros. e [N,Q,C], f [N,L,C] (pooled mask features), float. Bits beyond L are 0. Words
 * [N, Q, UDA_MASK_WORDS(L)] belong to the tape and live until the next begin. No gradient.
 */
const uint32_t *uda_attention_mask(struct uda_tape *t, struct uda_tensor *e, struct uda_tensor *f);

/* ---- deform.c ---- */

#define UDA_LEVELS 3

/*
 * Multi-scale deformable attention core. value [N,S,D], offsets [N,S,M*L*P*2] (x, y fastest) and
 * weights [N,S,M*L*P] (logits), both float; M heads, L = 3 levels of sizes height[l] x width[l] whose tokens
 * follow each other in S, P points. weight = softmax over (L, P); location in level l: u = ref_x
 * w_l + off_x - 0.5, v = ref_y h_l + off_y - 0.5 with ref the centre of the query token in its own
 * level; bilinear with zeros outside. y [N,S,D]. grads: value offsets weights.
 */
struct uda_tensor *uda_deform_attention(struct uda_tape *t, struct uda_tensor *value,
                                        struct uda_tensor *offsets, struct uda_tensor *weights,
                                        int64_t heads, int64_t points,
                                        const int64_t height[UDA_LEVELS],
                                        const int64_t width[UDA_LEVELS]);

/* ---- resample.c ---- */

/* Bilinear resize of x [N,h,w,C] to [N,H,W,C], align_corners false, no antialiasing, plus `add`
 * [N,H,W,C] if not NULL. grads: x add. */
struct uda_tensor *uda_resize_bilinear(struct uda_tape *t, struct uda_tensor *x, int64_t H,
                                       int64_t W, struct uda_tensor *add);
/* Mean of the 2x2 centre pixels of every ratio x ratio cell (ratio 2, 4, 8): equals bilinear
 * shrinking by the ratio. x [N,H,W,C] -> [N, H/ratio * W/ratio, C]. No gradient. */
struct uda_tensor *uda_centre_pool(struct uda_tape *t, struct uda_tensor *x, int64_t ratio);
/* y [N, ceil(H/2), ceil(W/2), C] = the largest of the 3x3 pixels round (2i, 2j) of x [N,H,W,C], float;
 * those outside do not count. grads: x, at the first of equal largest pixels. */
struct uda_tensor *uda_max_pool(struct uda_tape *t, struct uda_tensor *x);
/* Sine position embedding of a map, [H*W, C], y half first; a float constant of the tape. */
struct uda_tensor *uda_sine_position(struct uda_tape *t, int64_t H, int64_t W, int64_t C);

/* ---- loss.c ---- */

struct uda_rng;
/* Random numbers of the device, y [rows, count]: y[r, i] = number skip + i of the stream of `key` whose
 * counter is counter[r], for r < *live (NULL: all). y, counter [rows, 4] and live are device memory: uniform
 * of kernels/args_random.h. */
void uda_uniform(struct uda_tape *t, float *y, int64_t rows, int64_t count, int64_t skip,
                 const struct uda_rng *key, const uint32_t *counter, const int64_t *live);

/*
 * Numbers come from two places: `host` is the program's memory, read (and copied) before the op
 * returns; `device` is memory of the tape's device (on the CPU the same): uda_tape_send,
 * uda_tape_scratch. Tensors are float.
 */

/* Targets of one image, at full resolution, of the host. Borrowed for the step. */
struct uda_targets {
    int64_t count, height, width; /* of the padded input */
    const int32_t *cls;           /* [count], 0..K-1 */
    const uint8_t *mask;          /* [count, height, width], 0 or 1 */
};

/*
 * The same of N images as kernels find them, image after image: n's rows of arrays [room, ..] are first[n] ..
 * first[n + 1] - 1. Only `room` and the size of the masks are sizes of launches: the numbers of targets are
 * read from `first`, so that steps that differ in them are the same calls of kernels.
 */
struct uda_targets_sent {
    int64_t room;          /* >= first[N]; 0: there are no targets, and nothing is launched for them */
    int64_t height, width; /* of a mask */
    const int64_t *first;  /* device [N + 1], first[0] = 0 */
    const int32_t *cls;    /* device [room] */
    const uint32_t *mask;  /* device [room, ..] bits: kernels/mask_bits.h */
};

/*
 * Costs of matching every query of image n with every of its M targets, on P shared points (Cheng et al.
 * 2022, section 3.2). cost device: the image's [Q, M], which begins at cost + first[n] Q, = cls_weight
 * (-softmax(logits)[cls]) + mask_weight BCE + dice_weight dice, at points [P, 2] (x, y in
 * [0,1)); logits [Q, K+1] and e [Q, C] of image n; f
 * [N,H,W,C] mask features. targets: of image n. No gradient. cost is written by the op. Errors: UDA_SHAPE.
 */
struct uda_match_spec {
    float cls_weight, mask_weight, dice_weight;
    int64_t points;
    const float *point; /* device [points, 2] */
};
void uda_match_cost(struct uda_tape *t, float *cost, struct uda_tensor *logits,
                    struct uda_tensor *e, struct uda_tensor *f, int64_t n,
                    const struct uda_targets *targets, const struct uda_targets_sent *sent,
                    const struct uda_match_spec *spec);

/*
 * The cheapest pairs of queries and targets for all predictions and images at once, without a wait; T is
 * sent->room. cost device: of prediction p and image n [Q, M_n] begins at (p T + first[n]) Q. All else is
 * device memory that the op fills. query, target [predictions, T]: the min(Q, M_n) pairs of (p, n), sorted by
 * query, begin at p T + first[n]; targets are numbered in their image. label [predictions, N, Q]: the class
 * of a query's target, or `classes`. wrong [predictions, N]: 1 + index of the first cost [Q, M_n] that is not
 * finite (its problem has no solution), or 0. targets [N]. How ties go: kernels/args_loss.h. Errors:
 * UDA_SHAPE (a class out of range, more targets than room).
 */
struct uda_assign_spec {
    int64_t predictions, images, queries, classes;
    const float *cost;
    int32_t *query, *target, *label;
    int64_t *wrong;
};
void uda_assign(struct uda_tape *t, const struct uda_targets *targets, const struct uda_targets_sent *sent,
                const struct uda_assign_spec *spec);

/*
 * Weighted cross entropy over all N Q queries: weight * sum_i w[y_i] (-log p_i[y_i]) / *denominator;
 * w = 1, and no_object for y = K. target [N Q] 0..K and *denominator > 0 are device memory. Adds the
 * unweighted loss to *loss (device). A root. grads: logits.
 */
void uda_class_loss(struct uda_tape *t, double *loss, struct uda_tensor *logits,
                    const int32_t *target, float no_object, const double *denominator, float weight);

/*
 * Point-sampled mask losses of the matched queries of all images, whose pairs are uda_assign's: of a pair's
 * candidates, which are its target's, the `important` most uncertain (least |logit|; ties to the lower index)
 * are kept, and all points - important of its target's random points; loss_mask += sum_r mean_p
 * BCE / *denominator, loss_dice += sum_r dice / *denominator (both device). e [N,Q,C], f [N,H,W,C]; targets
 * [N]. A root with weights mask_weight, dice_weight. grads: e f. Errors: UDA_SHAPE.
 */
struct uda_point_spec {
    int64_t points, candidates, important;
    const float *candidate;        /* device [room, candidates, 2] */
    const float *random;           /* device [room, points - important, 2] */
    const int32_t *query, *target; /* device [room] */
    const double *denominator;     /* device; > 0 */
    float mask_weight, dice_weight;
};
void uda_mask_loss(struct uda_tape *t, double *loss_mask, double *loss_dice, struct uda_tensor *e,
                   struct uda_tensor *f, const struct uda_targets *targets,
                   const struct uda_targets_sent *sent, const struct uda_point_spec *spec);

#endif
