/*
 * A backend in use: its kernel table, its stream (on the CPU: a team of threads) and its step
 * memory.
 *
 * A device is used by one thread at a time. Shards of a step that run side by side have a device
 * each.
 */
#ifndef UDA_TENSOR_DEVICE_H
#define UDA_TENSOR_DEVICE_H

#include "kernels/kernels.h"
#include "src/base/arena.h"

struct uda_device {
    const struct uda_kernels *kernels;
    struct uda_stream stream;
    struct uda_pool pool; /* activations and workspaces */
};

/* A CPU device with its own team; threads 0 = all cores; isa NULL = best. Errors: UDA_NOMEM,
 * UDA_UNSUPPORTED. */
int uda_device_init_cpu(struct uda_device *device, int threads, const char *isa,
                        struct uda_err *err) UDA_MUST_USE;
void uda_device_finish(struct uda_device *device);

#endif
