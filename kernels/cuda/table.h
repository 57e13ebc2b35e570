/*
 * The table of the CUDA kernels, as the module and the tests use it.
 *
 * Invariants: every kernel of kernels.def has an entry; one that no .cu file defines returns
 * UDA_UNSUPPORTED and is named by uda_cuda_missing.
 *
 *     for (int64_t i = 0; uda_cuda_missing(i) != NULL; i++) { ... }
 */
#ifndef UDA_KERNELS_CUDA_TABLE_H
#define UDA_KERNELS_CUDA_TABLE_H

#include "kernels/cuda/cuda.h"

extern const struct uda_kernels uda_cuda_table;

/* The index-th kernel without a definition, in the order of kernels.def; NULL at the end. */
const char *uda_cuda_missing(int64_t index);
/* "CUDA runtime 13.0": what results depend on. Of backend.c; in the tests of the harness. */
const char *uda_cuda_libraries(void);

#endif
