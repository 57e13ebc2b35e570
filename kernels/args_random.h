/* Arguments of the kernel that draws random numbers. */
#ifndef UDA_KERNELS_ARGS_RANDOM_H
#define UDA_KERNELS_ARGS_RANDOM_H

#include "kernels/workspace.h"

/*
 * Uniform numbers in [0, 1) of many streams at once, the bytes of uda_rng_fill (src/base/rng.h): y[r, i] is
 * number skip + i of the cursor with this key and counter[r] = (index, sample, step, stage), nothing of it
 * drawn yet. y [rows, count], counter [rows, 4], skip >= 0. Rows from *live on are left alone; live NULL: all
 * are drawn.
 */
struct uda_uniform_args {
    struct uda_workspace ws;
    int64_t rows, count, skip;
    uint32_t key[2];
    const uint32_t *counter;
    const int64_t *live;
    float *y;
};

#endif
