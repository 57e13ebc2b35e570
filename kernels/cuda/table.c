#include "kernels/cuda/table.h"

/* A kernel that no .cu file defines: the linker takes this one. */
#define UDA_KERNEL(kernel, args)                                                                   \
    static int lacks_##kernel(struct uda_stream *stream, struct args *a)                           \
    {                                                                                              \
        (void)stream;                                                                              \
        (void)a;                                                                                   \
        return (int)UDA_UNSUPPORTED;                                                               \
    }                                                                                              \
    int uda_cuda_##kernel(struct uda_stream *, struct args *) UDA_WEAK_ALIAS(lacks_##kernel);
#include "kernels/kernels.def"
#undef UDA_KERNEL

const struct uda_kernels uda_cuda_table = {
    .name = "cuda",
    .libraries = uda_cuda_libraries,
#define UDA_KERNEL(kernel, args) .kernel = uda_cuda_##kernel,
#include "kernels/kernels.def"
#undef UDA_KERNEL
};

const char *uda_cuda_missing(int64_t index)
{
    int64_t at = 0;
#define UDA_KERNEL(kernel, args)                                                                   \
    if (uda_cuda_table.kernel == lacks_##kernel && at++ == index) {                                \
        return #kernel;                                                                            \
    }
#include "kernels/kernels.def"
#undef UDA_KERNEL
    (void)at;
    return NULL;
}
