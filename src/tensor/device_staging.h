/*
 * Blocks of the host's memory for the way to a device: pinned, so that a copy asks nothing of the host.
 *
 * Invariants: a block is filled, sent once, and free again when the device has been waited for; one that was
 * not sent is free again at reset. Blocks are kept until finish, in sizes of powers of two, so that a steady
 * step asks the system for nothing. All zero but backend and stream is valid and empty. One thread.
 *
 *     float *x = uda_staging_get(&staging, bytes);      // NULL: out of memory
 *     ...                                               // fill x, queue its upload
 *     uda_staging_sent(&staging, x);
 *     uda_staging_waited(&staging);                     // after a wait for the device
 */
#ifndef UDA_TENSOR_DEVICE_STAGING_H
#define UDA_TENSOR_DEVICE_STAGING_H

#include "kernels/backend.h"
#include "src/base/arena.h"

struct uda_staged_block;

struct uda_staging {
    const struct uda_backend *backend;
    void *stream;
    struct uda_staged_block *blocks;
    struct uda_arena records;
    size_t held_bytes;
};

/* The smallest free block of at least `bytes` bytes; NULL when the host is out of memory. */
void *uda_staging_get(struct uda_staging *staging, size_t bytes) UDA_MUST_USE;
/* Its upload has been queued. */
void uda_staging_sent(struct uda_staging *staging, const void *data);
/* The device has done all that was queued. */
void uda_staging_waited(struct uda_staging *staging);
/* Forgets blocks that were not sent. */
void uda_staging_reset(struct uda_staging *staging);
/* Gives the memory back; the device has been waited for. */
void uda_staging_finish(struct uda_staging *staging);

#endif
