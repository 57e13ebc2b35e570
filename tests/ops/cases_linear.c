#include "tests/ops/cases.h"

#include <math.h>


struct shape {
    int64_t N, H, W, C, O, kernel, stride; /* H, W of x */
};

static struct uda_tensor *run_linear(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    (void)config;
    return uda_linear(t, x[0], x[1], x[2]);
}

static void ref_linear(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = i / s->O, o = i % s->O;
        double sum = x[2][o];
        for (int64_t k = 0; k < s->C; k++) {
            sum += x[0][row * s->C + k] * x[1][o * s->C + k];
        }
        y[i] = sum;
    }
}

static struct uda_tensor *run_conv(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct shape *s = config;
    return uda_conv(t, x[0], x[1], s->stride);
}

static void ref_conv(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    int64_t k = s->kernel, Ho = (s->H + s->stride - 1) / s->stride, Wo = (s->W + s->stride - 1) / s->stride;
    for (int64_t i = 0; i < count; i++) {
        int64_t o = i % s->O, w = i / s->O % Wo, h = i / s->O / Wo % Ho, n = i / s->O / Wo / Ho;
        double sum = 0.0;
        for (int64_t tap = 0; tap < k * k; tap++) {
            int64_t yy = h * s->stride + tap / k - k / 2, xx = w * s->stride + tap % k - k / 2;
            if (yy < 0 || yy >= s->H || xx < 0 || xx >= s->W) {
                continue;
            }
            for (int64_t c = 0; c < s->C; c++) {
                sum += x[0][((n * s->H + yy) * s->W + xx) * s->C + c] *
                       x[1][(o * s->C + c) * k * k + tap];
            }
        }
        y[i] = sum;
    }
}

/* A convolution, the norm (inputs 2 to 5: gamma, beta, mean, var), input 6 added if there, ReLU. */
struct normed {
    struct shape shape;
    bool add, relu;
};

static struct uda_tensor *run_conv_norm(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct normed *s = config;
    const struct uda_frozen_norm norm = {.gamma = x[2], .beta = x[3], .mean = x[4], .var = x[5],
                                         .eps = 1e-5f};
    return uda_conv_norm(t, x[0], x[1], s->shape.stride, &norm, s->add ? x[6] : NULL, s->relu);
}

static void ref_conv_norm(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct normed *s = config;
    ref_conv(y, count, x, &s->shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t o = i % s->shape.O;
        y[i] = (y[i] - x[4][o]) / sqrt(x[5][o] + (double)1e-5f) * x[2][o] + x[3][o];
        y[i] += s->add ? x[6][i] : 0.0;
        y[i] = s->relu && y[i] < 0.0 ? 0.0 : y[i];
    }
}

static const struct shape linear_small = {.C = 5, .O = 3}, linear_wide = {.C = 40, .O = 300},
                          linear_tall = {.C = 8, .O = 6};
static const struct shape conv_small = {1, 3, 5, 4, 3, 3, 1}, conv_large = {2, 9, 13, 7, 6, 3, 1},
                          conv_one = {1, 1, 1, 2, 2, 3, 1}, conv_half = {2, 9, 14, 5, 6, 3, 2},
                          conv_half_one = {2, 1, 1, 3, 2, 3, 2}, conv_point = {2, 5, 8, 6, 4, 1, 1},
                          conv_point_half = {2, 5, 8, 6, 4, 1, 2}, conv_stem = {1, 17, 22, 3, 8, 7, 2},
                          conv_wide = {2, 5, 6, 3, 4, 7, 1}, conv_stem_small = {1, 2, 1, 3, 2, 7, 2};

static const struct normed normed_plain = {{2, 5, 6, 4, 5, 3, 1}, false, false},
                           normed_relu = {{1, 9, 8, 3, 8, 7, 2}, false, true},
                           normed_add = {{2, 5, 6, 8, 4, 1, 1}, true, true},
                           normed_add_half = {{2, 5, 6, 8, 4, 1, 2}, true, false},
                           normed_wide = {{1, 40, 41, 2, 33, 3, 2}, true, true};

/* Constants of a norm of C channels: variances are positive. */
#define NORM(C)                                                                                    \
    {1, {C}, true, 1.0f, 0.5f}, {1, {C}, true}, {1, {C}, true}, {1, {C}, true, 3.0f, 0.5f}

const struct op_case linear_cases[] = {
    {"linear 7x5->3", 3, {{2, {7, 5}}, {2, {3, 5}}, {1, {3}}}, run_linear, ref_linear,
     &linear_small, 3},
    {"linear 2x60x40->300", 3, {{3, {2, 60, 40}}, {2, {300, 40}}, {1, {300}}}, run_linear,
     ref_linear, &linear_wide, 20},
    {"linear 4500x8->6, split over rows in backward", 3, {{2, {4500, 8}}, {2, {6, 8}}, {1, {6}}},
     run_linear, ref_linear, &linear_tall, 70},
    {"conv 3x5", 2, {{4, {1, 3, 5, 4}}, {4, {3, 4, 3, 3}}}, run_conv, ref_conv, &conv_small, 6},
    {"conv 2x9x13", 2, {{4, {2, 9, 13, 7}}, {4, {6, 7, 3, 3}}}, run_conv, ref_conv, &conv_large, 16},
    {"conv 1x1", 2, {{4, {1, 1, 1, 2}}, {4, {2, 2, 3, 3}}}, run_conv, ref_conv, &conv_one, 4},
    {"conv 2x9x14, stride 2", 2, {{4, {2, 9, 14, 5}}, {4, {6, 5, 3, 3}}}, run_conv, ref_conv, &conv_half, 9},
    {"conv 1x1, stride 2", 2, {{4, {2, 1, 1, 3}}, {4, {2, 3, 3, 3}}}, run_conv, ref_conv, &conv_half_one, 6},
    {"conv kernel 1", 2, {{4, {2, 5, 8, 6}}, {4, {4, 6, 1, 1}}}, run_conv, ref_conv, &conv_point, 9},
    {"conv kernel 1, stride 2", 2, {{4, {2, 5, 8, 6}}, {4, {4, 6, 1, 1}}}, run_conv, ref_conv,
     &conv_point_half, 5},
    {"conv kernel 7, stride 2", 2, {{4, {1, 17, 22, 3}}, {4, {8, 3, 7, 7}}}, run_conv, ref_conv, &conv_stem,
     13},
    {"conv kernel 7", 2, {{4, {2, 5, 6, 3}}, {4, {4, 3, 7, 7}}}, run_conv, ref_conv, &conv_wide, 15},
    {"conv kernel 7 of 2x1, stride 2", 2, {{4, {1, 2, 1, 3}}, {4, {2, 3, 7, 7}}}, run_conv, ref_conv,
     &conv_stem_small, 12},
    {"conv_norm", 6, {{4, {2, 5, 6, 4}}, {4, {5, 4, 3, 3}}, NORM(5)}, run_conv_norm, ref_conv_norm,
     &normed_plain, 9},
    {"conv_norm relu", 6, {{4, {1, 9, 8, 3}}, {4, {8, 3, 7, 7}}, NORM(8)}, run_conv_norm, ref_conv_norm,
     &normed_relu, 13},
    {"conv_norm add relu", 7, {{4, {2, 5, 6, 8}}, {4, {4, 8, 1, 1}}, NORM(4), {4, {2, 5, 6, 4}}},
     run_conv_norm, ref_conv_norm, &normed_add, 9},
    {"conv_norm add, stride 2", 7, {{4, {2, 5, 6, 8}}, {4, {4, 8, 1, 1}}, NORM(4), {4, {2, 3, 3, 4}}},
     run_conv_norm, ref_conv_norm, &normed_add_half, 6},
    {"conv_norm of a constant", 7, {{4, {1, 40, 41, 2}, true}, {4, {33, 2, 3, 3}}, NORM(33),
                                    {4, {1, 20, 21, 33}}}, run_conv_norm, ref_conv_norm, &normed_wide, 21},
};
const int64_t linear_case_count = UDA_LEN(linear_cases);
