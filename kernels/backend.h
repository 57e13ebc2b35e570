/*
 * What a backend outside the program gives it: devices, memory, copies, kernels. The CUDA module
 * (uda_cuda.so) exports one function, uda_backend_module, that returns this table; src/tensor/device.c
 * opens it.
 *
 * Invariants: the program asks abi before anything else and uses no table of another build. Memory is
 * aligned to 256 bytes. A stream's work is ordered; nothing returned by a function but download and
 * synchronize has waited for it. Functions return 0 or a negative enum uda_code and fill err
 * (UDA_DEVICE: the device failed; UDA_NOMEM; UDA_UNSUPPORTED: no such device).
 *
 *     const struct uda_backend *backend = module();
 *     backend->open(&stream, 0, &err);
 *     backend->alloc(&data, stream, bytes, &err);
 *     backend->upload(stream, data, host, bytes, &err);
 *     backend->kernels->fill(&(struct uda_stream){.native = stream}, &args);
 */
#ifndef UDA_KERNELS_BACKEND_H
#define UDA_KERNELS_BACKEND_H

#include "kernels/group.h"
#include "kernels/kernels.h"
#include "src/base/err.h"

#define UDA_BACKEND_SYMBOL "uda_backend_module"

/*
 * Graphs: the work of a stream between begin and end is not done, but kept as a graph, and done at each
 * launch in the same order with the same arguments. In between only kernels and clear may be called. NULL:
 * the backend knows none.
 */
struct uda_backend_graphs {
    int (*begin)(void *stream, struct uda_err *err);
    /* Fills *graph; NULL on error, also of a kernel since begin. */
    int (*end)(void **graph, void *stream, struct uda_err *err);
    int (*launch)(void *stream, void *graph, struct uda_err *err);
    void (*destroy)(void *graph); /* launches of it have been waited for */
};

struct uda_backend {
    uint64_t (*abi)(void); /* uda_backend_abi of the module's build */
    const char *name; /* "cuda" */
    const struct uda_kernels *kernels;
    /* Devices at hand; 0 with the reason in text when there are none. */
    int (*count)(char *text, size_t bytes);
    /* One line about a device: "NVIDIA H100, 79.1 GiB, compute 9.0". */
    int (*describe)(char *text, size_t bytes, int device, struct uda_err *err);
    /* A stream on a device; its memory and kernels are used by the threads that have called enter. */
    int (*open)(void **stream, int device, struct uda_err *err);
    void (*close)(void **stream);
    int (*enter)(void *stream, struct uda_err *err);
    int (*alloc)(void **data, void *stream, size_t bytes, struct uda_err *err);
    void (*free)(void *data);
    /* Pinned memory of the host: its copies need no staging. free_host: no copy of it is under way. */
    int (*alloc_host)(void **data, void *stream, size_t bytes, struct uda_err *err);
    void (*free_host)(void *data);
    /* `from` may be changed when upload returns, memory of alloc_host only when the stream has been waited
     * for; download waits until `to` is filled. */
    int (*upload)(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err);
    int (*download)(void *stream, void *to, const void *from, size_t bytes, struct uda_err *err);
    int (*clear)(void *stream, void *data, size_t bytes, struct uda_err *err);
    int (*synchronize)(void *stream, struct uda_err *err);
    /* Name of the index-th kernel that the module lacks (it returns UDA_UNSUPPORTED), NULL at the
     * end. */
    const char *(*missing)(int64_t index);
    const struct uda_backend_graphs *graphs;
    const struct uda_backend_group *group; /* NULL: devices of several processes know nothing of each other */
};

typedef const struct uda_backend *uda_backend_module_fn(void);

/* Changes with the list of kernels and with the size of any argument struct. */
static inline uint64_t uda_backend_abi(void)
{
    /* add 1 when the meaning of a field changes */
    uint64_t abi = 2 + sizeof(struct uda_backend) + sizeof(struct uda_backend_group);
#define UDA_KERNEL(kernel, args) abi = abi * 1000003u + sizeof(struct args);
#include "kernels/kernels.def"
#undef UDA_KERNEL
    return abi;
}

#endif
