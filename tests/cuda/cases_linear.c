#include "tests/cuda/cases.h"

#include <math.h>

/* What a product does with C besides. */
enum form { PLAIN, BIAS, ADD };

/* size: M, N, K, transpose A, transpose B, form, gap behind each row, C is float whatever the factors. Sums
 * of K terms of either sign. */
static void gemm(struct trial *t, const int64_t *s)
{
    int64_t M = s[0], N = s[1], K = s[2], gap = s[6];
    struct uda_gemm_args a = {.M = M, .N = N, .K = K, .transpose_a = s[3] != 0, .transpose_b = s[4] != 0,
                              .accumulate = s[5] == ADD, .ldc = N + gap};
    a.lda = (a.transpose_a ? M : K) + gap;
    a.ldb = (a.transpose_b ? K : N) + gap;
    a.type = t->type;
    a.A = trial_typed_normals(t, (a.transpose_a ? K : M) * a.lda, 0.0f, 1.0f);
    a.B = trial_typed_normals(t, (a.transpose_b ? N : K) * a.ldb, 0.0f, 1.0f);
    double roundings = 1.0 + sqrt((double)K);
    bool numbers = a.accumulate || gap > 0;
    if (s[7] != 0) {
        a.bias = s[5] == BIAS ? trial_normals(t, N, 0.0f, 1.0f) : NULL;
        a.C = trial_output(t, M * a.ldc, numbers, roundings);
    } else {
        a.type_c = t->type;
        a.bias = s[5] == BIAS ? trial_typed_normals(t, N, 0.0f, 1.0f) : NULL;
        a.C = trial_typed_output(t, M * a.ldc, numbers, roundings);
    }
    TRIAL_RUN(t, gemm, &a);
}

/* size: rows, columns, gap behind each row, accumulate. Sums over rows of terms of either sign. */
static void column_sum(struct trial *t, const int64_t *s)
{
    struct uda_column_sum_args a = {.rows = s[0], .columns = s[1], .ldx = s[1] + s[2],
                                    .accumulate = s[3] != 0, .type = t->type};
    a.x = trial_typed_normals(t, s[0] * a.ldx, 0.0f, 1.0f);
    a.y = trial_output(t, s[1], a.accumulate, 1.0 + sqrt((double)s[0]));
    TRIAL_RUN(t, column_sum, &a);
}

static const struct trial_case rows[] = {
    {"gemm", gemm, {0, 7, 5}, .empty = true},
    {"gemm", gemm, {7, 0, 5}, .empty = true},
    {"gemm", gemm, {3, 5, 0, 1, 0, BIAS}},          /* writes the bias, or nothing */
    {"gemm", gemm, {3, 5, 0, 1, 0, ADD}},
    {"gemm", gemm, {1, 1, 1}},
    {"gemm", gemm, {1, 1, 1, 1, 1, ADD}},
    {"gemm", gemm, {65, 67, 33}},                   /* two tiles each way, three pairs */
    {"gemm", gemm, {65, 67, 33, 0, 1, BIAS, 3}},
    {"gemm", gemm, {65, 67, 33, 1, 0, ADD, 3}},
    {"gemm", gemm, {65, 67, 33, 1, 1, PLAIN, 3}},
    {"gemm", gemm, {130, 40, 96, 0, 1, BIAS}, .unaligned = true},
    {"gemm", gemm, {3, 5, 2001}},                   /* K in three chunks, the last one shorter */
    {"gemm", gemm, {3, 5, 2001, 0, 1, BIAS, 2}},
    {"gemm", gemm, {70, 66, 1024, 1, 0, ADD, 2}},   /* two chunks */
    {"gemm", gemm, {5, 130, 1100, 1, 1}},
    {"gemm", gemm, {16300, 5, 17}},                 /* large tiles */
    {"gemm", gemm, {16300, 5, 3, 0, 1, BIAS}},
    {"gemm", gemm, {3, 16301, 17, 1, 0, ADD}},
    {"gemm", gemm, {1500, 1290, 2, 1, 1, PLAIN, 1}},
    {"gemm", gemm, {130, 130, 130}},                /* large enough for a device's library */
    {"gemm", gemm, {130, 132, 128, 0, 1, BIAS}},
    {"gemm", gemm, {161, 129, 101, 0, 1, BIAS, 3}},
    {"gemm", gemm, {160, 128, 100, 1, 0, ADD, 4}},
    {"gemm", gemm, {160, 128, 100, 1, 1}, .unaligned = true},
    {"gemm", gemm, {40, 50, 2001, 0, 1, BIAS}},
    {"gemm", gemm, {40, 52, 2048, 1, 0, ADD}},
    {"gemm", gemm, {0, 7, 5}, .empty = true, .type = UDA_BF16},
    {"gemm", gemm, {3, 5, 0, 1, 0, BIAS}, .type = UDA_BF16},
    {"gemm", gemm, {1, 1, 1, 1, 1, ADD}, .type = UDA_BF16},
    {"gemm", gemm, {65, 67, 33}, .type = UDA_BF16},
    {"gemm", gemm, {65, 67, 33, 0, 1, BIAS, 3}, .type = UDA_BF16},
    {"gemm", gemm, {65, 67, 33, 1, 0, ADD, 3}, .type = UDA_BF16},
    {"gemm", gemm, {65, 67, 33, 1, 1, PLAIN, 3}, .type = UDA_BF16},
    {"gemm", gemm, {65, 67, 33, 0, 1, BIAS, 3, 1}, .type = UDA_BF16}, /* a float result */
    {"gemm", gemm, {65, 67, 33, 1, 0, ADD, 0, 1}, .type = UDA_BF16},
    {"gemm", gemm, {3, 5, 2001, 0, 1, BIAS, 2}, .type = UDA_BF16},   /* chunks */
    {"gemm", gemm, {70, 66, 1024, 1, 0, ADD, 2, 1}, .type = UDA_BF16},
    {"gemm", gemm, {70, 66, 1024, 1, 0, ADD}, .type = UDA_BF16},
    {"gemm", gemm, {16300, 5, 17}, .type = UDA_BF16},                /* large tiles */
    {"gemm", gemm, {16300, 5, 3, 0, 1, BIAS, 0, 1}, .type = UDA_BF16},
    {"gemm", gemm, {3, 16301, 17, 1, 0, ADD}, .type = UDA_BF16},
    {"gemm", gemm, {1500, 1290, 2, 1, 1, PLAIN, 1}, .type = UDA_BF16},
    {"gemm", gemm, {136, 136, 136}, .type = UDA_BF16},               /* large enough for a library */
    {"gemm", gemm, {136, 136, 136, 0, 1, BIAS}, .type = UDA_BF16},
    {"gemm", gemm, {136, 136, 128, 1, 0, ADD, 0, 1}, .type = UDA_BF16},
    {"gemm", gemm, {136, 136, 128, 0, 1, BIAS, 0, 1}, .type = UDA_BF16},
    {"gemm", gemm, {161, 129, 101, 1, 1, ADD, 3}, .type = UDA_BF16},
    {"gemm", gemm, {40, 56, 2048, 1, 0, ADD}, .type = UDA_BF16},
    {"gemm", gemm, {40, 50, 2001, 0, 1, BIAS, 0, 1}, .type = UDA_BF16},
    {"gemm", gemm, {160, 128, 100, 1, 1}, .unaligned = true, .type = UDA_BF16},
    {"column_sum", column_sum, {5, 0}, .empty = true},
    {"column_sum", column_sum, {0, 5}},             /* writes 0, or nothing */
    {"column_sum", column_sum, {0, 5, 0, 1}},
    {"column_sum", column_sum, {1, 1}},
    {"column_sum", column_sum, {77, 35, 2}},
    {"column_sum", column_sum, {77, 35, 2, 1}},
    {"column_sum", column_sum, {300, 132, 4, 1}},   /* four at a time, two blocks of columns */
    {"column_sum", column_sum, {300, 132}, .unaligned = true},
    {"column_sum", column_sum, {20001, 8}},         /* the most chunks */
    {"column_sum", column_sum, {0, 5}, .type = UDA_BF16},
    {"column_sum", column_sum, {77, 35, 2, 1}, .type = UDA_BF16},
    {"column_sum", column_sum, {300, 132, 4, 1}, .type = UDA_BF16},
    {"column_sum", column_sum, {300, 132}, .unaligned = true, .type = UDA_BF16},
};

const struct trial_cases cuda_linear_cases = {rows, UDA_LEN(rows)};
