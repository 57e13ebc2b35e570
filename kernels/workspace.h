/*
 * What every struct of arguments begins with: memory that a kernel needs besides its inputs and outputs (how
 * it is asked for: kernels.h), and how its arrays may be stored.
 */
#ifndef UDA_KERNELS_WORKSPACE_H
#define UDA_KERNELS_WORKSPACE_H

#include "kernels/type.h"

struct uda_workspace {
    void *data; /* aligned to 64 bytes */
    size_t bytes;
};

#endif
