#include "tests/cuda/cases.h"

#include "src/base/rng.h"

#include <math.h>

/* Bits of a mask: none; half of the keys; the same with every third row full. */
enum mask { NO_MASK, HALF, WITH_FULL_ROWS };

static const uint32_t *mask_bits(struct trial *t, int64_t rows, int64_t keys, int64_t kind)
{
    int64_t words = (keys + 31) / 32, count = rows * words;
    if (kind == NO_MASK) {
        return NULL;
    }
    uint32_t *bits = uda_arena_alloc(&t->host, (size_t)(count + 1) * sizeof *bits);
    struct uda_rng rng;
    uda_rng_init(&rng, 29, UDA_RNG_TEST, 0, 0, (uint32_t)t->inputs++);
    for (int64_t i = 0; i < count; i++) {
        bits[i] = uda_rng_u32(&rng);
        if (kind == WITH_FULL_ROWS && i / words % 3 == 1) {
            bits[i] = UINT32_MAX;
        }
    }
    return trial_data(t, bits, (size_t)count * sizeof *bits);
}

/* size: N, Q, L, M, d, mask. */
static struct uda_attention_args sizes(const struct trial *t, const int64_t *s)
{
    return (struct uda_attention_args){.type = t->type, .N = s[0], .Q = s[1], .L = s[2], .M = s[3],
                                       .D = s[3] * s[4]};
}

static void inputs(struct trial *t, struct uda_attention_args *a, int64_t mask)
{
    a->q = trial_typed_normals(t, a->N * a->Q * a->D, 0.0f, 1.0f);
    a->k = trial_typed_normals(t, a->N * a->L * a->D, 0.0f, 1.0f);
    a->v = trial_typed_normals(t, a->N * a->L * a->D, 0.0f, 1.0f);
    a->mask = mask_bits(t, a->N * a->Q, a->L, mask);
}

/* A logit of size up to 6 has its roundings, of d terms, which its exponential takes over; y is a mean of
 * rows of v. In bf16 probabilities and slopes keep 2^-17, at most 2^7 roundings a term: half of what the 8
 * roundings that a row has at least allow. */
static void attention_fwd(struct trial *t, const int64_t *s)
{
    struct uda_attention_args a = sizes(t, s);
    inputs(t, &a, s[5]);
    double logit = 6.0 + sqrt((double)s[4]);
    a.y = trial_typed_output(t, a.N * a.Q * a.D, false, logit + sqrt((double)a.L));
    a.lse = trial_output(t, a.N * a.M * a.Q, false, logit);
    TRIAL_RUN(t, attention_fwd, &a);
}

/* What the seventh size says is wanted; SAME: dq, dk and dv are one tensor. */
enum wanted { DQ = 1, DK = 2, DV = 4, ADD = 8, SAME = 16, ALL = DQ | DK | DV };

/* Probabilities as forward; then sums over channels, and over keys or queries. The formulas hold for any y
 * and log sums: they are drawn. */
static void attention_bwd(struct trial *t, const int64_t *s)
{
    struct uda_attention_args a = sizes(t, s);
    int64_t wanted = s[6], queries = a.N * a.Q * a.D, keys = a.N * a.L * a.D;
    bool add = (wanted & ADD) != 0;
    inputs(t, &a, s[5]);
    a.y = trial_typed_normals(t, queries, 0.0f, 0.3f);
    a.dy = trial_typed_normals(t, queries, 0.0f, 1.0f);
    a.lse = trial_normals(t, a.N * a.M * a.Q, 0.5f + logf((float)a.L), 0.3f);
    a.accumulate_q = add;
    a.accumulate_k = add;
    a.accumulate_v = add;
    double logit = 8.0 + 2.0 * sqrt((double)s[4]), sum = sqrt((double)(a.Q > a.L ? a.Q : a.L));
    /* One tensor is stored three times: two sums on the way lose 2^-8 of the largest, 2^11 roundings each. */
    double stored = (wanted & SAME) != 0 && t->numbers == UDA_BF16 ? 2.0 * 0x1p11 : 0.0;
    a.dq = (wanted & DQ) != 0 ? trial_typed_output(t, queries, add, logit + sum + stored) : NULL;
    if ((wanted & SAME) != 0) { /* dk first, then dv, then dq */
        a.dk = a.dq;
        a.dv = a.dq;
        a.accumulate_v = true;
        a.accumulate_q = true;
    } else {
        a.dk = (wanted & DK) != 0 ? trial_typed_output(t, keys, add, logit + sum) : NULL;
        a.dv = (wanted & DV) != 0 ? trial_typed_output(t, keys, add, logit + sum) : NULL;
    }
    TRIAL_RUN(t, attention_bwd, &a);
}

/* Small integers: sums are exact, so the bits are. size: N, Q, L, C, full: one row in three is negative. */
static void attention_mask(struct trial *t, const int64_t *s)
{
    struct uda_attention_mask_args a = {.N = s[0], .Q = s[1], .L = s[2], .C = s[3]};
    int64_t e_count = a.N * a.Q * a.C, f_count = a.N * a.L * a.C;
    float *e = uda_arena_alloc(&t->host, (size_t)(e_count + 1) * sizeof *e);
    float *f = uda_arena_alloc(&t->host, (size_t)(f_count + 1) * sizeof *f);
    struct uda_rng rng;
    uda_rng_init(&rng, 31, UDA_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < e_count; i++) {
        e[i] = i / a.C % 3 == 1 ? -1.0f : (float)uda_rng_below(&rng, 9) - 4.0f;
    }
    for (int64_t i = 0; i < f_count; i++) {
        f[i] = (float)uda_rng_below(&rng, 9) - (s[4] != 0 ? 0.0f : 4.0f);
    }
    a.e = trial_data(t, e, (size_t)e_count * sizeof *e);
    a.f = trial_data(t, f, (size_t)f_count * sizeof *f);
    a.bits = trial_output_bytes(t, (size_t)(a.N * a.Q * ((a.L + 31) / 32)) * sizeof *a.bits);
    TRIAL_RUN(t, attention_mask, &a);
}

static const struct trial_case rows[] = {
    {"attention_fwd", attention_fwd, {0, 5, 7, 2, 4}, .empty = true},
    {"attention_fwd", attention_fwd, {1, 1, 1, 1, 1}},
    {"attention_fwd", attention_fwd, {2, 33, 35, 3, 5, HALF}},
    {"attention_fwd", attention_fwd, {1, 100, 100, 8, 32}},                 /* queries among themselves */
    {"attention_fwd", attention_fwd, {2, 37, 200, 2, 32, WITH_FULL_ROWS}},  /* keys in several tiles */
    {"attention_fwd", attention_fwd, {1, 9, 1024, 1, 32, HALF}},
    {"attention_fwd", attention_fwd, {1, 40, 70, 1, 64, HALF}},             /* most channels */
    {"attention_fwd", attention_fwd, {1, 40, 70, 2, 16, HALF}, .unaligned = true},
    {"attention_fwd", attention_fwd, {1, 1, 1, 1, 1}, .type = UDA_BF16},
    {"attention_fwd", attention_fwd, {2, 33, 35, 3, 5, HALF}, .type = UDA_BF16},
    {"attention_fwd", attention_fwd, {1, 100, 100, 8, 32}, .type = UDA_BF16},
    {"attention_fwd", attention_fwd, {2, 37, 200, 2, 32, WITH_FULL_ROWS}, .type = UDA_BF16},
    {"attention_fwd", attention_fwd, {1, 40, 70, 1, 64, HALF}, .type = UDA_BF16},
    {"attention_fwd", attention_fwd, {1, 40, 70, 2, 16, HALF}, .unaligned = true, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {0, 5, 7, 2, 4, NO_MASK, ALL}, .empty = true},
    {"attention_bwd", attention_bwd, {1, 1, 1, 1, 1, NO_MASK, ALL}},
    {"attention_bwd", attention_bwd, {2, 33, 35, 3, 5, HALF, ALL | ADD}},
    {"attention_bwd", attention_bwd, {1, 50, 50, 4, 32, NO_MASK, DQ | SAME}},
    {"attention_bwd", attention_bwd, {1, 50, 50, 4, 32, NO_MASK, DQ | SAME | ADD}},
    {"attention_bwd", attention_bwd, {2, 37, 200, 2, 32, WITH_FULL_ROWS, ALL}},
    {"attention_bwd", attention_bwd, {1, 9, 4200, 1, 8, HALF, ALL}},        /* two tiles in a part */
    {"attention_bwd", attention_bwd, {1, 40, 70, 1, 64, HALF, ALL}},
    {"attention_bwd", attention_bwd, {1, 40, 70, 1, 17, HALF, DQ}},
    {"attention_bwd", attention_bwd, {1, 40, 70, 1, 17, HALF, DK}},
    {"attention_bwd", attention_bwd, {1, 40, 70, 1, 17, HALF, DV}, .unaligned = true},
    {"attention_bwd", attention_bwd, {1, 1, 1, 1, 1, NO_MASK, ALL}, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {2, 33, 35, 3, 5, HALF, ALL | ADD}, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {1, 50, 50, 4, 32, NO_MASK, DQ | SAME}, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {2, 37, 200, 2, 32, WITH_FULL_ROWS, ALL}, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {1, 9, 4200, 1, 8, HALF, ALL}, .type = UDA_BF16},
    {"attention_bwd", attention_bwd, {1, 40, 70, 1, 64, HALF, ALL}, .unaligned = true, .type = UDA_BF16},
    {"attention_mask", attention_mask, {0, 5, 7, 4}, .empty = true},
    {"attention_mask", attention_mask, {1, 1, 1, 1}},
    {"attention_mask", attention_mask, {2, 33, 70, 37}},
    {"attention_mask", attention_mask, {2, 7, 70, 5, 1}},
    {"attention_mask", attention_mask, {1, 7, 64, 5, 1}},
    {"attention_mask", attention_mask, {1, 50, 1000, 256}},
};

const struct trial_cases cuda_attention_cases = {rows, UDA_LEN(rows)};
