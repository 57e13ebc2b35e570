/* Arguments of the norm kernels. */
#ifndef UDA_KERNELS_ARGS_NORM_H
#define UDA_KERNELS_ARGS_NORM_H

#include "kernels/type.h"
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
 * type: of a, b, sum, y, x, dy, dx, dx2. Statistics and y are those of the sum before it is stored.
 */
struct uda_layernorm_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t rows, C;
    float eps;
    const void *a, *b;
    void *sum, *y;
    float *stats;
    const void *x, *dy; /* bwd: x is the normalised input */
    const float *saved_stats;
    const float *gamma, *beta;
    void *dx, *dx2;
    float *dgamma, *dbeta;
    bool add_dx, add_dx2, add_dgamma, add_dbeta;
};

/*
 * Group normalisation of x [N, T, C] over (T, C / groups), gamma and beta [C], then max(., 0) when
 * relu. fwd writes y and stats [N, groups, 2] = (mean, rstd), which must not be NULL.
 * bwd: the formulas of the row norm over each group; with relu, dy counts where the recomputed
 * y > 0. Gradients as above. type: of x, y, dy, dx.
 */
struct uda_groupnorm_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, T, C, groups;
    float eps;
    bool relu;
    const void *x;
    const float *gamma, *beta;
    void *y;
    float *stats;
    const float *saved_stats;
    const void *dy;
    void *dx;
    float *dgamma, *dbeta;
    bool add_dx, add_dgamma, add_dbeta;
};

/*
 * Batch normalisation by statistics that are given and stay, rows x [rows, C]: with
 * s = gamma / sqrt(var + eps), y = x s + (beta - mean s), + add [rows, C] when not NULL, then max(., 0)
 * when relu (a NaN stays one). y may be x.
 * bwd: d = dy, with relu where saved_y > 0, else 0; dx (+)= d s; dadd (+)= d. Either may be NULL.
 * All arrays but gamma, beta, mean and var are of `type`.
 */
struct uda_frozen_norm_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t rows, C;
    float eps;
    bool relu;
    const float *gamma, *beta, *mean, *var;
    const void *x, *add;
    void *y;
    const void *saved_y, *dy;
    void *dx, *dadd;
    bool add_dx, add_dadd;
};

#endif
