/*
 * AdamW over the flat arrays (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR
 * 2019) with the reference's parameter groups, and clipping by the global norm.
 *
 * Groups: learning rate x backbone_factor for "backbone.*"; no weight decay for normalisations,
 * embedding tables and relative position bias tables; full decay for everything else, biases
 * included. Frozen parameters keep their values, their moments stay 0. Invariants: t counts updates
 * from 1. All arrays have the registry's layout. Exact at any number of threads.
 *
 *     UDA_TRY(uda_grad_squares(squares, device, &params, grads, err));    // squares: of the device
 *     UDA_TRY(uda_adamw_step(device, &params, &config, lr, t, 0.01, squares, values, grads, m, v, err));
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

/* *squares (device) = sum of squares of all gradients together, in double. Nothing waits. */
int uda_grad_squares(double *squares, struct uda_device *device, const struct uda_params *params,
                     const float *grads, struct uda_err *err) UDA_MUST_USE;

/*
 * One update number t >= 1 with learning rate lr, clipped by the norm sqrt(*squares):
 *   g *= min(1, max_norm / (norm + 1e-6)), unless max_norm <= 0
 *   p -= lr wd p;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *   p -= lr / (1-b1^t) m / (sqrt(v / (1-b2^t)) + eps)
 * Changes nothing if *squares (device) is not finite: no host needs to look at it before. Nothing waits.
 * Errors: UDA_NOMEM, and what a kernel returns.
 */
int uda_adamw_step(struct uda_device *device, const struct uda_params *params,
                   const struct uda_adamw_config *config, double lr, int64_t t, double max_norm,
                   const double *squares, float *values, const float *grads, float *m, float *v,
                   struct uda_err *err) UDA_MUST_USE;

#endif
