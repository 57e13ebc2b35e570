/* Arguments of the kernel that moves an image's colours, and the tables that it reads. */
#ifndef UDA_KERNELS_ARGS_LAB_H
#define UDA_KERNELS_ARGS_LAB_H

#include "kernels/workspace.h"

/* The sRGB curve between bytes and linear light, both ways. About 5 KiB. */
#define UDA_LAB_CELLS 1024
struct uda_lab_levels {
    double linear[256];
    double edge[256];                   /* [1..255]: the least light that becomes this byte */
    uint8_t first[UDA_LAB_CELLS + 1];   /* the byte of light i / UDA_LAB_CELLS */
};

/*
 * Colour transfer (src/uda/lab.h): for each of L, a, b, with mean and unbiased deviation over all pixels,
 *     new = (x - mean_s) / (std_s + 1e-8) (std_t + 1e-8) + mean_t
 * then back to bytes by the edges of levels. source [source_pixels, 3] and target [target_pixels, 3], both
 * with a pixel or more, out [source_pixels, 3], all uint8; out may be source. Double throughout. Exact: every
 * backend has the same bytes (kernels/lab.h).
 */
struct uda_lab_transfer_args {
    struct uda_workspace ws;
    int64_t source_pixels, target_pixels;
    const struct uda_lab_levels *levels;
    const uint8_t *source, *target;
    uint8_t *out;
};

#endif
