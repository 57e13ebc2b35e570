/* Arguments of the elementwise kernels. */
#ifndef UDA_KERNELS_ARGS_ELEMENTWISE_H
#define UDA_KERNELS_ARGS_ELEMENTWISE_H

#include "kernels/workspace.h"

/*
 * y[n,i] = a[n,i] + scale[n] b[n stride_b + i] for n < N, i < count. stride_b = count: same shape;
 * 0: one block for all. scale: N floats of the host, or NULL for 1. y may be a.
 */
struct uda_add_args {
    struct uda_workspace ws;
    int64_t N, count, stride_b;
    const float *a, *b, *scale;
    float *y;
};

/*
 * One value in, one out, count of them. Derivatives read the input x of the forward.
 * gelu: y = x Phi(x), dx (+)= dy (Phi(x) + x phi(x)); Phi the normal distribution, absolute error
 * of Phi below 2e-7. relu: y = max(x, 0), dx (+)= x > 0 ? dy : 0.
 */
struct uda_unary_args {
    struct uda_workspace ws;
    bool accumulate;
    int64_t count;
    const float *x, *dy;
    float *y, *dx;
};

#endif
