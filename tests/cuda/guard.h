/*
 * What the guard module (guard.c) has counted since it was opened; found by name in the module.
 *
 *     guard_counts_fn *counts = ...dlsym(module, "guard_counts");
 *     int64_t before = counts()[GUARD_WAITS];
 */
#ifndef UDA_TESTS_CUDA_GUARD_H
#define UDA_TESTS_CUDA_GUARD_H

#include "src/base/compiler.h"

enum guard_count {
    GUARD_KERNELS, /* runs of a kernel of kernels.def; on a GPU one or a few launches each */
    GUARD_UPLOADS,
    GUARD_BYTES, /* of the uploads */
    GUARD_DOWNLOADS,
    GUARD_CLEARS,
    GUARD_WAITS, /* calls after which the host has waited for the device */
    GUARD_GRAPHS, /* launches; the kernels in them are not counted */
    GUARD_SWAPS, /* between the devices of several processes */
    GUARD_COUNTS
};

/* [GUARD_COUNTS] */
typedef const int64_t *guard_counts_fn(void);

#endif
