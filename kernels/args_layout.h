/* Arguments of the layout kernels. */
#ifndef UDA_KERNELS_ARGS_LAYOUT_H
#define UDA_KERNELS_ARGS_LAYOUT_H

#include "kernels/type.h"
#include "kernels/workspace.h"

/*
 * y[n stride_y + i] (+)= scale[n] x[n stride_x + i] for n < N, i < count. stride_x = 0 repeats one
 * block. scale: N floats, or NULL for 1. type: of y; type_x: of x; where they differ x is converted.
 */
struct uda_copy_blocks_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type, type_x;
    int64_t N, count, stride_x, stride_y;
    const void *x;
    const float *scale;
    void *y;
};

/* y[i] = value for i < count. type: of y. */
struct uda_fill_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t count;
    float value;
    void *y;
};

/* y[i] (+)= sum over n of x[n stride_x + i], in order of n. type: of x. */
struct uda_sum_blocks_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type;
    int64_t N, count, stride_x;
    const void *x;
    float *y;
};

/* y [N, H/4, W/4, 48] = 4x4 patches of x [N,H,W,3], inside a patch (channel, ky, kx), kx fastest.
 * H, W: multiples of 4. type: of y. */
struct uda_patchify_args {
    struct uda_workspace ws;
    enum uda_type type;
    int64_t N, H, W;
    const float *x;
    void *y;
};

/*
 * 2x2 neighbourhoods side by side: y [N, ceil(H/2), ceil(W/2), 4C] from x [N,H,W,C]; block
 * q = row + 2 column; zeros beyond the bottom and right. bwd: dx (+)= the adjoint (each pixel is
 * read once). type: of all four.
 */
struct uda_patch_merge_args {
    struct uda_workspace ws;
    bool accumulate;
    enum uda_type type;
    int64_t N, H, W, C;
    const void *x, *dy;
    void *y, *dx;
};

#endif
