/*
 * Blocks of device memory for a step: a pool (src/base/arena.h) whose book-keeping is on the host.
 *
 * Invariants: blocks are aligned to 256 bytes; a slab is kept until finish, so a steady step asks the
 * device for nothing; the same calls in the same order give the same addresses relative to the slabs.
 * All zero but backend and stream is valid and empty. One thread.
 *
 *     struct uda_device_pool pool = {.backend = backend, .stream = stream};
 *     float *x = uda_device_pool_get(&pool, bytes);     // NULL: out of memory
 *     uda_device_pool_put(&pool, x);
 */
#ifndef UDA_TENSOR_DEVICE_POOL_H
#define UDA_TENSOR_DEVICE_POOL_H

#include "kernels/backend.h"
#include "src/base/arena.h"

struct uda_device_span;

struct uda_device_pool {
    const struct uda_backend *backend;
    void *stream;
    struct uda_device_span *slabs; /* first span of each slab, linked by next_slab */
    struct uda_device_span *spare; /* span records to use again */
    struct uda_arena records;
    size_t slab_bytes; /* smallest slab to ask for; 0: 256 MiB */
    size_t used_bytes, peak_bytes, held_bytes;
};

/* Best-fit block of at least `bytes` bytes; NULL when the device or the host is out of memory. */
void *uda_device_pool_get(struct uda_device_pool *pool, size_t bytes) UDA_MUST_USE;
/* Gives a block back; NULL is allowed. */
void uda_device_pool_put(struct uda_device_pool *pool, void *block);
/* Does p lie in one of the slabs? */
bool uda_device_pool_holds(const struct uda_device_pool *pool, const void *p);
/* Returns every block at once; the slabs are kept. */
void uda_device_pool_reset(struct uda_device_pool *pool);
/* Gives the slabs back to the device. */
void uda_device_pool_finish(struct uda_device_pool *pool);

#endif
