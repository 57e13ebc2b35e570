#include "src/base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !UDA_SEPARATE_BLOCKS
#define BLOCK_BYTES ((size_t)64 * 1024)
#endif

static _Atomic int64_t fail_countdown;
static _Atomic int64_t system_allocs;

void uda_alloc_fail_after(int64_t nth) { atomic_store(&fail_countdown, nth); }

int64_t uda_alloc_count(void) { return atomic_load(&system_allocs); }

/* True when fault injection says that this allocation must fail. */
static bool injected(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0) {
        return false;
    }
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static size_t round_up(size_t bytes)
{
    return (bytes + UDA_ALIGN_BYTES - 1) & ~(size_t)(UDA_ALIGN_BYTES - 1);
}

void *uda_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 2 || injected()) {
        return NULL;
    }
    atomic_fetch_add_explicit(&system_allocs, 1, memory_order_relaxed);
    size_t rounded = round_up(bytes == 0 ? 1 : bytes);
    return aligned_alloc(UDA_ALIGN_BYTES, rounded);
}

#if UDA_SEPARATE_BLOCKS
void *uda_alloc_exact(size_t bytes)
{
    void *block = NULL;
    if (injected() || posix_memalign(&block, UDA_ALIGN_BYTES, bytes == 0 ? 1 : bytes) != 0) {
        return NULL;
    }
    atomic_fetch_add_explicit(&system_allocs, 1, memory_order_relaxed);
    return block;
}
#endif

void *uda_calloc(size_t bytes)
{
    void *block = uda_alloc(bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

void uda_free(void *block) { free(block); }

#if UDA_SEPARATE_BLOCKS

/* One allocation; the newest first. The data is a block of its own, of the exact size. */
struct uda_arena_block {
    struct uda_arena_block *next;
    size_t start_bytes;
    void *data;
};

void *uda_arena_alloc(struct uda_arena *arena, size_t bytes)
{
    struct uda_arena_block *block = bytes > SIZE_MAX / 4 ? NULL : uda_alloc(sizeof *block);
    void *data = block == NULL ? NULL : uda_alloc_exact(bytes);
    if (data == NULL) {
        uda_free(block);
        return NULL;
    }
    *block = (struct uda_arena_block){
        .next = arena->first, .start_bytes = arena->used_bytes, .data = data};
    arena->first = block;
    arena->used_bytes += round_up(bytes == 0 ? 1 : bytes);
    if (arena->used_bytes > arena->peak_bytes) {
        arena->peak_bytes = arena->used_bytes;
    }
    return data;
}

void *uda_arena_grow(struct uda_arena *arena, void *old, size_t old_bytes, size_t new_bytes)
{
    void *fresh = uda_arena_alloc(arena, new_bytes);
    if (fresh != NULL && old != NULL) {
        memcpy(fresh, old, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    return fresh;
}

void uda_arena_reset(struct uda_arena *arena, size_t mark)
{
    while (arena->first != NULL && arena->first->start_bytes >= mark) {
        struct uda_arena_block *block = arena->first;
        arena->first = block->next;
        uda_free(block->data);
        uda_free(block);
    }
    arena->used_bytes = mark;
}

void uda_arena_finish(struct uda_arena *arena)
{
    uda_arena_reset(arena, 0);
    *arena = (struct uda_arena){0};
}

#else

struct uda_arena_block {
    struct uda_arena_block *next;
    size_t start_bytes; /* used_bytes of the arena where this block begins */
    size_t size_bytes, fill_bytes;
    UDA_ALIGNED(UDA_ALIGN_BYTES) unsigned char data[];
};

/* Moves on to a block with room for `bytes`, reusing kept blocks; NULL when out of memory. */
static struct uda_arena_block *next_block(struct uda_arena *arena, size_t bytes)
{
    struct uda_arena_block *current = arena->current;
    struct uda_arena_block *kept = current != NULL ? current->next : arena->first;
    if (kept != NULL && kept->size_bytes >= bytes) {
        kept->start_bytes = arena->used_bytes;
        kept->fill_bytes = 0;
        arena->current = kept;
        return kept;
    }
    size_t grown = current != NULL ? 2 * current->size_bytes : BLOCK_BYTES;
    if (grown > ((size_t)64 << 20)) {
        grown = (size_t)64 << 20;
    }
    size_t size = bytes > grown ? bytes : grown;
    struct uda_arena_block *block = uda_alloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct uda_arena_block){
        .next = kept, .start_bytes = arena->used_bytes, .size_bytes = size};
    if (current != NULL) {
        current->next = block;
    } else {
        arena->first = block;
    }
    arena->current = block;
    return block;
}

void *uda_arena_alloc(struct uda_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    size_t rounded = round_up(bytes == 0 ? 1 : bytes);
    struct uda_arena_block *block = arena->current;
    if (block == NULL || block->size_bytes - block->fill_bytes < rounded) {
        block = next_block(arena, rounded);
        if (block == NULL) {
            return NULL;
        }
    }
    void *result = block->data + block->fill_bytes;
    block->fill_bytes += rounded;
    arena->used_bytes += rounded;
    if (arena->used_bytes > arena->peak_bytes) {
        arena->peak_bytes = arena->used_bytes;
    }
    return result;
}

void *uda_arena_grow(struct uda_arena *arena, void *old, size_t old_bytes, size_t new_bytes)
{
    struct uda_arena_block *block = arena->current;
    size_t old_rounded = round_up(old_bytes == 0 ? 1 : old_bytes);
    if (old != NULL && block != NULL && new_bytes >= old_bytes && new_bytes <= SIZE_MAX / 4 &&
        (unsigned char *)old + old_rounded == block->data + block->fill_bytes) {
        size_t extra = round_up(new_bytes == 0 ? 1 : new_bytes) - old_rounded;
        if (block->size_bytes - block->fill_bytes >= extra) {
            block->fill_bytes += extra;
            arena->used_bytes += extra;
            if (arena->used_bytes > arena->peak_bytes) {
                arena->peak_bytes = arena->used_bytes;
            }
            return old;
        }
    }
    void *fresh = uda_arena_alloc(arena, new_bytes);
    if (fresh != NULL && old != NULL) {
        memcpy(fresh, old, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    return fresh;
}

void uda_arena_reset(struct uda_arena *arena, size_t mark)
{
    struct uda_arena_block *last = NULL;
    for (struct uda_arena_block *b = arena->first; b != NULL; b = b->next) {
        if (b->start_bytes > mark || (b->start_bytes == mark && last != NULL)) {
            break;
        }
        last = b;
        if (b == arena->current) {
            break;
        }
    }
    arena->current = last;
    if (last != NULL) {
        last->fill_bytes = mark - last->start_bytes;
    }
    arena->used_bytes = mark;
}

void uda_arena_finish(struct uda_arena *arena)
{
    struct uda_arena_block *block = arena->first;
    while (block != NULL) {
        struct uda_arena_block *next = block->next;
        uda_free(block);
        block = next;
    }
    *arena = (struct uda_arena){0};
}

#endif

void *uda_arena_calloc(struct uda_arena *arena, size_t bytes)
{
    void *block = uda_arena_alloc(arena, bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

char *uda_arena_strdup(struct uda_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = uda_arena_alloc(arena, bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

char *uda_arena_printf(struct uda_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        return NULL;
    }
    char *text = uda_arena_alloc(arena, (size_t)length + 1);
    if (text != NULL) {
        va_start(args, format);
        (void)vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

size_t uda_arena_mark(const struct uda_arena *arena) { return arena->used_bytes; }

void uda_steady_reset(struct uda_steady *s)
{
    if (s->arena.peak_bytes > s->held_bytes) {
        size_t want = s->arena.peak_bytes + s->arena.peak_bytes / 8;
        uda_arena_finish(&s->arena);
        /* Only a reserve: without it the turn allocates what it needs. */
        if (uda_arena_alloc(&s->arena, want) != NULL) {
            s->held_bytes = s->arena.peak_bytes;
        }
    }
    uda_arena_reset(&s->arena, 0);
}
