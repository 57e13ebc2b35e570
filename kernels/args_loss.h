/*
 * Arguments of the criterion's kernels: matching costs, class loss, point-sampled mask losses
 * (Cheng et al. 2022).
 *
 * A point (x, y) addresses a map of any size h x w at u = x w - 0.5, v = y h - 0.5, bilinear with
 * zeros outside. Losses are sums in double in a fixed order, added to what the pointers hold. Masks are bits:
 * kernels/mask_bits.h.
 */
#ifndef UDA_KERNELS_ARGS_LOSS_H
#define UDA_KERNELS_ARGS_LOSS_H

#include "kernels/mask_bits.h"
#include "kernels/workspace.h"

/*
 * One image: logits [Q,K], e [Q,C], f [H,W,C]; targets cls [M] < K - 1, mask [M] of height x width
 * pixels; P points. With x = e F(point)^T and t = mask at the points: cost [Q,M] =
 *     -cls_weight softmax(logits)[cls] + mask_weight (sum softplus(x) - sum x t) / P
 *     + dice_weight (1 - (2 sum s(x) t + 1) / (sum s(x) + sum t + 1)), s the logistic function.
 */
struct uda_match_cost_args {
    struct uda_workspace ws;
    int64_t Q, K, C, H, W, M, height, width, P;
    float cls_weight, mask_weight, dice_weight;
    const float *logits, *e, *f, *point;
    const int32_t *cls;
    const uint32_t *mask;
    float *cost;
};

/*
 * The cheapest way to pair queries with targets, for P predictions of N images: rectangular linear
 * assignment by shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms",
 * 2016), the method behind scipy.optimize.linear_sum_assignment. Image n has M = first[n + 1] - first[n]
 * targets, most at most, of classes cls + first[n]; T = first[N]. Of prediction p its costs [Q,M] begin at
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
 * fwd: *loss += sum w (-log softmax(logits)[target]) / denominator
 * bwd: dlogits (+)= weight w (softmax(logits) - onehot(target)) / denominator
 */
struct uda_class_loss_args {
    struct uda_workspace ws;
    bool accumulate;
    int64_t rows, K;
    float no_object, weight;
    double denominator;
    const float *logits;
    const int32_t *target;
    double *loss;
    float *dlogits;
};

/*
 * One image: e [Q,C], f [H,W,C]; row r pairs query[r] with mask target[r], of height x width pixels. Of row
 * target[r] of candidate [*,candidates,2] the `important` points of least |logit| (ties: lower index) are
 * kept, in their order; row target[r] of random [*, P - important, 2] follows. With
 * x, t logit and label at these P points, *loss_mask += sum_r mean_p (softplus(x) - x t) / denominator,
 * *loss_dice += sum_r (1 - (2A + 1) / D) / denominator, A = sum s t, D = sum s + sum t + 1.
 * Unless NULL: point [R,P,2] = the points kept, dlogit [R,P] = d(mask_weight
 * loss_mask + dice_weight loss_dice) / dx.
 */
struct uda_mask_loss_args {
    struct uda_workspace ws;
    int64_t C, H, W, R, height, width, P, candidates, important;
    double denominator;
    float mask_weight, dice_weight;
    const float *e, *f, *candidate, *random;
    const int32_t *query, *target;
    const uint32_t *mask;
    float *point, *dlogit;
    double *loss_mask, *loss_dice;
};

/*
 * With g [R,H,W] = dlogit [R,P] spread to the four pixels around each point [R,P,2]:
 * de[n, query[r]] += g[r] f[n], df[n] += sum_r g[r] e[n, query[r]]. de [N,Q,C], df [N,H,W,C]:
 * either may be NULL; without `accumulate` the whole of it is set, zero elsewhere.
 */
struct uda_mask_grad_args {
    struct uda_workspace ws;
    bool accumulate_e, accumulate_f;
    int64_t N, Q, C, H, W, n, R, P;
    const float *e, *f, *point, *dlogit;
    const int32_t *query;
    float *de, *df;
};

#endif
