/*
 * AdamW over the flat arrays (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR
 * 2019) with the reference's parameter groups, and clipping by the global norm.
 *
 * Groups: learning rate x backbone_factor for "backbone.*"; no weight decay for normalisations,
 * embedding tables and relative position bias tables; full decay for everything else, biases
 * included. Invariants: t counts updates from 1. All arrays have the registry's layout. Exact at
 * any number of threads.
 *
 *     double norm = 0;
 *     UDA_TRY(uda_grad_norm(&norm, device, &params, grads, err));
 *     UDA_TRY(uda_adamw_step(device, &params, &config, lr, t, uda_clip_factor(norm, 0.01), values,
 *                            grads, m, v, err));
 */
#ifndef UDA_OPTIM_ADAMW_H
#define UDA_OPTIM_ADAMW_H

#include "src/nn/param.h"

struct uda_adamw_config {
    double beta1, beta2, eps;  /* 0.9, 0.999, 1e-8 */
    double weight_decay;       /* 0.05 */
    double backbone_factor;    /* 0.1 */
};
/* The values above. */
struct uda_adamw_config uda_adamw_defaults(void);

/* L2 norm of all gradients together, in double. UDA_NONFINITE if it is not a finite number. */
int uda_grad_norm(double *norm, struct uda_device *device, const struct uda_params *params,
                  const float *grads, struct uda_err *err) UDA_MUST_USE;
/* min(1, max_norm / (norm + 1e-6)); 1 if max_norm <= 0. torch.nn.utils.clip_grad_norm_. */
double uda_clip_factor(double norm, double max_norm);

/*
 * One update number t >= 1 with learning rate lr; gradients are multiplied by `scale` first:
 *   p -= lr wd p;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *   p -= lr / (1-b1^t) m / (sqrt(v / (1-b2^t)) + eps)
 * Errors: UDA_NOMEM, and what a kernel returns.
 */
int uda_adamw_step(struct uda_device *device, const struct uda_params *params,
                   const struct uda_adamw_config *config, double lr, int64_t t, double scale,
                   float *values, const float *grads, float *m, float *v,
                   struct uda_err *err) UDA_MUST_USE;

#endif
