#include "tests/cuda/cases.h"

#include <math.h>

static struct uda_resize_args resize_args(const struct trial *t, const int64_t *s)
{
    return (struct uda_resize_args){.type = t->type, .N = s[0], .h = s[1], .w = s[2],
                                    .H = s[3], .W = s[4], .C = s[5]};
}

/* size: N, h, w, H, W, C, add. Four products of weights that sum to 1, and a sum. */
static void resize_fwd(struct trial *t, const int64_t *s)
{
    struct uda_resize_args a = resize_args(t, s);
    a.x = trial_typed_normals(t, a.N * a.h * a.w * a.C, 0.0f, 1.0f);
    a.add = s[6] != 0 ? trial_typed_normals(t, a.N * a.H * a.W * a.C, 0.0f, 1.0f) : NULL;
    a.y = trial_typed_output(t, a.N * a.H * a.W * a.C, false, 5.0);
    TRIAL_RUN(t, resize_fwd, &a);
}

/* What is wanted of a gradient. */
enum wanted { DX = 1, DADD = 2, ADD_X = 4, ADD_ADD = 8 };

/* size: as above, wanted. An input is read by at most (2 H / h + 2) (2 W / w + 2) outputs, whose weights
 * have two roundings each. */
static void resize_bwd(struct trial *t, const int64_t *s)
{
    struct uda_resize_args a = resize_args(t, s);
    a.accumulate_x = (s[6] & ADD_X) != 0;
    a.accumulate_add = (s[6] & ADD_ADD) != 0;
    double high = 2.0 * (double)a.H / (double)(a.h + 1) + 4.0;
    double wide = 2.0 * (double)a.W / (double)(a.w + 1) + 4.0;
    int64_t count = a.N * a.h * a.w * a.C;
    a.dy = trial_typed_normals(t, a.N * a.H * a.W * a.C, 0.0f, 1.0f);
    a.dx = (s[6] & DX) != 0 ? trial_typed_output(t, count, a.accumulate_x, 2.0 + sqrt(high * wide)) : NULL;
    a.dadd = (s[6] & DADD) != 0 ? trial_typed_output(t, a.N * a.H * a.W * a.C, a.accumulate_add, 1.0) : NULL;
    TRIAL_RUN(t, resize_bwd, &a);
}

/* size: N, H, W, C, ratio. Three sums and an exact product. */
static void centre_pool(struct trial *t, const int64_t *s)
{
    struct uda_centre_pool_args a = {.type = t->type, .N = s[0], .H = s[1], .W = s[2], .C = s[3],
                                     .ratio = s[4]};
    a.x = trial_typed_normals(t, a.N * a.H * a.W * a.C, 0.0f, 1.0f);
    a.y = trial_typed_output(t, a.N * (a.H / a.ratio) * (a.W / a.ratio) * a.C, false, 3.0);
    TRIAL_RUN(t, centre_pool, &a);
}

/* size: H, W, C. Angles up to 2 pi with three roundings: 19 eps of a sine of at most 1. */
static void sine_position(struct trial *t, const int64_t *s)
{
    struct uda_sine_position_args a = {.H = s[0], .W = s[1], .C = s[2]};
    a.y = trial_output(t, a.H * a.W * a.C, false, 2.0);
    TRIAL_RUN(t, sine_position, &a);
}

/* A map and its pooled map, on the target. x: normals, or few whole numbers, so that most windows have
 * several largest pixels; NaN here and there. */
enum pool_values { NORMALS, TIES, NAN_TOO };

static void pool_maps(struct trial *t, struct uda_max_pool_args *a, int64_t values)
{
    int64_t h = uda_max_pool_side(a->H), w = uda_max_pool_side(a->W), C = a->C;
    int64_t count = a->N * a->H * a->W * C, pooled = a->N * h * w * C;
    float *x = trial_host_normals(t, count, 0.0f, 1.0f), *y = trial_host_normals(t, pooled, 0.0f, 1.0f);
    for (int64_t i = 0; i < count; i++) {
        x[i] = values == TIES ? (float)((uint32_t)i * 2654435761u >> 30) : x[i];
        x[i] = values == NAN_TOO && i % 11 == 3 ? NAN : x[i];
    }
    for (int64_t i = 0; i < pooled; i++) {
        int64_t c = i % C, j = i / C % w, row = i / C / w, n = row / h;
        y[i] = -INFINITY;
        for (int64_t tap = 0; tap < 9; tap++) {
            int64_t r = row % h * 2 + tap / 3 - 1, k = j * 2 + tap % 3 - 1;
            if (r >= 0 && r < a->H && k >= 0 && k < a->W) {
                float v = x[((n * a->H + r) * a->W + k) * C + c];
                y[i] = v > y[i] || isnan(v) ? v : y[i];
            }
        }
    }
    a->x = trial_typed_data(t, x, count); /* a rounding keeps the order: it is y's too */
    a->saved_y = trial_typed_data(t, y, pooled);
}

/* size: N, H, W, C, values. A choice: no rounding. */
static void max_pool_fwd(struct trial *t, const int64_t *s)
{
    struct uda_max_pool_args a = {.type = t->type, .N = s[0], .H = s[1], .W = s[2], .C = s[3]};
    pool_maps(t, &a, s[4]);
    a.y = trial_typed_output(t, a.N * uda_max_pool_side(a.H) * uda_max_pool_side(a.W) * a.C, false,
                             s[4] == NAN_TOO ? 1.0 : 0.0);
    TRIAL_RUN(t, max_pool_fwd, &a);
}

/* size: as above, accumulate. At most four gradients, and the old value. */
static void max_pool_bwd(struct trial *t, const int64_t *s)
{
    struct uda_max_pool_args a = {.type = t->type, .N = s[0], .H = s[1], .W = s[2], .C = s[3],
                                  .accumulate = s[5] != 0};
    pool_maps(t, &a, s[4]);
    a.dy = trial_typed_normals(t, a.N * uda_max_pool_side(a.H) * uda_max_pool_side(a.W) * a.C, 0.0f, 1.0f);
    a.dx = trial_typed_output(t, a.N * a.H * a.W * a.C, a.accumulate, 4.0);
    TRIAL_RUN(t, max_pool_bwd, &a);
}

static const struct trial_case rows[] = {
    {"resize_fwd", resize_fwd, {0, 3, 5, 6, 10, 8}, .empty = true},
    {"resize_fwd", resize_fwd, {1, 3, 5, 6, 10, 0}, .empty = true},
    {"resize_fwd", resize_fwd, {1, 1, 1, 1, 1, 1}},
    {"resize_fwd", resize_fwd, {1, 1, 1, 4, 3, 2, 1}},
    {"resize_fwd", resize_fwd, {2, 3, 5, 6, 10, 8, 1}},    /* four at a time */
    {"resize_fwd", resize_fwd, {2, 3, 5, 6, 10, 8, 1}, .unaligned = true},
    {"resize_fwd", resize_fwd, {1, 5, 7, 13, 9, 7}},
    {"resize_fwd", resize_fwd, {2, 12, 20, 3, 5, 3}},      /* down */
    {"resize_fwd", resize_fwd, {1, 64, 64, 128, 300, 4}},  /* more outputs than threads in a block */
    {"resize_fwd", resize_fwd, {2, 3, 5, 6, 10, 8, 1}, .type = UDA_BF16},
    {"resize_fwd", resize_fwd, {2, 3, 5, 6, 10, 8, 1}, .unaligned = true, .type = UDA_BF16},
    {"resize_fwd", resize_fwd, {1, 5, 7, 13, 9, 7}, .type = UDA_BF16},
    {"resize_bwd", resize_bwd, {0, 3, 5, 6, 10, 8, DX | DADD}, .empty = true},
    {"resize_bwd", resize_bwd, {1, 1, 1, 1, 1, 1, DX | DADD}},
    {"resize_bwd", resize_bwd, {1, 1, 1, 4, 3, 2, DX | ADD_X}},
    {"resize_bwd", resize_bwd, {2, 3, 5, 6, 10, 8, DX | DADD}},
    {"resize_bwd", resize_bwd, {2, 3, 5, 6, 10, 8, DX | DADD | ADD_X | ADD_ADD}, .unaligned = true},
    {"resize_bwd", resize_bwd, {2, 3, 5, 6, 10, 8, DADD}},
    {"resize_bwd", resize_bwd, {1, 5, 7, 13, 9, 7, DX | DADD | ADD_ADD}},
    {"resize_bwd", resize_bwd, {1, 5, 7, 40, 37, 8, DX | ADD_X}},
    {"resize_bwd", resize_bwd, {2, 12, 20, 3, 5, 3, DX}},  /* inputs that nobody reads */
    {"resize_bwd", resize_bwd, {1, 300, 16, 75, 32, 4, DX}},
    {"resize_bwd", resize_bwd, {1, 64, 64, 128, 128, 4, DX}},
    {"resize_bwd", resize_bwd, {2, 3, 5, 6, 10, 8, DX | DADD}, .type = UDA_BF16},
    {"resize_bwd", resize_bwd, {2, 3, 5, 6, 10, 8, DX | DADD | ADD_X | ADD_ADD}, .unaligned = true,
     .type = UDA_BF16},
    {"resize_bwd", resize_bwd, {1, 5, 7, 13, 9, 7, DX | ADD_X}, .type = UDA_BF16},
    {"centre_pool", centre_pool, {0, 8, 8, 4, 2}, .empty = true},
    {"centre_pool", centre_pool, {1, 2, 2, 1, 2}},
    {"centre_pool", centre_pool, {2, 8, 12, 8, 4}},
    {"centre_pool", centre_pool, {2, 8, 12, 8, 4}, .unaligned = true},
    {"centre_pool", centre_pool, {3, 16, 24, 5, 8}},
    {"centre_pool", centre_pool, {1, 64, 64, 16, 2}},
    {"centre_pool", centre_pool, {2, 8, 12, 8, 4}, .type = UDA_BF16},
    {"centre_pool", centre_pool, {2, 8, 12, 8, 4}, .unaligned = true, .type = UDA_BF16},
    {"centre_pool", centre_pool, {3, 16, 24, 5, 8}, .type = UDA_BF16},
    {"max_pool_fwd", max_pool_fwd, {0, 8, 8, 4}, .empty = true},
    {"max_pool_fwd", max_pool_fwd, {2, 1, 1, 1}},
    {"max_pool_fwd", max_pool_fwd, {2, 8, 6, 8}},          /* four at a time */
    {"max_pool_fwd", max_pool_fwd, {2, 8, 6, 8}, .unaligned = true},
    {"max_pool_fwd", max_pool_fwd, {1, 7, 9, 5, TIES}},
    {"max_pool_fwd", max_pool_fwd, {1, 7, 9, 8, NAN_TOO}, .not_finite = true},
    {"max_pool_fwd", max_pool_fwd, {2, 8, 6, 8}, .type = UDA_BF16},
    {"max_pool_fwd", max_pool_fwd, {1, 7, 9, 5}, .type = UDA_BF16},
    {"max_pool_bwd", max_pool_bwd, {0, 8, 8, 4}, .empty = true},
    {"max_pool_bwd", max_pool_bwd, {2, 1, 1, 1}},
    {"max_pool_bwd", max_pool_bwd, {2, 8, 6, 8, NORMALS, 1}},
    {"max_pool_bwd", max_pool_bwd, {1, 7, 9, 5, TIES}},
    {"max_pool_bwd", max_pool_bwd, {2, 8, 10, 4, TIES, 1}},
    {"max_pool_bwd", max_pool_bwd, {1, 7, 9, 8, NAN_TOO}},
    {"max_pool_bwd", max_pool_bwd, {2, 8, 6, 8, NORMALS, 1}, .type = UDA_BF16},
    {"max_pool_bwd", max_pool_bwd, {1, 7, 9, 5, TIES}, .type = UDA_BF16},
    {"sine_position", sine_position, {0, 3, 8}, .empty = true},
    {"sine_position", sine_position, {1, 1, 4}},
    {"sine_position", sine_position, {5, 7, 12}},
    {"sine_position", sine_position, {33, 64, 64}},
};

const struct trial_cases cuda_resample_cases = {rows, UDA_LEN(rows)};
