#include "tests/cuda/cases.h"

#include <math.h>

/* size: N, M, d, P, then height and width of the three levels. */
static struct uda_deform_args sizes(const struct trial *t, const int64_t *s)
{
    struct uda_deform_args a = {.type = t->type, .N = s[0], .M = s[1], .D = s[1] * s[2], .P = s[3]};
    for (int l = 0; l < UDA_DEFORM_LEVELS; l++) {
        a.height[l] = s[4 + 2 * l];
        a.width[l] = s[5 + 2 * l];
        a.S += a.height[l] * a.width[l];
    }
    return a;
}

static void inputs(struct trial *t, struct uda_deform_args *a)
{
    int64_t samples = a->N * a->S * a->M * UDA_DEFORM_LEVELS * a->P;
    a->value = trial_typed_normals(t, a->N * a->S * a->D, 0.0f, 1.0f);
    a->offsets = trial_normals(t, 2 * samples, 0.0f, 2.0f); /* some fall outside */
    a->weights = trial_normals(t, samples, 0.0f, 1.0f);
}

/*
 * y: a sum over samples and taps. A place is off by a rounding of a number up to the level's side, which
 * moves its bilinear weights by side eps, and the softmax by a few eps.
 */
static void deform_fwd(struct trial *t, const int64_t *s)
{
    struct uda_deform_args a = sizes(t, s);
    inputs(t, &a);
    a.y = trial_typed_output(t, a.N * a.S * a.D, false, 8.0 + sqrt(12.0 * (double)a.P) + (double)s[5]);
    TRIAL_RUN(t, deform_fwd, &a);
}

/* What the last size says is wanted. */
enum wanted { VALUE = 1, OFFSETS = 2, WEIGHTS = 4, ADD = 8, NO_DY = 16, ALL = VALUE | OFFSETS | WEIGHTS };

/*
 * dvalue: a sum over all samples near a token, at most those of all queries; terms are rounded to 2^-30 of
 * the largest |dy|, less than a rounding of the sum. doffsets and dweights: sums over channels, taps (and
 * samples), after the place's roundings.
 */
static void backward(struct trial *t, const int64_t *s, int64_t wanted, bool integers)
{
    struct uda_deform_args a = sizes(t, s);
    bool add = (wanted & ADD) != 0;
    a.accumulate_value = add;
    a.accumulate_offsets = add;
    a.accumulate_weights = add;
    inputs(t, &a);
    int64_t samples = a.N * a.S * a.M * UDA_DEFORM_LEVELS * a.P;
    if (integers) { /* as at the start of training; every sample lies on a token of its own level */
        float *steps = uda_arena_alloc(&t->host, (size_t)(2 * samples) * sizeof *steps);
        for (int64_t i = 0; i < 2 * samples; i++) {
            steps[i] = (float)(i * 7 % 5 - 2);
        }
        a.offsets = trial_data(t, steps, (size_t)(2 * samples) * sizeof *steps);
    }
    a.dy = trial_typed_normals(t, a.N * a.S * a.D, 0.0f, (wanted & NO_DY) != 0 ? 0.0f : 1.0f);
    double place = 8.0 + (double)s[5], dot = sqrt(4.0 * (double)(a.D / a.M));
    a.dvalue = (wanted & VALUE) != 0
                   ? trial_typed_output(t, a.N * a.S * a.D, add, place + sqrt((double)(a.S * a.P)))
                   : NULL;
    a.doffsets = (wanted & OFFSETS) != 0 ? trial_output(t, 2 * samples, add, place + dot) : NULL;
    a.dweights = (wanted & WEIGHTS) != 0 ? trial_output(t, samples, add, place + dot + 5.0) : NULL;
    TRIAL_RUN(t, deform_bwd, &a);
}

static void deform_bwd(struct trial *t, const int64_t *s) { backward(t, s, s[10], s[11] != 0); }

static const struct trial_case rows[] = {
    {"deform_fwd", deform_fwd, {0, 2, 4, 4, 4, 4, 2, 2, 1, 1}, .empty = true},
    {"deform_fwd", deform_fwd, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"deform_fwd", deform_fwd, {2, 3, 5, 2, 5, 7, 3, 4, 2, 1}},          /* odd: channel by channel */
    {"deform_fwd", deform_fwd, {1, 1, 37, 1, 3, 3, 2, 2, 1, 1}},         /* more channels than lanes */
    {"deform_fwd", deform_fwd, {1, 2, 4, 8, 8, 4, 4, 2, 2, 1}},          /* most points: a lane for each */
    {"deform_fwd", deform_fwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1}},         /* a lane without channels */
    {"deform_fwd", deform_fwd, {1, 1, 132, 4, 3, 3, 2, 2, 1, 1}},        /* fours, more than lanes */
    {"deform_fwd", deform_fwd, {2, 8, 32, 4, 12, 8, 6, 4, 3, 2}},        /* the model's */
    {"deform_fwd", deform_fwd, {1, 8, 32, 4, 4, 4, 2, 2, 1, 1}, .unaligned = true},
    {"deform_fwd", deform_fwd, {2, 3, 5, 2, 5, 7, 3, 4, 2, 1}, .type = UDA_BF16},
    {"deform_fwd", deform_fwd, {2, 8, 32, 4, 12, 8, 6, 4, 3, 2}, .type = UDA_BF16},
    {"deform_fwd", deform_fwd, {1, 8, 32, 4, 4, 4, 2, 2, 1, 1}, .unaligned = true, .type = UDA_BF16},
    {"deform_bwd", deform_bwd, {0, 2, 4, 4, 4, 4, 2, 2, 1, 1, ALL}, .empty = true},
    {"deform_bwd", deform_bwd, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ALL}},
    {"deform_bwd", deform_bwd, {2, 3, 5, 2, 5, 7, 3, 4, 2, 1, ALL | ADD}},
    {"deform_bwd", deform_bwd, {1, 1, 37, 1, 3, 3, 2, 2, 1, 1, ALL}},
    {"deform_bwd", deform_bwd, {1, 2, 4, 8, 8, 4, 4, 2, 2, 1, ALL}},
    {"deform_bwd", deform_bwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1, VALUE}},
    {"deform_bwd", deform_bwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1, OFFSETS}},
    {"deform_bwd", deform_bwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1, WEIGHTS}},
    {"deform_bwd", deform_bwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1, ALL, 1}},
    {"deform_bwd", deform_bwd, {1, 2, 12, 4, 4, 4, 2, 2, 1, 1, ALL | NO_DY}},
    {"deform_bwd", deform_bwd, {1, 1, 132, 4, 3, 3, 2, 2, 1, 1, ALL | ADD}},
    {"deform_bwd", deform_bwd, {2, 8, 32, 4, 12, 8, 6, 4, 3, 2, ALL}},
    {"deform_bwd", deform_bwd, {1, 1, 8, 4, 32, 16, 16, 8, 8, 4, ALL | ADD}},  /* scans in several steps */
    {"deform_bwd", deform_bwd, {1, 8, 32, 4, 4, 4, 2, 2, 1, 1, ALL}, .unaligned = true},
    {"deform_bwd", deform_bwd, {2, 3, 5, 2, 5, 7, 3, 4, 2, 1, ALL | ADD}, .type = UDA_BF16},
    {"deform_bwd", deform_bwd, {2, 8, 32, 4, 12, 8, 6, 4, 3, 2, ALL}, .type = UDA_BF16},
    {"deform_bwd", deform_bwd, {1, 1, 132, 4, 3, 3, 2, 2, 1, 1, ALL | ADD}, .type = UDA_BF16},
    {"deform_bwd", deform_bwd, {1, 8, 32, 4, 4, 4, 2, 2, 1, 1, ALL}, .unaligned = true, .type = UDA_BF16},
};

const struct trial_cases cuda_deform_cases = {rows, UDA_LEN(rows)};
