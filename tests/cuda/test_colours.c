/*
 * Colours of a step's pairs on a device whose memory the program cannot read (guard.c, by UDA_CUDA_MODULE):
 * the bytes of the CPU, whatever came before. With guard_cuda.so they come from the CUDA kernels, with blocks
 * and threads in three orders.
 */
#include "src/base/rng.h"
#include "src/stage/colours.h"
#include "tests/check.h"
#include "tests/cuda/guard.h"

#include <stdlib.h>

#define PAIRS 4

/* Pairs of a step: sizes and contrasts differ, the last one is moved in place. */
struct drawn {
    struct uda_colour_pair pair[PAIRS];
    int64_t pairs;
};

static uint8_t *noise(struct uda_arena *arena, struct uda_rng *rng, int64_t pixels)
{
    uint8_t *rgb = uda_arena_alloc(arena, (size_t)pixels * 3);
    int low = (int)uda_rng_below(rng, 128), span = 1 + (int)uda_rng_below(rng, 128);
    for (int64_t i = 0; i < 3 * pixels; i++) {
        rgb[i] = (uint8_t)(low + (int)uda_rng_below(rng, span));
    }
    return rgb;
}

static struct drawn draw(struct uda_arena *arena, uint32_t step)
{
    struct drawn d = {.pairs = 1 + step % PAIRS};
    struct uda_rng rng;
    uda_rng_init(&rng, 11, UDA_RNG_TEST, 0, step, 0);
    for (int64_t i = 0; i < d.pairs; i++) {
        struct uda_colour_pair *p = &d.pair[i];
        p->source_pixels = 1 + uda_rng_below(&rng, 4000);
        p->target_pixels = 1 + uda_rng_below(&rng, 4000);
        uint8_t *source = noise(arena, &rng, p->source_pixels);
        p->target = noise(arena, &rng, p->target_pixels);
        p->out = i + 1 == d.pairs ? source : noise(arena, &rng, p->source_pixels);
        p->source = source;
    }
    return d;
}

/* One step on the CPU and on the device; both draw the same images. */
static void compare_step(struct uda_colours *cpu, struct uda_colours *there, uint32_t step)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct drawn want = draw(&arena, step), got = draw(&arena, step);
    CHECK_OK(uda_colours_move(cpu, want.pair, want.pairs, &err), &err);
    const int64_t *counts = guard_counted();
    int64_t kernels = counts[GUARD_KERNELS], uploads = counts[GUARD_UPLOADS], waits = counts[GUARD_WAITS];
    CHECK_OK(uda_colours_move(there, got.pair, got.pairs, &err), &err);
    CHECK(counts[GUARD_KERNELS] - kernels == got.pairs);
    CHECK(counts[GUARD_UPLOADS] - uploads == 2 * got.pairs);
    CHECK(counts[GUARD_WAITS] - waits == got.pairs);
    for (int64_t i = 0; i < want.pairs; i++) {
        CHECK(memcmp(want.pair[i].out, got.pair[i].out, (size_t)want.pair[i].source_pixels * 3) == 0);
    }
    uda_arena_finish(&arena);
}

/* A steady step asks neither the system nor the device for memory. */
static void check_steady(struct uda_colours *there)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct drawn d = draw(&arena, PAIRS - 1);
    CHECK_OK(uda_colours_move(there, d.pair, d.pairs, &err), &err);
    int64_t before = uda_alloc_count(), held = guard_counted()[GUARD_ALLOCATIONS];
    CHECK_OK(uda_colours_move(there, d.pair, d.pairs, &err), &err);
    CHECK((uda_alloc_count() == before || UDA_SEPARATE_BLOCKS) && guard_counted()[GUARD_ALLOCATIONS] == held);
    uda_arena_finish(&arena);
}

/* An empty image is an error, after which the next step goes on. */
static void check_empty(struct uda_colours *colours)
{
    struct uda_err err = {0};
    struct uda_arena arena = {0};
    struct drawn d = draw(&arena, 1);
    int64_t pixels = d.pair[1].target_pixels;
    d.pair[1].target_pixels = 0;
    CHECK(uda_colours_move(colours, d.pair, d.pairs, &err) == (int)UDA_SHAPE);
    uda_err_clear(&err);
    d.pair[1].target_pixels = pixels;
    CHECK_OK(uda_colours_move(colours, d.pair, d.pairs, &err), &err);
    uda_arena_finish(&arena);
}

static void test_device(enum uda_lab_bytes bytes, const char *order)
{
    struct uda_err err = {0};
    struct uda_colours *cpu = NULL, *there = NULL;
    CHECK(setenv("UDA_GRID", order, 1) == 0);
    CHECK_OK(uda_colours_create(&cpu, bytes, NULL, NULL, &err), &err);
    CHECK_OK(uda_colours_create(&there, bytes, "cuda:1", NULL, &err), &err);
    if (cpu != NULL && there != NULL) {
        for (uint32_t step = 0; step < 6; step++) {
            compare_step(cpu, there, step);
        }
        check_steady(there);
        check_empty(cpu);
        check_empty(there);
        compare_step(cpu, there, 7);
    }
    uda_colours_destroy(&cpu);
    uda_colours_destroy(&there);
}

int main(void)
{
    struct uda_err err = {0};
    struct uda_colours *none = NULL;
    test_device(UDA_LAB_ROUND, "ascending");
    test_device(UDA_LAB_ROUND, "descending");
    test_device(UDA_LAB_TRUNCATE, "shuffled");
    CHECK(uda_colours_create(&none, UDA_LAB_ROUND, "cuda:7", NULL, &err) == (int)UDA_UNSUPPORTED);
    CHECK(none == NULL);
    return check_result();
}
