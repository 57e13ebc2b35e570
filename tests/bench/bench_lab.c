/*
 * Time of the colour transfer between two crops of noise.
 *
 *   bench_lab HEIGHT WIDTH REPEATS THREADS
 *
 * Output, TSV: what, median ms, p90 ms.
 */
#include "src/base/rng.h"
#include "src/uda/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPEATS_MOST 1000

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static uint8_t *noise(int64_t pixels, uint32_t sample)
{
    struct uda_rng rng;
    uint8_t *rgb = malloc((size_t)pixels * 3);
    uda_rng_init(&rng, 1, UDA_RNG_TEST, 0, 0, sample);
    for (int64_t i = 0; rgb != NULL && i < 3 * pixels; i++) {
        rgb[i] = (uint8_t)uda_rng_below(&rng, 256);
    }
    return rgb;
}

int main(int argc, char **argv)
{
    static struct uda_lab_levels levels;
    static double ms[REPEATS_MOST];
    struct uda_arena scratch = {0};
    struct uda_team *team = NULL;
    struct uda_err err = {0};
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench_lab HEIGHT WIDTH REPEATS THREADS\n");
        return 2;
    }
    int64_t pixels = (int64_t)atoi(argv[1]) * atoi(argv[2]);
    int repeats = atoi(argv[3]);
    repeats = repeats < 1 ? 1 : repeats > REPEATS_MOST ? REPEATS_MOST : repeats;
    uint8_t *source = noise(pixels, 0), *target = noise(pixels, 1), *out = noise(pixels, 2);
    uda_lab_levels_init(&levels, UDA_LAB_ROUND);
    int rc = source == NULL || target == NULL || out == NULL ? uda_fail(&err, UDA_NOMEM, "out of memory")
                                                            : uda_team_create(&team, atoi(argv[4]), &err);
    for (int i = -1; i < repeats && rc == 0; i++) { /* the first one is not counted */
        double start = now_ms();
        rc = uda_lab_transfer(out, source, pixels, target, pixels, &levels, team, &scratch, &err);
        ms[i < 0 ? 0 : i] = now_ms() - start;
    }
    if (rc != 0) {
        (void)fprintf(stderr, "bench: %s\n", err.text);
    } else {
        qsort(ms, (size_t)repeats, sizeof *ms, ascending);
        (void)printf("colour transfer %sx%s, %s threads\t%.2f\t%.2f\n", argv[1], argv[2], argv[4],
                     ms[repeats / 2], ms[repeats * 9 / 10]);
    }
    uda_team_destroy(&team);
    uda_arena_finish(&scratch);
    free(source);
    free(target);
    free(out);
    return rc == 0 ? 0 : 1;
}
