/*
 * Memory. The only malloc of the program is here, and so is its fault injection.
 *
 * An arena hands out memory that is freed all at once. A pool hands out blocks that go back one by
 * one to a free list over slabs it never returns: it serves the activations of a step, so that a
 * steady step touches the same pages again and asks the system for nothing.
 *
 * Under the address sanitizer every block is a system allocation of its exact size, so that a step
 * beyond it, or a use after it was given back, is seen; the interface is the same.
 *
 * Invariants: every block is aligned to 64 bytes; an arena or pool that is all zero is valid and
 * empty; finish may be called on it. None of this is thread-safe: one arena, one thread.
 *
 *     struct uda_arena arena = {0};
 *     float *x = uda_arena_alloc(&arena, (size_t)n * sizeof *x);   // NULL when out of memory
 *     size_t mark = uda_arena_mark(&arena);
 *     ...
 *     uda_arena_reset(&arena, mark);                               // keeps the memory
 *     uda_arena_finish(&arena);                                    // gives it back
 */
#ifndef UDA_BASE_ARENA_H
#define UDA_BASE_ARENA_H

#include "src/base/compiler.h"

#define UDA_ALIGN_BYTES 64

#if defined(__SANITIZE_ADDRESS__)
#define UDA_SEPARATE_BLOCKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UDA_SEPARATE_BLOCKS 1
#endif
#endif
#ifndef UDA_SEPARATE_BLOCKS
#define UDA_SEPARATE_BLOCKS 0
#endif

/* A single owned block, 64-byte aligned, not cleared; NULL when out of memory. uda_free(NULL) is
 * allowed. */
void *uda_alloc(size_t bytes) UDA_MUST_USE;
void *uda_calloc(size_t bytes) UDA_MUST_USE;
void uda_free(void *block);

#if UDA_SEPARATE_BLOCKS
/* As uda_alloc, not rounded up: the sanitizer guards the byte behind the last one. */
void *uda_alloc_exact(size_t bytes) UDA_MUST_USE;
#endif

/* Fault injection for tests: the nth allocation from now (1 = the next) returns NULL; 0 turns it
 * off. */
void uda_alloc_fail_after(int64_t nth);
/* Number of system allocations so far in this process, for "a steady step allocates nothing". */
int64_t uda_alloc_count(void);

struct uda_arena_block;

struct uda_arena {
    struct uda_arena_block *first, *current;
    size_t used_bytes; /* total handed out since the start or the last full reset */
    size_t peak_bytes; /* high-water mark of used_bytes */
};

/* bytes of memory from the arena (0 gives a valid pointer), not cleared; NULL when out of
 * memory. */
void *uda_arena_alloc(struct uda_arena *arena, size_t bytes) UDA_MUST_USE;
void *uda_arena_calloc(struct uda_arena *arena, size_t bytes) UDA_MUST_USE;
/* A larger block with the old content in front; extends in place when `block` was the last one.
 * NULL when out of memory, and the old block stays. */
void *uda_arena_grow(struct uda_arena *arena, void *block, size_t old_bytes, size_t new_bytes)
    UDA_MUST_USE;
/* A copy of a string, NUL-terminated; NULL when out of memory. */
char *uda_arena_strdup(struct uda_arena *arena, const char *text) UDA_MUST_USE;
/* A formatted string; NULL when out of memory. */
char *uda_arena_printf(struct uda_arena *arena, const char *format, ...) UDA_MUST_USE
    UDA_PRINTF(2, 3);

/* Position to come back to; reset makes everything allocated after it free for reuse. */
size_t uda_arena_mark(const struct uda_arena *arena);
void uda_arena_reset(struct uda_arena *arena, size_t mark);
/* Frees everything; the arena is empty and usable again. */
void uda_arena_finish(struct uda_arena *arena);

/*
 * An arena for work that repeats: it is one block once it has seen its largest turn, so that a
 * steady turn asks the system for nothing. All zero is valid; finish its arena.
 */
struct uda_steady {
    struct uda_arena arena;
    size_t held_bytes;
};

/* Empties the arena for the next turn. */
void uda_steady_reset(struct uda_steady *steady);

struct uda_pool_slab;

struct uda_pool {
    struct uda_pool_slab *slabs;
    size_t slab_bytes; /* smallest slab to ask for; 0 means 64 MiB */
    size_t used_bytes, peak_bytes, held_bytes;
};

/* Best-fit block of at least `bytes` bytes; NULL when out of memory. Release takes what get
 * returned. */
void *uda_pool_get(struct uda_pool *pool, size_t bytes) UDA_MUST_USE;
void uda_pool_put(struct uda_pool *pool, void *block);
/* Returns every block at once; the slabs are kept. */
void uda_pool_reset(struct uda_pool *pool);
void uda_pool_finish(struct uda_pool *pool);

#endif
