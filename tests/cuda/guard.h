/*
 * What the guard module (guard.c) has counted since it was opened; found by name in the module.
 *
 *     const int64_t *counts = guard_counted();
 *     int64_t before = counts[GUARD_WAITS];
 */
#ifndef UDA_TESTS_CUDA_GUARD_H
#define UDA_TESTS_CUDA_GUARD_H

#include "src/base/compiler.h"

#include <dlfcn.h>
#include <stdlib.h>

enum guard_count {
    GUARD_KERNELS, /* runs of a kernel of kernels.def; on a GPU one or a few launches each */
    GUARD_UPLOADS,
    GUARD_BYTES, /* of the uploads */
    GUARD_DOWNLOADS,
    GUARD_CLEARS,
    GUARD_WAITS, /* calls after which the host has waited for the device */
    GUARD_GRAPHS, /* launches; the kernels in them are not counted */
    GUARD_ALLOCATIONS, /* of memory of the device, and of pinned memory */
    GUARD_SWAPS, /* between the devices of several processes */
    GUARD_COUNTS
};

/* [GUARD_COUNTS] */
typedef const int64_t *guard_counts_fn(void);

/* The counts of the module that UDA_CUDA_MODULE names and the program has opened; ends the program where
 * there is none. */
static inline const int64_t *guard_counted(void)
{
    void *module = dlopen(getenv("UDA_CUDA_MODULE"), RTLD_NOW | RTLD_NOLOAD);
    union {
        void *from;
        guard_counts_fn *to;
    } counts = {.from = module != NULL ? dlsym(module, "guard_counts") : NULL};
    if (counts.from == NULL) {
        abort();
    }
    return counts.to();
}

#endif
