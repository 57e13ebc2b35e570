/*
 * What the module asks of libraries: matrix products. Built without them (or in the tests) there is
 * library_none.c, and the plain kernels do everything.
 *
 * Invariants: calls enqueue on the stream and do not wait; results are the same bytes for the same sizes,
 * library version and kind of device: algorithms are chosen by rule, never by timing. Workspace comes
 * with the call.
 *
 *     UDA_TRY(uda_cuda_library_open(s, &err));                       // with the stream
 *     rc = uda_cuda_library_product(stream, &args, &batch);
 *     if (rc == (int)UDA_UNSUPPORTED) { ... the plain kernel ... }
 *     uda_cuda_library_close(s);
 */
#ifndef UDA_KERNELS_CUDA_LIBRARY_H
#define UDA_KERNELS_CUDA_LIBRARY_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills s->library; s->device is current. Errors: UDA_DEVICE, UDA_NOMEM. */
int uda_cuda_library_open(struct uda_cuda_stream *s, struct uda_err *err) UDA_MUST_USE;
/* Accepts a stream without a library. */
void uda_cuda_library_close(struct uda_cuda_stream *s);
/* What results depend on, the runtime's version included; NULL without a library. Static. */
const char *uda_cuda_library_text(void);

/* Products of a batch; number i reads A + i stride_a, B + i stride_b and writes C + i stride_c. */
struct uda_cuda_batch {
    int64_t count, stride_a, stride_b, stride_c;
};

/* Workspace that a product wants; 0 when there is no library. */
size_t uda_cuda_library_bytes(const struct uda_stream *stream);
/*
 * The products of the batch, as uda_gemm_args says: products and sums in float, no TF32. M, N, K >= 1;
 * a bias only with a count of 1. ws: uda_cuda_library_bytes. Returns UDA_UNSUPPORTED when there is no
 * library or it has no algorithm of the wanted kind, UDA_DEVICE when it fails.
 */
int uda_cuda_library_product(struct uda_stream *stream, const struct uda_gemm_args *a,
                             const struct uda_cuda_batch *batch);

#ifdef __cplusplus
}
#endif

#endif
