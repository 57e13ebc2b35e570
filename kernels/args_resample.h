/* Arguments of the kernels that resize maps and fill position embeddings. */
#ifndef UDA_KERNELS_ARGS_RESAMPLE_H
#define UDA_KERNELS_ARGS_RESAMPLE_H

#include "kernels/workspace.h"

/*
 * Bilinear, align_corners false, no antialiasing: source = max((i + 0.5) in / out - 0.5, 0), taps
 * floor(source) and the next (clamped to the last). x [N,h,w,C], y [N,H,W,C], channels last.
 * fwd: y = resize(x) (+ add [N,H,W,C] unless NULL)
 * bwd: dx (+)= transpose of resize (dy); dadd (+)= dy; either may be NULL
 */
struct uda_resize_args {
    struct uda_workspace ws;
    bool accumulate_x, accumulate_add;
    int64_t N, h, w, H, W, C;
    const float *x, *add, *dy;
    float *y, *dx, *dadd;
};

/* y [N, H/ratio, W/ratio, C] = mean of the 2x2 centre pixels of each cell of x [N,H,W,C]; ratio 2,
 * 4 or 8. */
struct uda_centre_pool_args {
    struct uda_workspace ws;
    int64_t N, H, W, C, ratio;
    const float *x;
    float *y;
};

/*
 * y [H,W,C]: channels 0..C/2-1 from the row, the rest from the column: with
 * a = (i + 1) / (n + 1e-6) 2 pi and T_k = 10000^(2 floor(k/2) / (C/2)), channel k of a half is
 * sin(a / T_k) for even k, cos(a / T_k) for odd.
 */
struct uda_sine_position_args {
    struct uda_workspace ws;
    int64_t H, W, C;
    float *y;
};

#endif
