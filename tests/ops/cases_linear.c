#include "tests/ops/cases.h"



struct shape {
    int64_t N, H, W, C, O;
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
    (void)config;
    return uda_conv3x3(t, x[0], x[1]);
}

static void ref_conv(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    for (int64_t i = 0; i < count; i++) {
        int64_t o = i % s->O, w = i / s->O % s->W, h = i / s->O / s->W % s->H;
        int64_t n = i / s->O / s->W / s->H;
        double sum = 0.0;
        for (int64_t tap = 0; tap < 9; tap++) {
            int64_t yy = h + tap / 3 - 1, xx = w + tap % 3 - 1;
            if (yy < 0 || yy >= s->H || xx < 0 || xx >= s->W) {
                continue;
            }
            for (int64_t c = 0; c < s->C; c++) {
                sum += x[0][((n * s->H + yy) * s->W + xx) * s->C + c] *
                       x[1][(o * s->C + c) * 9 + tap];
            }
        }
        y[i] = sum;
    }
}

static const struct shape linear_small = {.C = 5, .O = 3}, linear_wide = {.C = 40, .O = 300},
                          linear_tall = {.C = 8, .O = 6};
static const struct shape conv_small = {1, 3, 5, 4, 3}, conv_large = {2, 9, 13, 7, 6},
                          conv_one = {1, 1, 1, 2, 2};

const struct op_case linear_cases[] = {
    {"linear 7x5->3", 3, {{2, {7, 5}}, {2, {3, 5}}, {1, {3}}}, run_linear, ref_linear,
     &linear_small, 3},
    {"linear 2x60x40->300", 3, {{3, {2, 60, 40}}, {2, {300, 40}}, {1, {300}}}, run_linear,
     ref_linear, &linear_wide, 20},
    {"linear 4500x8->6, split over rows in backward", 3, {{2, {4500, 8}}, {2, {6, 8}}, {1, {6}}},
     run_linear, ref_linear, &linear_tall, 70},
    {"conv3x3 3x5", 2, {{4, {1, 3, 5, 4}}, {4, {3, 4, 3, 3}}}, run_conv, ref_conv, &conv_small, 6},
    {"conv3x3 2x9x13", 2, {{4, {2, 9, 13, 7}}, {4, {6, 7, 3, 3}}}, run_conv, ref_conv, &conv_large,
     16},
    {"conv3x3 1x1", 2, {{4, {1, 1, 1, 2}}, {4, {2, 2, 3, 3}}}, run_conv, ref_conv, &conv_one, 4},
};
const int64_t linear_case_count = UDA_LEN(linear_cases);
