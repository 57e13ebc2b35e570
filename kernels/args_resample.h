/* Arguments of the kernels that resize and pool maps and fill position embeddings. */
#ifndef UDA_KERNELS_ARGS_RESAMPLE_H
#define UDA_KERNELS_ARGS_RESAMPLE_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * Bilinear, align_corners false, no antialiasing: source = max((i + 0.5) in / out - 0.5, 0), taps
 * floor(source) and the next (clamped to the last). x [N,h,w,C], y [N,H,W,C], channels last.
 * fwd: y = resize(x) (+ add [N,H,W,C] unless NULL)
 * bwd: dx (+)= transpose of resize (dy); dadd (+)= dy; either may be NULL
 * All arrays are of `type`.
 */
struct uda_resize_args {
    struct uda_workspace ws;
    enum uda_type type;
    bool accumulate_x, accumulate_add;
    int64_t N, h, w, H, W, C;
    const void *x, *add, *dy;
    void *y, *dx, *dadd;
};

/* y [N, H/ratio, W/ratio, C] = mean of the 2x2 centre pixels of each cell of x [N,H,W,C]; ratio 2,
 * 4 or 8. x and y are of `type`. */
struct uda_centre_pool_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, H, W, C, ratio;
    const void *x;
    void *y;
};

/*
 * y [N, ceil(H/2), ceil(W/2), C]: the largest of the 3x3 pixels round (2i, 2j) of x [N,H,W,C], those outside
 * left out; a NaN among them is the result. bwd: dx (+)= dy of the windows whose largest pixel it is, of
 * equal ones the first in the order of (row, column); a window whose result is NaN has none. All arrays are
 * of `type`.
 */
struct uda_max_pool_args {
    struct uda_workspace ws;
    enum uda_type type;
    bool accumulate;
    int64_t N, H, W, C;
    const void *x, *saved_y, *dy;
    void *y, *dx;
};

/* Rows or columns of y. */
static inline int64_t uda_max_pool_side(int64_t side) { return (side + 1) / 2; }

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
