#include "tests/ops/cases.h"

#include <math.h>

struct norm {
    int64_t N, T, C, groups;
    bool relu, add;
};

#define EPS 1e-5

static struct uda_tensor *run_layernorm(struct uda_tape *t, struct uda_tensor **x,
                                        const void *config)
{
    const struct norm *s = config;
    return s->add ? uda_add_layernorm(t, x[0], x[3], x[1], x[2], (float)EPS)
                  : uda_layernorm(t, x[0], x[1], x[2], (float)EPS);
}

/* The sum goes through the op twice: both gradients land in one tensor. */
static struct uda_tensor *run_doubled(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    (void)config;
    struct uda_tensor *y = uda_relu(t, x[0]);
    return uda_add_layernorm(t, y, y, x[1], x[2], (float)EPS);
}

static void ref_layernorm(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct norm *s = config;
    int64_t C = s->C;
    for (int64_t row = 0; row < count / C; row++) {
        double mean = 0.0, var = 0.0;
        double *r = y + row * C;
        for (int64_t c = 0; c < C; c++) {
            r[c] = x[0][row * C + c] + (s->add ? x[3][row * C + c] : 0.0);
            if (s->relu) {
                r[c] = r[c] > 0.0 ? 2.0 * r[c] : 0.0;
            }
            mean += r[c] / (double)C;
        }
        for (int64_t c = 0; c < C; c++) {
            var += (r[c] - mean) * (r[c] - mean) / (double)C;
        }
        for (int64_t c = 0; c < C; c++) {
            r[c] = (r[c] - mean) / sqrt(var + (double)(float)EPS) * x[1][c] + x[2][c];
        }
    }
}

static struct uda_tensor *run_groupnorm(struct uda_tape *t, struct uda_tensor **x,
                                        const void *config)
{
    const struct norm *s = config;
    return uda_groupnorm(t, x[0], x[1], x[2], s->groups, (float)EPS, s->relu);
}

static void ref_groupnorm(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct norm *s = config;
    int64_t per = s->C / s->groups;
    (void)count;
    for (int64_t n = 0; n < s->N; n++) {
        for (int64_t g = 0; g < s->groups; g++) {
            const double *image = x[0] + n * s->T * s->C + g * per;
            double mean = 0.0, var = 0.0, size = (double)(s->T * per);
            for (int64_t i = 0; i < s->T * per; i++) {
                mean += image[i / per * s->C + i % per] / size;
            }
            for (int64_t i = 0; i < s->T * per; i++) {
                double d = image[i / per * s->C + i % per] - mean;
                var += d * d / size;
            }
            for (int64_t i = 0; i < s->T * per; i++) {
                int64_t c = g * per + i % per;
                double value = (image[i / per * s->C + i % per] - mean) /
                                   sqrt(var + (double)(float)EPS) * x[1][c] + x[2][c];
                y[(n * s->T + i / per) * s->C + c] = s->relu && value < 0.0 ? 0.0 : value;
            }
        }
    }
}

static const struct norm row1 = {.C = 1}, row24 = {.C = 24}, row96 = {.C = 96},
                         row1100 = {.C = 1100}, row37 = {.C = 37, .add = true},
                         row96_add = {.C = 96, .add = true}, doubled = {.C = 40, .relu = true};
static const struct norm group_one = {.N = 1, .T = 1, .C = 8, .groups = 2},
                         group_small = {.N = 2, .T = 9, .C = 12, .groups = 4},
                         group_relu = {.N = 2, .T = 150, .C = 64, .groups = 32, .relu = true},
                         group_far = {.N = 1, .T = 300, .C = 6, .groups = 1};

/*
 * Scale: a mean of n values and the two cancelling terms of dx carry a few eps each; gamma and beta
 * gradients sum up to n = 300 products: sqrt(n) < 20. The cases far from 0 lose
 * mean / deviation = 30 more. Rows of 1 have variance 0, so rstd = 316 multiplies what should
 * cancel: gamma is small there, to stay under the harness' floor of 1e-7.
 */
const struct op_case norm_cases[] = {
    {"layernorm rows of 1", 3, {{2, {5, 1}}, {1, {1}, false, 0.0f, 0.01f}, {1, {1}}},
     run_layernorm, ref_layernorm, &row1, 3},
    {"layernorm rows of 24", 3, {{3, {2, 3, 24}}, {1, {24}}, {1, {24}}}, run_layernorm,
     ref_layernorm, &row24, 3},
    {"layernorm 150 rows of 96", 3, {{2, {150, 96}}, {1, {96}}, {1, {96}}}, run_layernorm,
     ref_layernorm, &row96, 12},
    {"layernorm rows of 96 with mean 30", 3, {{2, {9, 96}, false, 30.0f}, {1, {96}}, {1, {96}}},
     run_layernorm, ref_layernorm, &row96, 30},
    {"layernorm rows of 1100", 3, {{2, {3, 1100}}, {1, {1100}}, {1, {1100}}}, run_layernorm,
     ref_layernorm, &row1100, 4},
    {"add_layernorm rows of 37", 4, {{2, {7, 37}}, {1, {37}}, {1, {37}}, {2, {7, 37}}},
     run_layernorm, ref_layernorm, &row37, 3},
    {"add_layernorm 70 rows of 96", 4, {{2, {70, 96}}, {1, {96}}, {1, {96}}, {2, {70, 96}}},
     run_layernorm, ref_layernorm, &row96_add, 9},
    {"add_layernorm of x and x", 3, {{2, {6, 40}}, {1, {40}}, {1, {40}}}, run_doubled,
     ref_layernorm, &doubled, 4},
    {"groupnorm of one token", 3, {{3, {1, 1, 8}}, {1, {8}}, {1, {8}}}, run_groupnorm,
     ref_groupnorm, &group_one, 4},
    {"groupnorm 2x9x12", 3, {{3, {2, 9, 12}}, {1, {12}}, {1, {12}}}, run_groupnorm, ref_groupnorm,
     &group_small, 4},
    {"groupnorm 2x150x64 with relu", 3, {{3, {2, 150, 64}}, {1, {64}}, {1, {64}}}, run_groupnorm,
     ref_groupnorm, &group_relu, 17},
    {"groupnorm with mean 30", 3, {{3, {1, 300, 6}, false, 30.0f}, {1, {6}}, {1, {6}}},
     run_groupnorm, ref_groupnorm, &group_far, 30},
};
const int64_t norm_case_count = UDA_LEN(norm_cases);
