/* Arguments of the window attention. */
#ifndef UDA_KERNELS_ARGS_WINDOW_H
#define UDA_KERNELS_ARGS_WINDOW_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * Shifted-window attention as uda_window_attention of src/ops/ops.h says; n = window^2 tokens a
 * window, d = D / heads. qkv [N,H,W,3D], qkv_bias [3D], table [(2 window - 1)^2, heads].
 * fwd: writes y [N,H,W,D] and log_sums [N, windows, heads, n], the logarithm of each row's sum of
 * exponentials. bwd: recomputes the probabilities from log_sums; reads dy; dqkv (+)=, dbias [3D]
 * (+)= the padded tokens' share (the q third gets 0), dtable (+)= sums of dS over windows in fixed
 * chunks, in order. dqkv, dbias, dtable may be NULL. qkv, y, dy and dqkv are of `type`;
 * a padded token's qkv is the bias, rounded as if it were stored.
 */
struct uda_window_attention_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, H, W, D, heads, window, shift;
    const void *qkv, *dy;
    void *y, *dqkv;
    const float *qkv_bias, *table, *saved_log_sums;
    float *log_sums, *dbias, *dtable;
    bool add_dqkv, add_dbias, add_dtable;
};

#endif
