/*
 * Time of what becomes of a pair of crops, one after the other: the transfer of colours, S2T without and with
 * images of the rare-class pool, T2S. Crops of noise, with boxes of 24 to 256 pixels as instances.
 *
 *   bench_mixing HEIGHT WIDTH INSTANCES REPEATS THREADS [DEVICE]
 *
 * THREADS and DEVICE ("cuda"; default the CPU) are those of the colours; mixing is one thread's.
 * Output, TSV: what, median ms, p90 ms.
 */
#include "src/base/rng.h"
#include "src/stage/colours.h"
#include "src/uda/mixer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS_MOST 1000
#define POOLED 10 /* the paper's */
#define RARE 7    /* a class of the pool alone, so that every S2T draws */

struct bench {
    int64_t height, width, instances;
    int repeats;
    struct uda_arena images;
    struct uda_steady result, scratch;
    struct uda_sample source, target;
    struct uda_rare_pool *pool;
    struct uda_colours *colours;
    uint8_t *recoloured;
    struct uda_rng rng;
};

static const struct uda_mix_spec mix = {.style = UDA_PASTE_ADAPTIVE, .min_area_px = 300,
                                        .instance_area_px = 1500, .blur = UDA_PASTE_SHARP,
                                        .labels = UDA_MIX_BY_PIXELS};

/* ---- images ---- */

static void set_box(uint8_t *mask, const struct bench *b, struct uda_rng *rng)
{
    int64_t height = 24 + uda_rng_below(rng, 232), width = 24 + uda_rng_below(rng, 232);
    int64_t top = uda_rng_below(rng, b->height), left = uda_rng_below(rng, b->width);
    for (int64_t y = top; y < top + height && y < b->height; y++) {
        for (int64_t x = left; x < left + width && x < b->width; x++) {
            mask[y * b->width + x] = 1;
        }
    }
}

static int draw(struct uda_sample *sample, struct bench *b, int64_t count, int32_t cls, struct uda_err *err)
{
    int64_t pixels = b->height * b->width;
    *sample = (struct uda_sample){.height = b->height, .width = b->width, .count = count, .name = "noise"};
    sample->rgb = uda_arena_alloc(&b->images, (size_t)pixels * 3);
    sample->cls = uda_arena_alloc(&b->images, (size_t)count * sizeof *sample->cls);
    sample->masks = uda_arena_calloc(&b->images, (size_t)(count * pixels));
    if (sample->rgb == NULL || sample->cls == NULL || sample->masks == NULL) {
        return uda_fail(err, UDA_NOMEM, "out of memory");
    }
    for (int64_t i = 0; i < 3 * pixels; i++) {
        sample->rgb[i] = (uint8_t)uda_rng_below(&b->rng, 256);
    }
    for (int64_t k = 0; k < count; k++) {
        sample->cls[k] = cls < 0 ? (int32_t)(k % RARE) : cls;
        set_box(sample->masks + k * pixels, b, &b->rng);
    }
    return 0;
}

static int fill_pool(struct bench *b, struct uda_err *err)
{
    const struct uda_rare_pool_spec spec = {.images = POOLED, .share = 0.5, .rare = {[RARE] = true}};
    const bool picked[2] = {true, true};
    UDA_TRY(uda_rare_pool_create(&b->pool, &spec, err));
    for (int i = 0; i < POOLED; i++) {
        struct uda_sample image;
        size_t mark = uda_arena_mark(&b->images);
        UDA_TRY(draw(&image, b, 2, RARE, err));
        UDA_TRY(uda_rare_pool_push(b->pool, image.rgb, &image, picked, &b->scratch.arena, err));
        uda_arena_reset(&b->images, mark);
    }
    return 0;
}

static int prepare(struct bench *b, struct uda_team *team, const char *device, struct uda_err *err)
{
    uda_rng_init(&b->rng, 1, UDA_RNG_TEST, 0, 0, 0);
    UDA_TRY(uda_colours_create(&b->colours, UDA_LAB_ROUND, device, team, err));
    UDA_TRY(fill_pool(b, err));
    UDA_TRY(draw(&b->source, b, b->instances, -1, err));
    UDA_TRY(draw(&b->target, b, b->instances, -1, err));
    b->recoloured = uda_arena_alloc(&b->images, (size_t)(b->height * b->width) * 3);
    return b->recoloured != NULL ? 0 : uda_fail(err, UDA_NOMEM, "out of memory");
}

/* ---- what is timed ---- */

static int move_colours(struct bench *b, struct uda_err *err)
{
    int64_t pixels = b->height * b->width;
    const struct uda_colour_pair pair = {.out = b->recoloured, .source = b->source.rgb,
                                         .target = b->target.rgb, .source_pixels = pixels,
                                         .target_pixels = pixels};
    return uda_colours_move(b->colours, &pair, 1, err);
}

static int s2t(struct bench *b, struct uda_err *err)
{
    struct uda_mixed mixed;
    return uda_mix_s2t(&mixed, &mix, &b->source, &b->target, NULL, &b->rng, &b->result.arena,
                       &b->scratch.arena, err);
}

static int s2t_pool(struct bench *b, struct uda_err *err)
{
    struct uda_mixed mixed;
    return uda_mix_s2t(&mixed, &mix, &b->source, &b->target, b->pool, &b->rng, &b->result.arena,
                       &b->scratch.arena, err);
}

static int t2s(struct bench *b, struct uda_err *err)
{
    struct uda_mixed mixed;
    return uda_mix_t2s(&mixed, &mix, &b->source, &b->target, &b->result.arena, &b->scratch.arena, err);
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int time_it(struct bench *b, const char *what, int (*work)(struct bench *b, struct uda_err *err),
                   struct uda_err *err)
{
    static double ms[REPEATS_MOST];
    for (int i = -2; i < b->repeats; i++) { /* two until memory is held as one block */
        uda_steady_reset(&b->result);
        uda_steady_reset(&b->scratch);
        double start = now_ms();
        UDA_TRY(work(b, err));
        ms[i < 0 ? 0 : i] = now_ms() - start;
    }
    qsort(ms, (size_t)b->repeats, sizeof *ms, ascending);
    (void)printf("%s %lldx%lld, %lld instances\t%.2f\t%.2f\n", what, (long long)b->height,
                 (long long)b->width, (long long)b->instances, ms[b->repeats / 2], ms[b->repeats * 9 / 10]);
    return 0;
}

static int run(struct bench *b, struct uda_team *team, const char *device, struct uda_err *err)
{
    UDA_TRY(prepare(b, team, device, err));
    UDA_TRY(time_it(b, "colours", move_colours, err));
    UDA_TRY(time_it(b, "s2t", s2t, err));
    UDA_TRY(time_it(b, "s2t, half of the pool", s2t_pool, err));
    return time_it(b, "t2s", t2s, err);
}

int main(int argc, char **argv)
{
    struct uda_team *team = NULL;
    struct uda_err err = {0};
    if (argc != 6 && argc != 7) {
        (void)fprintf(stderr, "usage: bench_mixing HEIGHT WIDTH INSTANCES REPEATS THREADS [DEVICE]\n");
        return 2;
    }
    struct bench b = {.height = atoi(argv[1]), .width = atoi(argv[2]), .instances = atoi(argv[3]),
                      .repeats = atoi(argv[4])};
    b.repeats = b.repeats < 1 ? 1 : b.repeats > REPEATS_MOST ? REPEATS_MOST : b.repeats;
    int rc = uda_team_create(&team, atoi(argv[5]), &err);
    if (rc == 0) {
        rc = run(&b, team, argc == 7 ? argv[6] : NULL, &err);
    }
    if (rc != 0) {
        (void)fprintf(stderr, "bench: %s\n", err.text);
    }
    uda_colours_destroy(&b.colours);
    uda_rare_pool_destroy(&b.pool);
    uda_team_destroy(&team);
    uda_arena_finish(&b.images);
    uda_arena_finish(&b.result.arena);
    uda_arena_finish(&b.scratch.arena);
    return rc == 0 ? 0 : 1;
}
