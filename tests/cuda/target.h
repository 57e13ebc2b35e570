/*
 * Where a case runs: the CPU kernels, the CUDA kernels under the host harness, or the CUDA module on a
 * device. The case table is written against this alone.
 *
 * Invariants: memory starts as NaN (bytes 0xff); its ends are guarded: by the address sanitizer on the
 * host, by bytes that release checks elsewhere.
 *
 *     float *x = target->alloc(target, bytes);
 *     target->upload(target, x, host, bytes);
 *     rc = target->kernels->add(&target->stream, &args);
 *     target->download(target, host, x, bytes);
 *     if (!target->release(target, x)) { somebody wrote behind it }
 */
#ifndef UDA_TESTS_CUDA_TARGET_H
#define UDA_TESTS_CUDA_TARGET_H

#include "kernels/backend.h"

struct target {
    const char *name;
    const struct uda_kernels *kernels;
    struct uda_stream stream;
    const struct uda_backend *backend; /* NULL: the memory is the host's */
    /* Aborts when out of memory. */
    void *(*alloc)(struct target *target, size_t bytes);
    /* false: bytes behind the block have changed. */
    bool (*release)(struct target *target, void *block, size_t bytes);
    void (*upload)(struct target *target, void *to, const void *from, size_t bytes);
    void (*download)(struct target *target, void *to, const void *from, size_t bytes);
};

/* Kernels of a table on the host's memory. */
struct target target_host(const char *name, const struct uda_kernels *kernels);
/* A device of a module; kernels of its table. Errors: those of open. */
int target_device(struct target *target, const struct uda_backend *backend, struct uda_err *err) UDA_MUST_USE;
void target_finish(struct target *target);

#endif
