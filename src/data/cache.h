/*
 * Decoded scenes kept in memory: first come, first kept, up to a bound. For src/data/loader.c only.
 *
 * Invariants: a scene, once put, never changes or moves until destroy; what is kept depends on
 * timing, but what a caller gets equals what it would decode. Threads: all functions but create and
 * destroy are safe.
 *
 *     const struct uda_labelled_image *scene = uda_cache_get(cache, i);
 *     if (scene == NULL) { ...decode...; uda_cache_put(cache, i, &decoded); }
 */
#ifndef UDA_DATA_CACHE_H
#define UDA_DATA_CACHE_H

#include "src/data/dataset.h"

struct uda_cache;

/* For scenes 0..count-1, at most bytes_max bytes. UDA_NOMEM. */
int uda_cache_create(struct uda_cache **cache, int64_t count, size_t bytes_max,
                     struct uda_err *err) UDA_MUST_USE;
void uda_cache_destroy(struct uda_cache **cache);

/* The kept scene or NULL. A NULL cache is allowed. */
const struct uda_labelled_image *uda_cache_get(struct uda_cache *cache, int64_t i);
/* Keeps a copy if there is room; otherwise, and when memory is short, nothing happens. */
void uda_cache_put(struct uda_cache *cache, int64_t i, const struct uda_labelled_image *scene);

#endif
