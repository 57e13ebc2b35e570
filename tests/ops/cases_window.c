#include "tests/ops/cases.h"

#include <math.h>

struct window {
    int64_t N, H, W, heads, d, window, shift;
};

static struct uda_tensor *run_window(struct uda_tape *t, struct uda_tensor **x, const void *config)
{
    const struct window *s = config;
    return uda_window_attention(t, x[0], x[1], x[2], s->heads, s->window, s->shift);
}

/* A token of the padded map: row y, column x of image n. */
struct place {
    int64_t y, x;
};

/* Pad, roll and cut written out: token i of window (wy, wx) on the padded map. */
static struct place place_of(const struct window *s, int64_t wy, int64_t wx, int64_t i)
{
    int64_t Hp = (s->H + s->window - 1) / s->window * s->window;
    int64_t Wp = (s->W + s->window - 1) / s->window * s->window;
    return (struct place){(wy * s->window + i / s->window + s->shift) % Hp,
                          (wx * s->window + i % s->window + s->shift) % Wp};
}

/* Channel c of a token's qkv. */
static double value_of(const struct window *s, const double *const *x, int64_t n, struct place at,
                       int64_t c)
{
    int64_t D3 = 3 * s->heads * s->d;
    return at.y < s->H && at.x < s->W ? x[0][((n * s->H + at.y) * s->W + at.x) * D3 + c] : x[1][c];
}

/* Before rolling, neighbours keep their distance; a window's tokens from both ends of the map do
 * not. */
static double mask_of(const struct window *s, struct place a, struct place b, int64_t wy, int64_t wx)
{
    int64_t down = (s->H + s->window - 1) / s->window, across = (s->W + s->window - 1) / s->window;
    bool rows_differ = wy == down - 1 && (a.y < s->shift) != (b.y < s->shift);
    bool columns_differ = wx == across - 1 && (a.x < s->shift) != (b.x < s->shift);
    return s->shift > 0 && (rows_differ || columns_differ) ? -100.0 : 0.0;
}

static void ref_row(double *y, const struct window *s, const double *const *x, int64_t n, int64_t wy,
                    int64_t wx, int64_t head, int64_t i)
{
    int64_t tokens = s->window * s->window, D = s->heads * s->d, first = head * s->d;
    struct place at = place_of(s, wy, wx, i);
    if (at.y >= s->H || at.x >= s->W) {
        return;
    }
    double *out = y + ((n * s->H + at.y) * s->W + at.x) * D + first, total = 0.0;
    for (int64_t c = 0; c < s->d; c++) {
        out[c] = 0.0;
    }
    for (int64_t j = 0; j < tokens; j++) {
        struct place key = place_of(s, wy, wx, j);
        double logit = 0.0;
        for (int64_t c = 0; c < s->d; c++) {
            logit += value_of(s, x, n, at, first + c) * value_of(s, x, n, key, D + first + c);
        }
        int64_t dy = i / s->window - j / s->window + s->window - 1;
        int64_t dx = i % s->window - j % s->window + s->window - 1;
        logit = logit / sqrt((double)s->d) +
                x[2][(dy * (2 * s->window - 1) + dx) * s->heads + head] +
                mask_of(s, at, key, wy, wx);
        double p = exp(logit);
        total += p;
        for (int64_t c = 0; c < s->d; c++) {
            out[c] += p * value_of(s, x, n, key, 2 * D + first + c);
        }
    }
    for (int64_t c = 0; c < s->d; c++) {
        out[c] /= total;
    }
}

static void ref_window(double *y, int64_t count, const double *const *x, const void *config)
{
    const struct window *s = config;
    (void)count;
    int64_t down = (s->H + s->window - 1) / s->window, across = (s->W + s->window - 1) / s->window;
    for (int64_t n = 0; n < s->N; n++) {
        for (int64_t w = 0; w < down * across; w++) {
            for (int64_t head = 0; head < s->heads; head++) {
                for (int64_t i = 0; i < s->window * s->window; i++) {
                    ref_row(y, s, x, n, w / across, w % across, head, i);
                }
            }
        }
    }
}

static const struct window one = {1, 1, 1, 1, 1, 1, 0}, tiny = {1, 4, 4, 1, 8, 2, 0},
                           odd = {2, 5, 7, 2, 5, 3, 1}, w7_map = {1, 7, 7, 1, 32, 7, 0},
                           w7_map_shift = {1, 7, 7, 1, 8, 7, 3}, w7_pad = {2, 8, 9, 2, 8, 7, 3},
                           w7_wide = {1, 7, 10, 1, 32, 7, 3}, w12 = {1, 5, 13, 1, 16, 12, 6},
                           small_map = {1, 3, 2, 2, 8, 4, 2},
                           many = {1, 21, 17, 8, 2, 2, 1};

/*
 * Scale: logits are sums of d <= 32 products (sqrt(d) < 6), of size up to 5, and go through exp: 5
 * sqrt(d) eps; averages over at most 144 keys add a few eps. Table gradients sum windows and pairs:
 * sqrt(2000) < 45.
 */
const struct op_case window_cases[] = {
    {"window of one token", 3, {{4, {1, 1, 1, 3}}, {1, {3}}, {2, {1, 1}}}, run_window, ref_window,
     &one, 2},
    {"window 2 on 4x4", 3, {{4, {1, 4, 4, 24}}, {1, {24}}, {2, {9, 1}}}, run_window, ref_window,
     &tiny, 8},
    {"window 3 on 5x7, shifted, padded, 2 heads of 5", 3,
     {{4, {2, 5, 7, 30}}, {1, {30}}, {2, {25, 2}}}, run_window, ref_window, &odd, 12},
    {"window 7 is the map, head 32", 3, {{4, {1, 7, 7, 96}}, {1, {96}}, {2, {169, 1}}}, run_window,
     ref_window, &w7_map, 16},
    {"window 7 is the map, shifted", 3, {{4, {1, 7, 7, 24}}, {1, {24}}, {2, {169, 1}}}, run_window,
     ref_window, &w7_map_shift, 16},
    {"window 7 on 8x9, shifted, padded, batch 2", 3,
     {{4, {2, 8, 9, 48}}, {1, {48}}, {2, {169, 2}}}, run_window, ref_window, &w7_pad, 30},
    {"window 7 on 7x10, shifted, head 32", 3, {{4, {1, 7, 10, 96}}, {1, {96}}, {2, {169, 1}}},
     run_window, ref_window, &w7_wide, 30},
    {"window 12 on 5x13, shifted, head 16", 3, {{4, {1, 5, 13, 48}}, {1, {48}}, {2, {529, 1}}},
     run_window, ref_window, &w12, 45},
    {"window 4 on a smaller map 3x2, shifted", 3, {{4, {1, 3, 2, 48}}, {1, {48}}, {2, {49, 2}}},
     run_window, ref_window, &small_map, 8},
    {"window 2 on 21x17, many windows, 8 heads", 3,
     {{4, {1, 21, 17, 48}}, {1, {48}}, {2, {9, 8}}}, run_window, ref_window, &many, 30},
};
const int64_t window_case_count = UDA_LEN(window_cases);
