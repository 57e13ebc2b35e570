#include "tests/cuda/cases.h"

#include "src/base/arena.h"
#include "src/base/rng.h"

#include <math.h>
#include <stdlib.h>

/* Rows of an image among those of others: count from `before` on, of `all`. What lies around them must be
 * neither read nor written: it is NaN, or no index, or must stay as it is. */
struct rows {
    int64_t before, count, all;
    const int64_t *first;
};

#define NO_INDEX (1 << 30)

/* An image with M rows after `before`, and room for `spare` more. */
static struct rows rows_of(struct trial *t, int64_t before, int64_t M, int64_t spare)
{
    const int64_t first[] = {before, before + M};
    return (struct rows){before, M, before + M + spare, trial_data(t, first, sizeof first)};
}

static void *checked(void *block)
{
    if (block == NULL) {
        abort();
    }
    return block;
}

/* Multiples of 1 / parts in [low, high), NaN around the rows of `each`: sums and products of them are exact
 * in float, so that what depends on equality (which points are kept) is the same whatever the order of a
 * sum. */
static float *exact_rows(struct trial *t, struct rows rows, int64_t each, double low, double high, int parts)
{
    int64_t all = rows.all * each, from = rows.before * each, to = from + rows.count * each;
    float *x = checked(uda_alloc((size_t)all * sizeof *x + 1));
    struct uda_rng rng;
    uda_rng_init(&rng, 29, UDA_RNG_TEST, 0, 0, (uint32_t)t->inputs++);
    int64_t steps = (int64_t)((high - low) * parts);
    for (int64_t i = 0; i < all; i++) {
        bool in = i >= from && i < to;
        x[i] = in ? (float)(low + (double)uda_rng_below(&rng, steps) / parts) : NAN;
    }
    float *there = trial_data(t, x, (size_t)all * sizeof *x);
    uda_free(x);
    return there;
}

static float *exact(struct trial *t, int64_t count, double low, double high, int parts)
{
    return exact_rows(t, (struct rows){.count = count, .all = count}, 1, low, high, parts);
}

/* Normals, NaN around the rows. */
static float *normal_rows(struct trial *t, struct rows rows, int64_t each, float offset, float spread)
{
    int64_t all = rows.all * each, from = rows.before * each;
    float *x = checked(uda_alloc((size_t)all * sizeof *x + 1));
    const float *values = trial_host_normals(t, rows.count * each, offset, spread);
    for (int64_t i = 0; i < all; i++) {
        x[i] = i >= from && i < from + rows.count * each ? values[i - from] : NAN;
    }
    float *there = trial_data(t, x, (size_t)all * sizeof *x);
    uda_free(x);
    return there;
}

/* Random masks as bits. */
static uint32_t *masks(struct trial *t, int64_t count, int64_t pixels)
{
    return (uint32_t *)trial_integers(t, count * uda_mask_words(pixels), INT32_MIN / 2, INT32_MAX / 2);
}

/* 1, 1 + step, 1 + 2 step, ... modulo `below` in `count` of the rows: distinct while count <= below and step
 * has no factor of it. */
static int32_t *steps(struct trial *t, struct rows rows, int64_t count, int64_t step, int64_t below)
{
    int32_t x[256];
    for (int64_t i = 0; i < rows.all; i++) {
        int64_t k = i - rows.before;
        x[i] = k >= 0 && k < count ? (int32_t)((k * step + 1) % below) : NO_INDEX;
    }
    return trial_data(t, x, (size_t)rows.all * sizeof *x);
}

/*
 * size: Q, K, C, H, W, M, height, width, P, exact, before, spare. Costs are sums of three weighted means,
 * each a sum of P terms with a few roundings; x is a sum of C terms at a place that errs by W eps of a
 * pixel. Of exact numbers only the functions and the means round.
 */
static void match_cost(struct trial *t, const int64_t *s)
{
    bool ties = s[9] != 0;
    const struct rows rows = rows_of(t, s[10], s[5], s[11]);
    struct uda_match_cost_args a = {.Q = s[0], .K = s[1], .C = s[2], .H = s[3], .W = s[4],
                                    .most = s[5] + s[11], .first = rows.first, .height = s[6], .width = s[7],
                                    .P = s[8], .cls_weight = 2.0f, .mask_weight = 5.0f, .dice_weight = 5.0f};
    int64_t pixels = a.H * a.W;
    a.logits = trial_normals(t, a.Q * a.K, 0.0f, 1.0f);
    a.e = ties ? exact(t, a.Q * a.C, -1.0, 1.0, 4) : trial_normals(t, a.Q * a.C, 0.0f, 0.3f);
    a.f = ties ? exact(t, pixels * a.C, -1.0, 1.0, 4) : trial_normals(t, pixels * a.C, 0.0f, 0.3f);
    a.point = exact(t, 2 * a.P, -0.0625, 1.0625, 64);
    a.cls = steps(t, rows, rows.count, 1, a.K - 1);
    a.mask = masks(t, rows.all, a.height * a.width);
    a.cost = trial_output_normals(t, a.Q * rows.all, 0.0f, 1.0f,
                                  8.0 + (ties ? 0.0 : sqrt((double)a.C) + (double)a.W));
    TRIAL_RUN(t, match_cost, &a);
}

/*
 * size: P, N, Q, K, values, bad, M of each image (N <= 5), spare. values: costs are 0 .. values - 1, so that
 * many are equal; 0: normals. bad: a NaN and an infinity in the first image of the last prediction.
 * The same bytes: pairs are the CPU's.
 */
static void assign(struct trial *t, const int64_t *s)
{
    struct uda_assign_args a = {.P = s[0], .N = s[1], .Q = s[2], .K = s[3]};
    int64_t first[8] = {0};
    for (int64_t n = 0; n < a.N; n++) {
        int64_t M = s[6 + (n < 4 ? n : 4)];
        first[n + 1] = first[n] + M;
        a.most = M > a.most ? M : a.most;
    }
    a.T = first[a.N] + s[11];
    a.most = s[11] > 0 ? a.T : a.most;
    int64_t count = a.P * a.Q * a.T;
    float *cost = checked(uda_alloc((size_t)count * sizeof *cost + 1));
    struct uda_rng rng;
    uda_rng_init(&rng, 31, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < count; i++) {
        cost[i] = s[4] > 0 ? (float)uda_rng_below(&rng, s[4]) : 3.0f * uda_rng_normal(&rng);
        cost[i] = i % (a.Q * a.T) < a.Q * first[a.N] ? cost[i] : NAN;
    }
    if (s[5] != 0) {
        cost[count - a.Q * a.T + a.Q * first[1] - 1] = INFINITY;
        cost[count - a.Q * a.T + a.Q * first[1] / 2] = NAN;
    }
    a.first = trial_data(t, first, (size_t)(a.N + 1) * sizeof *first);
    a.cls = trial_integers(t, a.T, 0, (int32_t)a.K - 1);
    a.cost = trial_data(t, cost, (size_t)count * sizeof *cost);
    uda_free(cost);
    a.query = trial_output_bytes(t, (size_t)(a.P * a.T) * sizeof *a.query);
    a.target = trial_output_bytes(t, (size_t)(a.P * a.T) * sizeof *a.target);
    a.label = trial_output_bytes(t, (size_t)(a.P * a.N * a.Q) * sizeof *a.label);
    a.wrong = trial_output_bytes(t, (size_t)(a.P * a.N) * sizeof *a.wrong);
    TRIAL_RUN(t, assign, &a);
}

/* size: rows, K. In double throughout, and added to a double: float roundings are far more than it errs. */
static void class_loss_fwd(struct trial *t, const int64_t *s)
{
    const double denominator = 7.5;
    struct uda_class_loss_args a = {.rows = s[0], .K = s[1], .no_object = 0.1f, .weight = 2.0f,
                                    .denominator = trial_data(t, &denominator, sizeof denominator)};
    a.logits = trial_normals(t, a.rows * a.K, 0.0f, 3.0f);
    a.target = trial_integers(t, a.rows, 0, (int32_t)a.K);
    a.loss = trial_output_double(t, 1, true, 1.0);
    TRIAL_RUN(t, class_loss_fwd, &a);
}

/* size: rows, K, accumulate. One rounding from double, one of the sum. */
static void class_loss_bwd(struct trial *t, const int64_t *s)
{
    const double denominator = 7.5;
    struct uda_class_loss_args a = {.rows = s[0], .K = s[1], .no_object = 0.1f, .weight = 2.0f,
                                    .denominator = trial_data(t, &denominator, sizeof denominator),
                                    .accumulate = s[2] != 0};
    a.logits = trial_normals(t, a.rows * a.K, 0.0f, 3.0f);
    a.target = trial_integers(t, a.rows, 0, (int32_t)a.K);
    a.dlogits = trial_output(t, a.rows * a.K, a.accumulate, 2.0);
    TRIAL_RUN(t, class_loss_bwd, &a);
}

/*
 * size: Q, C, H, W, M, height, width, P, candidates, important, slopes wanted, before, spare. Logits are
 * exact, so both keep the same points; the sums round in the functions (4 eps) and a few times on top. A
 * slope is three products of factors of that accuracy.
 */
static void mask_loss_fwd(struct trial *t, const int64_t *s)
{
    const double denominator = 3.0;
    const struct rows rows = rows_of(t, s[11], s[4], s[12]);
    struct uda_mask_loss_args a = {.Q = s[0], .C = s[1], .H = s[2], .W = s[3], .most = s[4] + s[12],
                                   .height = s[5], .width = s[6], .P = s[7], .candidates = s[8],
                                   .important = s[9], .first = rows.first, .mask_weight = 5.0f,
                                   .denominator = trial_data(t, &denominator, sizeof denominator),
                                   .dice_weight = 5.0f};
    int64_t pairs = a.Q < rows.count ? a.Q : rows.count;
    a.e = exact(t, a.Q * a.C, -1.0, 1.0, 4);
    a.f = exact(t, a.H * a.W * a.C, -1.0, 1.0, 4);
    a.candidate = exact_rows(t, rows, a.candidates * 2, -0.0625, 1.0625, 64);
    a.random = exact_rows(t, rows, (a.P - a.important) * 2, 0.0, 1.0, 64);
    a.query = steps(t, rows, pairs, 3, a.Q);
    a.target = steps(t, rows, pairs, 1, rows.count);
    a.mask = masks(t, rows.all, a.height * a.width);
    a.loss_mask = trial_output_double(t, 1, true, 8.0);
    a.loss_dice = trial_output_double(t, 1, true, 8.0);
    if (s[10] != 0) {
        a.point = trial_output_bytes(t, (size_t)(rows.all * a.P * 2) * sizeof(float));
        a.dlogit = trial_output_normals(t, rows.all * a.P, 0.0f, 1e-3f, 12.0); /* smaller than slopes */
    }
    TRIAL_RUN(t, mask_loss_fwd, &a);
}

/* Small numbers, but for one that another warp than the first reads: it is lost unless all are waited for. */
static float *broken_slopes(struct trial *t, struct rows rows, int64_t each)
{
    int64_t all = rows.all * each, from = rows.before * each;
    float *x = checked(uda_arena_alloc(&t->host, (size_t)all * sizeof *x));
    for (int64_t i = 0; i < all; i++) {
        bool in = i >= from && i < from + rows.count * each;
        x[i] = !in || i - from == 40 ? NAN : (float)(i % 5 - 2) * 1e-3f;
    }
    return trial_data(t, x, (size_t)all * sizeof *x);
}

enum wanted { DE = 1, DF = 2, ADD_E = 4, ADD_F = 8, NOT_A_NUMBER = 16 };

/*
 * size: N, Q, C, H, W, n, M, P, wanted, before, spare. A pixel of the map sums about P / (H W) terms whose
 * places err by W eps of a pixel; then sums of H W products, or of R. NOT_A_NUMBER: a slope of the first row
 * is none, and so is all of its query's gradient.
 */
static void mask_loss_bwd(struct trial *t, const int64_t *s)
{
    const struct rows rows = rows_of(t, s[9], s[6], s[10]);
    struct uda_mask_grad_args a = {.N = s[0], .Q = s[1], .C = s[2], .H = s[3], .W = s[4], .n = s[5],
                                   .most = s[6] + s[10], .P = s[7], .first = rows.first,
                                   .accumulate_e = (s[8] & ADD_E) != 0, .accumulate_f = (s[8] & ADD_F) != 0};
    double map = 4.0 + (double)a.W + sqrt((double)a.P);
    int64_t pixels = a.H * a.W, pairs = a.Q < rows.count ? a.Q : rows.count;
    a.e = trial_normals(t, a.N * a.Q * a.C, 0.0f, 1.0f);
    a.f = trial_normals(t, a.N * pixels * a.C, 0.0f, 1.0f);
    const struct rows paired = {rows.before, pairs, rows.all, NULL};
    a.point = normal_rows(t, paired, a.P * 2, 0.5f, 0.3f);
    a.dlogit = (s[8] & NOT_A_NUMBER) != 0 ? broken_slopes(t, paired, a.P)
                                          : normal_rows(t, paired, a.P, 0.0f, 1e-3f);
    a.query = steps(t, rows, pairs, 3, a.Q);
    a.de = (s[8] & DE) != 0 ? trial_output(t, a.N * a.Q * a.C, a.accumulate_e, map + sqrt((double)pixels))
                            : NULL;
    a.df = (s[8] & DF) != 0 ? trial_output(t, a.N * pixels * a.C, a.accumulate_f, map + sqrt((double)pairs))
                            : NULL;
    TRIAL_RUN(t, mask_loss_bwd, &a);
}

static const struct trial_case cases[] = {
    {"match_cost", match_cost, {5, 3, 4, 3, 3, 0, 8, 8, 10}, .empty = true},
    {"match_cost", match_cost, {1, 2, 1, 1, 1, 1, 1, 1, 1}},
    {"match_cost", match_cost, {7, 4, 33, 5, 9, 3, 20, 36, 100}},
    {"match_cost", match_cost, {7, 4, 33, 5, 9, 3, 20, 36, 100, 1}},
    {"match_cost", match_cost, {33, 9, 32, 16, 16, 35, 64, 64, 150, 1}},  /* tiles of both kinds */
    {"match_cost", match_cost, {10, 9, 16, 8, 8, 5, 32, 32, 2500, 1}},    /* more tiles than chunks */
    {"match_cost", match_cost, {7, 4, 33, 5, 9, 0, 20, 36, 100, 1, 2, 3}},   /* room for targets, and none */
    {"match_cost", match_cost, {7, 4, 33, 5, 9, 3, 20, 36, 100, 0, 2, 1}},
    {"match_cost", match_cost, {33, 9, 32, 16, 16, 35, 64, 64, 150, 1, 4, 61}}, /* a tile without targets */
    {"assign", assign, {0, 1, 5, 3, 0, 0, 2}},                    /* no predictions */
    {"assign", assign, {2, 1, 5, 3, 0, 0, 0}},                    /* no targets */
    {"assign", assign, {1, 1, 1, 2, 0, 0, 1}},
    {"assign", assign, {2, 4, 7, 5, 0, 0, 3, 0, 7, 12}},          /* fewer, none, as many, more targets */
    {"assign", assign, {3, 4, 9, 5, 3, 0, 5, 9, 20, 1}},          /* three values: ties */
    {"assign", assign, {2, 2, 40, 5, 1, 0, 33, 50}},              /* one value */
    {"assign", assign, {10, 2, 100, 9, 0, 0, 20, 64}},
    {"assign", assign, {3, 1, 200, 9, 7, 0, 100}},
    {"assign", assign, {2, 2, 9, 5, 0, 1, 5, 3}},                 /* costs without an order */
    {"assign", assign, {1, 1, 9, 5, 0, 1, 20}},
    {"assign", assign, {1, 2, 2500, 5, 0, 0, 40, 3}},             /* more than shared memory holds */
    {"assign", assign, {1, 1, 12, 5, 4, 0, 2300}},
    {"assign", assign, {2, 4, 7, 5, 0, 0, 3, 0, 7, 12, 0, 10}},   /* room for more */
    {"assign", assign, {2, 2, 7, 5, 0, 0, 0, 0, 0, 0, 0, 8}},
    {"assign", assign, {2, 1, 9, 5, 0, 1, 5, 0, 0, 0, 0, 3}},
    {"assign", assign, {1, 2, 2500, 5, 0, 0, 20, 3, 0, 0, 0, 20}},
    {"class_loss_fwd", class_loss_fwd, {0, 3}},
    {"class_loss_fwd", class_loss_fwd, {1, 2}},
    {"class_loss_fwd", class_loss_fwd, {100, 9}},
    {"class_loss_fwd", class_loss_fwd, {601, 81}},
    {"class_loss_bwd", class_loss_bwd, {0, 3}, .empty = true},
    {"class_loss_bwd", class_loss_bwd, {1, 2}},
    {"class_loss_bwd", class_loss_bwd, {100, 9, 1}},
    {"class_loss_bwd", class_loss_bwd, {601, 81}},
    {"class_loss_bwd", class_loss_bwd, {601, 81, 1}, .unaligned = true},
    {"mask_loss_fwd", mask_loss_fwd, {1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 50, 150, 37, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 50, 150, 37, 0}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 40, 40, 0, 1}},     /* none important */
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 300, 300, 300, 1}}, /* all, and no free */
    {"mask_loss_fwd", mask_loss_fwd, {40, 33, 8, 16, 36, 32, 64, 300, 900, 225, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 8, 24, 28, 50, 150, 37, 1}},   /* M > Q */
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 0, 24, 28, 50, 150, 37, 1, 2, 3}}, /* room, no pairs */
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 50, 150, 37, 1, 2, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 3, 24, 28, 50, 150, 37, 0, 2, 1}},
    {"mask_loss_fwd", mask_loss_fwd, {5, 9, 6, 7, 8, 24, 28, 50, 150, 37, 1, 1, 4}},
    {"mask_loss_fwd", mask_loss_fwd, {40, 33, 8, 16, 6, 32, 64, 300, 900, 225, 1, 4, 38}}, /* tiles */
    {"mask_loss_bwd", mask_loss_bwd, {1, 1, 1, 1, 1, 0, 1, 1, DE | DF}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 2, 50, DE | DF}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 0, 2, 50, DE | ADD_E}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 2, 50, DF | ADD_F}},
    {"mask_loss_bwd", mask_loss_bwd, {1, 5, 9, 6, 7, 0, 4, 50, DE | DF | ADD_E | ADD_F}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 40, 70, 40, 33, 1, 35, 700, DE | DF}}, /* chunks, tiles */
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 0, 2, 50, DE | NOT_A_NUMBER}, .not_finite = true},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 0, 0, 50, DE | DF}}, /* without pairs what is set is 0 */
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 0, 50, DE | DF, 2, 3}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 0, 50, DE | DF | ADD_E | ADD_F, 2, 3}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 2, 50, DE | DF, 3, 1}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 1, 8, 50, DE | DF | ADD_F, 1, 4}},
    {"mask_loss_bwd", mask_loss_bwd, {2, 40, 70, 40, 33, 1, 6, 700, DE | DF, 4, 38}}, /* a tile without */
    {"mask_loss_bwd", mask_loss_bwd, {2, 5, 9, 6, 7, 0, 2, 50, DE | NOT_A_NUMBER, 3, 1}, .not_finite = true},
};

const struct trial_cases cuda_loss_cases = {cases, UDA_LEN(cases)};
