#include "tests/ops/cases.h"

#include <math.h>

struct shape {
    int64_t N, Q, L, D, M;
    bool masked;
};

#define NO_QUERY_SEES 3 /* every row q = 3 (mod 7) of a mask forbids all keys */

static bool forbidden(const struct shape *s, int64_t n, int64_t q, int64_t l)
{
    if (!s->masked) {
        return false;
    }
    return q % 7 == NO_QUERY_SEES || ((n * 131 + q * 31 + l * 17) * 2654435761LL >> 8) % 3 != 0;
}

/* Mask bits; those beyond L are ones, which must not matter. */
static const uint32_t *mask_bits(struct uda_tape *t, const struct shape *s)
{
    int64_t words = UDA_MASK_WORDS(s->L);
    uint32_t *bits = uda_arena_calloc(&t->arena, (size_t)(s->N * s->Q * words) * sizeof *bits);
    for (int64_t i = 0; bits != NULL && i < s->N * s->Q * words * 32; i++) {
        int64_t row = i / (words * 32), l = i % (words * 32);
        if (l >= s->L || forbidden(s, row / s->Q, row % s->Q, l)) {
            bits[i / 32] |= UINT32_C(1) << (i % 32);
        }
    }
    return bits;
}

static struct uda_tensor *run_attention(struct uda_tape *t, struct uda_tensor **x,
                                        const void *config)
{
    const struct shape *s = config;
    return uda_attention(t, x[0], x[1], x[2], s->M, s->masked ? mask_bits(t, s) : NULL);
}

/* q = k = v: the gradients of all three arrive in one tensor. */
static struct uda_tensor *run_self(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct shape *s = config;
    return uda_attention(t, x[0], x[0], x[0], s->M, NULL);
}

static void ref_one(double *y, const struct shape *s, const double *const *x, int64_t n, int64_t q,
                    int64_t m)
{
    int64_t d = s->D / s->M;
    const double *qr = x[0] + (n * s->Q + q) * s->D + m * d;
    double sum = 0.0;
    for (int64_t c = 0; c < d; c++) {
        y[c] = 0.0;
    }
    for (int64_t l = 0; l < s->L; l++) {
        if (forbidden(s, n, q, l)) {
            continue;
        }
        double dot = 0.0;
        for (int64_t c = 0; c < d; c++) {
            dot += qr[c] * x[1][(n * s->L + l) * s->D + m * d + c];
        }
        double p = exp(dot / sqrt((double)d));
        sum += p;
        for (int64_t c = 0; c < d; c++) {
            y[c] += p * x[2][(n * s->L + l) * s->D + m * d + c];
        }
    }
    for (int64_t c = 0; c < d; c++) {
        y[c] = sum > 0.0 ? y[c] / sum : 0.0;
    }
}

static void ref_attention(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct shape *s = config;
    int64_t d = s->D / s->M;
    for (int64_t i = 0; i < count; i += d) {
        ref_one(y + i, s, x, i / s->D / s->Q, i / s->D % s->Q, i % s->D / d);
    }
}

static void ref_self(double *y, int64_t count, const double *const *x, const void *config)
{
    const double *same[] = {x[0], x[0], x[0]};
    ref_attention(y, count, same, config);
}

static const struct shape one = {1, 1, 1, 4, 1, false}, small = {2, 3, 5, 8, 2, false},
                          masked = {2, 9, 37, 32, 2, true}, blocks = {1, 130, 515, 16, 1, false},
                          masked_blocks = {1, 12, 1030, 24, 3, true}, self = {2, 20, 20, 64, 2, false};

/* scale: sqrt of the head width and of the keys, and of the queries for the gradients of k and
 * v. */
const struct op_case attention_cases[] = {
    {"attention 1 key", 3, {{3, {1, 1, 4}}, {3, {1, 1, 4}}, {3, {1, 1, 4}}}, run_attention,
     ref_attention, &one, 2},
    {"attention 3x5", 3, {{3, {2, 3, 8}}, {3, {2, 5, 8}}, {3, {2, 5, 8}}}, run_attention,
     ref_attention, &small, 4},
    {"attention 9x37, mask, rows that see nothing", 3,
     {{3, {2, 9, 32}}, {3, {2, 37, 32}}, {3, {2, 37, 32}}}, run_attention, ref_attention, &masked, 8},
    {"attention 130x515, blocks of queries and keys", 3,
     {{3, {1, 130, 16}}, {3, {1, 515, 16}}, {3, {1, 515, 16}}}, run_attention, ref_attention,
     &blocks, 24},
    {"attention 12x1030, mask over three blocks", 3,
     {{3, {1, 12, 24}}, {3, {1, 1030, 24}}, {3, {1, 1030, 24}}}, run_attention, ref_attention,
     &masked_blocks, 32},
    {"attention of a tensor with itself", 1, {{3, {2, 20, 64}}}, run_self, ref_self, &self, 8},
};
const int64_t attention_case_count = UDA_LEN(attention_cases);
