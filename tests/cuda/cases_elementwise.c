#include "tests/cuda/cases.h"

/* size: N, count, stride_b, scaled, in place, b is float whatever the others. One product and one sum: 2
 * roundings. */
static void add(struct trial *t, const int64_t *s)
{
    int64_t count_b = s[0] == 0 || s[1] == 0 ? 0 : (s[0] - 1) * s[2] + s[1];
    struct uda_add_args a = {.N = s[0], .count = s[1], .stride_b = s[2], .type = t->type};
    a.type_b = s[5] != 0 ? UDA_F32 : t->type;
    a.b = s[5] != 0 ? trial_normals(t, count_b, 0.0f, 1.0f) : trial_typed_normals(t, count_b, 0.0f, 1.0f);
    a.scale = s[3] != 0 ? trial_normals(t, s[0], 1.0f, 0.5f) : NULL;
    a.y = trial_typed_output(t, s[0] * s[1], s[4] != 0, 2.0);
    a.a = s[4] != 0 ? a.y : trial_typed_normals(t, s[0] * s[1], 0.0f, 1.0f);
    TRIAL_RUN(t, add, &a);
}

/*
 * Both compute Phi to 2e-7 = 3.4 eps of 1 absolutely, times |x| <= the largest value: 2 roundings of
 * 16 eps cover it.
 */
static void gelu_fwd(struct trial *t, const int64_t *s)
{
    struct uda_unary_args a = {.count = s[0], .type = t->type};
    a.x = trial_typed_normals(t, s[0], 0.0f, 2.0f);
    a.y = trial_typed_output(t, s[0], false, 2.0);
    TRIAL_RUN(t, gelu_fwd, &a);
}

/* size: count, accumulate. The slope errs like Phi above, times |dy|, plus a sum: 3 roundings. */
static void gelu_bwd(struct trial *t, const int64_t *s)
{
    struct uda_unary_args a = {.count = s[0], .accumulate = s[1] != 0, .type = t->type};
    a.x = trial_typed_normals(t, s[0], 0.0f, 2.0f);
    a.dy = trial_typed_normals(t, s[0], 0.0f, 1.0f);
    a.dx = trial_typed_output(t, s[0], a.accumulate, 3.0);
    TRIAL_RUN(t, gelu_bwd, &a);
}

static void relu_fwd(struct trial *t, const int64_t *s)
{
    struct uda_unary_args a = {.count = s[0], .type = t->type};
    a.x = trial_typed_normals(t, s[0], 0.0f, 1.0f);
    a.y = trial_typed_output(t, s[0], false, 1.0);
    TRIAL_RUN(t, relu_fwd, &a);
}

/* size: count, accumulate. */
static void relu_bwd(struct trial *t, const int64_t *s)
{
    struct uda_unary_args a = {.count = s[0], .accumulate = s[1] != 0, .type = t->type};
    a.x = trial_typed_normals(t, s[0], 0.0f, 1.0f);
    a.dy = trial_typed_normals(t, s[0], 0.0f, 1.0f);
    a.dx = trial_typed_output(t, s[0], a.accumulate, 1.0);
    TRIAL_RUN(t, relu_bwd, &a);
}

static const struct trial_case rows[] = {
    {"add", add, {0, 0, 0}, .empty = true},
    {"add", add, {3, 0, 0}, .empty = true},
    {"add", add, {1, 1, 1}},
    {"add", add, {1, 1, 1, 1}},
    {"add", add, {3, 5, 5}},            /* flat; the last thread has fewer than four */
    {"add", add, {2, 1024, 1024}},      /* flat, whole blocks */
    {"add", add, {2, 1024, 1024}, .unaligned = true},
    {"add", add, {7, 96, 0}},           /* one vector for all, four at a time */
    {"add", add, {7, 97, 0}},           /* blocks that are no multiple of four */
    {"add", add, {7, 96, 0}, .unaligned = true},
    {"add", add, {3, 100, 100, 1}},     /* scaled, four at a time */
    {"add", add, {3, 101, 101, 1}},
    {"add", add, {300, 3, 3, 1}},       /* many blocks */
    {"add", add, {2, 40, 40, 0, 1}},    /* y is a */
    {"add", add, {2, 40, 0, 1, 1}},
    {"add", add, {1000, 192, 0}},
    {"add", add, {3, 0, 0}, .empty = true, .type = UDA_BF16},
    {"add", add, {3, 5, 5}, .type = UDA_BF16},
    {"add", add, {2, 1024, 1024}, .type = UDA_BF16},
    {"add", add, {2, 1024, 1024}, .unaligned = true, .type = UDA_BF16},
    {"add", add, {7, 96, 0, 0, 0, 1}, .type = UDA_BF16}, /* a float vector for all */
    {"add", add, {7, 97, 0, 0, 0, 1}, .type = UDA_BF16},
    {"add", add, {3, 100, 100, 1}, .type = UDA_BF16},
    {"add", add, {300, 3, 3, 1}, .type = UDA_BF16},
    {"add", add, {2, 40, 0, 1, 1, 1}, .type = UDA_BF16},
    {"gelu_fwd", gelu_fwd, {0}, .empty = true},
    {"gelu_fwd", gelu_fwd, {1}},
    {"gelu_fwd", gelu_fwd, {1027}},
    {"gelu_fwd", gelu_fwd, {1027}, .unaligned = true},
    {"gelu_fwd", gelu_fwd, {200000}},
    {"gelu_fwd", gelu_fwd, {1027}, .type = UDA_BF16},
    {"gelu_fwd", gelu_fwd, {1027}, .unaligned = true, .type = UDA_BF16},
    {"gelu_bwd", gelu_bwd, {0}, .empty = true},
    {"gelu_bwd", gelu_bwd, {1, 1}},
    {"gelu_bwd", gelu_bwd, {1027}},
    {"gelu_bwd", gelu_bwd, {1027, 1}},
    {"gelu_bwd", gelu_bwd, {1027, 1}, .unaligned = true},
    {"gelu_bwd", gelu_bwd, {200000}},
    {"gelu_bwd", gelu_bwd, {1027, 1}, .type = UDA_BF16},
    {"gelu_bwd", gelu_bwd, {1027}, .unaligned = true, .type = UDA_BF16},
    {"relu_fwd", relu_fwd, {0}, .empty = true},
    {"relu_fwd", relu_fwd, {1}},
    {"relu_fwd", relu_fwd, {4099}},
    {"relu_fwd", relu_fwd, {4099}, .unaligned = true},
    {"relu_fwd", relu_fwd, {4099}, .type = UDA_BF16},
    {"relu_fwd", relu_fwd, {4099}, .unaligned = true, .type = UDA_BF16},
    {"relu_bwd", relu_bwd, {0}, .empty = true},
    {"relu_bwd", relu_bwd, {1}},
    {"relu_bwd", relu_bwd, {4099, 1}},
    {"relu_bwd", relu_bwd, {4099}, .unaligned = true},
    {"relu_bwd", relu_bwd, {4099, 1}, .type = UDA_BF16},
    {"relu_bwd", relu_bwd, {4099}, .unaligned = true, .type = UDA_BF16},
};

const struct trial_cases cuda_elementwise_cases = {rows, UDA_LEN(rows)};
