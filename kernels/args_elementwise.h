/* Arguments of the elementwise kernels. */
#ifndef UDA_KERNELS_ARGS_ELEMENTWISE_H
#define UDA_KERNELS_ARGS_ELEMENTWISE_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * y[n,i] = a[n,i] + scale[n] b[n stride_b + i] for n < N, i < count. stride_b = count: same shape;
 * 0: one block for all. scale: N floats, or NULL for 1. y may be a. type: of a and y;
 * type_b: of b. Sums of floats have a float b.
 */
struct uda_add_args {
    struct uda_workspace ws;
    enum uda_type type, type_b;
    int64_t N, count, stride_b;
    const void *a, *b;
    const float *scale;
    void *y;
};

/*
 * One value in, one out, count of them. Derivatives read the input x of the forward.
 * gelu: y = x Phi(x), dx (+)= dy (Phi(x) + x phi(x)); Phi the normal distribution, absolute error
 * of Phi below 2e-7. relu: y = max(x, 0), dx (+)= x > 0 ? dy : 0. type: of all four.
 */
struct uda_unary_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type;
    int64_t count;
    const void *x, *dy;
    void *y, *dx;
};

#endif
