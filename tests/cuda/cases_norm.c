#include "tests/cuda/cases.h"

#include <math.h>

/*
 * size: rows, C, b is added, stats are wanted. Statistics are sums of C terms divided by C, so their
 * error stays at a few eps of the spread; y has four roundings on top (difference, two products, sum).
 * The input's mean is below its spread, so the difference cancels nothing.
 */
static void layernorm_fwd(struct trial *t, const int64_t *s)
{
    int64_t count = s[0] * s[1];
    struct uda_layernorm_args a = {.rows = s[0], .C = s[1], .eps = 1e-5f, .type = t->type};
    a.a = trial_typed_normals(t, count, 0.5f, 1.0f);
    a.gamma = trial_normals(t, s[1], 1.0f, 0.2f);
    a.beta = trial_normals(t, s[1], 0.0f, 0.5f);
    a.y = trial_typed_output(t, count, false, 6.0);
    if (s[2] != 0) {
        a.b = trial_typed_normals(t, count, 0.0f, 1.0f);
        a.sum = trial_typed_output(t, count, false, 1.0);
    }
    a.stats = s[3] != 0 ? trial_output(t, 2 * s[0], false, 4.0) : NULL;
    TRIAL_RUN(t, layernorm_fwd, &a);
}

/* Mean and rstd of rows as a forward pass would leave them, near enough: the formulas hold for any. */
static float *row_stats(struct trial *t, int64_t rows) { return trial_normals(t, 2 * rows, 1.0f, 0.05f); }

/* What the gradients are: dx and dx2 separate, one array twice, or absent; parameters' or not. */
enum wanted { DX = 1, DX2 = 2, SAME = 4, PARAMETERS = 8, ADD = 16 };

/*
 * size: rows, C, wanted. dx: two sums of C terms divided by C, then six roundings. Parameters' gradients:
 * sums over rows of terms with two roundings each.
 */
static void layernorm_bwd(struct trial *t, const int64_t *s)
{
    int64_t count = s[0] * s[1], wanted = s[2];
    bool add = (wanted & ADD) != 0;
    struct uda_layernorm_args a = {.rows = s[0], .C = s[1], .eps = 1e-5f, .type = t->type};
    a.x = trial_typed_normals(t, count, 1.0f, 1.0f);
    a.saved_stats = row_stats(t, s[0]);
    a.dy = trial_typed_normals(t, count, 0.0f, 1.0f);
    a.gamma = trial_normals(t, s[1], 1.0f, 0.2f);
    a.dx = (wanted & DX) != 0 ? trial_typed_output(t, count, add, 8.0) : NULL;
    a.dx2 = (wanted & DX2) != 0    ? trial_typed_output(t, count, !add, 8.0)
            : (wanted & SAME) != 0 ? a.dx
                                   : NULL;
    a.add_dx = add;
    a.add_dx2 = (wanted & SAME) != 0 || !add;
    if ((wanted & PARAMETERS) != 0) {
        a.dgamma = trial_output(t, s[1], add, 3.0 + sqrt((double)s[0]));
        a.dbeta = trial_output(t, s[1], !add, 1.0 + sqrt((double)s[0]));
        a.add_dgamma = add;
        a.add_dbeta = !add;
    }
    TRIAL_RUN(t, layernorm_bwd, &a);
}

/*
 * size: N, tokens, C, groups, relu, mean, more roundings: a group of one value has rstd = eps^-1/2 = 316,
 * and y = x rstd - mean rstd cancels. Sums of a chunk are in float over at most `tokens` / 8 terms a
 * thread; relative to the spread they err by sqrt(tokens) eps / tokens at worst. An input with a mean of m
 * spreads has m eps of error in x - mean.
 */
static void groupnorm_fwd(struct trial *t, const int64_t *s)
{
    int64_t count = s[0] * s[1] * s[2];
    struct uda_groupnorm_args a = {.N = s[0], .T = s[1], .C = s[2], .groups = s[3], .eps = 1e-5f,
                                   .relu = s[4] != 0, .type = t->type};
    a.x = trial_typed_normals(t, count, (float)s[5], 1.0f);
    a.gamma = trial_normals(t, s[2], 1.0f, 0.2f);
    a.beta = trial_normals(t, s[2], 0.0f, 0.5f);
    a.y = trial_typed_output(t, count, false, 6.0 + (double)(s[5] + s[6]));
    a.stats = trial_output(t, 2 * s[0] * s[3], false, 4.0 + (double)s[5]);
    TRIAL_RUN(t, groupnorm_fwd, &a);
}

/* size: N, tokens, C, groups, relu, wanted (DX, PARAMETERS, ADD). As above; dgamma sums N tokens. */
static void groupnorm_bwd(struct trial *t, const int64_t *s)
{
    int64_t count = s[0] * s[1] * s[2], wanted = s[5];
    double sum = sqrt((double)(s[0] * s[1]));
    bool add = (wanted & ADD) != 0;
    struct uda_groupnorm_args a = {.N = s[0], .T = s[1], .C = s[2], .groups = s[3], .eps = 1e-5f,
                                   .relu = s[4] != 0, .add_dx = add, .add_dgamma = add, .add_dbeta = add,
                                   .type = t->type};
    a.x = trial_typed_normals(t, count, 1.0f, 1.0f);
    a.gamma = trial_normals(t, s[2], 1.0f, 0.2f);
    a.beta = trial_normals(t, s[2], 0.0f, 0.5f);
    a.saved_stats = row_stats(t, s[0] * s[3]);
    a.dy = trial_typed_normals(t, count, 0.0f, 1.0f);
    a.dx = (wanted & DX) != 0 ? trial_typed_output(t, count, add, 8.0) : NULL;
    if ((wanted & PARAMETERS) != 0) {
        a.dgamma = trial_output(t, s[2], add, 3.0 + sum);
        a.dbeta = trial_output(t, s[2], add, 1.0 + sum);
    }
    TRIAL_RUN(t, groupnorm_bwd, &a);
}

/* gamma / sqrt(var + eps): a sum, a root and a quotient, 3 roundings. */
static struct uda_frozen_norm_args frozen_args(struct trial *t, const int64_t *s)
{
    struct uda_frozen_norm_args a = {.type = t->type, .rows = s[0], .C = s[1], .relu = s[2] != 0,
                                     .eps = 1e-5f};
    a.gamma = trial_normals(t, a.C, 1.0f, 0.5f);
    a.beta = trial_normals(t, a.C, 0.0f, 1.0f);
    a.mean = trial_normals(t, a.C, 0.0f, 1.0f);
    a.var = trial_normals(t, a.C, 3.0f, 0.5f);
    return a;
}

/* size: rows, C, relu, add, in place. Two products and three sums more. */
static void frozen_norm_fwd(struct trial *t, const int64_t *s)
{
    struct uda_frozen_norm_args a = frozen_args(t, s);
    int64_t count = a.rows * a.C;
    a.add = s[3] != 0 ? trial_typed_normals(t, count, 0.0f, 1.0f) : NULL;
    a.y = trial_typed_output(t, count, s[4] != 0, 8.0);
    a.x = s[4] != 0 ? a.y : trial_typed_normals(t, count, 0.0f, 1.0f);
    TRIAL_RUN(t, frozen_norm_fwd, &a);
}

/* size: rows, C, relu, wanted. A product and a sum more. */
static void frozen_norm_bwd(struct trial *t, const int64_t *s)
{
    struct uda_frozen_norm_args a = frozen_args(t, s);
    int64_t count = a.rows * a.C;
    a.add_dx = a.add_dadd = (s[3] & ADD) != 0;
    a.dy = trial_typed_normals(t, count, 0.0f, 1.0f);
    a.saved_y = a.relu ? trial_typed_normals(t, count, 0.0f, 1.0f) : NULL;
    a.dx = (s[3] & DX) != 0 ? trial_typed_output(t, count, a.add_dx, 5.0) : NULL;
    a.dadd = (s[3] & DX2) != 0 ? trial_typed_output(t, count, a.add_dadd, 1.0) : NULL;
    TRIAL_RUN(t, frozen_norm_bwd, &a);
}

static const struct trial_case rows[] = {
    {"layernorm_fwd", layernorm_fwd, {0, 96}, .empty = true},
    {"layernorm_fwd", layernorm_fwd, {1, 1, 0, 1}},
    {"layernorm_fwd", layernorm_fwd, {9, 33, 1, 1}},
    {"layernorm_fwd", layernorm_fwd, {17, 96, 1, 1}},
    {"layernorm_fwd", layernorm_fwd, {17, 96, 1}, .unaligned = true},
    {"layernorm_fwd", layernorm_fwd, {200, 768, 0, 1}},
    {"layernorm_fwd", layernorm_fwd, {9, 33, 1, 1}, .type = UDA_BF16},
    {"layernorm_fwd", layernorm_fwd, {17, 96, 1, 1}, .type = UDA_BF16},
    {"layernorm_fwd", layernorm_fwd, {17, 96, 1}, .unaligned = true, .type = UDA_BF16},
    {"layernorm_fwd", layernorm_fwd, {200, 768, 0, 1}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {0, 96, DX | PARAMETERS}, .empty = true},
    {"layernorm_bwd", layernorm_bwd, {1, 1, DX | PARAMETERS}},
    {"layernorm_bwd", layernorm_bwd, {35, 33, DX | DX2 | PARAMETERS}},            /* any C */
    {"layernorm_bwd", layernorm_bwd, {35, 96, DX | PARAMETERS}, .unaligned = true},
    {"layernorm_bwd", layernorm_bwd, {3, 1540, DX | PARAMETERS | ADD}},           /* more than fit */
    {"layernorm_bwd", layernorm_bwd, {9, 96, DX}},
    {"layernorm_bwd", layernorm_bwd, {70, 96, DX | DX2 | PARAMETERS | ADD}},      /* up to 128 */
    {"layernorm_bwd", layernorm_bwd, {33, 192, DX | SAME | PARAMETERS}},          /* 256 */
    {"layernorm_bwd", layernorm_bwd, {33, 384, PARAMETERS}},                      /* 384 */
    {"layernorm_bwd", layernorm_bwd, {9, 768, DX | PARAMETERS}},                  /* 768 */
    {"layernorm_bwd", layernorm_bwd, {9, 1536, DX | PARAMETERS}},                 /* 1536 */
    {"layernorm_bwd", layernorm_bwd, {3001, 32, DX | PARAMETERS}},                /* many chunks */
    {"layernorm_bwd", layernorm_bwd, {35, 33, DX | DX2 | PARAMETERS}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {35, 96, DX | PARAMETERS}, .unaligned = true, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {3, 1540, DX | PARAMETERS | ADD}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {70, 96, DX | DX2 | PARAMETERS | ADD}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {33, 192, DX | PARAMETERS}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {33, 384, PARAMETERS}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {9, 768, DX | PARAMETERS}, .type = UDA_BF16},
    {"layernorm_bwd", layernorm_bwd, {9, 1536, DX | PARAMETERS}, .type = UDA_BF16},
    {"groupnorm_fwd", groupnorm_fwd, {0, 5, 8, 2}, .empty = true},
    {"groupnorm_fwd", groupnorm_fwd, {1, 1, 1, 1, 0, 0, 316}},
    {"groupnorm_fwd", groupnorm_fwd, {2, 77, 12, 4, 1}},
    {"groupnorm_fwd", groupnorm_fwd, {3, 65, 33, 11, 0, 8}},
    {"groupnorm_fwd", groupnorm_fwd, {1, 1000, 64, 8, 1}},
    {"groupnorm_fwd", groupnorm_fwd, {2, 77, 12, 4, 1}, .type = UDA_BF16},
    {"groupnorm_fwd", groupnorm_fwd, {3, 65, 33, 11, 0, 8}, .type = UDA_BF16},
    {"groupnorm_bwd", groupnorm_bwd, {0, 5, 8, 2, 0, DX | PARAMETERS}, .empty = true},
    {"groupnorm_bwd", groupnorm_bwd, {1, 1, 1, 1, 0, DX | PARAMETERS}},
    {"groupnorm_bwd", groupnorm_bwd, {2, 77, 12, 4, 1, DX | PARAMETERS}},
    {"groupnorm_bwd", groupnorm_bwd, {3, 65, 33, 11, 0, DX | PARAMETERS | ADD}},
    {"groupnorm_bwd", groupnorm_bwd, {2, 130, 40, 8, 1, PARAMETERS}},
    {"groupnorm_bwd", groupnorm_bwd, {1, 1000, 64, 8, 1, DX}},
    {"frozen_norm_fwd", frozen_norm_fwd, {0, 8}, .empty = true},
    {"frozen_norm_fwd", frozen_norm_fwd, {1, 1}},
    {"frozen_norm_fwd", frozen_norm_fwd, {9, 33, 1, 1}},
    {"frozen_norm_fwd", frozen_norm_fwd, {9, 33, 0, 0, 1}},
    {"frozen_norm_fwd", frozen_norm_fwd, {300, 64, 1, 0, 1}},                     /* four at a time */
    {"frozen_norm_fwd", frozen_norm_fwd, {300, 64, 1, 1, 1}},
    {"frozen_norm_fwd", frozen_norm_fwd, {5, 300, 0, 1}},
    {"frozen_norm_fwd", frozen_norm_fwd, {30, 64, 1, 1}, .unaligned = true},
    {"frozen_norm_fwd", frozen_norm_fwd, {300, 64, 1, 1}, .type = UDA_BF16},
    {"frozen_norm_fwd", frozen_norm_fwd, {9, 33, 1, 1, 1}, .type = UDA_BF16},
    {"frozen_norm_fwd", frozen_norm_fwd, {30, 64, 0, 0}, .unaligned = true, .type = UDA_BF16},
    {"frozen_norm_bwd", frozen_norm_bwd, {0, 8, 0, DX | DX2}, .empty = true},
    {"frozen_norm_bwd", frozen_norm_bwd, {1, 1, 1, DX | DX2}},
    {"frozen_norm_bwd", frozen_norm_bwd, {9, 33, 1, DX | DX2 | ADD}},
    {"frozen_norm_bwd", frozen_norm_bwd, {300, 64, 1, DX | DX2}},
    {"frozen_norm_bwd", frozen_norm_bwd, {300, 64, 1, DX | DX2 | ADD}},
    {"frozen_norm_bwd", frozen_norm_bwd, {5, 300, 0, DX | ADD}},
    {"frozen_norm_bwd", frozen_norm_bwd, {30, 64, 1, DX2}},
    {"frozen_norm_bwd", frozen_norm_bwd, {30, 64, 0, DX | DX2}, .unaligned = true},
    {"frozen_norm_bwd", frozen_norm_bwd, {300, 64, 1, DX | DX2 | ADD}, .type = UDA_BF16},
    {"frozen_norm_bwd", frozen_norm_bwd, {9, 33, 1, DX | DX2}, .type = UDA_BF16},
    {"frozen_norm_bwd", frozen_norm_bwd, {30, 64, 0, DX}, .unaligned = true, .type = UDA_BF16},
    {"groupnorm_bwd", groupnorm_bwd, {2, 77, 12, 4, 1, DX | PARAMETERS}, .type = UDA_BF16},
    {"groupnorm_bwd", groupnorm_bwd, {3, 65, 33, 11, 0, DX | PARAMETERS | ADD}, .type = UDA_BF16},
};

const struct trial_cases cuda_norm_cases = {rows, UDA_LEN(rows)};
