/* No libraries: the plain kernels do everything. */
#include "kernels/cuda/library.h"

int uda_cuda_library_open(struct uda_cuda_stream *s, struct uda_err *err)
{
    (void)err;
    s->library = NULL;
    return 0;
}

void uda_cuda_library_close(struct uda_cuda_stream *s) { (void)s; }

const char *uda_cuda_library_text(void) { return NULL; }

size_t uda_cuda_library_bytes(const struct uda_stream *stream)
{
    (void)stream;
    return 0;
}

int uda_cuda_library_product(struct uda_stream *stream, const struct uda_gemm_args *a,
                             const struct uda_cuda_batch *batch)
{
    (void)stream;
    (void)a;
    (void)batch;
    return (int)UDA_UNSUPPORTED;
}
