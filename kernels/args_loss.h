/*
 * Arguments of the criterion's kernels: matching costs, class loss, point-sampled mask losses
 * (Cheng et al. 2022).
 *
 * A point (x, y) addresses a map of any size h x w at u = x w - 0.5, v = y h - 0.5, bilinear with
 * zeros outside. Losses are sums in double in a fixed order, added to what the pointers hold. Masks are bits:
 * kernels/mask_bits.h.
 *
 * How many targets there are is no size of a launch: they lie in arrays of rows, one image after the other,
 * and kernels read where an image's begin. A kernel for one image is given first [2] and the arrays of all
 * images: first[0] .. first[1] - 1 are its rows, M = first[1] - first[0] of them, maybe none; `most` >= M is
 * what launches and workspace are sized by. Other rows are neither read nor written.
 */
#ifndef UDA_KERNELS_ARGS_LOSS_H
#define UDA_KERNELS_ARGS_LOSS_H

#include "kernels/mask_bits.h"
#include "kernels/workspace.h"

/*
 * One image: logits [Q,K], e [Q,C], f [H,W,C]; the rows of cls, < K - 1, and of mask, of height x width
 * pixels, are targets; P points. With x = e F(point)^T and t = mask at the points: cost [Q,M], which begins
 * at cost + first[0] Q, =
 *     -cls_weight softmax(logits)[cls] + mask_weight (sum softplus(x) - sum x t) / P
 *     + dice_weight (1 - (2 sum s(x) t + 1) / (sum s(x) + sum t + 1)), s the logistic function.
 */
struct uda_match_cost_args {
    struct uda_workspace ws;
    int64_t Q, K, C, H, W, most, height, width, P;
    float cls_weight, mask_weight, dice_weight;
    const float *logits, *e, *f, *point;
    const int64_t *first; /* [2] */
    const int32_t *cls;
    const uint32_t *mask;
    float *cost;
};

/*
 * The cheapest way to pair queries with targets, for P predictions of N images: rectangular linear
 * assignment by shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms",
 * 2016), the method behind scipy.optimize.linear_sum_assignment. Image n has M = first[n + 1] - first[n]
 * targets, most at most, of classes cls + first[n]; T >= first[N]. Of prediction p its costs [Q,M] begin at
 * cost + (p T + first[n]) Q, its min(Q, M) pairs, sorted by query, at p T + first[n] of query and target
 * [P,T]; what lies behind them is left alone. label [P,N,Q] = class of the query's target, else K. Arithmetic
 * is in double in one order; at equal path cost a free column is preferred, then the lower index: every
 * backend gives the same pairs. wrong [P,N] = 1 + index into [Q,M] of the first cost that is not finite,
 * then query i goes with target i; else 0.
 */
struct uda_assign_args {
    struct uda_workspace ws;
    int64_t P, N, Q, K, T, most;
    const int64_t *first; /* [N + 1] */
    const int32_t *cls;   /* [T] */
    const float *cost;
    int32_t *query, *target, *label;
    int64_t *wrong;
};

/*
 * logits [rows,K], target [rows] in 0..K-1; w = no_object for target K - 1, else 1.
 * fwd: *loss += sum w (-log softmax(logits)[target]) / *denominator
 * bwd: dlogits (+)= weight w (softmax(logits) - onehot(target)) / *denominator
 */
struct uda_class_loss_args {
    struct uda_workspace ws;
    bool accumulate;
    int64_t rows, K;
    float no_object, weight;
    const double *denominator; /* > 0 */
    const float *logits;
    const int32_t *target;
    double *loss;
    float *dlogits;
};

/*
 * One image: e [Q,C], f [H,W,C]; R = min(Q, M) pairs in its rows of query and target: pair r matches
 * query[r] and the image's target t = target[r], 0 .. M - 1. Of row t of candidate [*,candidates,2] the
 * `important` points of least |logit| (ties: lower index) are kept, in their order; row t of random
 * [*, P - important, 2] follows. mask [*] of height x width pixels. With
 * x, t logit and label at these P points, *loss_mask += sum_r mean_p (softplus(x) - x t) / *denominator,
 * *loss_dice += sum_r (1 - (2A + 1) / D) / *denominator, A = sum s t, D = sum s + sum t + 1.
 * Unless NULL: the first R of the image's rows of point [*,P,2] = the points kept, of dlogit [*,P] =
 * d(mask_weight loss_mask + dice_weight loss_dice) / dx.
 */
struct uda_mask_loss_args {
    struct uda_workspace ws;
    int64_t Q, C, H, W, most, height, width, P, candidates, important;
    const double *denominator; /* > 0 */
    float mask_weight, dice_weight;
    const float *e, *f, *candidate, *random;
    const int64_t *first; /* [2] */
    const int32_t *query, *target;
    const uint32_t *mask;
    float *point, *dlogit;
    double *loss_mask, *loss_dice;
};

/*
 * Of image n and its R pairs, as above: with g [R,H,W] = dlogit [*,P] spread to the four pixels around each
 * point [*,P,2]: de[n, query[r]] += g[r] f[n], df[n] += sum_r g[r] e[n, query[r]]. de [N,Q,C], df [N,H,W,C]:
 * either may be NULL; without `accumulate` the whole of it is set, zero elsewhere.
 */
struct uda_mask_grad_args {
    struct uda_workspace ws;
    bool accumulate_e, accumulate_f;
    int64_t N, Q, C, H, W, n, most, P;
    const float *e, *f, *point, *dlogit;
    const int64_t *first; /* [2] */
    const int32_t *query;
    float *de, *df;
};

#endif
