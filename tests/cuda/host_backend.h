/*
 * A backend whose device is the host harness: its memory is the host's, its kernels are the CUDA kernels.
 * What runs on it runs the way it will on a GPU, but for the speed.
 *
 *     UDA_TRY(uda_device_init_backend(&device, host_backend(), 0, 1, &err));
 */
#ifndef UDA_TESTS_CUDA_HOST_BACKEND_H
#define UDA_TESTS_CUDA_HOST_BACKEND_H

#include "kernels/backend.h"

/* Static. alloc fails for more than 1 GiB at once. */
const struct uda_backend *host_backend(void);
extern const struct uda_backend_graphs host_graphs;

#endif
