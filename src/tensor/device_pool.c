#include "src/tensor/device_pool.h"

#define ALIGN_BYTES ((size_t)256)
#define DEFAULT_SLAB_BYTES ((size_t)256 << 20)

/* A used or free stretch of a slab; the spans of a slab form a list in address order. */
struct uda_device_span {
    struct uda_device_span *next, *previous;
    struct uda_device_span *next_slab; /* of a slab's first span */
    unsigned char *data;
    size_t bytes;
    bool used;
};

static struct uda_device_span *new_span(struct uda_device_pool *pool)
{
    struct uda_device_span *span = pool->spare;
    if (span != NULL) {
        pool->spare = span->next;
        return span;
    }
    return uda_arena_alloc(&pool->records, sizeof *span);
}

static void drop_span(struct uda_device_pool *pool, struct uda_device_span *span)
{
    span->next = pool->spare;
    pool->spare = span;
}

static struct uda_device_span *add_slab(struct uda_device_pool *pool, size_t bytes)
{
    size_t least = pool->slab_bytes != 0 ? pool->slab_bytes : DEFAULT_SLAB_BYTES;
    size_t size = bytes > least ? bytes : least;
    struct uda_device_span *span = new_span(pool);
    void *data = NULL;
    if (span == NULL || pool->backend->alloc(&data, pool->stream, size, NULL) != 0) {
        if (span != NULL) {
            drop_span(pool, span);
        }
        return NULL;
    }
    *span = (struct uda_device_span){.data = data, .bytes = size, .next_slab = pool->slabs};
    pool->slabs = span;
    pool->held_bytes += size;
    return span;
}

/* The smallest free span that fits; the first of equal ones. */
static struct uda_device_span *best_fit(struct uda_device_span *slabs, size_t bytes)
{
    struct uda_device_span *best = NULL;
    for (struct uda_device_span *slab = slabs; slab != NULL; slab = slab->next_slab) {
        for (struct uda_device_span *s = slab; s != NULL; s = s->next) {
            if (!s->used && s->bytes >= bytes && (best == NULL || s->bytes < best->bytes)) {
                best = s;
            }
        }
    }
    return best;
}

void *uda_device_pool_get(struct uda_device_pool *pool, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    size_t rounded = ((bytes == 0 ? 1 : bytes) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    struct uda_device_span *span = best_fit(pool->slabs, rounded);
    if (span == NULL) {
        span = add_slab(pool, rounded);
    }
    if (span == NULL) {
        return NULL;
    }
    if (span->bytes > rounded) {
        struct uda_device_span *rest = new_span(pool);
        if (rest == NULL) {
            return NULL;
        }
        *rest = (struct uda_device_span){.next = span->next, .previous = span,
                                         .data = span->data + rounded, .bytes = span->bytes - rounded};
        if (rest->next != NULL) {
            rest->next->previous = rest;
        }
        span->next = rest;
        span->bytes = rounded;
    }
    span->used = true;
    pool->used_bytes += span->bytes;
    pool->peak_bytes = pool->used_bytes > pool->peak_bytes ? pool->used_bytes : pool->peak_bytes;
    return span->data;
}

/* Joins `span` with the free span that follows it. */
static void merge_next(struct uda_device_pool *pool, struct uda_device_span *span)
{
    struct uda_device_span *next = span->next;
    span->bytes += next->bytes;
    span->next = next->next;
    if (span->next != NULL) {
        span->next->previous = span;
    }
    drop_span(pool, next);
}

static struct uda_device_span *find(struct uda_device_pool *pool, const void *block)
{
    for (struct uda_device_span *slab = pool->slabs; slab != NULL; slab = slab->next_slab) {
        for (struct uda_device_span *s = slab; s != NULL; s = s->next) {
            if (s->used && s->data == block) {
                return s;
            }
        }
    }
    return NULL;
}

void uda_device_pool_put(struct uda_device_pool *pool, void *block)
{
    struct uda_device_span *span = block == NULL ? NULL : find(pool, block);
    if (span == NULL) {
        return;
    }
    span->used = false;
    pool->used_bytes -= span->bytes;
    if (span->next != NULL && !span->next->used) {
        merge_next(pool, span);
    }
    if (span->previous != NULL && !span->previous->used) {
        merge_next(pool, span->previous);
    }
}

bool uda_device_pool_holds(const struct uda_device_pool *pool, const void *p)
{
    const unsigned char *at = p;
    for (const struct uda_device_span *slab = pool->slabs; slab != NULL; slab = slab->next_slab) {
        for (const struct uda_device_span *s = slab; s != NULL; s = s->next) {
            if (at >= s->data && at < s->data + s->bytes) {
                return true;
            }
        }
    }
    return false;
}

void uda_device_pool_reset(struct uda_device_pool *pool)
{
    for (struct uda_device_span *slab = pool->slabs; slab != NULL; slab = slab->next_slab) {
        slab->used = false;
        while (slab->next != NULL) {
            merge_next(pool, slab);
        }
    }
    pool->used_bytes = 0;
}

void uda_device_pool_finish(struct uda_device_pool *pool)
{
    for (struct uda_device_span *slab = pool->slabs; slab != NULL; slab = slab->next_slab) {
        pool->backend->free(slab->data);
    }
    uda_arena_finish(&pool->records);
    *pool = (struct uda_device_pool){.backend = pool->backend, .stream = pool->stream,
                                     .slab_bytes = pool->slab_bytes};
}

/* NEEDSWORK: find and best_fit walk all spans; a hash of addresses if a profile of the host shows them. */
