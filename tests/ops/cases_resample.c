#include "tests/ops/cases.h"

#include <math.h>

struct shape {
    int64_t N, h, w, H, W, C;
};

static struct uda_tensor *run_resize(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct shape *s = config;
    return uda_resize_bilinear(t, x[0], s->H, s->W, NULL);
}

static struct uda_tensor *run_resize_add(struct uda_tape *t, struct uda_tensor **x,
                                         const void *config)
{
    const struct shape *s = config;
    return uda_resize_bilinear(t, x[0], s->H, s->W, x[1]);
}

static double source_of(int64_t i, int64_t in, int64_t out)
{
    double source = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    return source > 0.0 ? source : 0.0;
}

static void ref_resize(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i % s->C, j = i / s->C % s->W, row = i / s->C / s->W;
        int64_t n = row / s->H;
        double v = source_of(row % s->H, s->h, s->H), u = source_of(j, s->w, s->W);
        int64_t y0 = (int64_t)v, x0 = (int64_t)u;
        int64_t y1 = y0 + 1 < s->h ? y0 + 1 : s->h - 1, x1 = x0 + 1 < s->w ? x0 + 1 : s->w - 1;
        double lv = v - (double)y0, lu = u - (double)x0;
        const double *image = x[0] + n * s->h * s->w * s->C + c;
        y[i] = (1 - lv) * ((1 - lu) * image[(y0 * s->w + x0) * s->C] +
                           lu * image[(y0 * s->w + x1) * s->C]) +
               lv * ((1 - lu) * image[(y1 * s->w + x0) * s->C] +
                     lu * image[(y1 * s->w + x1) * s->C]);
    }
}

static void ref_resize_add(double *y, int64_t count, const double *const *x, const void *config)
{
    ref_resize(y, count, x, config);
    for (int64_t i = 0; i < count; i++) {
        y[i] += x[1][i];
    }
}

static struct uda_tensor *run_max_pool(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    (void)config;
    return uda_max_pool(t, x[0]);
}

/* h, w of x; H, W of y. */
static void ref_max_pool(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i % s->C, j = i / s->C % s->W, row = i / s->C / s->W, n = row / s->H;
        y[i] = -HUGE_VAL;
        for (int64_t tap = 0; tap < 9; tap++) {
            int64_t r = row % s->H * 2 + tap / 3 - 1, k = j * 2 + tap % 3 - 1;
            if (r >= 0 && r < s->h && k >= 0 && k < s->w) {
                y[i] = fmax(y[i], x[0][((n * s->h + r) * s->w + k) * s->C + c]);
            }
        }
    }
}

static const struct shape pool_even = {2, 8, 6, 4, 3, 5}, pool_odd = {1, 7, 9, 4, 5, 16},
                          pool_one = {2, 1, 1, 1, 1, 3};
static const struct shape twice = {2, 3, 5, 6, 10, 7}, odd = {1, 5, 7, 13, 9, 16},
                          down = {2, 12, 20, 3, 5, 3}, one = {1, 1, 1, 4, 3, 2},
                          same = {1, 4, 6, 4, 6, 5};

/* scale: four products forward; a source cell gathers at most (2 ratio)^2 of them. */
const struct op_case resample_cases[] = {
    {"resize x2, plus a map", 2, {{4, {2, 3, 5, 7}}, {4, {2, 6, 10, 7}}}, run_resize_add,
     ref_resize_add, &twice, 4},
    {"resize 5x7 to 13x9", 1, {{4, {1, 5, 7, 16}}}, run_resize, ref_resize, &odd, 5},
    {"resize down by 4", 1, {{4, {2, 12, 20, 3}}}, run_resize, ref_resize, &down, 2},
    {"resize of one cell", 1, {{4, {1, 1, 1, 2}}}, run_resize, ref_resize, &one, 4},
    {"max_pool 8x6", 1, {{4, {2, 8, 6, 5}}}, run_max_pool, ref_max_pool, &pool_even, 1},
    {"max_pool 7x9", 1, {{4, {1, 7, 9, 16}}}, run_max_pool, ref_max_pool, &pool_odd, 1},
    {"max_pool 1x1", 1, {{4, {2, 1, 1, 3}}}, run_max_pool, ref_max_pool, &pool_one, 1},
    {"resize to the same size", 1, {{4, {1, 4, 6, 5}}}, run_resize, ref_resize, &same, 2},
};
const int64_t resample_case_count = UDA_LEN(resample_cases);
