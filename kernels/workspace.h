/*
 * Memory that a kernel needs besides its inputs and outputs; how it is asked for: kernels.h.
 */
#ifndef UDA_KERNELS_WORKSPACE_H
#define UDA_KERNELS_WORKSPACE_H

#include "src/base/compiler.h"

struct uda_workspace {
    void *data; /* aligned to 64 bytes */
    size_t bytes;
};

#endif
