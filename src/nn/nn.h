/*
 * Layers: a struct of parameter indices, a build function that registers them, a forward function
 * of ops.
 *
 * Invariants: build functions print names as `prefix` + the layer's own suffix (".weight",
 * ".bias"); errors stick to the registry and the tape. A layer holds no values and no state.
 *
 *     struct uda_dense fc1 = uda_dense_build(params, O, K, true, UDA_DENSE_DEFAULT, "block.fc1");
 *     y = uda_dense(tape, params, &fc1, x);
 */
#ifndef UDA_NN_NN_H
#define UDA_NN_NN_H

#include "src/nn/param.h"
#include "src/ops/ops.h"

#define UDA_NORM_EPS 1e-5f

/* y = x w^T + b. */
struct uda_dense {
    int w, b; /* b < 0: none */
};

/* Starting values of weight and bias (PyTorch, xavier as detectron2 and Mask2Former apply it). */
enum uda_dense_init {
    UDA_DENSE_DEFAULT,      /* both U(-1/sqrt(K), 1/sqrt(K)) */
    UDA_DENSE_XAVIER,       /* weight U(-sqrt(6/(K+O)), ..), bias 0 */
    UDA_DENSE_XAVIER_NOISY, /* weight xavier, bias U(-1/sqrt(K), ..) */
    UDA_DENSE_C2,           /* weight U(-sqrt(3/K), ..), bias 0 */
    UDA_DENSE_ZERO          /* both 0 */
};

/* Registers "<prefix>.weight" [O, K] and, unless `bias` is false, "<prefix>.bias" [O]. */
struct uda_dense uda_dense_build(struct uda_params *params, int64_t O, int64_t K, bool bias,
                                 enum uda_dense_init init, const char *prefix);
/* The same for a convolution of kernel x kernel: weight [O, C, kernel, kernel], fan-in C
 * kernel^2. */
struct uda_dense uda_conv_build(struct uda_params *params, int64_t O, int64_t C, int64_t kernel,
                                bool bias, enum uda_dense_init init, const char *prefix);
/* x [..., K] -> [..., O]; a weight of four dimensions is taken as [O, C kernel^2]. */
struct uda_tensor *uda_dense(struct uda_tape *t, const struct uda_params *params,
                             const struct uda_dense *layer, struct uda_tensor *x);

/* The same with a float result, whatever x is. */
struct uda_tensor *uda_dense_float(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_dense *layer, struct uda_tensor *x);

/* Layer and group normalisation: "<prefix>.weight" (gamma) and "<prefix>.bias" (beta), [C]. */
struct uda_norm {
    int gamma, beta;
};
struct uda_norm uda_norm_build(struct uda_params *params, int64_t C, const char *prefix);
/* Layer normalisation of x [..., C]. */
struct uda_tensor *uda_norm(struct uda_tape *t, const struct uda_params *params,
                            const struct uda_norm *layer, struct uda_tensor *x);
/* norm(a + b): the post-norm residual. */
struct uda_tensor *uda_norm_residual(struct uda_tape *t, const struct uda_params *params,
                                     const struct uda_norm *layer, struct uda_tensor *a,
                                     struct uda_tensor *b);
/* Group normalisation of a map or tokens [N, ..., C] -> [N, T, C], optional ReLU. */
struct uda_tensor *uda_norm_groups(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_norm *layer, struct uda_tensor *x,
                                   int64_t groups, bool relu);

/*
 * Convolution without bias under a frozen batch normalisation, as detectron2 names them: "<prefix>.weight"
 * [O, C, kernel, kernel], N(0, 2 / (O kernel^2)), and "<prefix>.norm.{weight,bias,running_mean,running_var}"
 * [O], which start as 1, 0, 0, 1 and stay. Gradients and shapes: uda_conv_norm.
 */
struct uda_frozen_conv {
    int w, gamma, beta, mean, var;
    int64_t stride;
};
struct uda_frozen_conv uda_frozen_conv_build(struct uda_params *params, int64_t O, int64_t C, int64_t kernel,
                                             int64_t stride, const char *prefix);
struct uda_tensor *uda_frozen_conv(struct uda_tape *t, const struct uda_params *params,
                                   const struct uda_frozen_conv *layer, struct uda_tensor *x,
                                   struct uda_tensor *add, bool relu);

/* y = w2 act(w1 x); gives the inner tensors back when nothing is recorded. */
struct uda_tensor *uda_mlp_relu(struct uda_tape *t, const struct uda_params *params,
                                const struct uda_dense *fc1, const struct uda_dense *fc2,
                                struct uda_tensor *x);
struct uda_tensor *uda_mlp_gelu(struct uda_tape *t, const struct uda_params *params,
                                const struct uda_dense *fc1, const struct uda_dense *fc2,
                                struct uda_tensor *x);

/*
 * Multi-head attention with packed projections as torch.nn.MultiheadAttention:
 * "<prefix>.in_proj_weight" [3D, D] = [Wq; Wk; Wv], "<prefix>.in_proj_bias" [3D],
 * "<prefix>.out_proj.{weight,bias}"; xavier, biases 0.
 */
struct uda_mha {
    int in_w, in_b;
    struct uda_dense out;
    int64_t heads;
};
struct uda_mha uda_mha_build(struct uda_params *params, int64_t D, int64_t heads,
                             const char *prefix);
/* query [N,Q,D], key and value [N,L,D] (before projection); mask as uda_attention, or NULL. */
struct uda_tensor *uda_mha(struct uda_tape *t, const struct uda_params *params,
                           const struct uda_mha *layer, struct uda_tensor *query,
                           struct uda_tensor *key, struct uda_tensor *value, const uint32_t *mask);

#endif
