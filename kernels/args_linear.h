/* Arguments of the matrix product, its bias and the 3x3 convolution. */
#ifndef UDA_KERNELS_ARGS_LINEAR_H
#define UDA_KERNELS_ARGS_LINEAR_H

#include "kernels/workspace.h"

/*
 * C [M,N] = op(A) [M,K] op(B) [K,N] (+ bias [N]) (+ C when accumulate).
 * op(A) = A stored [M,K], or its transpose stored [K,M] when transpose_a; B likewise. lda, ldb,
 * ldc: row strides in elements. bias may be NULL; not with accumulate. Exact at any thread count:
 * tiles and K chunks depend on M, N, K.
 */
struct uda_gemm_args {
    struct uda_workspace ws;
    bool transpose_a, transpose_b, accumulate;
    int64_t M, N, K;
    const float *A, *B, *bias;
    int64_t lda, ldb, ldc;
    float *C;
};

/* y [columns] (+)= sum over rows of x [rows, columns]; row stride ldx. Fixed chunks of rows, summed
 * in order. */
struct uda_column_sum_args {
    struct uda_workspace ws;
    bool accumulate;
    int64_t rows, columns, ldx;
    const float *x;
    float *y;
};

/*
 * 3x3 convolution, stride 1, zero padding 1, channels last: y [N,H,W,Co], x [N,H,W,C], w [Co,C,3,3]
 * (ky, kx fastest). fwd:        y  = conv(x, w)
 * bwd_input:  dx (+)= conv(dy, w flipped)           uses dy, w
 * bwd_weight: dw (+)= sum over pixels dy x          uses dy, x
 */
struct uda_conv3x3_args {
    struct uda_workspace ws;
    bool accumulate;
    int64_t N, H, W, C, Co;
    const float *x, *w, *dy;
    float *y, *dx, *dw;
};

#endif
