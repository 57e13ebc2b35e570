#include "tests/cuda/cases.h"

#include <math.h>

/* size: count. Sums of `count` terms of one sign in double: each side errs by count roundings at most,
 * the result is the sum itself. */
static void sum_squares(struct trial *t, const int64_t *s)
{
    struct uda_sum_squares_args a = {.count = s[0]};
    a.x = trial_normals(t, s[0], 0.0f, 1.0f);
    a.sum = trial_output_double(t, 1, false, 0x1p-29 * (double)(s[0] + 1));
    TRIAL_RUN(t, sum_squares, &a);
}

/* size: values, faults, place of a NaN (from 1; 0: none), of a fault. A number that only becomes NaN: the
 * same bytes. */
static void spoil(struct trial *t, const int64_t *s)
{
    struct uda_spoil_args a = {.values = s[0], .faults = s[1]};
    double value[200];
    int64_t fault[200] = {0};
    for (int64_t i = 0; i < s[0]; i++) {
        value[i] = i + 1 == s[2] ? (i % 2 == 0 ? NAN : INFINITY) : (double)i * 1e300;
    }
    if (s[3] > 0) {
        fault[s[3] - 1] = s[3];
    }
    a.value = trial_data(t, value, (size_t)s[0] * sizeof *value);
    a.fault = trial_data(t, fault, (size_t)s[1] * sizeof *fault);
    a.x = trial_output(t, 3, true, 0.0);
    TRIAL_RUN(t, spoil, &a);
}

/*
 * size: segments, count of the first, growth from segment to segment, gap behind each, t, limit of the norm
 * (of 3; below 0: the norm is infinite, nothing may change: the same bytes). m: two sums and
 * two products of numbers of one size; v: two products and a sum; p: the step's quotient of four
 * roundings, below p, and two more. v stays near 1, so its root is no smaller.
 */
static void adamw(struct trial *t, const int64_t *s)
{
    struct uda_adamw_segment *segment =
        uda_arena_alloc(&t->host, (size_t)(s[0] + 1) * sizeof *segment);
    int64_t total = 0;
    for (int64_t i = 0; i < s[0]; i++) {
        int64_t count = s[1] + i * s[2];
        segment[i] = (struct uda_adamw_segment){.offset = total, .count = count,
                                                .lr = 0.01 * (double)(1 + i % 3),
                                                .weight_decay = i % 2 == 0 ? 0.05 : 0.0};
        total += count + s[3];
    }
    const double squares = s[5] < 0 ? INFINITY : 9.0;
    double still = s[5] < 0 ? 0.0 : 1.0;
    struct uda_adamw_args a = {.segment = segment, .segments = s[0], .t = s[4], .beta1 = 0.9,
                               .beta2 = 0.999, .eps = 1e-8, .max_norm = (double)s[5]};
    a.squares = trial_data(t, &squares, sizeof squares);
    a.grad = trial_normals(t, total, 0.0f, 1.0f);
    a.value = trial_output(t, total, true, 6.0 * still);
    a.m = trial_output(t, total, true, 4.0 * still);
    a.v = trial_output_normals(t, total, 1.0f, 0.1f, 4.0 * still);
    TRIAL_RUN(t, adamw, &a);
}

/* size: count. Two products and a sum. */
static void ema(struct trial *t, const int64_t *s)
{
    struct uda_ema_args a = {.count = s[0], .alpha = 0.9};
    a.teacher = trial_output(t, s[0], true, 3.0);
    a.student = trial_normals(t, s[0], 0.0f, 1.0f);
    TRIAL_RUN(t, ema, &a);
}

/* size: count. A product and a sum. */
static void scale_add(struct trial *t, const int64_t *s)
{
    struct uda_scale_add_args a = {.count = s[0], .factor = 0.3f};
    a.y = trial_output(t, s[0], true, 2.0);
    a.x = trial_normals(t, s[0], 0.0f, 1.0f);
    TRIAL_RUN(t, scale_add, &a);
}

static const struct trial_case rows[] = {
    {"sum_squares", sum_squares, {0}}, /* writes 0 */
    {"sum_squares", sum_squares, {1}},
    {"sum_squares", sum_squares, {1027}},
    {"sum_squares", sum_squares, {65537}}, /* two chunks */
    {"sum_squares", sum_squares, {65535}, .unaligned = true},
    {"sum_squares", sum_squares, {300001}},
    {"spoil", spoil, {0, 0}},
    {"spoil", spoil, {96, 60}},
    {"spoil", spoil, {96, 60, 1}},
    {"spoil", spoil, {96, 60, 96}},
    {"spoil", spoil, {96, 60, 0, 1}},
    {"spoil", spoil, {5, 200, 0, 200}},
    {"adamw", adamw, {0, 0, 0, 0, 1}, .empty = true},
    {"adamw", adamw, {1, 0, 0, 0, 1}, .empty = true},
    {"adamw", adamw, {1, 1, 0, 0, 1}},
    {"adamw", adamw, {5, 1024, 1024, 8, 3, 1}},            /* four at a time */
    {"adamw", adamw, {5, 1024, 1024, 8, 3, 1}, .unaligned = true},
    {"adamw", adamw, {9, 0, 33, 3, 100000, 2}},            /* segments at odd places; the first is empty */
    {"adamw", adamw, {200, 5, 1, 1, 2}},                /* more than fit in a launch */
    {"adamw", adamw, {1, 100003, 0, 0, 7, 5}},
    {"adamw", adamw, {5, 1024, 1024, 8, 3, -1}},
    {"ema", ema, {0}, .empty = true},
    {"ema", ema, {1}},
    {"ema", ema, {4099}},
    {"ema", ema, {4099}, .unaligned = true},
    {"scale_add", scale_add, {0}, .empty = true},
    {"scale_add", scale_add, {1}},
    {"scale_add", scale_add, {4099}},
    {"scale_add", scale_add, {4099}, .unaligned = true},
};

const struct trial_cases cuda_optim_cases = {rows, UDA_LEN(rows)};
