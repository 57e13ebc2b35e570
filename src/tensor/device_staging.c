#include "src/tensor/device_staging.h"

#define LEAST_BYTES ((size_t)1 << 16)

enum state { FREE, TAKEN, SENT };

struct uda_staged_block {
    struct uda_staged_block *next;
    void *data;
    size_t bytes;
    enum state state;
};

static struct uda_staged_block *add_block(struct uda_staging *staging, size_t bytes)
{
    size_t size = LEAST_BYTES;
    while (size < bytes) {
        size *= 2;
    }
    struct uda_staged_block *block = uda_arena_calloc(&staging->records, sizeof *block);
    void *data = NULL;
    if (block == NULL || staging->backend->alloc_host(&data, staging->stream, size, NULL) != 0) {
        return NULL;
    }
    *block = (struct uda_staged_block){.next = staging->blocks, .data = data, .bytes = size};
    staging->blocks = block;
    staging->held_bytes += size;
    return block;
}

void *uda_staging_get(struct uda_staging *staging, size_t bytes)
{
    struct uda_staged_block *best = NULL;
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    for (struct uda_staged_block *b = staging->blocks; b != NULL; b = b->next) {
        if (b->state == FREE && b->bytes >= bytes && (best == NULL || b->bytes < best->bytes)) {
            best = b;
        }
    }
    if (best == NULL) {
        best = add_block(staging, bytes);
    }
    if (best == NULL) {
        return NULL;
    }
    best->state = TAKEN;
    return best->data;
}

void uda_staging_sent(struct uda_staging *staging, const void *data)
{
    for (struct uda_staged_block *b = staging->blocks; b != NULL; b = b->next) {
        b->state = b->data == data ? SENT : b->state;
    }
}

static void free_those(struct uda_staging *staging, enum state state)
{
    for (struct uda_staged_block *b = staging->blocks; b != NULL; b = b->next) {
        b->state = b->state == state ? FREE : b->state;
    }
}

void uda_staging_waited(struct uda_staging *staging) { free_those(staging, SENT); }

void uda_staging_reset(struct uda_staging *staging) { free_those(staging, TAKEN); }

void uda_staging_finish(struct uda_staging *staging)
{
    for (struct uda_staged_block *b = staging->blocks; b != NULL; b = b->next) {
        staging->backend->free_host(b->data);
    }
    uda_arena_finish(&staging->records);
    staging->blocks = NULL;
    staging->held_bytes = 0;
}
