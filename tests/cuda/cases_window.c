#include "tests/cuda/cases.h"

#include "kernels/window_geometry.h"

#include <math.h>

/* size: N, H, W, heads, d, window, shift. */
static struct uda_window_attention_args sizes(const struct trial *t, const int64_t *s)
{
    return (struct uda_window_attention_args){.type = t->type, .N = s[0], .H = s[1], .W = s[2],
                                              .heads = s[3], .D = s[3] * s[4], .window = s[5],
                                              .shift = s[6]};
}

static int64_t rows_of(const struct uda_window_attention_args *a)
{
    return a->N * uda_window_padded(a->H, a->window) * uda_window_padded(a->W, a->window) * a->heads;
}

static void inputs(struct trial *t, struct uda_window_attention_args *a)
{
    int64_t side = 2 * a->window - 1;
    a->qkv = trial_typed_normals(t, a->N * a->H * a->W * 3 * a->D, 0.0f, 1.0f);
    float *bias = trial_host_normals(t, 3 * a->D, 0.0f, 0.5f);
    for (int64_t i = 0; i < 3 * a->D && t->numbers == UDA_BF16; i++) {
        bias[i] = rintf(bias[i] * 64.0f) / 64.0f; /* as the rows of padded tokens are kept */
    }
    a->qkv_bias = trial_data(t, bias, (size_t)(3 * a->D) * sizeof *bias);
    a->table = trial_normals(t, side * side * a->heads, 0.0f, 0.5f);
}

/* A logit of size up to 6 has its roundings, of d terms, which its exponential takes over (those of -100
 * weigh nothing); y is a mean of rows of v. In bf16 probabilities and slopes keep 2^-17, at most 2^7
 * roundings a term: half of what the 8 roundings that a row has at least allow. */
static void window_attention_fwd(struct trial *t, const int64_t *s)
{
    struct uda_window_attention_args a = sizes(t, s);
    inputs(t, &a);
    double logit = 6.0 + sqrt((double)s[4]);
    a.y = trial_typed_output(t, a.N * a.H * a.W * a.D, false, logit + (double)a.window);
    a.log_sums = trial_output(t, rows_of(&a), false, logit);
    TRIAL_RUN(t, window_attention_fwd, &a);
}

/* What the eighth size says is wanted. */
enum wanted { DQKV = 1, BIAS = 2, TABLE = 4, ADD = 8, ALL = DQKV | BIAS | TABLE };

/* Probabilities as forward; then sums over channels and over a window's tokens; bias and table over all
 * windows too. The formulas hold for any log sums: they are drawn. */
static void window_attention_bwd(struct trial *t, const int64_t *s)
{
    struct uda_window_attention_args a = sizes(t, s);
    int64_t wanted = s[7], side = 2 * a.window - 1;
    bool add = (wanted & ADD) != 0;
    inputs(t, &a);
    a.saved_log_sums = trial_normals(t, rows_of(&a), 0.5f + 2.0f * logf((float)a.window), 0.3f);
    a.dy = trial_typed_normals(t, a.N * a.H * a.W * a.D, 0.0f, 1.0f);
    a.add_dqkv = add;
    a.add_dbias = add;
    a.add_dtable = add;
    double slope = 8.0 + 2.0 * sqrt((double)s[4]) + (double)a.window;
    double all = sqrt((double)rows_of(&a) / (double)a.heads);
    a.dqkv = (wanted & DQKV) != 0 ? trial_typed_output(t, a.N * a.H * a.W * 3 * a.D, add, slope) : NULL;
    a.dbias = (wanted & BIAS) != 0 ? trial_output(t, 3 * a.D, add, slope + all) : NULL;
    a.dtable = (wanted & TABLE) != 0 ? trial_output(t, side * side * a.heads, add, slope + all) : NULL;
    TRIAL_RUN(t, window_attention_bwd, &a);
}

static const struct trial_case rows[] = {
    {"window_attention_fwd", window_attention_fwd, {0, 7, 7, 2, 4, 7}, .empty = true},
    {"window_attention_fwd", window_attention_fwd, {1, 1, 1, 1, 1, 1}},
    {"window_attention_fwd", window_attention_fwd, {2, 5, 9, 3, 5, 4, 2}},     /* padded, shifted */
    {"window_attention_fwd", window_attention_fwd, {1, 3, 2, 2, 8, 4}},        /* smaller than a window */
    {"window_attention_fwd", window_attention_fwd, {1, 15, 20, 3, 32, 7, 3}},  /* Swin-T */
    {"window_attention_fwd", window_attention_fwd, {1, 17, 24, 2, 32, 12, 6}}, /* Swin-L */
    {"window_attention_fwd", window_attention_fwd, {1, 9, 8, 1, 64, 8, 4}},    /* most channels; one tile */
    {"window_attention_fwd", window_attention_fwd, {1, 15, 20, 3, 32, 7, 3}, .unaligned = true},
    {"window_attention_fwd", window_attention_fwd, {1, 1, 1, 1, 1, 1}, .type = UDA_BF16},
    {"window_attention_fwd", window_attention_fwd, {2, 5, 9, 3, 5, 4, 2}, .type = UDA_BF16},
    {"window_attention_fwd", window_attention_fwd, {1, 15, 20, 3, 32, 7, 3}, .type = UDA_BF16},
    {"window_attention_fwd", window_attention_fwd, {1, 17, 24, 2, 32, 12, 6}, .type = UDA_BF16},
    {"window_attention_fwd", window_attention_fwd, {1, 9, 8, 1, 64, 8, 4}, .type = UDA_BF16},
    {"window_attention_fwd", window_attention_fwd, {1, 15, 20, 3, 32, 7, 3}, .unaligned = true,
     .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {0, 7, 7, 2, 4, 7, 0, DQKV}, .empty = true},
    {"window_attention_bwd", window_attention_bwd, {1, 1, 1, 1, 1, 1, 0, ALL}},
    {"window_attention_bwd", window_attention_bwd, {2, 5, 9, 3, 5, 4, 2, ALL | ADD}},
    {"window_attention_bwd", window_attention_bwd, {1, 3, 2, 2, 8, 4, 0, ALL}},
    {"window_attention_bwd", window_attention_bwd, {1, 15, 20, 3, 32, 7, 3, ALL}},
    {"window_attention_bwd", window_attention_bwd, {1, 17, 24, 2, 32, 12, 6, ALL | ADD}},
    {"window_attention_bwd", window_attention_bwd, {1, 9, 8, 1, 64, 8, 4, ALL}},
    {"window_attention_bwd", window_attention_bwd, {1, 10, 10, 1, 33, 9, 4, ALL}},  /* two tiles of keys */
    {"window_attention_bwd", window_attention_bwd, {1, 13, 13, 1, 8, 12, 0, ALL}},
    {"window_attention_bwd", window_attention_bwd, {2, 7, 8, 2, 12, 4, 2, DQKV}},
    {"window_attention_bwd", window_attention_bwd, {2, 7, 8, 2, 12, 4, 2, BIAS}},
    {"window_attention_bwd", window_attention_bwd, {2, 7, 8, 2, 12, 4, 2, TABLE}},
    {"window_attention_bwd", window_attention_bwd, {1, 12, 12, 64, 1, 4, 0, ALL}},  /* chunks of windows */
    {"window_attention_bwd", window_attention_bwd, {1, 15, 20, 3, 32, 7, 3, ALL}, .unaligned = true},
    {"window_attention_bwd", window_attention_bwd, {1, 1, 1, 1, 1, 1, 0, ALL}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {2, 5, 9, 3, 5, 4, 2, ALL | ADD}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 15, 20, 3, 32, 7, 3, ALL}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 17, 24, 2, 32, 12, 6, ALL | ADD}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 9, 8, 1, 64, 8, 4, ALL}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 10, 10, 1, 33, 9, 4, ALL}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 13, 13, 1, 8, 12, 0, ALL}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {2, 7, 8, 2, 12, 4, 2, TABLE}, .type = UDA_BF16},
    {"window_attention_bwd", window_attention_bwd, {1, 15, 20, 3, 32, 7, 3, ALL}, .unaligned = true,
     .type = UDA_BF16},
};

const struct trial_cases cuda_window_cases = {rows, UDA_LEN(rows)};
