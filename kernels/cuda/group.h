/*
 * The group of devices by NCCL (group_nccl.c, where its header is found), as backend.c hands it out.
 *
 *     static const struct uda_backend backend = {..., .group = UDA_CUDA_GROUP};
 */
#ifndef UDA_KERNELS_CUDA_GROUP_H
#define UDA_KERNELS_CUDA_GROUP_H

#include "kernels/group.h"

extern const struct uda_backend_group uda_cuda_group;

/* UDA_NCCL: from kernels/cuda/meson.build. */
#if defined(UDA_NCCL)
#define UDA_CUDA_GROUP (&uda_cuda_group)
#else
#define UDA_CUDA_GROUP NULL
#endif

#endif
