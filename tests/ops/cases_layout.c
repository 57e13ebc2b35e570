#include "tests/ops/cases.h"

enum kind { PATCHIFY, MERGE, CONCAT, SLICE, SLICES, EXPAND, LEVELS };

struct layout {
    enum kind kind;
    int64_t N, H, W, C; /* maps; tokens: H of them */
};

static const int64_t level_tokens[] = {4, 300, 1};

static struct uda_tensor *run(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct layout *s = config;
    switch (s->kind) {
    case PATCHIFY: return uda_patchify(t, x[0]);
    case MERGE: return uda_patch_merge(t, x[0]);
    case CONCAT: return uda_concat_tokens(t, x, 3);
    case SLICE: return uda_slice_tokens(t, x[0], 2, s->H);
    case SLICES: {
        struct uda_tensor *r = uda_relu(t, x[0]);
        return uda_add(t, uda_slice_tokens(t, r, 0, s->H), uda_slice_tokens(t, r, 2, s->H));
    }
    case EXPAND: return uda_expand(t, x[0], s->N);
    case LEVELS: return uda_level_rows(t, x[0], x[1], level_tokens, 3);
    }
    return NULL;
}

/* Where value i of a patch-merged map comes from, or -1. */
static int64_t merged_from(const struct layout *s, int64_t i)
{
    int64_t w = (s->W + 1) / 2, h = (s->H + 1) / 2, c = i % s->C, q = i / s->C % 4;
    int64_t x = i / s->C / 4 % w, y = i / s->C / 4 / w % h, n = i / s->C / 4 / w / h;
    int64_t yy = 2 * y + q % 2, xx = 2 * x + q / 2;
    return yy < s->H && xx < s->W ? ((n * s->H + yy) * s->W + xx) * s->C + c : -1;
}

static int64_t patch_from(const struct layout *s, int64_t i)
{
    int64_t w = s->W / 4, h = s->H / 4, k = i % 48;
    int64_t x = i / 48 % w, y = i / 48 / w % h, n = i / 48 / w / h;
    return ((n * s->H + 4 * y + k / 4 % 4) * s->W + 4 * x + k % 4) * 3 + k / 16;
}

/* Three inputs of 3, 1 and 5 tokens. */
static double concat_value(const double *const *x, const struct layout *s, int64_t i)
{
    int64_t c = i % s->C, token = i / s->C % 9, n = i / s->C / 9;
    int input = token < 3 ? 0 : token < 4 ? 1 : 2;
    int64_t first = input == 0 ? 0 : input == 1 ? 3 : 4;
    int64_t tokens = input == 0 ? 3 : input == 1 ? 1 : 5;
    return x[input][(n * tokens + token - first) * s->C + c];
}

static double slice_value(const double *x, const struct layout *s, int64_t i, int64_t first)
{
    int64_t c = i % s->C, token = i / s->C % s->H, n = i / s->C / s->H;
    return x[(n * s->W + first + token) * s->C + c];
}

static void reference(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct layout *s = config;
    for (int64_t i = 0; i < count; i++) {
        int64_t from = 0, token = s->C > 0 ? i / s->C : 0;
        switch (s->kind) {
        case PATCHIFY: y[i] = x[0][patch_from(s, i)]; break;
        case MERGE:
            from = merged_from(s, i);
            y[i] = from < 0 ? 0.0 : x[0][from];
            break;
        case CONCAT: y[i] = concat_value(x, s, i); break;
        case SLICE: y[i] = slice_value(x[0], s, i, 2); break;
        case SLICES: {
            double a = slice_value(x[0], s, i, 0), b = slice_value(x[0], s, i, 2);
            y[i] = (a > 0.0 ? a : 0.0) + (b > 0.0 ? b : 0.0);
            break;
        }
        case EXPAND: y[i] = x[0][i % (count / s->N)]; break;
        case LEVELS:
            from = token < 4 ? 0 : token < 304 ? 1 : 2;
            y[i] = x[0][i] + x[1][from * s->C + i % s->C];
            break;
        }
    }
}

static const struct layout patchify = {PATCHIFY, 2, 8, 12, 3}, merge_even = {MERGE, 2, 4, 6, 5},
                           merge_odd = {MERGE, 1, 5, 7, 3}, merge_one = {MERGE, 1, 1, 1, 4},
                           concat = {CONCAT, 2, 9, 1, 6}, slice = {SLICE, 2, 3, 6, 4},
                           slices = {SLICES, 2, 3, 6, 4}, expand = {EXPAND, 3, 5, 1, 4},
                           levels = {LEVELS, 1, 305, 1, 6};

/* Scale: values are moved, at most one rounding; sums over N or a level of n <= 300:
 * sqrt(n) < 18. */
const struct op_case layout_cases[] = {
    {"patchify 2x8x12", 1, {{4, {2, 8, 12, 3}, true}}, run, reference, &patchify, 1},
    {"patch_merge 2x4x6", 1, {{4, {2, 4, 6, 5}}}, run, reference, &merge_even, 1},
    {"patch_merge 5x7", 1, {{4, {1, 5, 7, 3}}}, run, reference, &merge_odd, 1},
    {"patch_merge 1x1", 1, {{4, {1, 1, 1, 4}}}, run, reference, &merge_one, 1},
    {"concat_tokens", 3, {{3, {2, 3, 6}}, {3, {2, 1, 6}}, {3, {2, 5, 6}}}, run, reference, &concat,
     1},
    {"slice_tokens", 1, {{3, {2, 6, 4}}}, run, reference, &slice, 1},
    {"two overlapping slices", 1, {{3, {2, 6, 4}}}, run, reference, &slices, 1},
    {"expand", 1, {{2, {5, 4}}}, run, reference, &expand, 2},
    {"level_rows", 2, {{2, {305, 6}, true}, {2, {3, 6}}}, run, reference, &levels, 18},
};
const int64_t layout_case_count = UDA_LEN(layout_cases);
