#include "tests/cuda/cases.h"

#include <math.h>

static struct uda_conv_args conv_args(const struct trial *t, const int64_t *s)
{
    return (struct uda_conv_args){.type = t->type, .N = s[0], .H = s[1], .W = s[2], .C = s[3], .Co = s[4],
                                  .kernel = s[5], .stride = s[6], .accumulate = s[7] != 0};
}

/* Pixels of x and of y. */
static int64_t pixels_in(const struct uda_conv_args *a) { return a->N * a->H * a->W; }

static int64_t pixels_out(const struct uda_conv_args *a)
{
    return a->N * uda_conv_side(a->H, a->stride) * uda_conv_side(a->W, a->stride);
}

static int64_t weights(const struct uda_conv_args *a) { return a->Co * a->C * a->kernel * a->kernel; }

/* size: N, H, W, C, Co, kernel, stride. A sum of C terms for each tap, added. */
static void conv_fwd(struct trial *t, const int64_t *s)
{
    struct uda_conv_args a = conv_args(t, s);
    a.x = trial_typed_normals(t, pixels_in(&a) * a.C, 0.0f, 1.0f);
    a.w = trial_typed_normals(t, weights(&a), 0.0f, 0.3f);
    a.y = trial_typed_output(t, pixels_out(&a) * a.Co, false, 1.0 + (double)a.kernel * sqrt((double)a.C));
    TRIAL_RUN(t, conv_fwd, &a);
}

/* size: as above, accumulate. A sum of Co terms for each tap. */
static void conv_bwd_input(struct trial *t, const int64_t *s)
{
    struct uda_conv_args a = conv_args(t, s);
    a.dy = trial_typed_normals(t, pixels_out(&a) * a.Co, 0.0f, 1.0f);
    a.w = trial_typed_normals(t, weights(&a), 0.0f, 0.3f);
    a.dx = trial_typed_output(t, pixels_in(&a) * a.C, a.accumulate,
                              1.0 + (double)a.kernel * sqrt((double)a.Co));
    TRIAL_RUN(t, conv_bwd_input, &a);
}

/* size: as above. Sums over all pixels of y. */
static void conv_bwd_weight(struct trial *t, const int64_t *s)
{
    struct uda_conv_args a = conv_args(t, s);
    a.x = trial_typed_normals(t, pixels_in(&a) * a.C, 0.0f, 1.0f);
    a.dy = trial_typed_normals(t, pixels_out(&a) * a.Co, 0.0f, 1.0f);
    a.dw = trial_output(t, weights(&a), a.accumulate, 2.0 + sqrt((double)pixels_out(&a)));
    TRIAL_RUN(t, conv_bwd_weight, &a);
}

static const struct trial_case rows[] = {
    {"conv_fwd", conv_fwd, {0, 3, 5, 4, 8, 3, 1}, .empty = true},
    {"conv_fwd", conv_fwd, {0, 3, 5, 4, 8, 3, 2}, .empty = true},
    {"conv_fwd", conv_fwd, {1, 1, 1, 1, 1, 3, 1}},
    {"conv_fwd", conv_fwd, {1, 1, 1, 1, 1, 3, 2}},
    {"conv_fwd", conv_fwd, {1, 1, 1, 1, 1, 1, 2}},
    {"conv_fwd", conv_fwd, {1, 1, 1, 1, 1, 7, 2}},
    {"conv_fwd", conv_fwd, {1, 3, 5, 4, 3, 3, 1}},
    {"conv_fwd", conv_fwd, {2, 9, 13, 7, 6, 3, 1}},
    {"conv_fwd", conv_fwd, {1, 1, 9, 2, 4, 3, 1}},
    {"conv_fwd", conv_fwd, {2, 9, 8, 36, 68, 3, 1}},             /* four at a time, two tiles of Co */
    {"conv_fwd", conv_fwd, {2, 9, 8, 8, 12, 3, 1}, .unaligned = true},
    {"conv_fwd", conv_fwd, {2, 9, 14, 8, 12, 3, 2}},             /* four planes, odd and even sides */
    {"conv_fwd", conv_fwd, {3, 8, 5, 5, 6, 3, 2}, .unaligned = true},
    {"conv_fwd", conv_fwd, {2, 5, 7, 8, 5, 1, 1}},
    {"conv_fwd", conv_fwd, {2, 5, 8, 8, 5, 1, 2}},               /* one plane of four */
    {"conv_fwd", conv_fwd, {2, 17, 22, 3, 8, 7, 2}},             /* the stem, its taps laid out */
    {"conv_fwd", conv_fwd, {1, 6, 7, 3, 8, 7, 2}, .unaligned = true},
    {"conv_fwd", conv_fwd, {2, 17, 22, 5, 8, 7, 2}},             /* tap by tap */
    {"conv_fwd", conv_fwd, {1, 5, 6, 4, 4, 7, 1}},
    {"conv_fwd", conv_fwd, {2, 9, 8, 36, 68, 3, 1}, .type = UDA_BF16},
    {"conv_fwd", conv_fwd, {2, 9, 14, 8, 12, 3, 2}, .unaligned = true, .type = UDA_BF16},
    {"conv_fwd", conv_fwd, {2, 5, 8, 8, 5, 1, 2}, .type = UDA_BF16},
    {"conv_fwd", conv_fwd, {2, 17, 22, 3, 8, 7, 2}, .type = UDA_BF16},
    {"conv_bwd_input", conv_bwd_input, {0, 3, 5, 4, 8, 3, 1}, .empty = true},
    {"conv_bwd_input", conv_bwd_input, {0, 3, 5, 4, 8, 3, 2}, .empty = true},
    {"conv_bwd_input", conv_bwd_input, {1, 1, 1, 1, 1, 3, 1, 1}},
    {"conv_bwd_input", conv_bwd_input, {1, 1, 1, 1, 1, 3, 2}},   /* planes without a pixel */
    {"conv_bwd_input", conv_bwd_input, {2, 1, 1, 2, 3, 7, 2, 1}},
    {"conv_bwd_input", conv_bwd_input, {1, 3, 5, 4, 3, 3, 1}},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 13, 7, 6, 3, 1, 1}},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 8, 68, 36, 3, 1, 1}},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 8, 8, 12, 3, 1}, .unaligned = true},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 14, 8, 12, 3, 2}},
    {"conv_bwd_input", conv_bwd_input, {3, 8, 5, 5, 6, 3, 2, 1}},
    {"conv_bwd_input", conv_bwd_input, {3, 8, 5, 4, 6, 3, 2, 1}, .unaligned = true},
    {"conv_bwd_input", conv_bwd_input, {2, 5, 7, 8, 5, 1, 1}},
    {"conv_bwd_input", conv_bwd_input, {2, 5, 8, 8, 5, 1, 2}},   /* zeros where no tap reads */
    {"conv_bwd_input", conv_bwd_input, {2, 5, 8, 7, 5, 1, 2, 1}},
    {"conv_bwd_input", conv_bwd_input, {2, 17, 22, 3, 8, 7, 2}},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 8, 68, 36, 3, 1, 1}, .type = UDA_BF16},
    {"conv_bwd_input", conv_bwd_input, {2, 9, 14, 8, 12, 3, 2}, .unaligned = true, .type = UDA_BF16},
    {"conv_bwd_input", conv_bwd_input, {2, 5, 8, 7, 5, 1, 2, 1}, .type = UDA_BF16},
    {"conv_bwd_weight", conv_bwd_weight, {0, 3, 5, 4, 8, 3, 1}}, /* writes 0 */
    {"conv_bwd_weight", conv_bwd_weight, {0, 3, 5, 4, 8, 1, 2}},
    {"conv_bwd_weight", conv_bwd_weight, {1, 1, 1, 1, 1, 3, 1}},
    {"conv_bwd_weight", conv_bwd_weight, {1, 1, 1, 1, 1, 3, 2}},
    {"conv_bwd_weight", conv_bwd_weight, {1, 3, 5, 4, 3, 3, 1, 1}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 9, 13, 7, 6, 3, 1}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 30, 31, 8, 12, 3, 1, 1}}, /* pixels in chunks */
    {"conv_bwd_weight", conv_bwd_weight, {2, 9, 8, 8, 12, 3, 1}, .unaligned = true},
    {"conv_bwd_weight", conv_bwd_weight, {2, 9, 14, 8, 12, 3, 2}},
    {"conv_bwd_weight", conv_bwd_weight, {3, 8, 5, 5, 6, 3, 2, 1}, .unaligned = true},
    {"conv_bwd_weight", conv_bwd_weight, {2, 5, 7, 8, 5, 1, 1}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 5, 8, 8, 5, 1, 2, 1}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 17, 22, 3, 8, 7, 2}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 17, 22, 3, 8, 7, 2, 1}, .type = UDA_BF16},
    {"conv_bwd_weight", conv_bwd_weight, {2, 40, 41, 1, 8, 3, 1, 1}}, /* laid out, in chunks */
    {"conv_bwd_weight", conv_bwd_weight, {2, 17, 22, 5, 8, 7, 2}},
    {"conv_bwd_weight", conv_bwd_weight, {2, 30, 31, 8, 12, 3, 1, 1}, .type = UDA_BF16},
    {"conv_bwd_weight", conv_bwd_weight, {2, 9, 13, 7, 6, 3, 2}, .unaligned = true, .type = UDA_BF16},
};
const struct trial_cases cuda_conv_cases = {rows, UDA_LEN(rows)};
