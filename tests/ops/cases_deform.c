#include "tests/ops/cases.h"

#include <math.h>

struct shape {
    int64_t N, S, D, M, P;
    int64_t height[UDA_LEVELS], width[UDA_LEVELS];
};

static struct uda_tensor *run_deform(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct shape *s = config;
    return uda_deform_attention(t, x[0], x[1], x[2], s->M, s->P, s->height, s->width);
}

/* Adds weight times the bilinear sample at (u, v) of head m of a level to y. */
static void add_sample(double *y, const struct shape *s, const double *level, int64_t l, double u,
                       double v, double weight)
{
    int64_t x0 = (int64_t)floor(u), y0 = (int64_t)floor(v);
    for (int tap = 0; tap < 4; tap++) {
        int64_t xx = x0 + tap % 2, yy = y0 + tap / 2;
        double part = (1 - fabs(u - (double)xx)) * (1 - fabs(v - (double)yy));
        if (xx < 0 || yy < 0 || xx >= s->width[l] || yy >= s->height[l]) {
            continue;
        }
        for (int64_t c = 0; c < s->D / s->M; c++) {
            y[c] += weight * part * level[(yy * s->width[l] + xx) * s->D + c];
        }
    }
}

static void ref_head(double *y, const struct shape *s, const double *const *x, int64_t n,
                     int64_t token, int64_t m)
{
    int64_t samples = UDA_LEVELS * s->P, head = (n * s->S + token) * s->M + m, own = 0, at = token;
    const double *logits = x[2] + head * samples, *offset = x[1] + head * samples * 2;
    double sum = 0.0;
    while (at >= s->height[own] * s->width[own]) {
        at -= s->height[own] * s->width[own];
        own++;
    }
    double rx = ((double)(at % s->width[own]) + 0.5) / (double)s->width[own];
    double ry = ((double)(at / s->width[own]) + 0.5) / (double)s->height[own];
    for (int64_t j = 0; j < samples; j++) {
        sum += exp(logits[j]);
    }
    for (int64_t c = 0; c < s->D / s->M; c++) {
        y[c] = 0.0;
    }
    const double *level = x[0] + n * s->S * s->D + m * (s->D / s->M);
    for (int64_t l = 0; l < UDA_LEVELS; l++) {
        for (int64_t j = l * s->P; j < (l + 1) * s->P; j++) {
            add_sample(y, s, level, l, rx * (double)s->width[l] + offset[2 * j] - 0.5,
                       ry * (double)s->height[l] + offset[2 * j + 1] - 0.5, exp(logits[j]) / sum);
        }
        level += s->height[l] * s->width[l] * s->D;
    }
}

static void ref_deform(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    int64_t d = s->D / s->M;
    for (int64_t i = 0; i < count; i += d) {
        ref_head(y + i, s, x, i / s->D / s->S, i / s->D % s->S, i % s->D / d);
    }
}

static const struct shape
    narrow = {2, 21, 32, 4, 4, {1, 2, 4}, {1, 2, 4}}, wide = {1, 63, 256, 8, 4, {1, 3, 5}, {3, 5, 9}},
    middle = {1, 29, 64, 4, 2, {2, 3, 5}, {1, 4, 3}}, odd = {1, 21, 10, 2, 8, {1, 2, 4}, {1, 2, 4}},
    high = {1, 84, 16, 1, 1, {2, 4, 8}, {2, 4, 8}};

/* scale: 12 samples of 4 taps, and places of size 10 to 2^-24 relative, each worth the difference
 * of two values. */
const struct op_case deform_cases[] = {
    {"deform 4 heads of 8, a level of one token, far offsets", 3,
     {{3, {2, 21, 32}}, {3, {2, 21, 96}, .spread = 3.0f}, {3, {2, 21, 48}}}, run_deform, ref_deform,
     &narrow, 12},
    {"deform 8 heads of 32, sides that do not divide", 3,
     {{3, {1, 63, 256}}, {3, {1, 63, 192}, .spread = 1.5f}, {3, {1, 63, 96}}}, run_deform,
     ref_deform, &wide, 16},
    {"deform 4 heads of 16, 2 points", 3,
     {{3, {1, 29, 64}}, {3, {1, 29, 48}, .spread = 3.0f}, {3, {1, 29, 24}}}, run_deform, ref_deform,
     &middle, 12},
    {"deform 2 heads of 5, 8 points", 3,
     {{3, {1, 21, 10}}, {3, {1, 21, 96}, .spread = 3.0f}, {3, {1, 21, 48}}}, run_deform, ref_deform,
     &odd, 12},
    {"deform 1 head of 16, 1 point, two blocks of tokens", 3,
     {{3, {1, 84, 16}}, {3, {1, 84, 6}, .spread = 3.0f}, {3, {1, 84, 3}}}, run_deform, ref_deform,
     &high, 12},
    {"deform, all samples outside", 3,
     {{3, {1, 21, 10}}, {3, {1, 21, 96}, .offset = 1e9f}, {3, {1, 21, 48}}}, run_deform, ref_deform,
     &odd, 1},
};
const int64_t deform_case_count = UDA_LEN(deform_cases);
