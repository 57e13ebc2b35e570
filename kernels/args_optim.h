/*
 * Arguments of the kernels over flat arrays of parameters: norm, AdamW, moving average, sums of
 * gradients.
 *
 * Constants are doubles here; a kernel works out its step constants in double, then casts them to
 * float once.
 */
#ifndef UDA_KERNELS_ARGS_OPTIM_H
#define UDA_KERNELS_ARGS_OPTIM_H

#include "kernels/workspace.h"

/* *sum = sum of x[i]^2 over x [count], in double, by chunks of fixed size summed in order. count 0
 * gives 0. */
struct uda_sum_squares_args {
    struct uda_workspace ws;
    int64_t count;
    const float *x;
    double *sum;
};

/* x[0] = NaN if a value [values] is not finite or a fault [faults] is not 0: whatever is made of x will show
 * it. */
struct uda_spoil_args {
    struct uda_workspace ws;
    int64_t values, faults;
    const double *value;
    const int64_t *fault;
    float *x;
};

/* Parameters that share a learning rate and a weight decay. Of the host. */
struct uda_adamw_segment {
    int64_t offset, count;
    double lr, weight_decay;
};

/*
 * One update, number t >= 1, of the segments (which do not overlap; what lies between is left
 * alone), in float as torch.optim.AdamW orders it (Loshchilov and Hutter 2019); nothing at all if *squares,
 * the squared norm of the gradient, is not finite:
 *   c = min(1, max_norm / (sqrt(*squares) + 1e-6)), 1 if max_norm <= 0 (torch.nn.utils.clip_grad_norm_)
 *   g = c grad;  p *= 1 - lr weight_decay
 *   m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
 *   p -= (lr / (1 - beta1^t)) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 */
struct uda_adamw_args {
    struct uda_workspace ws;
    const struct uda_adamw_segment *segment;
    int64_t segments, t;
    double beta1, beta2, eps, max_norm;
    const double *squares;
    float *value, *m, *v;
    const float *grad;
};

/* teacher [count] = alpha teacher + (1 - alpha) student. */
struct uda_ema_args {
    struct uda_workspace ws;
    int64_t count;
    double alpha;
    float *teacher;
    const float *student;
};

/* y [count] += factor x [count]. */
struct uda_scale_add_args {
    struct uda_workspace ws;
    int64_t count;
    float factor;
    float *y;
    const float *x;
};

#endif
