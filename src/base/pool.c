#include "src/base/arena.h"

#include <string.h>

#if UDA_SEPARATE_BLOCKS

/* One block in use; slabs is the list of them. */
struct uda_pool_slab {
    struct uda_pool_slab *next;
    void *data;
    size_t bytes;
};

void *uda_pool_get(struct uda_pool *pool, size_t bytes)
{
    struct uda_pool_slab *slab = bytes > SIZE_MAX / 4 ? NULL : uda_alloc(sizeof *slab);
    void *data = slab == NULL ? NULL : uda_alloc_exact(bytes);
    if (data == NULL) {
        uda_free(slab);
        return NULL;
    }
    *slab = (struct uda_pool_slab){.next = pool->slabs, .data = data, .bytes = bytes};
    pool->slabs = slab;
    pool->used_bytes += bytes;
    if (pool->used_bytes > pool->peak_bytes) {
        pool->peak_bytes = pool->used_bytes;
    }
    return data;
}

void uda_pool_put(struct uda_pool *pool, void *block)
{
    for (struct uda_pool_slab **at = &pool->slabs; *at != NULL; at = &(*at)->next) {
        struct uda_pool_slab *slab = *at;
        if (slab->data == block) {
            *at = slab->next;
            pool->used_bytes -= slab->bytes;
            uda_free(slab->data);
            uda_free(slab);
            return;
        }
    }
}

void uda_pool_reset(struct uda_pool *pool)
{
    while (pool->slabs != NULL) {
        uda_pool_put(pool, pool->slabs->data);
    }
}

void uda_pool_finish(struct uda_pool *pool)
{
    uda_pool_reset(pool);
    *pool = (struct uda_pool){.slab_bytes = pool->slab_bytes};
}

#else

/* A span is a used or free stretch of a slab; spans of a slab form a list in address order. */
struct span {
    struct span *next, *previous;
    struct uda_pool_slab *slab;
    size_t bytes; /* of the data that follows the header */
    bool used;
};

struct uda_pool_slab {
    struct uda_pool_slab *next;
    struct span *first;
    size_t bytes;
};

#define HEADER_BYTES ((size_t)UDA_ALIGN_BYTES)
#define DEFAULT_SLAB_BYTES ((size_t)64 << 20)

_Static_assert(sizeof(struct span) <= UDA_ALIGN_BYTES, "a span header fits one alignment unit");
_Static_assert(sizeof(struct uda_pool_slab) <= UDA_ALIGN_BYTES, "a slab header fits likewise");

static size_t round_up(size_t bytes)
{
    return (bytes + UDA_ALIGN_BYTES - 1) & ~(size_t)(UDA_ALIGN_BYTES - 1);
}

static unsigned char *span_data(struct span *span) { return (unsigned char *)span + HEADER_BYTES; }

/* Makes the slab one free span. */
static void slab_clear(struct uda_pool_slab *slab)
{
    struct span *span = (struct span *)(void *)((unsigned char *)slab + HEADER_BYTES);
    *span = (struct span){.slab = slab, .bytes = slab->bytes - HEADER_BYTES};
    slab->first = span;
}

static struct uda_pool_slab *slab_add(struct uda_pool *pool, size_t bytes)
{
    size_t least = pool->slab_bytes != 0 ? pool->slab_bytes : DEFAULT_SLAB_BYTES;
    size_t size = bytes + HEADER_BYTES > least ? bytes + HEADER_BYTES : least;
    struct uda_pool_slab *slab = uda_alloc(HEADER_BYTES + size);
    if (slab == NULL) {
        return NULL;
    }
    *slab = (struct uda_pool_slab){.next = pool->slabs, .bytes = size};
    slab_clear(slab);
    pool->slabs = slab;
    pool->held_bytes += size;
    return slab;
}

/* The smallest free span that fits; the first of equal ones. */
static struct span *best_fit(struct uda_pool_slab *slabs, size_t bytes)
{
    struct span *best = NULL;
    for (struct uda_pool_slab *slab = slabs; slab != NULL; slab = slab->next) {
        for (struct span *s = slab->first; s != NULL; s = s->next) {
            if (!s->used && s->bytes >= bytes && (best == NULL || s->bytes < best->bytes)) {
                best = s;
            }
        }
    }
    return best;
}

void *uda_pool_get(struct uda_pool *pool, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    size_t rounded = round_up(bytes == 0 ? 1 : bytes);
    struct span *span = best_fit(pool->slabs, rounded);
    if (span == NULL) {
        struct uda_pool_slab *slab = slab_add(pool, rounded);
        if (slab == NULL) {
            return NULL;
        }
        span = slab->first;
    }
    if (span->bytes >= rounded + HEADER_BYTES + UDA_ALIGN_BYTES) {
        struct span *rest = (struct span *)(void *)(span_data(span) + rounded);
        *rest = (struct span){.next = span->next,
                              .previous = span,
                              .slab = span->slab,
                              .bytes = span->bytes - rounded - HEADER_BYTES};
        if (rest->next != NULL) {
            rest->next->previous = rest;
        }
        span->next = rest;
        span->bytes = rounded;
    }
    span->used = true;
    pool->used_bytes += span->bytes;
    if (pool->used_bytes > pool->peak_bytes) {
        pool->peak_bytes = pool->used_bytes;
    }
    return span_data(span);
}

/* Joins `span` with the free span that follows it. */
static void merge_next(struct span *span)
{
    struct span *next = span->next;
    span->bytes += HEADER_BYTES + next->bytes;
    span->next = next->next;
    if (span->next != NULL) {
        span->next->previous = span;
    }
}

void uda_pool_put(struct uda_pool *pool, void *block)
{
    if (block == NULL) {
        return;
    }
    struct span *span = (struct span *)(void *)((unsigned char *)block - HEADER_BYTES);
    span->used = false;
    pool->used_bytes -= span->bytes;
    if (span->next != NULL && !span->next->used) {
        merge_next(span);
    }
    if (span->previous != NULL && !span->previous->used) {
        merge_next(span->previous);
    }
}

void uda_pool_reset(struct uda_pool *pool)
{
    for (struct uda_pool_slab *slab = pool->slabs; slab != NULL; slab = slab->next) {
        slab_clear(slab);
    }
    pool->used_bytes = 0;
}

void uda_pool_finish(struct uda_pool *pool)
{
    struct uda_pool_slab *slab = pool->slabs;
    while (slab != NULL) {
        struct uda_pool_slab *next = slab->next;
        uda_free(slab);
        slab = next;
    }
    *pool = (struct uda_pool){.slab_bytes = pool->slab_bytes};
}

#endif
