/* Arguments of the norm kernels. */
#ifndef UDA_KERNELS_ARGS_NORM_H
#define UDA_KERNELS_ARGS_NORM_H

#include "kernels/workspace.h"

/*
 * Normalisation of rows, x [rows, C]: xhat = (x - mean) rstd, rstd = 1 / sqrt(var + eps),
 * y = xhat gamma + beta.
 * fwd: x is a, or a + b when b is not NULL: then the sum is written to sum [rows, C]. Writes y and,
 *      when not NULL, stats [rows, 2] = (mean, rstd).
 * bwd: g = dy gamma; dx = rstd (g - mean(g) - xhat mean(g xhat)); dgamma = sum dy xhat and
 *      dbeta = sum dy over fixed chunks of rows, summed in order. dx, dx2 (a second receiver of the
 *      same values), dgamma and dbeta may be NULL; each has its own add flag. dx2 may equal dx: it
 *      is served after it.
 */
struct uda_layernorm_args {
    struct uda_workspace ws;
    int64_t rows, C;
    float eps;
    const float *a, *b;
    float *sum, *y, *stats;
    const float *x, *saved_stats, *dy; /* bwd: x is the normalised input */
    const float *gamma, *beta;
    float *dx, *dx2, *dgamma, *dbeta;
    bool add_dx, add_dx2, add_dgamma, add_dbeta;
};

/*
 * Group normalisation of x [N, T, C] over (T, C / groups), gamma and beta [C], then max(., 0) when
 * relu. fwd writes y and stats [N, groups, 2] = (mean, rstd), which must not be NULL.
 * bwd: the formulas of the row norm over each group; with relu, dy counts where the recomputed
 * y > 0. Gradients as above.
 */
struct uda_groupnorm_args {
    struct uda_workspace ws;
    int64_t N, T, C, groups;
    float eps;
    bool relu;
    const float *x, *gamma, *beta;
    float *y, *stats;
    const float *saved_stats, *dy;
    float *dx, *dgamma, *dbeta;
    bool add_dx, add_dgamma, add_dbeta;
};

#endif
