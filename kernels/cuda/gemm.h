/*
 * Matrix products for other kernels of the module: what uda_cuda_gemm is made of.
 *
 * Invariants: a product is cut by its sizes alone: chunks of K whose sums are added in order. The same
 * product always takes the same way: the library's (library.h) when there is one and the product is
 * large, else the plain kernel's.
 *
 *     bytes = uda_cuda_gemm_bytes(stream, &args);
 *     args.ws = (struct uda_workspace){workspace, bytes};
 *     rc = uda_cuda_gemm_run(stream, &args);
 */
#ifndef UDA_KERNELS_CUDA_GEMM_H
#define UDA_KERNELS_CUDA_GEMM_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Workspace of the product; may be 0. */
size_t uda_cuda_gemm_bytes(const struct uda_stream *stream, const struct uda_gemm_args *a);
/* The product. ws has at least that many bytes; its content is lost. */
int uda_cuda_gemm_run(struct uda_stream *stream, const struct uda_gemm_args *a);

#ifdef __cplusplus
}
#endif

#endif
