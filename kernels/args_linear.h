/* Arguments of the matrix product, its bias and the convolution. */
#ifndef UDA_KERNELS_ARGS_LINEAR_H
#define UDA_KERNELS_ARGS_LINEAR_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * C [M,N] = op(A) [M,K] op(B) [K,N] (+ bias [N]) (+ C when accumulate).
 * op(A) = A stored [M,K], or its transpose stored [K,M] when transpose_a; B likewise. lda, ldb,
 * ldc: row strides in elements. bias may be NULL; not with accumulate. Exact at any thread count:
 * tiles and K chunks depend on M, N, K. type: of A and B; type_c: of C and bias. Float factors have
 * a float result.
 */
struct uda_gemm_args {
    struct uda_workspace ws;
    bool transpose_a, transpose_b, accumulate;
    enum uda_type type, type_c;
    int64_t M, N, K;
    const void *A, *B, *bias;
    int64_t lda, ldb, ldc;
    void *C;
};

/* y [columns] (+)= sum over rows of x [rows, columns]; row stride ldx. Fixed chunks of rows, summed
 * in order. type: of x. */
struct uda_column_sum_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type;
    int64_t rows, columns, ldx;
    const void *x;
    float *y;
};

/*
 * Convolution of kernel k x k (1, 3, 7), stride s (1, 2), zero padding k / 2, channels last, no bias:
 * y [N,Ho,Wo,Co], x [N,H,W,C], w [Co,C,k,k] (ky, kx fastest); Ho = ceil(H / s), Wo = ceil(W / s).
 * fwd:        y[i,j] = sum over taps of x[s i + ky - k/2, s j + kx - k/2] w[ky,kx]   uses x, w
 * bwd_input:  dx (+)= the transpose of that                                          uses dy, w
 * bwd_weight: dw (+)= sum over pixels of dy x                                        uses dy, x
 * type: of all but dw.
 */
struct uda_conv_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type;
    int64_t N, H, W, C, Co, kernel, stride;
    const void *x, *w, *dy;
    void *y, *dx;
    float *dw;
};

/* Rows or columns that a stride leaves of `side`, which may be 0 or less: none. */
static inline int64_t uda_conv_side(int64_t side, int64_t stride)
{
    return side > 0 ? (side + stride - 1) / stride : 0;
}

#endif
